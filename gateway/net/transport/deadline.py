"""The timer of one connection's next deadline."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from gateway.net.transport.reactor import Reactor, Timer


class Deadline:
    """One timer, moved only forward in time: a later deadline is noticed when the earlier one fires. come: called
    then."""

    def __init__(self, reactor: Reactor, come: Callable[[], None]) -> None:
        self._reactor = reactor
        self._come = come
        self._timer: Timer | None = None
        self._due = 0.0

    def set(self, due: float | None) -> None:
        """due: on the monotonic clock, in seconds; None for never."""
        if due is None:
            return
        if self._timer is not None:
            if self._due <= due:
                return
            # To move it would have Twisted look through the timers of all sessions.
            self._timer.cancel()
        self._due = due
        self._timer = self._reactor.callLater(max(0.0, due - monotonic()), self._fire)

    def end(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _fire(self) -> None:
        self._timer = None
        self._come()
