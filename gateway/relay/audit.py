"""Audit records as values; observe/ writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from gateway.ldap.filters import Filter
from gateway.ldap.messages import SCOPE_NAMES, BindRequest, ExtendedRequest, Request, SearchRequest, UnservedRequest
from gateway.policy.decision import Mended

# The detail of a record that tells an answered "Who am I?" from StartTLS.
WHO_AM_I_ASKED: Final = "Who am I?"


@final
@dataclass(frozen=True, slots=True)
class CameBy:
    """The link that a session came by from a gateway outside. session, source: what that gateway calls it, and the
    address that its client has connected from, as that gateway says: they are for people, and believed in nothing."""

    link: str
    session: str
    source: str


@final
@dataclass(init=False, slots=True)
class AuditRecord:
    """One operation, from its request to its one final answer. Filled in while the operation runs.

    operation: bind, search, ... as RFC 4511 names them; malformed for what is none, session where the client
    took too long and the whole of it ended. account: the DN or name that the session is bound
    as (for a bind: that it wants to be), in the configured spelling where one matched. base, scope, filter,
    asked: of the request; forwarded: attributes that the server was asked for; held_back: attributes asked
    for and not forwarded. narrowed_to: the bases that a wider search was answered from. mended: names of the request
    that were put right. suspicious: what in the request looks escaped twice. Entries' names and values never appear:
    only counts do.
    guarded_for: of a bind that the lockout guard refused, seconds until it may be tried again; None for others.
    decision: permit, refuse, or "" where none was needed. reason: why it was refused or why it failed.
    code: what the client was told; None where it was told nothing (unbind, abandon). server: its URL. server_code:
    its last result; server_meaning: what that means, never the server's own text.
    sync_bind: whether it is a sync account's bind. mapped_to: of a mapped account's, the gateway's
    own account that it stands for, whether it came to that or not; "" where its bind is forwarded.
    received, sent: entries from the server, entries to the client. pages: searches that the server was asked for
    it. octets: sent to the client. more: the result has more than the client was sent, for it ended with a cookie, or
    the client gave the rest of a paged search up.
    seconds: from the request to the final answer. server_seconds: of these, while the server's answer was awaited and
    the client took what came. own_seconds: while the gateway itself worked on the session's events since its last
    record; of operations that ran at once it is the last to end that carries the whole.
    came_by: the link that the session came by, None for a listener's. server_session: the name that the gateway inside
    has for the session, "" where its server is none.
    """

    session: str
    client: str
    source: str
    operation: str
    message_id: int
    started: float
    account: str
    sync_bind: bool
    mapped_to: str
    guarded_for: float | None
    base: str | None
    scope: str | None
    filter: Filter | None
    asked: tuple[str, ...] | None
    forwarded: tuple[str, ...] | None
    held_back: tuple[str, ...]
    narrowed_to: tuple[str, ...]
    mended: tuple[Mended, ...]
    suspicious: tuple[str, ...]
    reported: tuple[str, ...]
    decision: str
    reason: str
    detail: str
    code: int | None
    server_code: int | None
    server_meaning: str
    received: int
    sent: int
    references_dropped: int
    pages: int
    octets: int
    more: bool
    seconds: float
    server_seconds: float
    own_seconds: float
    server: str
    came_by: CameBy | None
    server_session: str

    def __init__(
        self,
        session: str,
        client: str,
        source: str,
        operation: str,
        message_id: int,
        started: float,
        account: str = "",
        sync_bind: bool = False,
        mapped_to: str = "",
        guarded_for: float | None = None,
        base: str | None = None,
        scope: str | None = None,
        filter: Filter | None = None,
        asked: tuple[str, ...] | None = None,
        forwarded: tuple[str, ...] | None = None,
        held_back: tuple[str, ...] = (),
        narrowed_to: tuple[str, ...] = (),
        mended: tuple[Mended, ...] = (),
        suspicious: tuple[str, ...] = (),
        reported: tuple[str, ...] = (),
        decision: str = "",
        reason: str = "",
        detail: str = "",
        code: int | None = None,
        server_code: int | None = None,
        server_meaning: str = "",
        received: int = 0,
        sent: int = 0,
        references_dropped: int = 0,
        pages: int = 0,
        octets: int = 0,
        more: bool = False,
        seconds: float = 0.0,
        server_seconds: float = 0.0,
        own_seconds: float = 0.0,
        server: str = "",
        came_by: CameBy | None = None,
        server_session: str = "",
    ) -> None:
        self.session = session
        self.client = client
        self.source = source
        self.operation = operation
        self.message_id = message_id
        self.started = started
        self.account = account
        self.sync_bind = sync_bind
        self.mapped_to = mapped_to
        self.guarded_for = guarded_for
        self.base = base
        self.scope = scope
        self.filter = filter
        self.asked = asked
        self.forwarded = forwarded
        self.held_back = held_back
        self.narrowed_to = narrowed_to
        self.mended = mended
        self.suspicious = suspicious
        self.reported = reported
        self.decision = decision
        self.reason = reason
        self.detail = detail
        self.code = code
        self.server_code = server_code
        self.server_meaning = server_meaning
        self.received = received
        self.sent = sent
        self.references_dropped = references_dropped
        self.pages = pages
        self.octets = octets
        self.more = more
        self.seconds = seconds
        self.server_seconds = server_seconds
        self.own_seconds = own_seconds
        self.server = server
        self.came_by = came_by
        self.server_session = server_session

    def add_detail(self, detail: str) -> None:
        """Behind what detail says already."""
        if detail:
            self.detail = f"{self.detail}; {detail}" if self.detail else detail

    @property
    def entries_held_back(self) -> int:
        """Entries of the server that the client was not sent. One that the gateway read for itself and passed on is
        sent without having been received."""
        return max(0, self.received - self.sent)


def describe(record: AuditRecord, request: Request) -> AuditRecord:
    """Fills in what a record says of its request."""
    if isinstance(request, SearchRequest):
        record.operation = "search"
        record.base = request.base
        record.scope = SCOPE_NAMES[request.scope]
        record.filter = request.filter
        record.asked = request.attributes
    elif isinstance(request, BindRequest):
        record.operation = "bind"
        record.account = request.name
    elif isinstance(request, ExtendedRequest):
        record.operation = "extended"
    elif isinstance(request, UnservedRequest):
        record.operation = request.name
    return record
