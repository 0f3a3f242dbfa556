"""The reactor that the gateway runs on: Twisted's, by epoll, with timers of our own and without a context for the log
around each event.

That context is what old-style log lines are prefixed with; those of twisted.logger, which the gateway writes, have none
of it. With eight clients at once it was an eighth of a small search's processor time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from time import monotonic
from typing import Any, cast

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.logger import Logger

from gateway.net.transport.reactor import Reactor, Timer
from gateway.net.transport.stream import Stream, happened
from gateway.net.transport.timers import Timers

log = Logger(__name__)


class EventLoop(EPollReactor):
    seconds = staticmethod(monotonic)

    def __init__(self) -> None:
        self._timers = Timers()
        untyped: Any = super()
        untyped.__init__()

    def callLater(  # type: ignore[override]
        self, delay: float, callable: Callable[..., Any], *args: object, **kw: object
    ) -> Timer:
        """IReactorTime."""
        return self._timers.later(delay, callable, *args, **kw)

    def getDelayedCalls(self) -> list[Any]:
        """IReactorTime."""
        return self._timers.calls

    def timeout(self) -> float | None:
        return self._timers.wait()

    def runUntilCurrent(self) -> None:
        self._timers.run()
        # Behind the timers: one of them may have stopped the reactor, which must not wait for the next one then.
        if self.threadCallQueue or self._justStopped:
            super().runUntilCurrent()

    def doPoll(self, timeout: float | None) -> None:
        """IReactorCore. timeout: seconds, None for ever."""
        untyped: Any = self
        known, act = untyped._selectables, untyped._doReadOrWrite
        try:
            events = untyped._poller.poll(-1 if timeout is None else timeout, len(known))
        except InterruptedError:
            return
        for descriptor, event in events:
            selectable = known.get(descriptor)
            try:
                if isinstance(selectable, Stream):
                    happened(selectable, event)
                elif selectable is not None:
                    act(selectable, descriptor, event)
            # Whatever it was, the other connections go on.
            except Exception:  # noqa: BLE001
                log.failure("an event was not handled")

    doIteration = doPoll


# The first import of twisted.internet.reactor decides which one it is.
if "twisted.internet.reactor" not in sys.modules:
    _untyped: Any = EventLoop
    installReactor(_untyped())
reactor = cast(Reactor, import_module("twisted.internet.reactor"))
