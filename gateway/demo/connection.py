"""The simulated service's side of a connection: verified LDAPS, one request at a time, every octet kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred

from gateway.ask.client import RESPONSE_LIMIT, Client, Disconnection, Entry, Reference, SearchDone
from gateway.demo.place import Place
from gateway.ldap import ber, messages
from gateway.ldap.controls import Control
from gateway.ldap.decoding import decode_response
from gateway.ldap.dn import DN
from gateway.ldap.errors import DecodeError
from gateway.ldap.framing import Framer
from gateway.ldap.messages import SearchRequest, SearchResultEntry
from gateway.ldap.results import LDAPResult
from gateway.net.servers.connector import NoServer, ServerConnector
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.transport.reactor import Reactor

# Seconds for one answer, everything on loopback; far more than a slow machine needs.
PATIENCE: Final = 30.0

# Of the one request that ask/client has no word for; its own count from 1 upwards.
_DELETE_ID: Final = 1_000_000


class ConnectionFailed(Exception):
    """The other side could not be reached, closed the connection or did not answer in time; the text says which."""


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What a search of the demo's service brought."""

    entries: tuple[SearchResultEntry, ...]
    done: SearchDone


class ServiceConnection:
    """The connection of the demo's service to the gateway.

    received: gets every octet that arrives, as TLS gave it. Requests raise ConnectionFailed.
    """

    def __init__(self, link: ServerLink, received: bytearray, reactor: Reactor) -> None:
        self._link = link
        self._received = received
        self._reactor: Any = reactor
        self._client = Client()
        self._entries: list[SearchResultEntry] = []
        self._answer: Deferred[Any] | None = None
        self._raw: Framer | None = None
        self._unbound = False
        self._lost = ""
        link.attach(self)

    @classmethod
    async def open(cls, place: Place, received: bytearray, reactor: Reactor) -> ServiceConnection:
        server = ServerSettings(place.host, place.port, place.name)
        try:
            link = await ServerConnector(DirectorySettings("demo", (server,), place.ca_file), reactor).connect()
        except NoServer as error:
            raise ConnectionFailed(str(error)) from None
        return cls(link, received, reactor)

    async def bind(self, name: str, password: bytes) -> LDAPResult:
        outgoing = self._client.bind(name, password)
        result: LDAPResult = (await self._ask(outgoing.data)).result
        return result

    async def search(self, request: SearchRequest, controls: tuple[Control, ...] = ()) -> SearchAnswer:
        """The answer's result may be any code; references are not followed."""
        self._entries = []
        done = await self._ask(self._client.search(request, controls).data)
        if not isinstance(done, SearchDone):
            raise ConnectionFailed("a search was answered by something else")
        return SearchAnswer(tuple(self._entries), done)

    async def delete(self, dn: DN) -> LDAPResult:
        """RFC 4511 4.8."""
        request = ber.element(messages.DELETE_REQUEST, str(dn).encode())
        self._raw = Framer(RESPONSE_LIMIT)
        result: LDAPResult = await self._ask(ber.element(ber.SEQUENCE, ber.integer(_DELETE_ID) + request))
        return result

    async def unbind(self) -> None:
        """Returns when the other side has closed."""
        self._unbound = True
        await self._ask(self._client.unbind())

    def close(self) -> None:
        if not self._lost:
            self._link.close()

    async def _ask(self, data: bytes) -> Any:
        if self._lost:
            raise ConnectionFailed(self._lost)
        self._answer = Deferred()
        self._link.transport.write(data)
        try:
            return await self._answer.addTimeout(PATIENCE, self._reactor, onTimeoutCancel=_late)
        finally:
            self._answer = None
            self._raw = None

    # What the link tells.

    def link_data(self, data: bytes) -> None:
        self._received += data
        try:
            if self._raw is not None:
                self._raw_data(self._raw, data)
                return
            for event in self._client.receive(data):
                if isinstance(event, Entry):
                    self._entries.append(event.entry)
                elif isinstance(event, Disconnection):
                    self._fail(f"disconnected: {event.result.diagnostic}")
                elif not isinstance(event, Reference) and self._answer is not None:
                    self._answer.callback(event)
        except DecodeError as error:
            self._fail(f"an answer that is not LDAP: {error}")

    def _raw_data(self, framer: Framer, data: bytes) -> None:
        framer.feed(data)
        whole = framer.next_message()
        if whole is None or self._answer is None:
            return
        answer = decode_response(whole).operation
        if not isinstance(answer, messages.UnservedResponse):
            raise DecodeError("a response that does not belong to its request")
        self._answer.callback(answer.result)

    def link_lost(self, detail: str) -> None:
        self._lost = f"the connection was lost: {detail}"
        self._fail(self._lost)

    def _fail(self, why: str) -> None:
        answer = self._answer
        if answer is None or answer.called:
            return
        if self._unbound:
            answer.callback(None)
        else:
            answer.errback(ConnectionFailed(why))


def _late(_: object, patience: float) -> None:
    raise ConnectionFailed(f"no answer within {patience:g} seconds")
