"""One connection of a tool to one server: verified LDAPS, one request at a time, failures in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred

from gateway.ask.client import (
    Answer,
    BindResult,
    Client,
    Disconnection,
    Entry,
    ExtendedResult,
    Outgoing,
    Reference,
    SearchDone,
    page_control,
)
from gateway.ldap.controls import PAGED_RESULTS, Control
from gateway.ldap.errors import DecodeError
from gateway.ldap.messages import SearchRequest, SearchResultEntry
from gateway.ldap.results import LDAPResult, ResultCode, result_name
from gateway.net.servers.connector import NoServer, ServerConnector
from gateway.net.servers.server_link import LinkOwner
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.transport.reactor import Reactor, Timer, Transport
from gateway.relay.paging import next_cookie

# Seconds without an octet from the server: somebody waits before a terminal, so less than a session grants (150).
PATIENCE: Final = 60.0

EntryReader = Callable[[SearchResultEntry], None]


class Link(Protocol):
    """What a Connection needs of a net.server_link.ServerLink."""

    @property
    def transport(self) -> Transport: ...

    def attach(self, owner: LinkOwner) -> None: ...

    def close(self) -> None: ...


class ConnectionFailed(Exception):
    """The server could not be reached, closed the connection, sent what is not LDAP, or did not answer in time; the
    text says which."""


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """How a search ended, over all its pages; it is complete only where result.code is success.

    entries: what no reader took. count: of all entries. pages: that the server sent; 0 where it did not page.
    references: how many, none is followed.
    """

    result: LDAPResult
    entries: tuple[SearchResultEntry, ...] = field(default=(), repr=False)
    count: int = 0
    pages: int = 0
    references: int = 0
    controls: tuple[Control, ...] = ()

    @property
    def complete(self) -> bool:
        return self.result.code == ResultCode.success


class Connection:
    """Requests raise ConnectionFailed; a result code other than success is an answer and raises nothing.

    link: an established one. patience: seconds without an octet from the server. heard: gets every octet that
    arrives, as TLS gave it.
    """

    def __init__(
        self,
        link: Link,
        reactor: Reactor,
        patience: float = PATIENCE,
        heard: Callable[[bytes], None] | None = None,
    ) -> None:
        self._link = link
        self._reactor = reactor
        self._patience = patience
        self._heard = heard
        self._client = Client()
        self._answer: Deferred[Answer] | None = None
        self._timer: Timer | None = None
        self._read: EntryReader = _ignore
        self._references = 0
        self._lost = ""
        self._closed: Deferred[bool] = Deferred()
        link.attach(self)

    @classmethod
    async def open(
        cls,
        directory: DirectorySettings,
        server: ServerSettings,
        reactor: Reactor,
        patience: float = PATIENCE,
        heard: Callable[[bytes], None] | None = None,
    ) -> Connection:
        """Connects to this server of the directory within directory.connect_timeout, its certificate verified by
        the directory's ca_file. Raises ConnectionFailed; OSError or ValueError for an unusable CA file."""
        connector = ServerConnector(replace(directory, servers=(server,), discover=None), reactor)
        try:
            link = await connector.connect()
        except NoServer as error:
            raise ConnectionFailed(str(error)) from None
        return cls(link, reactor, patience, heard)

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def bind(self, name: str, password: bytes) -> LDAPResult:
        """A simple bind. An empty password would be an anonymous one (RFC 4513 5.1.2): raises ValueError."""
        if name and not password:
            raise ValueError("a bind with a name needs a password")
        return (await self._ask(lambda: self._client.bind(name, password))).result

    async def search(
        self, request: SearchRequest, controls: tuple[Control, ...] = (), read: EntryReader | None = None
    ) -> SearchAnswer:
        """One search request. read: takes each entry as it arrives, none is kept then; it must not raise."""
        kept: list[SearchResultEntry] = []
        count = 0

        def take(entry: SearchResultEntry) -> None:
            nonlocal count
            count += 1
            (read or kept.append)(entry)

        self._read = take
        self._references = 0
        try:
            answer = await self._ask(lambda: self._client.search(request, controls))
        finally:
            self._read = _ignore
        found = answer.controls if isinstance(answer, SearchDone) else ()
        return SearchAnswer(answer.result, tuple(kept), count, 0, self._references, found)

    async def search_paged(
        self, request: SearchRequest, page_size: int, read: EntryReader | None = None
    ) -> SearchAnswer:
        """All pages of a search (RFC 2696), the control not critical: a server that cannot page gives all at once.

        page_size: entries, at least 1.
        """
        entries: list[SearchResultEntry] = []
        count = pages = references = 0
        cookie = b""
        while True:
            answer = await self.search(request, (page_control(page_size, cookie, critical=False),), read)
            entries.extend(answer.entries)
            count += answer.count
            references += answer.references
            pages += any(control.oid == PAGED_RESULTS for control in answer.controls)
            cookie = self._next_page(answer)
            if not cookie:
                return SearchAnswer(answer.result, tuple(entries), count, pages, references)

    async def unbind(self) -> bool:
        """Waits until the server has closed the connection; False where it has not within patience."""
        if self._lost:
            return True
        self._link.transport.write(self._client.unbind())
        reactor: Any = self._reactor
        closed = await self._closed.addTimeout(self._patience, reactor, onTimeoutCancel=lambda *_: False)
        self.close()
        return closed

    def close(self) -> None:
        """May be called at any time, and again."""
        if not self._lost:
            self._lost = "the connection was closed"
            self._link.close()

    def _next_page(self, answer: SearchAnswer) -> bytes:
        if not answer.complete:
            return b""
        try:
            return next_cookie(answer.controls)
        except DecodeError as error:
            self._fail(f"an answer that is not LDAP: {error}")
            raise ConnectionFailed(self._lost) from None

    async def _ask(self, request: Callable[[], Outgoing]) -> Answer:
        if self._lost:
            raise ConnectionFailed(self._lost)
        outgoing = request()
        answer: Deferred[Answer] = Deferred(lambda _: self.close())
        self._answer = answer
        timer = self._timer = self._reactor.callLater(self._patience, self._late)
        self._link.transport.write(outgoing.data)
        try:
            return await answer
        finally:
            self._answer = self._timer = None
            if timer.active():
                timer.cancel()

    def _late(self) -> None:
        self._fail(f"no answer within {self._patience:g} seconds")

    def _fail(self, why: str) -> None:
        """The connection is of no use any more."""
        if not self._lost:
            self._lost = why
            self._link.close()
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.errback(ConnectionFailed(why))

    # What the link tells.

    def link_data(self, data: bytes) -> None:
        if self._heard is not None:
            self._heard(data)
        if self._timer is not None and self._timer.active():
            self._timer.reset(self._patience)
        try:
            events = self._client.receive(data)
        except DecodeError as error:
            self._fail(f"an answer that is not LDAP: {error}")
            return
        for event in events:
            if isinstance(event, Entry):
                self._read(event.entry)
            elif isinstance(event, Reference):
                self._references += 1
            elif isinstance(event, Disconnection):
                said = result_name(event.result.code)
                self._fail(f"the server ended the connection: {said}")
            else:
                self._answered(event)

    def _answered(self, event: SearchDone | BindResult | ExtendedResult) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.callback(event)

    def link_lost(self, detail: str) -> None:
        if not self._lost:
            self._lost = f"the connection was lost: {detail}"
        self._fail(self._lost)
        self._closed.callback(True)


def _ignore(_: SearchResultEntry) -> None:
    """Between two searches no entry is expected."""
