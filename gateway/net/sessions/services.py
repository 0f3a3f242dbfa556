"""What the sessions of a gateway share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.net.sessions.secret_verifier import SecretVerifier
from gateway.net.sessions.turns import Turns
from gateway.net.transport.reactor import Reactor
from gateway.relay.audit import AuditRecord
from gateway.state.attempts import Attempts
from gateway.state.sizes import SizeMemory


@dataclass(frozen=True, slots=True)
class SessionServices:
    """The services of a gateway to its sessions. audit: takes the record of each operation. sizes: what the shrink
    guard remembers. attempts: the lockout guard's. turns: of the event loop, among sessions."""

    audit: Callable[[AuditRecord], None]
    sizes: SizeMemory
    attempts: Attempts
    verifier: SecretVerifier
    turns: Turns
    reactor: Reactor
