"""For all tests: the reactor in a thread of its own, for coroutines that are called from tests, which a process has
once; that no password of theirs is in anything that the gateway emits (tests/emitted.py); which skips are permitted
(tests/skips.py); how the tests are spread over processes (tests/spreading.py)."""

import threading

import pytest

from tests.emitted import EMITTED, Leak, watch
from tests.skips import SKIPS
from tests.spreading import is_worker, spread


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


# A wrapper comes before all others: the choice by `-m` reads the marks.
@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items):
    spread(items)
    return (yield)


def pytest_collectreport(report):
    SKIPS.note(report)


def pytest_runtest_logreport(report):
    # The process that distributes the tests sees the reports of the others a second time.
    if not hasattr(report, "node"):
        for title, text in report.sections:
            EMITTED.note("printed", text, f"{report.nodeid}: {title}")
        if report.when == "teardown":
            EMITTED.search_files(report.nodeid)
    if not is_worker():
        SKIPS.note(report)


def pytest_sessionfinish(session):
    EMITTED.search_files()
    if is_worker():
        session.config.workeroutput["leaks"] = [(leak.test, leak.channel, leak.around) for leak in EMITTED.leaks]
    elif EMITTED.leaks or SKIPS.found:
        session.exitstatus = 1


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """A process of pytest-xdist has ended; one that has died told nothing, and its tests have failed."""
    EMITTED.leaks += [Leak(*found) for found in getattr(node, "workeroutput", {}).get("leaks", [])]


def pytest_terminal_summary(terminalreporter):
    if EMITTED.leaks:
        terminalreporter.section("passwords that the gateway emitted")
        for leak in EMITTED.leaks:
            terminalreporter.line(f"{leak.test}: {leak.channel}: ...{leak.around!r}...")
    if SKIPS.found:
        terminalreporter.section("skipped although nothing of the kernel is missing")
        for line in SKIPS.found:
            terminalreporter.line(line)
