"""The reactor for a command that asks servers something and ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.threads import blockingCallFromThread

from gateway.net.transport.event_loop import reactor
from gateway.net.transport.reactor import Reactor

Result = TypeVar("Result")


class Interrupted(Exception):
    """SIGINT or SIGTERM came first."""


def run(main: Callable[[Reactor], Coroutine[Any, Any, Result]]) -> Result:
    """Runs main to its end and returns what it returns, or raises what it raises. Once in a process: a reactor
    starts only once. Raises Interrupted where a signal ended it."""
    outcome: list[Result] = []
    failures: list[BaseException] = []
    running: list[Deferred[None]] = []

    async def finish() -> None:
        try:
            outcome.append(await main(reactor))
        except CancelledError:
            failures.append(Interrupted("interrupted"))
        except BaseException as error:  # noqa: BLE001 - whatever it was, the caller gets it
            failures.append(error)
        reactor.stop()

    def begin() -> None:
        running.append(Deferred.fromCoroutine(finish()))

    def interrupt() -> None:
        for each in running:
            each.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        # Python's handler runs between two bytecodes of whatever happens to run; the reactor's turn is safe.
        signal.signal(number, lambda *_: reactor.callFromThread(interrupt))
    reactor.callLater(0, begin)
    reactor.run(installSignalHandlers=False)
    if failures:
        raise failures[0]
    return outcome[0]


class Background:
    """The reactor in a thread of its own, for a command that asks a person in between; Ctrl-C stays Python's.

    Leaving the context stops it; like run, once in a process.
    """

    def __init__(self) -> None:
        self._reactor = reactor
        self._thread = Thread(target=self._reactor.run, kwargs={"installSignalHandlers": False}, daemon=True)

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._reactor.callFromThread(self._reactor.stop)
        self._thread.join()

    def call(self, main: Callable[[Reactor], Coroutine[Any, Any, Result]]) -> Result:
        """Waits for what main returns, or raises what it raises."""
        untyped: Any = self._reactor
        started: Callable[[], Any] = lambda: Deferred.fromCoroutine(main(self._reactor))  # noqa: E731
        found: Result = blockingCallFromThread(untyped, started)
        return found
