"""Wrong passwords by account over the sessions of several gateways, which share a store."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Final

from gateway.policy.lockout import AttemptRefused, CountedKind, GuardedAccount, LockoutSettings, Verdict
from gateway.state.attempt_store import Answer, Asked, AttemptStore, Change, Join, UnderWay
from gateway.state.attempts import MAX_ACCOUNTS, AttemptsInMemory
from gateway.state.counted_account import Attempt, CountedAccount, Waiting
from gateway.state.failures import Failure
from gateway.state.guards import GuardChange, GuardEnd, Guards, Timer, Timers

# Seconds after which an attempt that waits for one of another gateway is asked for again.
ASK_AGAIN: Final = 0.1
# Seconds between two times that the store is told which attempts are still under way.
RENEWAL: Final = 5.0
# Accounts that the store is told of at once; a gateway that was cut off from it may have much to tell.
MOST_NEWS: Final = 200
# Accounts that get other settings in one turn of the event loop: some milliseconds of it.
MOST_RECOUNTED: Final = 200


class SharedAttempts(AttemptsInMemory):
    """Asks the store, and remembers what it has told it and heard from it. While the store is away it answers from
    that, and tells it afterwards what has happened meanwhile. Without a store it is AttemptsInMemory.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        timers: Timers,
        limit: int = MAX_ACCOUNTS,
        full: Callable[[], None] = lambda: None,
        guard_changed: Callable[[GuardChange], None] = lambda change: None,
    ) -> None:
        """guard_changed: is told when the guard of an account begins and when it ends."""
        # Unlike the names of other gateways' attempts, and of this one's before a restart.
        super().__init__(clock, limit, f"{secrets.token_hex(6)}-", full)
        self._timers = timers
        self._guards = Guards(clock, timers, self._accounts.get, guard_changed)
        self._store: AttemptStore | None = None
        # What the store has not been told yet.
        self._changes: OrderedDict[GuardedAccount, Change] = OrderedDict()
        self._news_joins: OrderedDict[GuardedAccount, GuardedAccount] = OrderedDict()
        self._telling_rest = False
        # Attempts that the store may hold as under way.
        self._held: set[str] = set()
        self._asking: set[GuardedAccount] = set()
        self._retries: dict[GuardedAccount, Timer] = {}
        self._renewal: Timer | None = None
        self._recounting: Timer | None = None

    def use(self, store: AttemptStore | None) -> None:
        """From now on; None for memory alone. What this gateway knows goes with it."""
        self._leave_store()
        self._decide_all()
        if store is not None:
            self._store = store
            self._renewal = self._timers.callLater(RENEWAL, self._renew)
            store.open(self)

    def count_by(self, settings: Callable[[GuardedAccount], LockoutSettings | None]) -> None:
        """The settings have changed by which each account counts; None where nothing is known of its directory.
        Attempts of sessions of before still come with the old ones."""
        self._stop_recounting()
        self._recount(iter(self._accounts), settings)

    def _recount(
        self, accounts: Iterator[CountedAccount], settings: Callable[[GuardedAccount], LockoutSettings | None]
    ) -> None:
        self._recounting = None
        few = list(islice(accounts, MOST_RECOUNTED))
        for found in few:
            its = settings(found.account)
            # It may have gone, or become another name of somebody, since this began.
            if its is not None and self._accounts.get(found.account) is found:
                found.count_by(its)
                self._settle(found, GuardEnd.settings)
        if few:
            self._recounting = self._timers.callLater(0, partial(self._recount, accounts, settings))

    def _stop_recounting(self) -> None:
        timer, self._recounting = self._recounting, None
        if timer is not None and timer.active():
            timer.cancel()

    def close(self) -> None:
        self._guards.close()
        self._stop_recounting()
        self._leave_store(wait=True)

    def counted(self) -> list[CountedAccount]:
        """The accounts of which this gateway remembers something."""
        return list(self._accounts)

    @property
    def remembered(self) -> int:
        """How many accounts something is remembered of."""
        return len(self._accounts)

    def listed(self, most: int) -> list[CountedAccount]:
        """The accounts that an administrator wants to see first, so many at most: those that the configuration names,
        then those that are guarded, then others."""
        services = [found for found in self._accounts if found.account.sync]
        guarded = [
            found for account in self._guards.guarded(most) if (found := self._accounts.get(account)) is not None
        ]
        others = islice((found for found in self._accounts if not found.account.sync), most)
        return list({id(found): found for found in (*services, *guarded, *others)}.values())[:most]

    def guard_left(self, account: GuardedAccount) -> float:
        """Seconds for which nothing of the account is sent to a server, if nothing happens meanwhile; 0 where it is not
        guarded."""
        return self._guards.left(self._joins.account(account))

    def guarded(self) -> Mapping[CountedKind, int]:
        """How many accounts of each kind are guarded now."""
        return self._guards.numbers

    def longest_guard(self) -> float:
        """Seconds until the last of these guards ends, if nothing happens meanwhile; 0 where nobody is guarded."""
        return self._guards.longest()

    def counted_as(self, account: GuardedAccount) -> GuardedAccount:
        """The account that this name is known to belong to; the name itself where nothing is known of it."""
        return self._joins.account(account)

    def count_others(self, then: Callable[[int | None], None]) -> None:
        """Calls then with the number of accounts of which the store alone knows wrong passwords; with None where it
        does not answer, or there is none. It has no names of them."""
        store = self._store
        if store is None or store.away:
            then(None)
            return
        own = sum(bool(found.failures) for found in self._accounts)
        store.count(lambda found: then(None if found is None else max(0, found - own)))

    def _leave_store(self, wait: bool = False) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close(wait)
        for timer in (self._renewal, *self._retries.values()):
            if timer is not None:
                timer.cancel()
        self._renewal = None
        self._telling_rest = False
        for known in (self._retries, self._changes, self._news_joins, self._held, self._asking):
            known.clear()

    # From the sessions.

    def forget(self, account: GuardedAccount) -> None:
        super().forget(account)
        account = self._joins.account(account)
        if self._store is not None:
            # It may know failures that this gateway has never heard of.
            self._change(Change(account, 0.0)).clear((), self._clock())
            self._tell_of(account)

    def _settle(self, found: CountedAccount, end: GuardEnd = GuardEnd.lifted) -> None:
        super()._settle(found, end)
        self._guards.look(found, end)

    def _joined(self, alias: GuardedAccount, account: GuardedAccount) -> None:
        super()._joined(alias, account)
        self._guards.gone(alias)
        if self._store is not None:
            self._news_joins[alias] = account
            self._tell_rest()

    @property
    def _shares(self) -> bool:
        return self._store is not None

    def _tag(self, identity: str) -> str:
        tag = None if self._store is None else self._store.tag(identity)
        return super()._tag(identity) if tag is None else tag

    def _ended(self, found: CountedAccount, attempt: Attempt, verdict: Verdict, entry: str) -> None:
        super()._ended(found, attempt, verdict, entry)
        if self._store is not None:
            self._not_held(found, attempt.name)
            self._tell_of(found.account)

    def _failed(self, found: CountedAccount, failure: Failure) -> None:
        super()._failed(found, failure)
        if self._store is not None:
            self._change(Change(found.account, found.window, failures=(failure,)))

    def _clear(self, found: CountedAccount, cleared: set[str], until: float | None) -> None:
        super()._clear(found, cleared, until)
        if self._store is not None:
            self._change(Change(found.account, found.window)).clear(sorted(cleared), until)

    def _admit(self, found: CountedAccount) -> None:
        store = self._store
        if store is None or store.away:
            super()._admit(found)
            return
        # Whoever is refused may come again at once, and there may be hundreds of them.
        if found.deciding or found.account in self._asking:
            return
        found.deciding = True
        try:
            one = self._next(found)
        finally:
            found.deciding = False
        if one is not None:
            self._asking.add(found.account)
            self._tell_of(found.account)
            then = partial(self._asked, store, found.account, one, self._clock())
            store.ask(found.account, one.name, one.settings, then)

    def _refused(self, found: CountedAccount, one: Waiting, refused: AttemptRefused) -> None:
        self._not_held(found, one.name)
        super()._refused(found, one, refused)

    def _not_held(self, found: CountedAccount, attempt: str) -> None:
        if attempt in self._held:
            self._held.discard(attempt)
            self._change(Change(found.account, found.window, ended=(attempt,)))

    # From the store.

    def store_ready(self) -> None:
        self._news_joins.update(self._joins)
        for found in self._accounts:
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
        found = self._accounts.get(self._joins.account(account))
        if found is None:
            return
        if one not in found.waiting:
            # It was decided on when it was asked for under another name, and others may have waited for this answer.
            self._admit(found)
        elif asked is None:
            self._held.add(one.name)
            self._admit(found)
        elif asked.answer is Answer.lost:
            # The store says next what becomes of it, and then everybody who waits asks again.
            self._ask_again(found.account)
        else:
            self._hear(found, since, asked)
            self._take(found, one, asked.answer)
        self._settle(found)

    def _hear(self, found: CountedAccount, since: float, asked: Asked) -> None:
        """Takes the failures that the store knows, and keeps those that this gateway knows better."""
        told = {failure.attempt: failure for failure in asked.failures if failure.attempt not in found.under_way}
        own = {
            failure.attempt: failure
            for failure in found.failures
            if failure.attempt.startswith(self._name) and failure.attempt not in asked.forgiven
        }
        # The store ought to know these. It has lost them, and does not know that it has.
        lost = [failure for failure in own.values() if failure.attempt not in told and failure.at < since]
        if lost:
            self._change(Change(found.account, found.window, failures=tuple(lost)))
        # By its own clock it knows its own times exactly.
        found.failures = sorted({**told, **own}.values())

    def _take(self, found: CountedAccount, one: Waiting, answer: Answer) -> None:
        """Decides on an attempt by the store's answer, but never admits more than this gateway by itself would."""
        failures = found.count(one.settings, self._clock())
        if answer is Answer.admitted:
            self._held.add(one.name)
            if failures >= one.settings.failures:
                answer = Answer.guarded
            elif failures + len(found.under_way) >= one.settings.failures:
                answer = Answer.waits
        else:
            self._held.discard(one.name)
        if answer is Answer.waits:
            self._ask_again(found.account)
            return
        self._decided(found, one, answer is Answer.admitted)
        self._admit(found)

    def _ask_again(self, account: GuardedAccount) -> None:
        if account not in self._retries:
            self._retries[account] = self._timers.callLater(ASK_AGAIN, partial(self._retry, account))

    def _retry(self, account: GuardedAccount) -> None:
        self._retries.pop(account, None)
        found = self._accounts.get(self._joins.account(account))
        if found is not None:
            self._admit(found)
            self._settle(found)

    def _decide_all(self) -> None:
        for found in self._accounts.busy:
            self._admit(found)
            self._settle(found)

    # To the store.

    def _change(self, change: Change) -> Change:
        """Adds it to what the store is to be told; returns all of that, of the same account."""
        known = self._changes.setdefault(change.account, change)
        if known is not change:
            known.add(change)
        if len(self._changes) > self._accounts.limit:
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
        joins = list(islice(self._news_joins, MOST_NEWS))
        news: list[Change | Join] = [Join(alias, self._news_joins.pop(alias)) for alias in joins]
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
                self._news_joins.setdefault(one.alias, one.account)
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
        for found in self._accounts.busy:
            if found.under_way:
                self._held.update(found.under_way)
                under_way = tuple(UnderWay(attempt.name, attempt.began) for attempt in found.under_way.values())
                self._change(Change(found.account, found.window, under_way=under_way))
