"""How one session stands: whose it is, what time it is there, who is bound, and whether it goes on."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.policy.decision import AccountKind
from gateway.relay.audit import AuditRecord, CameBy
from gateway.relay.operation import Operation
from gateway.relay.steps import Account


@dataclass(frozen=True, slots=True)
class Peer:
    """The client's end of a session. session_id, source: for the audit records. tls: the connection is encrypted
    already. needs_tls: nothing is served before StartTLS. came_by: the link that the session came by, None for a
    listener's."""

    session_id: str
    source: str
    tls: bool = True
    needs_tls: bool = False
    came_by: CameBy | None = None


class Standing:
    """The state that the parts of a session share.

    now: when the current event happened, in seconds of a monotonic clock. encrypted: the client's connection is.
    account: whom the session is bound as. binding: the bind that is under way; binds: how many have been so far, with
    that one; has_bound: any has succeeded so far that needs an account (an anonymous one does not). draining: no new
    requests. closed: nothing of the client is handled any more.
    """

    __slots__ = ("account", "binding", "binds", "client", "closed", "draining", "encrypted", "has_bound", "now", "peer")

    def __init__(self, peer: Peer, client: str, now: float) -> None:
        self.peer = peer
        self.client = client
        self.now = now
        self.encrypted = peer.tls
        self.account: Account | None = None
        self.binding: Operation | None = None
        self.binds = 0
        self.has_bound = False
        self.draining = False
        self.closed = False

    def begin_bind(self, operation: Operation) -> None:
        self.binding = operation
        self.binds += 1

    def bound_as(self, account: Account | None) -> None:
        """The bind that is under way ends so; None leaves the session anonymous (RFC 4511 4.2.1)."""
        self.account = account
        if account is not None and account.kind is not AccountKind.anonymous:
            self.has_bound = True

    def record(self, operation: str, message_id: int) -> AuditRecord:
        """A new record of an operation that begins now."""
        record = AuditRecord(
            session=self.peer.session_id,
            client=self.client,
            source=self.peer.source,
            operation=operation,
            message_id=message_id,
            started=self.now,
            came_by=self.peer.came_by,
        )
        if self.account is not None:
            record.account = self.account.name
        return record
