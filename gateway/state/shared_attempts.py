"""Wrong passwords by account over the sessions of several gateways, which share a store."""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Final, Protocol

from gateway.policy.lockout import GuardedAccount, Verdict
from gateway.state.attempt_store import Answer, Asked, AttemptStore, Change, Join
from gateway.state.attempts import MAX_ACCOUNTS, AttemptsInMemory, CountedAccount, Waiting

# Seconds after which an attempt that waits for one of another gateway is asked for again.
ASK_AGAIN: Final = 0.1
# Seconds between two times that the store is told which attempts are still under way.
RENEWAL: Final = 5.0
# Accounts that the store is told of at once; a gateway that was cut off from it may have much to tell.
MOST_NEWS: Final = 200


class Timer(Protocol):
    def active(self) -> bool: ...
    def cancel(self) -> None: ...


class Timers(Protocol):
    """The reactor."""

    def callLater(self, delay: float, callable: Callable[..., object], /) -> Timer: ...


class SharedAttempts(AttemptsInMemory):
    """Asks the store, and remembers what it has told it and heard from it. While the store is away it answers from
    that, and tells it afterwards what has happened meanwhile. Without a store it is AttemptsInMemory.
    """

    def __init__(self, clock: Callable[[], float], timers: Timers, limit: int = MAX_ACCOUNTS) -> None:
        # Unlike the names of other gateways' attempts, and of this one's before a restart.
        super().__init__(clock, limit, f"{secrets.token_hex(6)}-")
        self._timers = timers
        self._store: AttemptStore | None = None
        # What the store has not been told yet.
        self._changes: OrderedDict[GuardedAccount, Change] = OrderedDict()
        self._joins: OrderedDict[GuardedAccount, GuardedAccount] = OrderedDict()
        self._telling_rest = False
        # Attempts that the store may hold as under way.
        self._held: set[str] = set()
        self._asking: set[GuardedAccount] = set()
        self._retries: dict[GuardedAccount, Timer] = {}
        self._renewal: Timer | None = None

    def use(self, store: AttemptStore | None) -> None:
        """From now on; None for memory alone. What this gateway knows goes with it."""
        self._leave_store()
        self._decide_all()
        if store is not None:
            self._store = store
            self._renewal = self._timers.callLater(RENEWAL, self._renew)
            store.open(self)

    def close(self) -> None:
        self._leave_store(wait=True)

    def _leave_store(self, wait: bool = False) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close(wait)
        for timer in (self._renewal, *self._retries.values()):
            if timer is not None:
                timer.cancel()
        self._renewal = None
        self._telling_rest = False
        for known in (self._retries, self._changes, self._joins, self._held, self._asking):
            known.clear()

    # From the sessions.

    def forget(self, account: GuardedAccount) -> None:
        super().forget(account)
        self._tell_of(self._aliases.get(account, account))

    def join(self, alias: GuardedAccount, account: GuardedAccount) -> None:
        known = alias == account or self._aliases.get(alias) == account
        super().join(alias, account)
        if not known and self._store is not None:
            self._joins[alias] = account
            self._tell_rest()

    def _ended(self, found: CountedAccount, attempt: str, verdict: Verdict) -> None:
        super()._ended(found, attempt, verdict)
        if self._store is None:
            return
        if attempt in self._held:
            self._held.discard(attempt)
            self._change(Change(found.account, found.window, ended=(attempt,)))
        if verdict is Verdict.wrong:
            self._change(Change(found.account, found.window, failures=(found.failures[-1],)))
        self._tell_of(found.account)

    def _clear(self, found: CountedAccount) -> None:
        super()._clear(found)
        if self._store is not None:
            self._change(Change(found.account, found.window)).clear(self._clock())

    def _admit(self, found: CountedAccount) -> None:
        store = self._store
        if store is None or store.away:
            super()._admit(found)
        elif found.waiting and found.account not in self._asking:
            self._asking.add(found.account)
            one = found.waiting[0]
            self._tell_of(found.account)
            then = partial(self._asked, store, found.account, one, self._clock())
            store.ask(found.account, one.attempt, one.settings, then)

    def _decided(self, found: CountedAccount, one: Waiting, admitted: bool) -> None:
        if not admitted and one.attempt in self._held:
            self._held.discard(one.attempt)
            self._change(Change(found.account, found.window, ended=(one.attempt,)))
        super()._decided(found, one, admitted)

    # From the store.

    def store_ready(self, holds_what_it_held: bool) -> None:
        if not holds_what_it_held:
            self._joins.update(self._aliases)
            for found in self._accounts.values():
                if found.failures:
                    self._change(Change(found.account, found.window, failures=tuple(found.failures)))
        self._hold()
        self._tell_rest()
        self._decide_all()

    def store_gone(self) -> None:
        self._decide_all()

    def _asked(
        self, store: AttemptStore, account: GuardedAccount, one: Waiting, since: float, asked: Asked | None
    ) -> None:
        if store is not self._store:
            return
        self._asking.discard(account)
        # It may have become an alias since.
        found = self._account(account)
        if asked is None:
            self._held.add(one.attempt)
            self._admit(found)
            return
        # What has failed since the store was asked, it did not know yet.
        failures = {failure.attempt: failure for failure in found.failures if failure.at >= since}
        failures |= {failure.attempt: failure for failure in asked.failures}
        found.failures = deque(sorted(failures.values()))
        if asked.answer is Answer.waits:
            self._held.discard(one.attempt)
            self._ask_again(found.account)
        elif one in found.waiting:
            admitted = asked.answer is Answer.admitted
            (self._held.add if admitted else self._held.discard)(one.attempt)
            self._decided(found, one, admitted)
            self._admit(found)
        self._forget_if_empty(found)

    def _ask_again(self, account: GuardedAccount) -> None:
        if account not in self._retries:
            self._retries[account] = self._timers.callLater(ASK_AGAIN, partial(self._retry, account))

    def _retry(self, account: GuardedAccount) -> None:
        self._retries.pop(account, None)
        found = self._account(account)
        self._admit(found)
        self._forget_if_empty(found)

    def _decide_all(self) -> None:
        for found in [found for found in self._accounts.values() if found.waiting]:
            self._admit(found)

    # To the store.

    def _change(self, change: Change) -> Change:
        """Adds it to what the store is to be told; returns all of that, of the same account."""
        known = self._changes.setdefault(change.account, change)
        if known is not change:
            known.add(change)
        if len(self._changes) > self._limit:
            self._changes.popitem(last=False)
        return known

    def _tell_of(self, account: GuardedAccount) -> None:
        """So that the store knows it before it is asked for this account."""
        store = self._store
        if store is not None and not store.away and account in self._changes:
            change = self._changes.pop(account)
            store.tell([change], partial(self._told, store, [change]))

    def _tell_rest(self) -> None:
        store = self._store
        if store is None or store.away or self._telling_rest:
            return
        # Joins first: what is counted under an alias then is so under its account.
        joins = list(islice(self._joins, MOST_NEWS))
        news: list[Change | Join] = [Join(alias, self._joins.pop(alias)) for alias in joins]
        changes = list(islice(self._changes, MOST_NEWS - len(news)))
        news += [self._changes.pop(account) for account in changes]
        if news:
            self._telling_rest = True
            store.tell(news, partial(self._told_rest, store, news))

    def _told_rest(self, store: AttemptStore, news: list[Change | Join], heard: bool) -> None:
        if store is self._store:
            self._telling_rest = False
            self._told(store, news, heard)
            self._tell_rest()

    def _told(self, store: AttemptStore, news: list[Change | Join], heard: bool) -> None:
        if heard or store is not self._store:
            return
        for one in news:
            if isinstance(one, Join):
                self._joins.setdefault(one.alias, one.account)
            else:
                # What is still under way is told anew in any case.
                one.under_way = ()
                self._change(one)

    def _renew(self) -> None:
        self._renewal = self._timers.callLater(RENEWAL, self._renew)
        if self._store is not None and not self._store.away:
            self._hold()
            self._tell_rest()

    def _hold(self) -> None:
        for found in self._accounts.values():
            if found.under_way:
                self._held.update(found.under_way)
                self._change(Change(found.account, found.window, under_way=tuple(found.under_way)))
