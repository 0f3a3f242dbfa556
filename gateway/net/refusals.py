"""Connections that were closed without becoming a session: logged so that a flood fills no disk."""

from __future__ import annotations

from twisted.logger import Logger

from gateway.policy.reasons import REASONS, Reason

log = Logger()

# Addresses that are remembered so that each is logged once a minute for each reason; beyond it the oldest go.
REMEMBERED = 10_000
QUIET_SECONDS = 60.0


class Refusals:
    def __init__(self) -> None:
        self._recent = Recent()

    def note(self, reason: Reason, address: str, what: str, now: float) -> None:
        """Logs that a connection from this address was closed. what: which one it was, and more of why."""
        if self._recent.worth_logging(f"{reason} {address}", now):
            setting = REASONS[reason].setting
            log.warn(
                "{reason}: closed {what}{advice}",
                reason=reason.value,
                what=what,
                advice=f"; see {setting}" if setting else "",
            )


class Recent:
    """Says of what happens again and again whether it is time to log it (again)."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def worth_logging(self, what: str, now: float) -> bool:
        last = self._last.pop(what, None)
        if last is not None and now - last < QUIET_SECONDS:
            self._last[what] = last
            return False
        if len(self._last) >= REMEMBERED:
            del self._last[next(iter(self._last))]
        self._last[what] = now
        return True
