"""The questions for life that one end of a connection asks, and how long their answers take."""

from __future__ import annotations

from secrets import randbelow

from gateway.link.frames import MOST_NUMBER, Ping, Pong


class Pings:
    """The PINGs that one end has sent, until their answers come.

    Their numbers cannot be guessed. So an answer shows that the other end has read the ping, and all that was sent
    before it: one that reads nothing cannot be taken for alive while what it is sent piles up here.

    round_trip: seconds between the last ping that was answered and its answer; None before. Times are of a monotonic
    clock, in seconds.
    """

    __slots__ = ("_asked", "round_trip")

    def __init__(self) -> None:
        # By their numbers, when those that have no answer yet were sent, the oldest first.
        self._asked: dict[int, float] = {}
        self.round_trip: float | None = None

    def ask(self, now: float) -> Ping:
        while (number := randbelow(MOST_NUMBER + 1)) in self._asked:
            pass
        self._asked[number] = now
        return Ping(number)

    def answered(self, pong: Pong, now: float) -> bool:
        """Whether that is the answer to a ping that waited for one."""
        asked = self._asked.pop(pong.n, None)
        if asked is None:
            return False
        self.round_trip = now - asked
        return True

    @property
    def waiting_since(self) -> float | None:
        """When the oldest ping was sent that has no answer yet; None where all have one."""
        return next(iter(self._asked.values()), None)
