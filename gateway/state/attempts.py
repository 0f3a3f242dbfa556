"""Wrong passwords by account, over all sessions, for the lockout guard."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NamedTuple, Protocol

from gateway.policy.lockout import GuardedAccount, LockoutSettings, Verdict

# Accounts that are remembered; beyond it the one that was used longest ago goes, unless an attempt of it is under way.
MAX_ACCOUNTS: Final = 100_000

Admit = Callable[[bool], None]


class Attempts(Protocol):
    """Shared by all sessions; called on the reactor's thread."""

    def begin(self, account: GuardedAccount, settings: LockoutSettings, then: Admit) -> None:
        """Calls then once, at once or later: True for an attempt that may be sent, and that is then to be ended;
        False for a guarded account.

        An attempt waits while others are under way that, if they all fail, leave it none.
        """

    def end(self, account: GuardedAccount, verdict: Verdict) -> None:
        """Of an attempt that was admitted."""

    def forget(self, account: GuardedAccount) -> None:
        """Its wrong passwords count no more: an administrator has given it another one."""

    def join(self, alias: GuardedAccount, account: GuardedAccount) -> None:
        """Both are one person: from now on the attempts of alias count as those of account."""


class Failure(NamedTuple):
    """A wrong password. at: seconds on the clock of the attempts. attempt: which one it was."""

    at: float
    attempt: str


class Waiting(NamedTuple):
    """An attempt that has not been decided on."""

    attempt: str
    settings: LockoutSettings
    then: Admit


@dataclass(slots=True)
class CountedAccount:
    """failures: the earliest first. under_way: attempts that were admitted and have not ended. window: seconds, the
    longest for which its failures count."""

    account: GuardedAccount
    window: float = 0.0
    failures: deque[Failure] = field(default_factory=deque)
    under_way: deque[str] = field(default_factory=deque)
    waiting: deque[Waiting] = field(default_factory=deque)


class AttemptsInMemory:
    """clock: seconds, monotonic. limit: accounts that are remembered. name: what the attempts' names begin with."""

    def __init__(self, clock: Callable[[], float], limit: int = MAX_ACCOUNTS, name: str = "") -> None:
        self._clock = clock
        self._limit = limit
        self._accounts: OrderedDict[GuardedAccount, CountedAccount] = OrderedDict()
        self._aliases: OrderedDict[GuardedAccount, GuardedAccount] = OrderedDict()
        self._name = name
        self._numbers = count(1)

    def begin(self, account: GuardedAccount, settings: LockoutSettings, then: Admit) -> None:
        found = self._account(account)
        found.window = max(found.window, settings.window)
        found.waiting.append(Waiting(f"{self._name}{next(self._numbers)}", settings, then))
        self._admit(found)

    def end(self, account: GuardedAccount, verdict: Verdict) -> None:
        found = self._account(account)
        # Which of them it was makes no difference.
        self._ended(found, found.under_way.popleft(), verdict)
        self._admit(found)
        self._forget_if_empty(found)

    def forget(self, account: GuardedAccount) -> None:
        found = self._account(account)
        self._clear(found)
        self._admit(found)
        self._forget_if_empty(found)

    def join(self, alias: GuardedAccount, account: GuardedAccount) -> None:
        if alias == account:
            return
        before = self._accounts.pop(alias, None)
        self._aliases[alias] = account
        self._aliases.move_to_end(alias)
        if before is not None:
            found = self._account(account)
            found.window = max(found.window, before.window)
            found.failures = deque(sorted([*found.failures, *before.failures]))
            found.under_way.extend(before.under_way)
            found.waiting.extend(before.waiting)
        if len(self._aliases) > self._limit:
            self._aliases.popitem(last=False)

    def _ended(self, found: CountedAccount, attempt: str, verdict: Verdict) -> None:
        if verdict is Verdict.wrong:
            found.failures.append(Failure(self._clock(), attempt))
        elif verdict is Verdict.right:
            # A directory forgets earlier wrong passwords as well.
            self._clear(found)

    def _clear(self, found: CountedAccount) -> None:
        found.failures.clear()

    def _admit(self, found: CountedAccount) -> None:
        """Decides on as many of those that wait as can be."""
        while found.waiting:
            settings = found.waiting[0].settings
            since = self._clock() - settings.window
            while found.failures and found.failures[0].at <= since:
                found.failures.popleft()
            failures = len(found.failures)
            guarded = failures >= settings.failures
            if not guarded and failures + len(found.under_way) >= settings.failures:
                return
            self._decided(found, found.waiting[0], not guarded)

    def _decided(self, found: CountedAccount, one: Waiting, admitted: bool) -> None:
        found.waiting.remove(one)
        if admitted:
            found.under_way.append(one.attempt)
        one.then(admitted)

    def _account(self, account: GuardedAccount) -> CountedAccount:
        account = self._aliases.get(account, account)
        found = self._accounts.pop(account, None)
        if found is None:
            found = CountedAccount(account)
            self._forget_one()
        self._accounts[account] = found
        return found

    def _forget_if_empty(self, found: CountedAccount) -> None:
        # Whoever was told that he is admitted may have ended his attempt at once, and be the last.
        if not found.failures and not found.under_way and not found.waiting:
            self._accounts.pop(found.account, None)

    def _forget_one(self) -> None:
        if len(self._accounts) < self._limit:
            return
        for account, found in self._accounts.items():
            if not found.under_way and not found.waiting:
                del self._accounts[account]
                return
