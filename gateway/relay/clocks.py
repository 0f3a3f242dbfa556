"""What a client has to do in time."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from gateway.ldap.results import ResultCode
from gateway.policy.reasons import Reason
from gateway.relay.settings import SessionLimits


@dataclass(frozen=True, slots=True)
class Expired:
    """What the notice of disconnection says."""

    code: ResultCode
    reason: Reason
    text: str


_FIRST_REQUEST = Expired(ResultCode.unavailable, Reason.first_request_timeout, "no request came in time")
_MESSAGE = Expired(ResultCode.unavailable, Reason.message_timeout, "a message was begun and not finished in time")
_UNBOUND = Expired(ResultCode.strongerAuthRequired, Reason.unbound_timeout, "no bind succeeded in time")
_IDLE = Expired(ResultCode.unavailable, Reason.idle, "no request for a long time")


class ClientClocks:
    """Times are of the session's clock, in seconds."""

    def __init__(self, limits: SessionLimits, now: float) -> None:
        self._limits = limits
        self._held_since: float | None = None
        self.restart(now)

    def restart(self, now: float) -> None:
        """The connection begins (anew, with StartTLS)."""
        self._first_request_by: float | None = now + self._limits.first_request
        self._unbound_since: float | None = now
        self._last_active = now
        self._message_since: float | None = None

    @property
    def first_awaited(self) -> bool:
        """Whether no whole request has come since the connection began."""
        return self._first_request_by is not None

    def request(self, now: float) -> None:
        """A whole request has come."""
        self._first_request_by = None
        self._message_since = None
        self._last_active = now

    def ended(self, now: float) -> None:
        """An operation has ended."""
        self._last_active = now

    def bind_ended(self, bound: bool, now: float) -> None:
        self._unbound_since = None if bound else now

    def awaits_rest(self, awaits: bool, now: float) -> None:
        """Whether a message has begun whose rest is for the client to send."""
        if not awaits:
            self._message_since = None
        elif self._message_since is None:
            self._message_since = now

    def hold(self, now: float) -> None:
        """Reading from the client pauses, so that it cannot finish what it has begun."""
        if self._held_since is None:
            self._held_since = now

    def release(self, now: float) -> None:
        """Reading from the client goes on."""
        if self._held_since is not None and self._message_since is not None:
            self._message_since += now - max(self._held_since, self._message_since)
        self._held_since = None

    def next(self, idle: bool) -> tuple[float, Expired] | None:
        """What expires first, and when; None for nothing. idle: no operation is open."""
        due, first = inf, _IDLE
        if self._first_request_by is not None:
            due, first = self._first_request_by, _FIRST_REQUEST
        if self._message_since is not None and self._held_since is None:
            message_by = self._message_since + self._limits.message
            if message_by < due:
                due, first = message_by, _MESSAGE
        if idle:
            idle_by = self._last_active + self._limits.idle
            if idle_by < due:
                due, first = idle_by, _IDLE
            if self._unbound_since is not None:
                unbound_by = self._unbound_since + self._limits.unbound
                if unbound_by < due:
                    due, first = unbound_by, _UNBOUND
        return None if due == inf else (due, first)
