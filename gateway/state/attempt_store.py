"""What the attempts of one gateway ask of a store that several gateways share, and tell it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gateway.policy.lockout import GuardedAccount, LockoutSettings
from gateway.state.attempts import Failure


class Answer(Enum):
    """Of a store, to an attempt that wants to be admitted. waits: others are under way, so ask again."""

    admitted = "admitted"
    guarded = "guarded"
    waits = "waits"


@dataclass(frozen=True, slots=True)
class Asked:
    """failures: of the account at all gateways, the earliest first, in the time of the one that asked."""

    answer: Answer
    failures: tuple[Failure, ...]


@dataclass(slots=True)
class Change:
    """What became of an account's attempts at one gateway. Telling it twice does no harm.

    window: seconds, the longest for which its failures count. cleared: when a right password made the directory
    forget what was before; None for never. failures: since then. ended: attempts that are not under way any more.
    under_way: attempts that still are, to be held for another while.
    """

    account: GuardedAccount
    window: float
    cleared: float | None = None
    failures: tuple[Failure, ...] = ()
    ended: tuple[str, ...] = ()
    under_way: tuple[str, ...] = ()

    def clear(self, at: float) -> None:
        self.cleared = at
        self.failures = ()

    def add(self, other: Change) -> None:
        """Of the same account, earlier or later."""
        self.window = max(self.window, other.window)
        if other.cleared is not None and (self.cleared is None or other.cleared > self.cleared):
            self.cleared = other.cleared
        since = self.cleared
        failures = {failure for failure in (*self.failures, *other.failures) if since is None or failure.at >= since}
        self.failures = tuple(sorted(failures))
        self.ended = tuple(dict.fromkeys((*self.ended, *other.ended)))
        under_way = dict.fromkeys((*self.under_way, *other.under_way))
        self.under_way = tuple(attempt for attempt in under_way if attempt not in self.ended)


@dataclass(frozen=True, slots=True)
class Join:
    """alias: another name of account."""

    alias: GuardedAccount
    account: GuardedAccount


class StoreListener(Protocol):
    """Told on the reactor's thread of what becomes of the store."""

    def store_ready(self, holds_what_it_held: bool) -> None:
        """It can be used from now on. holds_what_it_held: False at first, and where it has lost what it was told."""

    def store_gone(self) -> None:
        """It cannot be used until store_ready. Whoever waited for an answer has been told that there is none."""


class AttemptStore(Protocol):
    """Called on the reactor's thread, and never waits; what is to come then comes later, on the same thread.

    away: whether nothing of it can be used now. Nobody asks it then.
    """

    away: bool

    def open(self, listener: StoreListener) -> None:
        """Begins to connect."""

    def ask(
        self, account: GuardedAccount, attempt: str, settings: LockoutSettings, then: Callable[[Asked | None], None]
    ) -> None:
        """May this attempt be made? None: it did not answer, and it may have admitted it all the same."""

    def tell(self, news: list[Change | Join], then: Callable[[bool], None]) -> None:
        """False: it did not answer, and it may know it all the same."""

    def close(self, wait: bool = False) -> None:
        """Nothing comes of it any more; what it was told last it still passes on. wait: until that is done, though
        not long."""
