"""Wrong passwords by account, over all sessions, for the lockout guard."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from itertools import count
from typing import Final, Protocol

from gateway.policy.lockout import AttemptRefused, GuardedAccount, GuardRefusal, LockoutSettings, Verdict
from gateway.state.counted_account import Admit, Attempt, CountedAccount, Waiting
from gateway.state.counted_accounts import CountedAccounts
from gateway.state.failures import Failure
from gateway.state.joins import Joins

# Accounts that are remembered.
MAX_ACCOUNTS: Final = 100_000


class Attempts(Protocol):
    """The attempts of all sessions; called on the reactor's thread."""

    def begin(self, account: GuardedAccount, settings: LockoutSettings, then: Admit, digest: bytes = b"") -> None:
        """Calls then once, at once or later: with an Attempt that may be sent, and that is then to be ended; or with
        the reason why none may be sent.

        An attempt waits while others are under way that, if they all fail, leave it none. digest: of its password
        where it is to be known again (policy.password_digest): one that has proved wrong is not tried again for
        `window`, and one that is being tried does not get the last failure that is left.
        """

    def end(self, attempt: Attempt, verdict: Verdict) -> None:
        """How an attempt went; to be called once for each."""

    def forget(self, account: GuardedAccount) -> None:
        """Its wrong passwords count no more, and each may be tried again: an administrator wants that."""

    def join(self, alias: GuardedAccount, account: GuardedAccount) -> None:
        """Both are one person: from now on the attempts of alias count as those of account."""


class AttemptsInMemory:
    """The attempts that one gateway counts by itself. clock: seconds, monotonic. limit: accounts that are remembered.
    name: what the attempts' names begin with. full: is told of each attempt that is refused because no other account
    can be forgotten for it."""

    def __init__(
        self,
        clock: Callable[[], float],
        limit: int = MAX_ACCOUNTS,
        name: str = "",
        full: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._full = full
        self._accounts = CountedAccounts(clock, limit)
        self._joins = Joins(clock, limit)
        self._name = name
        self._numbers = count(1)

    def hold(self, limit: int) -> None:
        """From now on this is the number of accounts that are remembered; those that are guarded stay."""
        self._accounts.limit = self._joins.limit = limit

    def begin(self, account: GuardedAccount, settings: LockoutSettings, then: Admit, digest: bytes = b"") -> None:
        found = self._accounts.make(self._joins.account(account))
        if found is None:
            self._full()
            then(AttemptRefused(GuardRefusal.full))
            return
        found.take(settings)
        found.waiting.append(Waiting(f"{self._name}{next(self._numbers)}", settings, then, digest))
        self._admit(found)
        self._settle(found)

    def end(self, attempt: Attempt, verdict: Verdict) -> None:
        found = attempt.counted
        del found.under_way[attempt.name]
        self._ended(found, attempt, verdict)
        self._admit(found)
        self._settle(found)

    def forget(self, account: GuardedAccount) -> None:
        found = self._accounts.get(self._joins.account(account))
        if found is None:
            return
        self._clear(found, {failure.attempt for failure in found.failures}, self._clock())
        found.wrong.clear()
        self._admit(found)
        self._settle(found)

    def join(self, alias: GuardedAccount, account: GuardedAccount) -> None:
        if alias == account:
            return
        if self._joins.add(alias, account):
            self._joined(alias, account)
        before = self._accounts.remove(alias)
        if before is None:
            return
        found = self._accounts.get(account)
        if found is None:
            found = self._accounts.put(CountedAccount(account))
        found.absorb(before)
        self._admit(found)
        self._settle(found)

    def _settle(self, found: CountedAccount) -> None:
        """Comes after each change of an account."""
        self._accounts.settle(found)

    def _joined(self, alias: GuardedAccount, account: GuardedAccount) -> None:
        """Two names are one person's, and it is news."""

    def _ended(self, found: CountedAccount, attempt: Attempt, verdict: Verdict) -> None:
        now = self._clock()
        if verdict is Verdict.wrong:
            if attempt.digest:
                found.proved_wrong(attempt.digest, now)
            self._failed(found, Failure(now, attempt.began, attempt.name))
        elif verdict is Verdict.right:
            found.wrong.pop(attempt.digest, None)
            # A directory forgets earlier wrong passwords as well. Which of two came first to it that were under way
            # at once, nobody knows: so what has failed meanwhile still counts.
            cleared = {
                failure.attempt
                for failure in found.failures
                if failure.at <= attempt.began or failure.attempt in attempt.known
            }
            self._clear(found, cleared, attempt.began)
        found.trim(now)

    def _failed(self, found: CountedAccount, failure: Failure) -> None:
        insort(found.failures, failure)

    def _clear(self, found: CountedAccount, cleared: set[str], until: float) -> None:
        """The directory counts these failures no more, and none that was before that time."""
        found.failures = [failure for failure in found.failures if failure.attempt not in cleared]

    def _admit(self, found: CountedAccount) -> None:
        """Decides on as many of those that wait as can be."""
        # Whoever is told may end the attempt at once, and there may be hundreds of them.
        if found.deciding:
            return
        found.deciding = True
        try:
            while (one := self._next(found)) is not None:
                failures = found.count(one.settings, self._clock())
                guarded = failures >= one.settings.failures
                if not guarded and failures + len(found.under_way) >= one.settings.failures:
                    break
                self._decided(found, one, not guarded)
        finally:
            found.deciding = False

    def _next(self, found: CountedAccount) -> Waiting | None:
        """The first attempt that can be decided on; None where there is none. Refuses those whose password has proved
        wrong."""
        now = self._clock()
        for one in list(found.waiting) if found.wrong else ():
            left = found.known_wrong(one, now)
            # Whoever is told of one may have changed what waits.
            if left is not None and one in found.waiting:
                self._refused(found, one, AttemptRefused(GuardRefusal.known, left))
        for one in found.waiting:
            if not found.repeats(one, found.count(one.settings, now)):
                return one
        return None

    def _decided(self, found: CountedAccount, one: Waiting, admitted: bool) -> None:
        """admitted: False where the account is guarded."""
        now = self._clock()
        if not admitted:
            self._refused(found, one, AttemptRefused(GuardRefusal.guarded, found.left(one.settings, now)))
            return
        found.waiting.remove(one)
        known = frozenset(failure.attempt for failure in found.failures)
        attempt = found.under_way[one.name] = Attempt(one.name, now, known, found, one.digest)
        one.then(attempt)

    def _refused(self, found: CountedAccount, one: Waiting, refused: AttemptRefused) -> None:
        found.waiting.remove(one)
        one.then(refused)
