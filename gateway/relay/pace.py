"""How much a session may ask for: at once, and in a second."""

from __future__ import annotations

from typing import Protocol

from gateway.policy.mending import mending_setting
from gateway.policy.reasons import Reason
from gateway.relay.settings import SessionLimits


class Rates(Protocol):
    """Requests in a second, counted over the sessions of a source and of an account."""

    def admit(self, account: str, now: float) -> Reason | None:
        """Counts a request of the session. Why it is too many, None where it is not. account: "" before a bind."""

    def may_mend(self, account: str, characters: int, now: float) -> bool:
        """Whether so many characters of a name that lacks its escapes may be read; they are counted then."""


class Pace:
    """One session's.

    Beyond limits.operations that are open, requests are answered `busy`, so that an abandon or unbind behind them is
    still seen; after limits.busy_answers of them reading stops until an operation has ended. It is the budget for
    mending as well (gateway/policy/mending.py), of the request that was counted last.
    """

    def __init__(self, limits: SessionLimits, rates: Rates | None) -> None:
        self._limits = limits
        self._rates = rates
        self._busy_answers = 0
        self._account = ""
        self._now = 0.0

    def stops_reading(self, operations: int) -> bool:
        """operations: that are open."""
        return operations >= self._limits.operations and self._busy_answers >= self._limits.busy_answers

    def admit(self, operations: int, account: str, now: float) -> Reason | None:
        """Counts one more request. Why it is too many, None where it is not. operations: that are open."""
        self._account = account
        self._now = now
        reason = self._rates.admit(account, now) if self._rates is not None else None
        if operations < self._limits.operations:
            self._busy_answers = 0
        else:
            self._busy_answers += 1
            reason = Reason.too_many_operations
        return reason

    def take(self, characters: int) -> bool:
        """As gateway.policy.mending.Budget."""
        return self._rates is None or self._rates.may_mend(self._account, characters, self._now)

    def setting(self) -> str:
        """As gateway.policy.mending.Budget."""
        return mending_setting(bool(self._account))
