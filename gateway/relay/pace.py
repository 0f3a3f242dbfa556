"""How much a session may ask for: at once, and in a second."""

from __future__ import annotations

from typing import Protocol

from gateway.ldap.results import ResultCode
from gateway.policy.decision import Refuse
from gateway.policy.reasons import REASONS, Reason
from gateway.relay.settings import SessionLimits


class Rates(Protocol):
    """Requests in a second, counted over the sessions of a source and of an account."""

    def admit(self, account: str, now: float) -> Reason | None:
        """Counts a request of the session. Why it is too many, None where it is not. account: "" before a bind."""


class Pace:
    """One session's.

    Beyond limits.operations that are open, requests are answered `busy`, so that an abandon or unbind behind them is
    still seen; after limits.busy_answers of them reading stops until an operation has ended.
    """

    def __init__(self, limits: SessionLimits, rates: Rates | None) -> None:
        self._limits = limits
        self._rates = rates
        self._busy_answers = 0

    def stops_reading(self, operations: int) -> bool:
        """operations: that are open."""
        return operations >= self._limits.operations and self._busy_answers >= self._limits.busy_answers

    def judge(self, operations: int, account: str, now: float) -> Refuse | None:
        """Of one more request."""
        reason = self._rates.admit(account, now) if self._rates is not None else None
        if operations < self._limits.operations:
            self._busy_answers = 0
        else:
            self._busy_answers += 1
            reason = Reason.too_many_operations
        if reason is None:
            return None
        return Refuse(reason, ResultCode.busy, f"{reason}: {REASONS[reason].meaning}")
