"""The event loop's timers: on a clock that nobody sets, and cheap to give up, which is what becomes of most of them.

Twisted's own go by the system's clock. Where that is set back, no timer fires until it has caught up; where it is set
forward, all fire at once.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from time import monotonic
from typing import Any, Final

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.logger import Logger

log = Logger(__name__)

# So many that were given up may wait on; more only where they are less than half of all.
_FEW: Final = 50
# Seconds: epoll_wait(2) takes milliseconds in an int.
_LONGEST: Final = 2_147_483.0


class Call:
    """One call that is to come: twisted.internet.interfaces.IDelayedCall."""

    __slots__ = ("_arguments", "_called", "_due", "_function", "_keywords", "_timers", "number")

    def __init__(
        self,
        timers: Timers,
        due: float,
        function: Callable[..., object],
        arguments: tuple[object, ...],
        keywords: dict[str, Any] | None,
    ) -> None:
        self._timers = timers
        self._due = due
        # None once it is made or given up.
        self._function: Callable[..., object] | None = function
        self._arguments = arguments
        self._keywords = keywords
        self._called = False
        # Where it waits; none of another time counts any more.
        self.number = -1

    def active(self) -> bool:
        return self._function is not None

    def getTime(self) -> float:
        """In seconds, on the loop's clock."""
        return self._due

    def cancel(self) -> None:
        """Raises AlreadyCalled or AlreadyCancelled."""
        self._check()
        self._forget()
        self._timers.given_up()

    def reset(self, seconds_from_now: float) -> None:
        """Due in so many seconds from now. Raises AlreadyCalled or AlreadyCancelled."""
        self._move(self._timers.clock() + seconds_from_now)

    def delay(self, seconds_later: float) -> None:
        """Due so many seconds later. Raises AlreadyCalled or AlreadyCancelled."""
        self._move(self._due + seconds_later)

    def waits(self, number: int) -> bool:
        """Whether it is to be made, and with this number."""
        return self._function is not None and self.number == number

    def make(self) -> None:
        """Raises what it raises."""
        function, arguments, keywords = self._function, self._arguments, self._keywords
        if function is not None:
            self._called = True
            self._forget()
            if keywords is None:
                function(*arguments)
            else:
                function(*arguments, **keywords)

    def _move(self, due: float) -> None:
        self._check()
        self._due = due
        self._timers.add(self)
        # Where it has waited until now.
        self._timers.given_up()

    def _check(self) -> None:
        if self._called:
            raise AlreadyCalled
        if self._function is None:
            raise AlreadyCancelled

    def _forget(self) -> None:
        self._function = None
        self._arguments = ()
        self._keywords = None


class Timers:
    """All calls that are to come, by when they are due. clock: in seconds; never goes back."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.clock = clock
        # With a number each: what is due at the same time is made in the order in which it came.
        self._waiting: list[tuple[float, int, Call]] = []
        self._number = 0
        self._given_up = 0

    @property
    def calls(self) -> list[Call]:
        return [call for _, number, call in self._waiting if call.waits(number)]

    def later(self, delay: float, function: Callable[..., object], *arguments: object, **keywords: object) -> Call:
        """IReactorTime.callLater. delay: seconds. Raises ValueError for less than none."""
        if delay < 0:
            raise ValueError(f"{delay} is less than 0 seconds")
        call = Call(self, self.clock() + delay, function, arguments, keywords or None)
        self.add(call)
        return call

    def add(self, call: Call) -> None:
        call.number = self._number
        self._number += 1
        heappush(self._waiting, (call.getTime(), call.number, call))

    def given_up(self) -> None:
        """One of those that wait is not to be made, or not then. It stays until its time comes, mostly."""
        self._given_up += 1
        if self._given_up > _FEW and self._given_up > len(self._waiting) // 2:
            self._waiting = [each for each in self._waiting if each[2].waits(each[1])]
            heapify(self._waiting)
            self._given_up = 0

    def run(self) -> None:
        """Makes what is due. What is added meanwhile has to wait for the next time, however soon it is due: sockets
        come first."""
        if not self._waiting:
            return
        now, new = self.clock(), self._number
        while self._waiting:
            due, number, call = self._waiting[0]
            if due > now or number >= new:
                return
            heappop(self._waiting)
            if not call.waits(number):
                self._given_up -= 1
                continue
            try:
                call.make()
            # Whatever it was, the others go on.
            except Exception:  # noqa: BLE001
                log.failure("a timer failed")

    def wait(self) -> float | None:
        """Seconds until something may be due; None for ever."""
        if not self._waiting:
            return None
        return min(max(0.0, self._waiting[0][0] - self.clock()), _LONGEST)
