"""Wrong passwords by account, over all sessions, for the lockout guard."""

from __future__ import annotations

import secrets
from bisect import insort
from collections import OrderedDict
from collections.abc import Callable, Collection
from hashlib import blake2b
from itertools import count
from typing import Final, Protocol

from gateway.policy.lockout import AttemptRefused, GuardedAccount, GuardRefusal, LockoutSettings, Verdict
from gateway.state.counted_account import Admit, Attempt, CountedAccount, Waiting
from gateway.state.counted_accounts import CountedAccounts
from gateway.state.failures import Failure
from gateway.state.guards import GuardEnd
from gateway.state.joins import Joins

# In an attempt's name, before the tag of the name that was tried.
_BEFORE_TAG: Final = "."
# Of this process; gateways that share a store have a key in common (SharedAttempts).
_KEY: Final = secrets.token_bytes(32)
# Accounts that are remembered.
MAX_ACCOUNTS: Final = 100_000


class Attempts(Protocol):
    """The attempts of all sessions; called on the reactor's thread."""

    def begin(
        self,
        account: GuardedAccount,
        settings: LockoutSettings,
        then: Admit,
        digest: bytes = b"",
        identity: str = "",
        beside: Collection[Attempt] = (),
    ) -> None:
        """Calls then once, at once or later: with an Attempt that may be sent, and that is then to be ended; or with
        the reason why none may be sent.

        An attempt waits while others are under way that, if they all fail, leave it none. digest: of its password
        where it is to be known again (policy.password_digest): one that has proved wrong is not tried again for
        `window`, and one that is being tried does not get the last failure that is left. identity: the name strictly,
        where people whose names differ may share the count: what is right for one of them takes back nothing of the
        others. "" where there is no such case. beside: attempts of the same bind: one that turns out to count in the
        same place is counted once.
        """

    def end(self, attempt: Attempt, verdict: Verdict, entry: str = "") -> None:
        """How an attempt went; to be called once for each. entry: whose it was, strictly, where that was found."""

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
        # Of names that have signed in, by their tags: the tag of the entry that was found.
        self._entries: OrderedDict[str, str] = OrderedDict()

    @property
    def _shares(self) -> bool:
        """Whether others count together with this gateway."""
        return False

    def hold(self, limit: int) -> None:
        """From now on this is the number of accounts that are remembered; those that are guarded stay."""
        self._accounts.limit = self._joins.limit = limit

    def begin(
        self,
        account: GuardedAccount,
        settings: LockoutSettings,
        then: Admit,
        digest: bytes = b"",
        identity: str = "",
        beside: Collection[Attempt] = (),
    ) -> None:
        found = self._accounts.make(self._joins.account(account))
        if found is None:
            self._full()
            then(AttemptRefused(GuardRefusal.full))
            return
        if any(attempt.counted is found for attempt in beside):
            # It would wait for itself. Nothing is counted at its end.
            then(Attempt("", self._clock(), frozenset(), found))
            return
        found.take(settings)
        tag = self._tag(identity) if identity else ""
        name = f"{self._name}{next(self._numbers)}{_BEFORE_TAG}{tag}"
        found.waiting.append(Waiting(name, settings, then, digest, tag))
        self._admit(found)
        self._settle(found)

    def end(self, attempt: Attempt, verdict: Verdict, entry: str = "") -> None:
        found = attempt.counted
        if found.under_way.pop(attempt.name, None) is None:
            return
        self._ended(found, attempt, verdict, entry)
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
        before_that = self._joins.account(alias)
        if before_that not in (alias, account):
            # Somebody else has the name as well, or was called otherwise: both count as one from now on. A name that
            # went from one count to the other would have guesses of its own in each.
            self.join(before_that, account)
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

    def _settle(self, found: CountedAccount, end: GuardEnd = GuardEnd.lifted) -> None:
        """Comes after each change of an account. end: as for Guards.look."""
        self._accounts.settle(found)

    def _joined(self, alias: GuardedAccount, account: GuardedAccount) -> None:
        """Two names are one person's, and it is news."""

    def _tag(self, identity: str) -> str:
        """A tag of a name, the same for the same one."""
        return blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=4, key=_KEY).hexdigest()

    def _ended(self, found: CountedAccount, attempt: Attempt, verdict: Verdict, entry: str) -> None:
        now = self._clock()
        if verdict is Verdict.wrong:
            if attempt.digest:
                found.proved_wrong(attempt.digest, now)
            self._failed(found, Failure(now, attempt.began, attempt.name))
        elif verdict is Verdict.right:
            found.wrong.pop(attempt.digest, None)
            # A directory forgets earlier wrong passwords as well. Which of two came first to it that were under way
            # at once, nobody knows: so what has failed meanwhile still counts.
            same = self._names_of(attempt, entry)
            cleared = {
                failure.attempt
                for failure in found.failures
                if (failure.at <= attempt.began or failure.attempt in attempt.known) and same(failure.attempt)
            }
            self._clear(found, cleared, None if attempt.tag else attempt.began)
        found.trim(now)

    def _failed(self, found: CountedAccount, failure: Failure) -> None:
        insort(found.failures, failure)

    def _names_of(self, attempt: Attempt, entry: str) -> Callable[[str], bool]:
        """Whether another attempt was with a name of the same person. Too few are no harm: they count on."""
        if not attempt.tag:
            return lambda name: True
        if not entry:
            return lambda name: _tag_of(name) == attempt.tag
        person = self._tag(entry)
        self._entries[attempt.tag] = person
        self._entries.move_to_end(attempt.tag)
        while len(self._entries) > self._accounts.limit:
            self._entries.popitem(last=False)

        def same(name: str) -> bool:
            tag = _tag_of(name)
            return tag in (attempt.tag, person) or self._entries.get(tag) == person

        return same

    def _clear(self, found: CountedAccount, cleared: set[str], until: float | None) -> None:
        """The directory counts these failures no more, and none that was before that time; None for no such time."""
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
        # Whoever is told of one may have changed what waits, and may have come with the same password once more.
        while known := found.known_wrong_waiting(now):
            for one, left in known:
                if one in found.waiting:
                    self._refused(found, one, AttemptRefused(GuardRefusal.known, left))
        for one in found.waiting:
            if not found.repeats(one, found.count(one.settings, now), self._shares):
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
        attempt = found.under_way[one.name] = Attempt(one.name, now, known, found, one.digest, one.tag)
        one.then(attempt)

    def _refused(self, found: CountedAccount, one: Waiting, refused: AttemptRefused) -> None:
        found.waiting.remove(one)
        one.then(refused)


def _tag_of(attempt: str) -> str:
    return attempt.rpartition(_BEFORE_TAG)[2]
