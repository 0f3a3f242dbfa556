"""What one session's events take of the event loop."""

from __future__ import annotations

from time import monotonic

from gateway.net.sessions.turns import Turn


class Work:
    """The seconds that the gateway works on a session: towards its turn, and for its audit records."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        # Since the last audit record, and from when on the current event counts.
        self._worked = 0.0
        self._since = 0.0

    def begin(self) -> float:
        """An event comes, of which the session is told now. The time of it."""
        self._turn.begin()
        self._since = monotonic()
        return self._since

    def taken(self) -> float:
        """The seconds of work since the last time that this was asked."""
        self._count()
        worked, self._worked = self._worked, 0.0
        return worked

    def end(self, waiting: int) -> None:
        """The event has been dealt with. waiting: octets of the request that is to be handled next; 0 for none."""
        self._count()
        self._turn.end(self._since, waiting)

    def _count(self) -> None:
        now = monotonic()
        self._worked += now - self._since
        self._since = now
