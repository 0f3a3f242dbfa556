"""One account as a gateway counts its wrong passwords, with the attempts that are under way or wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.policy.lockout import AttemptRefused, GuardedAccount, LockoutSettings
from gateway.state.failures import MOST_FAILURES, Failure, counted


@dataclass(slots=True, eq=False)
class Attempt:
    """One try of a password that was admitted, until it has ended.

    name: no other attempt of any gateway has it. began: seconds, when it was admitted. known: the failures that were
    counted then, by their attempts: a right password makes the directory forget them. counted: where it counts.
    digest: of its password (policy.password_digest), b"" where it is not to be known again. tag: of the name as it
    came, which is the end of the attempt's name; "" where no two people can share the count.
    """

    name: str
    began: float
    known: frozenset[str]
    counted: CountedAccount
    digest: bytes = b""
    tag: str = ""


# Takes the attempt, or why there is none.
Admit = Callable[[Attempt | AttemptRefused], None]


class Waiting(NamedTuple):
    """An attempt that has not been decided on. digest, tag: as those of an Attempt."""

    name: str
    settings: LockoutSettings
    then: Admit
    digest: bytes = b""
    tag: str = ""


@dataclass(slots=True, eq=False)
class CountedAccount:
    """An account with its attempts.

    failures: the earliest end first. under_way: attempts that were admitted and have not ended, by name. waiting:
    attempts that have not been decided on. window: seconds, the longest for which its failures count. permitted: the
    fewest failures with which it is guarded. together: whether its failures expire together. wrong: when a password
    proved wrong at a server, by its digest; the earliest first. awaited: whether the table looks at it again when
    something of it expires. deciding: whether those that wait are being decided on.
    """

    account: GuardedAccount
    window: float = 0.0
    permitted: int = MOST_FAILURES
    together: bool = True
    awaited: bool = False
    deciding: bool = False
    failures: list[Failure] = field(default_factory=list)
    wrong: dict[bytes, float] = field(default_factory=dict)
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

    def count_by(self, settings: LockoutSettings) -> None:
        """From now on by these alone, until an attempt comes with others."""
        self.window = settings.window
        self.permitted = settings.failures or MOST_FAILURES
        self.together = settings.expire_together

    def count(self, settings: LockoutSettings, now: float) -> int:
        """Its failures that count by these settings."""
        return self._counted(now, settings.window)

    def guarded(self, now: float) -> bool:
        """Whether it is, by somebody's settings."""
        return self._counted(now, self.window) >= self.permitted

    def left(self, settings: LockoutSettings, now: float) -> float:
        """Seconds until a guarded account is guarded no more by these settings, if nothing happens meanwhile."""
        return self._left(settings.failures, settings.window, settings.expire_together, now)

    def guard_left(self, now: float) -> float:
        """Seconds until the account is guarded no more by everybody's settings."""
        return self._left(self.permitted, self.window, self.together, now)

    def _left(self, permitted: int, window: float, together: bool, now: float) -> float:
        last = self.failures[-1 if together else -permitted :]
        return max(0.0, last[0].at + window - now) if last else 0.0

    def known_wrong(self, one: Waiting, now: float) -> float | None:
        """Seconds for which the password is still known to be wrong, if nothing happens meanwhile; None where it is
        not. It is for as long as its failure counts, which later ones keep alive: it would count once more."""
        at = self.wrong.get(one.digest)
        if at is None:
            return None
        number = self.count(one.settings, now)
        if number and self.failures[-number].at <= at:
            return max(0.0, self.failures[-1].at + one.settings.window - now)
        left = at + one.settings.window - now
        return left if left > 0 else None

    def known_wrong_waiting(self, now: float) -> list[tuple[Waiting, float]]:
        """The attempts that wait with a password that is known to be wrong, each with what known_wrong says of it."""
        if not self.wrong:
            return []
        return [(one, left) for one in self.waiting if (left := self.known_wrong(one, now)) is not None]

    def proved_wrong(self, digest: bytes, now: float) -> None:
        self.wrong.pop(digest, None)
        self.wrong[digest] = now
        if len(self.wrong) > MOST_FAILURES:
            del self.wrong[next(iter(self.wrong))]

    def repeats(self, one: Waiting, failures: int, shared: bool) -> bool:
        """Whether an attempt would take the last failure that the account has left, with a password that is being tried
        already. That last one is kept for another password: an old one that comes in parallel would else keep the new
        one out. failures: those that count. shared: other gateways may be trying the same password, so it is tried
        once at a time here."""
        if not one.digest or (not shared and failures + len(self.under_way) + 1 < one.settings.failures):
            return False
        return any(attempt.digest == one.digest for attempt in self.under_way.values())

    def trim(self, now: float) -> None:
        """Drops what counts by nobody's settings."""
        number = min(self._counted(now, self.window), MOST_FAILURES)
        del self.failures[: len(self.failures) - number]
        counted_since = self.failures[0].at if self.failures else now
        while self.wrong:
            digest, at = next(iter(self.wrong.items()))
            if at >= counted_since or now - at <= self.window:
                break
            del self.wrong[digest]

    @property
    def latest(self) -> float | None:
        """When the last thing that is kept of it came to be; None where nothing is."""
        times = [*(failure.at for failure in self.failures[-1:]), *list(self.wrong.values())[-1:]]
        return max(times, default=None)

    def _counted(self, now: float, window: float) -> int:
        under_way = (attempt.began for attempt in self.under_way.values())
        return counted(self.failures, under_way, now, window, self.together)

    def absorb(self, other: CountedAccount) -> None:
        """Takes over all that belongs to the same person under another name."""
        self.window = max(self.window, other.window)
        self.permitted = min(self.permitted, other.permitted)
        self.failures = sorted({*self.failures, *other.failures})
        self.wrong = dict(sorted({**other.wrong, **self.wrong}.items(), key=lambda known: known[1]))
        for attempt in other.under_way.values():
            attempt.counted = self
        self.under_way.update(other.under_way)
        self.waiting.extend(other.waiting)
        # Whoever still goes through the other's lists finds nothing there.
        other.failures, other.under_way, other.waiting = [], {}, []
