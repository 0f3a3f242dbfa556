"""One account as a gateway counts its wrong passwords, with the attempts that are under way or wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.policy.lockout import GuardedAccount, GuardRefusal, LockoutSettings
from gateway.state.failures import MOST_FAILURES, Failure, counted


@dataclass(slots=True, eq=False)
class Attempt:
    """One try of a password that was admitted, until it has ended.

    name: no other attempt of any gateway has it. began: seconds, when it was admitted. known: the failures that were
    counted then, by their attempts: a right password makes the directory forget them. counted: where it counts.
    """

    name: str
    began: float
    known: frozenset[str]
    counted: CountedAccount


# Takes the attempt, or why there is none.
Admit = Callable[[Attempt | GuardRefusal], None]


class Waiting(NamedTuple):
    """An attempt that has not been decided on."""

    name: str
    settings: LockoutSettings
    then: Admit


@dataclass(slots=True, eq=False)
class CountedAccount:
    """An account with its attempts.

    failures: the earliest end first. under_way: attempts that were admitted and have not ended, by name. waiting:
    attempts that have not been decided on. window: seconds, the longest for which its failures count. permitted: the
    fewest failures with which it is guarded. together: whether its failures expire together. awaited: whether the table
    looks at it again when they do.
    """

    account: GuardedAccount
    window: float = 0.0
    permitted: int = MOST_FAILURES
    together: bool = True
    awaited: bool = False
    failures: list[Failure] = field(default_factory=list)
    under_way: dict[str, Attempt] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        return bool(self.under_way or self.waiting)

    def take(self, settings: LockoutSettings) -> None:
        """Notes the settings of an attempt: a failure is kept as long as any client's settings count it."""
        self.window = max(self.window, settings.window)
        self.permitted = min(self.permitted, settings.failures)
        self.together = settings.expire_together

    def count(self, settings: LockoutSettings, now: float) -> int:
        """Its failures that count by these settings."""
        return self._counted(now, settings.window)

    def trim(self, now: float) -> None:
        """Drops the failures that count by nobody's settings."""
        number = min(self._counted(now, self.window), MOST_FAILURES)
        del self.failures[: len(self.failures) - number]

    def _counted(self, now: float, window: float) -> int:
        under_way = (attempt.began for attempt in self.under_way.values())
        return counted(self.failures, under_way, now, window, self.together)

    def absorb(self, other: CountedAccount) -> None:
        """Takes over all that belongs to the same person under another name."""
        self.window = max(self.window, other.window)
        self.permitted = min(self.permitted, other.permitted)
        self.failures = sorted({*self.failures, *other.failures})
        for attempt in other.under_way.values():
            attempt.counted = self
        self.under_way.update(other.under_way)
        self.waiting.extend(other.waiting)
        # Whoever still goes through the other's lists finds nothing there.
        other.failures, other.under_way, other.waiting = [], {}, []
