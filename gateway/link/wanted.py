"""How many berths should be parked, which session gets the next one, and how many the inside dials."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import inf
from typing import Final, Generic, TypeVar

from gateway.link.frames import MOST_PARKED

# Seconds for which a session that took a berth speaks for another one to come.
_RECENT: Final = 10.0
# Handshakes that an agent has under way with one outside.
MOST_DIALS: Final = 32

S = TypeVar("S", bound=Hashable)


class Demand:
    """How many berths an agent should have parked at this outside: as many as were taken of late, within bounds.

    least: 0 to MOST_PARKED, `parked` of the configuration. Times are of a monotonic clock, in seconds.
    """

    __slots__ = ("_least", "_taken")

    def __init__(self, least: int) -> None:
        self._least = least
        # More than the most that is wanted need not be remembered.
        self._taken: deque[float] = deque(maxlen=MOST_PARKED)

    def taken(self, now: float) -> None:
        """A session has taken one of the agent's berths."""
        self._taken.append(now)

    def target(self, waiting: int, now: float) -> int:
        """waiting: sessions that would take a berth of this agent at once."""
        while self._taken and self._taken[0] + _RECENT <= now:
            self._taken.popleft()
        return max(self._least, min(len(self._taken) + waiting, MOST_PARKED))

    @property
    def due(self) -> float:
        """When the target may fall; infinity for not before another one is taken."""
        return self._taken[0] + _RECENT if self._taken else inf


@dataclass(frozen=True, slots=True)
class _Place:
    takes: Callable[[str], bool]
    until: float


class Waiting(Generic[S]):
    """Sessions that found no berth, first come first served. A session stands in it once."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: dict[S, _Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, session: S, takes: Callable[[str], bool], until: float) -> None:
        """takes: whether a berth of this agent is of use to it, as far as is known when one comes. until: when it gives
        up, on the clock of `expired`."""
        self._places[session] = _Place(takes, until)

    def withdraw(self, session: S) -> None:
        """It need not be there."""
        self._places.pop(session, None)

    def parked(self, agent: str) -> S | None:
        """A berth of this agent is free: the first who takes it, who waits no more then. None for nobody."""
        for session, place in self._places.items():
            if place.takes(agent):
                del self._places[session]
                return session
        return None

    def of(self, agent: str) -> list[S]:
        """Those who would take a berth of this agent, in their order."""
        return [session for session, place in self._places.items() if place.takes(agent)]

    def count(self, agent: str) -> int:
        """How many would take a berth of this agent."""
        return sum(place.takes(agent) for place in self._places.values())

    def expired(self, now: float) -> list[S]:
        """Those who have waited long enough, and wait no more then."""
        over = [session for session, place in self._places.items() if place.until <= now]
        for session in over:
            del self._places[session]
        return over

    @property
    def due(self) -> float:
        """When somebody has waited long enough; infinity for never."""
        return min((place.until for place in self._places.values()), default=inf)


def to_dial(wanted: int, parked: int, dialled: int, room: int) -> int:
    """How many more berths the inside dials now at one address. wanted: the outside's last word. dialled: those under
    way. room: how many connections more this address may have."""
    return max(0, min(wanted - parked - dialled, room, MOST_DIALS - dialled))
