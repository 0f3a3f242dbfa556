"""For all tests: the reactor in a thread of its own, for coroutines that are called from tests, which a process has
once; and that no password of theirs is in anything that the gateway emits (tests/emitted.py)."""

import threading

import pytest

from tests.emitted import EMITTED, watch


@pytest.fixture(scope="session")
def reactor_thread():
    from twisted.internet import reactor

    thread = threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False})
    thread.start()
    yield
    reactor.callFromThread(reactor.stop)
    thread.join(30)


@pytest.fixture
def on_reactor(reactor_thread):
    """A function that takes an async function of the reactor, and returns or raises what that does."""

    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.internet.threads import blockingCallFromThread

    def call(main):
        return blockingCallFromThread(reactor, lambda: Deferred.fromCoroutine(main(reactor)))

    return call


def pytest_configure(config):
    watch()


def pytest_runtest_logreport(report):
    for title, text in report.sections:
        EMITTED.note("printed", text, f"{report.nodeid}: {title}")
    if report.when == "teardown":
        EMITTED.search_files(report.nodeid)


def pytest_sessionfinish(session):
    EMITTED.search_files()
    if EMITTED.leaks:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    if not EMITTED.leaks:
        return
    terminalreporter.section("passwords that the gateway emitted")
    for leak in EMITTED.leaks:
        terminalreporter.line(f"{leak.test}: {leak.channel}: ...{leak.around!r}...")
