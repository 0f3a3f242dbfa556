"""For all tests: the reactor in a thread of its own, for coroutines that are called from tests, which a process has
once; that no password of theirs is in anything that the gateway emits (tests/emitted.py); which skips are permitted
(tests/skips.py); how the tests are spread over processes (tests/spreading.py)."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import pytest

from gateway.compilation import compilation
from tests.emitted import EMITTED, Leak, watch
from tests.examples import register_profiles
from tests.skips import SKIPS
from tests.spreading import is_worker, running, spread, watch_programs

if TYPE_CHECKING:
    from gateway.net.transport.reactor import Reactor

# Before Hypothesis reads which profile the command line names.
register_profiles()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--via",
        choices=("direct", "link"),
        default="direct",
        help="how the gateways of tests/servers reach their servers; link: through another gateway that calls them",
    )


def the_reactor() -> Reactor:
    """Not imported before a test needs it: the first import decides which one it is."""
    return cast("Reactor", import_module("twisted.internet.reactor"))


@pytest.fixture(scope="session")
def reactor_thread() -> Iterator[None]:
    reactor = the_reactor()
    thread = threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False})
    thread.start()
    yield
    reactor.callFromThread(reactor.stop)
    thread.join(30)


@pytest.fixture
def told() -> Iterator[list[Any]]:
    """The events of the log, as they come."""
    events: list[Any] = []
    # Imported here, for it may not be imported before the reactor is chosen.
    from twisted.logger import ILogObserver, globalLogPublisher

    # Twisted declares what an observer is in a way that mypy cannot read.
    observer = cast(ILogObserver, events.append)
    globalLogPublisher.addObserver(observer)
    yield events
    globalLogPublisher.removeObserver(observer)


@pytest.fixture
def on_reactor(reactor_thread: None) -> Callable[[Callable[[Reactor], Coroutine[Any, Any, object]]], object]:
    """A function that takes an async function of the reactor, and returns or raises what that does."""
    from twisted.internet.defer import Deferred
    from twisted.internet.threads import blockingCallFromThread

    reactor = the_reactor()
    untyped: Any = blockingCallFromThread

    def call(main: Callable[[Reactor], Coroutine[Any, Any, object]]) -> object:
        return untyped(reactor, lambda: Deferred.fromCoroutine(main(reactor)))

    return call


def pytest_configure() -> None:
    found = compilation()
    if os.environ.get("LDAP_GATEWAY_TESTED") == "compiled" and not found.compiled:
        raise pytest.UsageError(f"`.ci/compiled` tests compiled code, and the gateway that is imported is {found.said}")
    watch()
    watch_programs()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The tests stay until the end: Python's search for garbage need look at them neither now nor later, which takes
    longer each time than most tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# A wrapper comes before all others: the choice by `-m` reads the marks.
@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    spread(items)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    with running(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    # Not the teardown: behind the last test it is that of the whole run's fixtures, which end their servers.
    with running(item):
        return (yield)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    SKIPS.note(report)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # The process that distributes the tests sees the reports of the others a second time.
    if not hasattr(report, "node"):
        for title, text in report.sections:
            EMITTED.note("printed", text, f"{report.nodeid}: {title}")
        if report.when == "teardown":
            EMITTED.search_files(report.nodeid)
    if not is_worker():
        SKIPS.note(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    EMITTED.search_files()
    if is_worker():
        # pytest-xdist puts this on the configuration of its processes.
        untyped: Any = session.config
        untyped.workeroutput["leaks"] = [(leak.test, leak.channel, leak.around) for leak in EMITTED.leaks]
    elif EMITTED.leaks or SKIPS.found:
        session.exitstatus = 1


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """A process of pytest-xdist has ended; one that has died told nothing, and its tests have failed."""
    EMITTED.leaks += [Leak(*found) for found in getattr(node, "workeroutput", {}).get("leaks", [])]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if EMITTED.leaks:
        terminalreporter.section("passwords that the gateway emitted")
        for leak in EMITTED.leaks:
            terminalreporter.line(f"{leak.test}: {leak.channel}: ...{leak.around!r}...")
    if SKIPS.found:
        terminalreporter.section("skipped although nothing of the kernel is missing")
        for line in SKIPS.found:
            terminalreporter.line(line)
