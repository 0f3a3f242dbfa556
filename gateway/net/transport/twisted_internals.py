"""What the gateway uses of Twisted beyond its public interfaces, all in this one module.

- `EventLoop` takes over the loop of Twisted's epoll reactor, to have timers of our own and to call what an event is for
  without a context for the log around it. That context is what old-style log lines are prefixed with; those of
  twisted.logger, which the gateway writes, have none of it. With eight clients at once a small search took a fifth
  more processor time with it (docs/decisions/0187-twisted-internals.md). It uses `_selectables`, `_poller`,
  `_doReadOrWrite`, `_justStopped` and `threadCallQueue`.
- `accept_as` has connections accepted on our own transports (stream.py). With Twisted's and pyOpenSSL a search cost
  twice slapd's processor time before the gateway's own work began. It uses `transport` of the listening port.

pyproject.toml has an upper bound on Twisted's version for that. tests/net/test_twisted_internals.py names each of these
attributes, and fails where another one is used or one of them is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.logger import Logger

from gateway.net.transport.reactor import Port, Timer
from gateway.net.transport.stream import Stream, happened
from gateway.net.transport.timers import Timers

log = Logger(__name__)


class EventLoop(EPollReactor):
    """The reactor that the gateway runs on: Twisted's, by epoll, with timers of our own (timers.py)."""

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
        """Seconds until the next timer is due, None where there is none."""
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


def accept_as(port: Port, transport: Callable[..., Any]) -> None:
    """Has a listening port make these transports of the connections that it accepts, and not Twisted's own.

    transport: takes the socket and the protocol, and then what the gateway has no use for.
    """
    untyped: Any = port
    untyped.transport = transport
