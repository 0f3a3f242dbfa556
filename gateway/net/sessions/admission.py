"""How many connections there may be, in all and from one source, over all listeners; and which one goes for a new one.

Whoever shares an address with the service could otherwise fill its places with connections that say nothing, and keep
the service out. So a connection on which nobody has shown to have an account gives way to a new one: at the limit of a
source the one of this source that came first, at a limit of all of them the one that came first of the source that has
most of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from gateway.net.sessions.places import Queue, Waiting
from gateway.net.sessions.settings import ConnectionLimits
from gateway.policy.reasons import Reason
from gateway.policy.source_network import source_network

# Binds of one connection that keep its place while they are under way, as long as none has succeeded. Without an end a
# stranger would keep it by sending wrong passwords.
TRIES: Final = 10


class Admission:
    """The places of all connections, each from accepting to its end.

    by_source: how many there are of a source (policy.source_network). Every method takes O(log n) at most, amortised.
    Times are of a monotonic clock, in seconds.
    """

    def __init__(self) -> None:
        self.open = 0
        self.by_source: Counter[str] = Counter()
        # Those that can be taken: of TLS that is not up yet, and of all.
        self._handshaking: Waiting[Place] = Waiting()
        self._unbound: Waiting[Place] = Waiting()
        # Those that a bind keeps, by when it does so no longer.
        self._kept: Queue[Place] = Queue()
        self._number = 0

    @property
    def handshakes(self) -> int:
        """Connections whose TLS is still to come."""
        return self._handshaking.total

    def enter(
        self, source: str, limits: ConnectionLimits, bind: float, now: float, *, proxied: bool = False
    ) -> Place | Reason:
        """A place for a connection whose TLS is still to come, or why there is none. Others may lose theirs for it.

        source: the address that it comes from. proxied: that is a proxy's, which counts for no source: claim follows.
        bind: seconds for which binds keep the place while they are under way, in all.
        """
        name = source_network(source)
        self._look_at_binds(now)
        if not proxied:
            reason = self._make_room_of(name, limits)
            if reason is not None:
                return reason
        if not self._make_room(self._unbound, self.open - limits.sessions + 1, "sessions"):
            return Reason.too_many_sessions
        # There are always as many that can be taken as there are at all.
        self._make_room(self._handshaking, self.handshakes - limits.handshakes + 1, "handshakes")
        return self.admit(name, bind, proxied=proxied)

    def admit(self, name: str, bind: float, *, proxied: bool = False) -> Place:
        """A place, whatever the limits. name: of the source's network. Otherwise as enter."""
        self._number += 1
        # A proxy may have its address in a client's network.
        place = Place(self, self._number, f"proxy {name}" if proxied else name, proxied, bind)
        self.open += 1
        if not proxied:
            self.by_source[name] += 1
        self._add(place)
        return place

    def claim(self, place: Place, source: str, limits: ConnectionLimits, now: float) -> Reason | None:
        """The proxy has named the source; why it may have no further session, None where it may."""
        name = source_network(source)
        self._look_at_binds(now)
        reason = self._make_room_of(name, limits)
        if reason is not None:
            return reason
        self._remove(place)
        place.source, place.proxied = name, False
        self.by_source[name] += 1
        self._add(place)
        return None

    def established(self, place: Place) -> None:
        self._handshaking.remove(place.source, place.number)

    def keep(self, place: Place, until: float) -> None:
        """Nobody may take it before then, or keep_no_longer, or at all after keep_for_good."""
        self._unbound.remove(place.source, place.number)
        self._kept.add((until, place.number), place)

    def keep_no_longer(self, place: Place, until: float) -> None:
        """Where it is still kept until then."""
        if self._kept.remove((until, place.number)):
            self._unbound.add(place.source, place.number, place)

    def keep_for_good(self, place: Place, until: float | None) -> None:
        """until: to when it has been kept so far."""
        self._unbound.remove(place.source, place.number)
        if until is not None:
            self._kept.remove((until, place.number))

    def leave(self, place: Place, kept_until: float | None) -> None:
        self.open -= 1
        self._remove(place)
        if kept_until is not None:
            self._kept.remove((kept_until, place.number))
        if not place.proxied:
            self.by_source[place.source] -= 1
            if not self.by_source[place.source]:
                del self.by_source[place.source]

    def _add(self, place: Place) -> None:
        self._handshaking.add(place.source, place.number, place)
        self._unbound.add(place.source, place.number, place)

    def _remove(self, place: Place) -> None:
        self._handshaking.remove(place.source, place.number)
        self._unbound.remove(place.source, place.number)

    def _look_at_binds(self, now: float) -> None:
        """Those that have been under way for too long keep nothing any more."""
        while (first := self._kept.first()) is not None and first[0][0] <= now:
            self.keep_no_longer(first[1], first[0][0])

    def _make_room_of(self, source: str, limits: ConnectionLimits) -> Reason | None:
        wanted = self.by_source[source] - limits.sessions_per_source + 1
        if wanted > self._unbound.count(source):
            return Reason.too_many_sessions_of_source
        for _ in range(wanted):
            _take(self._unbound.oldest(source), "sessions_per_source")
        return None

    def _make_room(self, waiting: Waiting[Place], wanted: int, limit: str) -> bool:
        if wanted > waiting.total:
            return False
        for _ in range(wanted):
            _take(waiting.oldest_of_most(), limit)
        return True


class Place:
    """One connection's place, until it leaves. number: in the order in which they came. source: the network that it
    counts for. proxied: that is a proxy's, which has not named the source yet.

    displace: ends the connection; called where its place is taken, with the limit that was reached.
    """

    def __init__(self, admission: Admission, number: int, source: str, proxied: bool, bind: float) -> None:
        self.number = number
        self.source = source
        self.proxied = proxied
        self.displace: Callable[[str], None] | None = None
        self._admission = admission
        self._left = False
        self._bound = False
        # Seconds that are left for binds, and since when one has kept the place and until when.
        self._bind = bind
        self._kept_since = 0.0
        self._kept_until: float | None = None

    def claim(self, source: str, limits: ConnectionLimits, now: float) -> Reason | None:
        """Once the source is known: why it may have no further session, None where it may."""
        return self._admission.claim(self, source, limits, now) if self.proxied else None

    def established(self) -> None:
        """TLS is up."""
        self._admission.established(self)

    def bind_begun(self, tries: int, now: float) -> None:
        """A bind is under way, or another one. tries: how many of this connection have been, with this one."""
        if self._left or self._bound or self._kept_until is not None or tries > TRIES or self._bind <= 0:
            return
        self._kept_since = now
        self._kept_until = now + self._bind
        self._admission.keep(self, self._kept_until)

    def bind_ended(self, bound: bool, now: float) -> None:
        """None is under way any more. bound: one that needs an account has succeeded, now or earlier; from the first
        time on nobody may take the place, whatever follows."""
        until, self._kept_until = self._kept_until, None
        if self._left or self._bound:
            return
        if bound:
            self._bound = True
            self._admission.keep_for_good(self, until)
        elif until is not None:
            self._bind -= now - self._kept_since
            self._admission.keep_no_longer(self, until)

    def leave(self) -> None:
        """The connection has ended; more than once is as good as once."""
        if not self._left:
            self._left = True
            self._admission.leave(self, self._kept_until)


def _take(place: Place | None, limit: str) -> None:
    if place is not None:
        place.leave()
        if place.displace is not None:
            place.displace(limit)
