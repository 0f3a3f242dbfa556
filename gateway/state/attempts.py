"""Wrong passwords by account, over all sessions, for the lockout guard."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

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


@dataclass(slots=True)
class _Account:
    failures: deque[float] = field(default_factory=deque)
    under_way: int = 0
    waiting: deque[tuple[LockoutSettings, Admit]] = field(default_factory=deque)


class AttemptsInMemory:
    """clock: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float], limit: int = MAX_ACCOUNTS) -> None:
        self._clock = clock
        self._limit = limit
        self._accounts: OrderedDict[GuardedAccount, _Account] = OrderedDict()
        self._aliases: OrderedDict[GuardedAccount, GuardedAccount] = OrderedDict()

    def begin(self, account: GuardedAccount, settings: LockoutSettings, then: Admit) -> None:
        found = self._account(account)
        found.waiting.append((settings, then))
        self._admit(found)

    def end(self, account: GuardedAccount, verdict: Verdict) -> None:
        found = self._account(account)
        found.under_way -= 1
        if verdict is Verdict.wrong:
            found.failures.append(self._clock())
        elif verdict is Verdict.right:
            # A directory forgets earlier wrong passwords as well.
            found.failures.clear()
        self._admit(found)
        if not found.failures and not found.under_way and not found.waiting:
            del self._accounts[self._aliases.get(account, account)]

    def forget(self, account: GuardedAccount) -> None:
        found = self._accounts.get(self._aliases.get(account, account))
        if found is not None:
            found.failures.clear()
            self._admit(found)

    def join(self, alias: GuardedAccount, account: GuardedAccount) -> None:
        if alias == account:
            return
        before = self._accounts.pop(alias, None)
        self._aliases[alias] = account
        self._aliases.move_to_end(alias)
        if before is not None:
            found = self._account(account)
            found.failures = deque(sorted([*found.failures, *before.failures]))
            found.under_way += before.under_way
            found.waiting.extend(before.waiting)
        if len(self._aliases) > self._limit:
            self._aliases.popitem(last=False)

    def _admit(self, found: _Account) -> None:
        while found.waiting:
            settings, then = found.waiting[0]
            since = self._clock() - settings.window
            while found.failures and found.failures[0] <= since:
                found.failures.popleft()
            failures = len(found.failures)
            guarded = failures >= settings.failures
            if not guarded and failures + found.under_way >= settings.failures:
                return
            found.waiting.popleft()
            if not guarded:
                found.under_way += 1
            then(not guarded)

    def _account(self, account: GuardedAccount) -> _Account:
        account = self._aliases.get(account, account)
        found = self._accounts.pop(account, None)
        if found is None:
            found = _Account()
            self._forget_one()
        self._accounts[account] = found
        return found

    def _forget_one(self) -> None:
        if len(self._accounts) < self._limit:
            return
        for account, found in self._accounts.items():
            if not found.under_way and not found.waiting:
                del self._accounts[account]
                return
