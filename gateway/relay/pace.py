"""How much a session may ask for: in a second, and as long as the gateway has room for what is asked."""

from __future__ import annotations

from typing import Protocol

from gateway.policy.mending import mending_setting
from gateway.policy.reasons import Reason
from gateway.relay.load import SessionLoad


class Rates(Protocol):
    """Requests in a second, counted over the sessions of a source and of an account."""

    def admit(self, account: str, now: float) -> Reason | None:
        """Counts a request of the session. Why it is too many, None where it is not. account: "" before a bind."""

    def may_mend(self, account: str, characters: int, now: float) -> bool:
        """Whether so many characters of a name that lacks its escapes may be read; they are counted then."""


class Pace:
    """What one session may ask for now. It is the budget for mending as well (gateway/policy/mending.py), of the
    request that was judged last."""

    def __init__(self, load: SessionLoad, rates: Rates | None) -> None:
        self._load = load
        self._rates = rates
        self._account = ""
        self._now = 0.0

    def admit(self, weight: int, account: str, now: float) -> Reason | None:
        """Counts one more request. Why it is too many, None where it is not. weight: octets that its operation would
        hold."""
        self._account = account
        self._now = now
        reason = self._rates.admit(account, now) if self._rates is not None else None
        if reason is None and not self._load.permits(weight):
            reason = Reason.too_much_waiting
        return reason

    def take(self, characters: int) -> bool:
        """Whether so many characters of a name may be put right now; they are counted then (mending.Budget)."""
        return self._rates is None or self._rates.may_mend(self._account, characters, self._now)

    def setting(self) -> str:
        """The limit that this budget has (mending.Budget)."""
        return mending_setting(bool(self._account))
