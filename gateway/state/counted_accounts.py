"""The accounts whose wrong passwords one gateway remembers: a table of bounded size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

from gateway.policy.lockout import GuardedAccount
from gateway.state.counted_account import CountedAccount

# Expired accounts that are removed each time that a new one comes: more than come, so that they cannot pile up.
_REMOVED_AT_ONCE: Final = 2
# Entries of the queue that are kept for accounts that are not there any more, beside as many as there are accounts.
_STALE: Final = 1024


class CountedAccounts:
    """The table. limit: accounts in it. clock: seconds, monotonic.

    Where it is full, a new account takes the place of one whose failures have expired, then of one with the fewest
    failures, and among those of the one that failed longest ago. An account that is guarded, or has an attempt under
    way, keeps its place: whoever sends many names must not win new guesses at one of them. Sync accounts and accounts
    of the gateway itself always find a place, and keep it; the configuration names them, so they are few.
    """

    def __init__(self, clock: Callable[[], float], limit: int) -> None:
        self.limit = limit
        self._clock = clock
        self._accounts: dict[GuardedAccount, CountedAccount] = {}
        self._busy: dict[GuardedAccount, CountedAccount] = {}
        # Accounts below `permitted` that are not busy, by the number of their failures; the latest failed last.
        self._below: dict[int, OrderedDict[GuardedAccount, CountedAccount]] = {}
        self._place: dict[GuardedAccount, int] = {}
        # When the failures of an account expire, at the earliest: one entry for each account that has some.
        self._expiries: list[tuple[float, int, CountedAccount]] = []
        self._numbers = count()

    def __iter__(self) -> Iterator[CountedAccount]:
        return iter(list(self._accounts.values()))

    def __len__(self) -> int:
        return len(self._accounts)

    @property
    def busy(self) -> list[CountedAccount]:
        """Those with an attempt under way or waiting."""
        return list(self._busy.values())

    def get(self, account: GuardedAccount) -> CountedAccount | None:
        return self._accounts.get(account)

    def make(self, account: GuardedAccount) -> CountedAccount | None:
        """The account's place, which is a new one where it has none. None where the table is full and everybody in it
        keeps his place."""
        found = self._accounts.get(account)
        if found is not None:
            return found
        self._remove_expired(_REMOVED_AT_ONCE)
        if not account.sync and not self._make_room():
            return None
        return self.put(CountedAccount(account))

    def put(self, found: CountedAccount) -> CountedAccount:
        """Gives it a place, in a full table as well."""
        self._accounts[found.account] = found
        return found

    def settle(self, found: CountedAccount) -> None:
        """Is to be called after each change of an account: gives it its rank, or removes it if nothing is left."""
        account = found.account
        if self._accounts.get(account) is not found:
            return
        self._unrank(account)
        if found.busy:
            self._busy[account] = found
        elif found.latest is None:
            del self._accounts[account]
            return
        elif len(found.failures) < found.permitted and not account.sync:
            number = len(found.failures)
            self._below.setdefault(number, OrderedDict())[account] = found
            self._place[account] = number
        if found.latest is not None and not found.awaited:
            self._await(found)

    def remove(self, account: GuardedAccount) -> CountedAccount | None:
        found = self._accounts.pop(account, None)
        if found is not None:
            self._unrank(account)
        return found

    def _unrank(self, account: GuardedAccount) -> None:
        self._busy.pop(account, None)
        number = self._place.pop(account, None)
        if number is not None:
            del self._below[number][account]
            if not self._below[number]:
                del self._below[number]

    def _make_room(self) -> bool:
        while len(self._accounts) >= self.limit:
            if self._remove_expired(1):
                continue
            if not self._below:
                return False
            fewest = self._below[min(self._below)]
            self.remove(next(iter(fewest)))
        return True

    def _remove_expired(self, most: int) -> int:
        """Removes so many accounts at most; returns how many."""
        now, removed = self._clock(), 0
        while removed < most and self._expiries and self._expiries[0][0] < now:
            found = heappop(self._expiries)[2]
            if self._accounts.get(found.account) is not found:
                continue
            found.awaited = False
            found.trim(now)
            if found.latest is None and not found.busy:
                self.remove(found.account)
                removed += 1
            else:
                self.settle(found)
        return removed

    def _await(self, found: CountedAccount) -> None:
        # One that is busy is looked at again after another window.
        latest = self._clock() if found.busy or found.latest is None else found.latest
        found.awaited = True
        heappush(self._expiries, (latest + found.window, next(self._numbers), found))
        if len(self._expiries) > 2 * len(self._accounts) + _STALE:
            self._expiries = [entry for entry in self._expiries if self._accounts.get(entry[2].account) is entry[2]]
            heapify(self._expiries)
