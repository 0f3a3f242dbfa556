"""How many connections there may be, in all and from one source, over all listeners."""

from __future__ import annotations

from collections import Counter

from gateway.net.settings import ConnectionLimits
from gateway.policy.reasons import Reason


class Admission:
    """Counts connections from accepting to their end."""

    def __init__(self) -> None:
        self.open = 0
        self.handshakes = 0
        self.by_source: Counter[str] = Counter()

    def enter(self, limits: ConnectionLimits) -> Place | Reason:
        """A place for a connection whose TLS is still to come, or why there is none."""
        if self.open >= limits.sessions:
            return Reason.too_many_sessions
        if self.handshakes >= limits.handshakes:
            return Reason.too_many_handshakes
        return Place(self)


class Place:
    """One connection's, until it leaves."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._handshaking = True
        self._left = False
        self._source: str | None = None
        admission.open += 1
        admission.handshakes += 1

    def claim(self, source: str, limits: ConnectionLimits) -> Reason | None:
        """Once the source is known; why it may have no further session, None where it may."""
        if self._admission.by_source[source] >= limits.sessions_per_source:
            return Reason.too_many_sessions_of_source
        self._source = source
        self._admission.by_source[source] += 1
        return None

    def established(self) -> None:
        """TLS is up."""
        if self._handshaking:
            self._handshaking = False
            self._admission.handshakes -= 1

    def leave(self) -> None:
        """The connection has ended; more than once is as good as once."""
        if self._left:
            return
        self._left = True
        self.established()
        self._admission.open -= 1
        if self._source is not None:
            self._admission.by_source[self._source] -= 1
            if not self._admission.by_source[self._source]:
                del self._admission.by_source[self._source]
