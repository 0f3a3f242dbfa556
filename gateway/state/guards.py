"""Which accounts are guarded, and when each guard begins and ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from heapq import heapify, heappop, heappush
from itertools import count, islice
from typing import Final, Protocol

from gateway.policy.lockout import CountedKind, GuardedAccount
from gateway.state.counted_account import CountedAccount

# Entries of the queue that are kept for guards that have ended, beside as many as there are guards.
_STALE: Final = 1024
# Seconds between two looks at a guard whose end other attempts put off, and by which its end may be told late.
_LOOK_AGAIN: Final = 1.0


class Timer(Protocol):
    """A call that is to come, which can be given up."""

    def active(self) -> bool: ...
    def cancel(self) -> None: ...


class Timers(Protocol):
    """The reactor."""

    def callLater(self, delay: float, callable: Callable[..., object], /) -> Timer: ...


class GuardEnd(Enum):
    """Why an account is guarded no more. expired: its window has passed. lifted: its wrong passwords were forgotten,
    because a right one came, an administrator released it or it became another name of somebody. settings: a reload
    has changed those by which it counts."""

    expired = "expired"
    lifted = "lifted"
    settings = "settings"


@dataclass(frozen=True, slots=True)
class GuardChange:
    """An account's guard has begun, or ended where end is not None. failures: wrong passwords that count. left: seconds
    until it ends if nothing happens meanwhile."""

    account: GuardedAccount
    failures: int = 0
    left: float = 0.0
    end: GuardEnd | None = None


class Guards:
    """The guards of one gateway's accounts. clock: seconds, monotonic. find: the account of a name, None where nothing
    is remembered of it. changed: is told of each change once. numbers: guards that hold now, by the kind of account."""

    def __init__(
        self,
        clock: Callable[[], float],
        timers: Timers,
        find: Callable[[GuardedAccount], CountedAccount | None],
        changed: Callable[[GuardChange], None],
    ) -> None:
        self._clock = clock
        self._timers = timers
        self._find = find
        self._changed = changed
        self.numbers: Counter[CountedKind] = Counter()
        # When each guard is looked at again.
        self._guarded: dict[GuardedAccount, float] = {}
        self._due: list[tuple[float, int, GuardedAccount]] = []
        self._numbers = count()
        self._timer: Timer | None = None
        self._timer_due = 0.0

    def look(self, found: CountedAccount, end: GuardEnd = GuardEnd.lifted) -> None:
        """Something of this account has changed. end: why, where its guard ends by that before its time."""
        now = self._clock()
        account = found.account
        if not found.guarded(now):
            if account in self._guarded:
                left = found.guard_left(now)
                self._end(account, end if left > 0 or not found.failures else GuardEnd.expired)
            return
        known, left = self._guarded.get(account), found.guard_left(now)
        # It ends sooner where a reload has made the window shorter.
        if known is None or now + left < known - _LOOK_AGAIN:
            self._wait(account, now + left)
        if known is None:
            self.numbers[account.kind] += 1
            self._changed(GuardChange(account, len(found.failures), left))

    def guarded(self, most: int) -> list[GuardedAccount]:
        """So many of the accounts that are guarded."""
        return list(islice(self._guarded, most))

    def left(self, account: GuardedAccount) -> float:
        """Seconds until the account's guard ends if nothing happens meanwhile; 0 where it is not guarded."""
        found = self._find(account) if account in self._guarded else None
        return 0.0 if found is None else found.guard_left(self._clock())

    def longest(self) -> float:
        """Seconds until the guard that lasts longest ends if nothing happens meanwhile; 0 where there is none."""
        return max(0.0, max(self._guarded.values()) - self._clock()) if self._guarded else 0.0

    def gone(self, account: GuardedAccount) -> None:
        """The account counts under another name from now on."""
        if account in self._guarded:
            self._end(account, GuardEnd.lifted)

    def close(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _end(self, account: GuardedAccount, end: GuardEnd) -> None:
        del self._guarded[account]
        self.numbers[account.kind] -= 1
        self._changed(GuardChange(account, end=end))

    def _wait(self, account: GuardedAccount, until: float) -> None:
        self._guarded[account] = until
        heappush(self._due, (until, next(self._numbers), account))
        if len(self._due) > 2 * len(self._guarded) + _STALE:
            self._due = [entry for entry in self._due if self._guarded.get(entry[2]) == entry[0]]
            heapify(self._due)
        self._arm()

    def _arm(self) -> None:
        if not self._due:
            return
        due = self._due[0][0]
        if self._timer is not None and self._timer.active():
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._timers.callLater(max(0.0, due - self._clock()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            until, _, account = heappop(self._due)
            if self._guarded.get(account) != until:
                continue
            found = self._find(account)
            if found is None or not found.guarded(now):
                self._end(account, GuardEnd.expired)
            else:
                self._wait(account, now + max(found.guard_left(now), _LOOK_AGAIN))
        self._arm()
