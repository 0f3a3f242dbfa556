"""Limits and clocks of one session."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.ldap.decoding import RequestLimits


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Sizes in octets, times in seconds; docs/decisions/0009-limits-of-others.md says where they come from.

    message_before_bind, message_after_bind: one request. response_message: one response of a server.
    operations: of one session that are open; further ones wait. waiting: what the open and waiting operations of one
    session may hold before nothing more is read of it; waiting_in_all: what those of all sessions may, before requests
    are answered `busy`. request: what one request may hold.
    first_request: from connecting to the first whole request. message: from a request's first octet to its last.
    unbound: without a successful bind while no operation is open. idle: without a request while none is open.
    search: from a search's request to its result.
    refusal_floor: from a bind to its answer, where that is invalidCredentials, at least; 0 for none.
    bind: an answer to a bind, or to one step of the look-up behind it. silence: no byte from the server
    while a search is open; it stands still while the gateway itself has paused reading.
    expanded_entry: entries of a session that wait for the rest of their ranged attributes.
    write_stall: a peer takes nothing of what is ready for it. write_window: octets waiting to be written to
    one peer before reading from the other pauses.
    """

    message_before_bind: int = 262_143
    message_after_bind: int = 524_288
    response_message: int = 32 * 1024 * 1024
    operations: int = 100
    waiting: int = 4 * 1024 * 1024
    waiting_in_all: int = 256 * 1024 * 1024
    request: RequestLimits = field(default_factory=RequestLimits)
    first_request: float = 30
    message: float = 30
    unbound: float = 60
    idle: float = 600
    refusal_floor: float = 0.25
    bind: float = 30
    silence: float = 150
    search: float = 3600
    write_stall: float = 60
    expanded_entry: int = 32 * 1024 * 1024
    write_window: int = 1024 * 1024
