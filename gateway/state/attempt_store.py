"""What the attempts of one gateway ask of a store that several gateways share, and tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from gateway.policy.lockout import GuardedAccount, LockoutSettings
from gateway.state.failures import Failure


class Answer(Enum):
    """What a store says to an attempt that wants to be admitted.

    waits: others are under way, so ask again. lost: the store is not what it was, and has forgotten some or all of
    what it was told; it has decided nothing.
    """

    admitted = "admitted"
    guarded = "guarded"
    waits = "waits"
    lost = "lost"


@dataclass(frozen=True, slots=True)
class Asked:
    """A store's answer. failures: the account's latest ones at all gateways, in the time of the one that asked.
    forgiven: attempts that were failures once, and that a right password has made the directory forget."""

    answer: Answer
    failures: tuple[Failure, ...] = ()
    forgiven: frozenset[str] = frozenset()


class UnderWay(NamedTuple):
    """An attempt that has not ended. began: seconds on the clock of the attempts."""

    attempt: str
    began: float


@dataclass(slots=True)
class Change:
    """What became of an account's attempts at one gateway. Telling it twice does no harm.

    window: seconds, the longest for which its failures count. cleared: a time before which all its failures count no
    more; None for none. forgiven: attempts that count no more as failures, whatever their time. failures: attempts that
    do. ended: attempts that are not under way any more. under_way: attempts that still are, to be held for another
    while.
    """

    account: GuardedAccount
    window: float
    cleared: float | None = None
    forgiven: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    ended: tuple[str, ...] = ()
    under_way: tuple[UnderWay, ...] = ()

    def clear(self, attempts: Iterable[str], until: float | None) -> None:
        """These failures count no more, and none that was before this time; None for no such time."""
        if until is not None and (self.cleared is None or until > self.cleared):
            self.cleared = until
        self.forgiven = tuple(dict.fromkeys((*self.forgiven, *attempts)))
        self.failures = tuple(failure for failure in self.failures if failure.attempt not in self.forgiven)

    def add(self, other: Change) -> None:
        """Takes in another change of the same account, which is earlier or later."""
        self.window = max(self.window, other.window)
        self.failures = tuple(sorted({*self.failures, *other.failures}))
        self.clear(other.forgiven, other.cleared)
        self.ended = tuple(dict.fromkeys((*self.ended, *other.ended)))
        under_way = dict.fromkeys((*self.under_way, *other.under_way))
        self.under_way = tuple(one for one in under_way if one.attempt not in self.ended)


@dataclass(frozen=True, slots=True)
class Join:
    """Two names of one account. alias: another name of account."""

    alias: GuardedAccount
    account: GuardedAccount


class StoreListener(Protocol):
    """Told on the reactor's thread of what becomes of the store."""

    def store_ready(self) -> None:
        """It can be used from now on, and may have forgotten anything that it was told before. Comes again whenever it
        has forgotten something while it could be used."""

    def store_gone(self) -> None:
        """It cannot be used until store_ready. Whoever waited for an answer has been told that there is none."""


class AttemptStore(Protocol):
    """A store of failures and attempts. Called on the reactor's thread, and never waits; what is to come then comes
    later, on the same thread, in the order in which it was asked and told.

    away: whether nothing of it can be used now. Nobody asks it then.
    """

    away: bool

    def open(self, listener: StoreListener) -> None:
        """Begins to connect."""

    def ask(
        self, account: GuardedAccount, attempt: str, settings: LockoutSettings, then: Callable[[Asked | None], None]
    ) -> None:
        """May this attempt be made? None: it did not answer, and it may have admitted it all the same. Where it says
        that it has lost something, store_ready comes next, or store_gone."""

    def tell(self, news: list[Change | Join], then: Callable[[bool], None]) -> None:
        """False: it did not answer, and it may know it all the same."""

    def tag(self, identity: str) -> str | None:
        """A tag of a name. It is the same at all gateways that share this store, and nothing by which the name could be
        guessed; None where it cannot say yet."""

    def count(self, then: Callable[[int | None], None]) -> None:
        """Asks of how many accounts it knows wrong passwords. then: gets None where it did not answer."""

    def close(self, wait: bool = False) -> None:
        """Nothing comes of it any more; what it was told last it still passes on. wait: until that is done, though
        not long."""
