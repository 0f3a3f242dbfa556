"""One request of an operation at the server, until it is answered or given up."""

from __future__ import annotations

from typing import final

from gateway.ldap.entry_stream import EntryStream
from gateway.ldap.messages import SearchResultEntry
from gateway.relay.audit import AuditRecord


@final
class Awaited:
    """The answer that an operation awaits of the server.

    upstream_id: the message ID of the request. since: when it was sent, on the session's clock; clock: the same on the
    clock of the server's time. stream: of the entries of a Stream. found: the first entries of a Look; received: how
    many it has had.
    """

    __slots__ = ("clock", "found", "received", "since", "stream", "upstream_id")

    def __init__(self, upstream_id: int, since: float, clock: float) -> None:
        self.upstream_id = upstream_id
        self.since = since
        self.clock = clock
        self.stream: EntryStream | None = None
        self.found: list[SearchResultEntry] = []
        self.received = 0

    def note(self, record: AuditRecord, clock: float) -> None:
        """Counts what has come in the operation's record, at the end. clock: of the server's time."""
        record.server_seconds += clock - self.clock
        stream = self.stream
        if stream is not None:
            # What is carried is of the operation that sends it.
            record.received += stream.received - stream.carried
            record.sent += stream.sent
            record.octets += stream.octets
