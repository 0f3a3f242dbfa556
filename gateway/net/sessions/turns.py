"""How long the input of clients may hold the event loop: each session gives up its turn after a few milliseconds, and
whoever has worked least and asks for least comes next, so that nobody waits for what another client sends."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from time import monotonic
from typing import Final

from gateway.net.transport.reactor import Reactor

# Seconds that requests of all clients together may take in one turn of the event loop; the last one may take longer. A
# usual search takes a tenth of it.
SHARE: Final = 0.002
# The part of a session's time that is no work of which another one would have to wait: a client that works no more than
# that comes as soon as one that has just connected.
FREE: Final = 0.1
# Seconds that an octet of a request may take. The dearest input, a name without its escapes, takes about that; a usual
# search a fifth of it. Only the order of those who wait follows from it: a session that has just connected has worked
# nothing yet, and twenty of these with a dear request each would otherwise come before everybody else's next search.
OCTET: Final = 0.000_005
# Seconds after which whoever has waited longest comes first in every second turn of the loop: behind those who have
# worked less it would wait for ever, as long as enough of these come.
PATIENCE: Final = 0.2
# Numbers of those who wait no more that are kept, beside as many as there are of others.
_STALE: Final = 64
_NOT_BEGUN: Final = -1.0


class Turns:
    """The turns of all sessions on one event loop. clock: in seconds, monotonic."""

    def __init__(self, reactor: Reactor, clock: Callable[[], float] = monotonic) -> None:
        self.clock = clock
        self._reactor = reactor
        # Since the share was given out.
        self._used = 0.0
        # The share is used up, or somebody waits; then the next turn of the loop is planned.
        self._planned = False
        # By the number of its coming, and with the time of that.
        self._waiting: dict[int, tuple[float, Turn]] = {}
        # The same numbers by the work of which they are behind, and some of those who wait no more.
        self._order: list[tuple[float, int]] = []
        self._number = 0
        # This turn of the loop began with whoever had waited longest.
        self._by_patience = False

    def has_left(self, seconds: float) -> bool:
        """Whether more may be done by a session that has worked for so long and not told yet."""
        return self._used + seconds < SHARE

    def used(self, seconds: float) -> None:
        self._used += seconds
        if self._used >= SHARE:
            self._plan()

    def wait(self, turn: Turn, behind: float) -> None:
        """The turn is to go on, once nobody is before it. behind: seconds of work, done and to be done."""
        self._waiting[self._number] = self.clock(), turn
        heappush(self._order, (behind, self._number))
        self._number += 1
        self._plan()

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            # Sockets come before it, and other timers.
            self._reactor.callLater(0, self._next)

    def _next(self) -> None:
        self._planned = False
        self._used = 0.0
        self._by_patience = not self._by_patience and self._resume_longest()
        while self._order and self._used < SHARE:
            waiting = self._waiting.pop(heappop(self._order)[1], None)
            if waiting is not None:
                waiting[1].resume()
        if self._waiting:
            self._plan()

    def _resume_longest(self) -> bool:
        """Lets whoever has waited longest go on, if that is too long; whether it was."""
        for number, (since, turn) in self._waiting.items():
            if self.clock() - since < PATIENCE:
                break
            del self._waiting[number]
            if len(self._order) > 2 * len(self._waiting) + _STALE:
                self._order = [each for each in self._order if each[1] in self._waiting]
                heapify(self._order)
            turn.resume()
            return True
        return False


class Turn:
    """The turn of one session. go_on: handles more of what waits; called in a later turn of the loop, whatever has
    become of the session.

    Between begin and end is one event that the session is told of. It counts from the first request on that is handled
    because of it: what a server sends holds the loop as well, but no client can have more of that than it may read.
    """

    __slots__ = ("_begun", "_behind", "_go_on", "_since", "_turns", "_waits")

    def __init__(self, turns: Turns, go_on: Callable[[], None]) -> None:
        self._turns = turns
        self._go_on = go_on
        self._begun = _NOT_BEGUN
        # Seconds of work beyond what is free, as of when.
        self._behind = 0.0
        self._since = 0.0
        self._waits = False

    def begin(self) -> None:
        self._begun = _NOT_BEGUN

    def goes_on(self) -> bool:
        """Whether one more request may be handled now."""
        now = self._turns.clock()
        if self._begun == _NOT_BEGUN:
            self._begun = now
        return self._turns.has_left(now - self._begun)

    def end(self, now: float, waiting: int) -> None:
        """waiting: octets of the request that is to be handled next; 0 for none."""
        if self._begun != _NOT_BEGUN:
            worked = now - self._begun
            self._behind = max(0.0, self._behind - (now - self._since) * FREE) + worked
            self._since = now
            self._turns.used(worked)
        if waiting and not self._waits:
            self._waits = True
            self._turns.wait(self, self._behind + waiting * OCTET)

    def resume(self) -> None:
        self._waits = False
        self._go_on()
