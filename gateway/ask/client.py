"""A small LDAP client without I/O: requests in, octets out; octets in, events out.

For programs of the project that ask a directory or the gateway itself something. A session's own connection
to a server is not served by it: entries there never become values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from gateway.ldap import messages
from gateway.ldap.controls import PAGED_RESULTS, Control, PagedResults, paged_results
from gateway.ldap.decoding import decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.errors import DecodeError
from gateway.ldap.framing import Framer
from gateway.ldap.messages import BindRequest, ExtendedRequest, LDAPMessage, Request, SearchRequest, SearchResultEntry
from gateway.ldap.results import LDAPResult, ResultCode

# Octets of one response, header included: the same as a session takes from a server by default.
RESPONSE_LIMIT: Final = 32 * 1024 * 1024

# RFC 4511 4.1.1.1.
LAST_MESSAGE_ID: Final = 2**31 - 1


class ClientStateError(RuntimeError):
    """The caller asked for something out of order: our own fault, not the server's."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request ready to be sent. data holds the password of a bind, so it is left out of repr."""

    message_id: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that a server sent."""

    message_id: int
    entry: SearchResultEntry = field(repr=False)
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to another server that a server sent in place of an entry."""

    message_id: int
    uris: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchDone:
    """The search has ended; it is complete only where result.code is success."""

    message_id: int
    result: LDAPResult
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class BindResult:
    """What a server answered to a bind."""

    message_id: int
    result: LDAPResult


@dataclass(frozen=True, slots=True)
class ExtendedResult:
    """Also ends a bind or a search that the server refuses with this type of response, as Samba does for an
    unknown critical control; its code is then never success."""

    message_id: int
    result: LDAPResult
    oid: str | None = None
    value: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Disconnection:
    """The server's notice of disconnection (RFC 4511 4.4.1): no open request will be answered any more."""

    result: LDAPResult


Answer: TypeAlias = SearchDone | BindResult | ExtendedResult
Event: TypeAlias = Entry | Reference | Answer | Disconnection


class Client:
    """One connection's client side.

    response_limit: octets of one response. Requests raise ClientStateError where RFC 4511 allows none: while a
    bind runs (4.2.1), after an unbind, after a notice of disconnection, after octets that could not be read.
    """

    def __init__(self, response_limit: int = RESPONSE_LIMIT) -> None:
        self._framer = Framer(response_limit)
        self._open: dict[int, Request] = {}
        self._abandoned: set[int] = set()
        self._last_id = 0
        self._binding = False
        self._ended = ""

    @property
    def pending(self) -> int:
        """Requests without a final answer."""
        return len(self._open)

    def bind(self, name: str, password: bytes) -> Outgoing:
        """A simple bind, version 3; nothing else may be open (RFC 4511 4.2.1)."""
        if self._open:
            raise ClientStateError("a bind while another request is open")
        outgoing = self._send(BindRequest(3, name, messages.SimpleAuthentication(password)), ())
        self._binding = True
        return outgoing

    def search(self, request: SearchRequest, controls: tuple[Control, ...] = ()) -> Outgoing:
        """Several may be open at once."""
        return self._send(request, controls)

    def extended(self, oid: str, value: bytes | None = None) -> Outgoing:
        if oid == messages.START_TLS and self._open:
            raise ClientStateError("StartTLS while a request is open (RFC 4511 4.14.1)")
        return self._send(ExtendedRequest(oid, value), ())

    def abandon(self, message_id: int) -> bytes:
        """What the server still sends for that request is dropped. Raises ClientStateError where it is not open."""
        if message_id not in self._open or self._binding:
            raise ClientStateError("no such request, or one that cannot be abandoned")
        del self._open[message_id]
        self._abandoned.add(message_id)
        return encode(LDAPMessage(self._new_id(), messages.AbandonRequest(message_id)))

    def unbind(self) -> bytes:
        """The last that is sent; the connection is then to be closed."""
        if self._ended:
            raise ClientStateError(f"no request is possible: {self._ended}")
        self._ended = "unbound"
        self._open.clear()
        return encode(LDAPMessage(self._new_id(), messages.UnbindRequest()))

    def receive(self, data: bytes) -> list[Event]:
        """The events in what the server sent. Raises DecodeError for anything that a server may not send; the
        connection is then unusable."""
        if self._ended == "unreadable":
            raise DecodeError("octets after a message that could not be read")
        self._framer.feed(data)
        events: list[Event] = []
        try:
            while (message := self._framer.next_message()) is not None:
                event = self._read(decode_response(message))
                if event is not None:
                    events.append(event)
        except DecodeError:
            self._ended = "unreadable"
            self._open.clear()
            raise
        return events

    def _send(self, request: Request, controls: tuple[Control, ...]) -> Outgoing:
        if self._ended:
            raise ClientStateError(f"no request is possible: {self._ended}")
        if self._binding:
            raise ClientStateError("a request while a bind runs")
        message_id = self._new_id()
        outgoing = Outgoing(message_id, encode(LDAPMessage(message_id, request, controls)))
        self._open[message_id] = request
        return outgoing

    def _new_id(self) -> int:
        if self._last_id >= LAST_MESSAGE_ID:
            raise ClientStateError("all message IDs of this connection are used up")
        self._last_id += 1
        return self._last_id

    def _read(self, message: LDAPMessage) -> Event | None:
        answer = message.operation
        if message.message_id == 0:
            return self._notice(answer)
        request = self._open.get(message.message_id)
        if request is None:
            if message.message_id not in self._abandoned:
                raise DecodeError("a response to no open request")
            if not isinstance(
                answer, SearchResultEntry | messages.SearchResultReference | messages.IntermediateResponse
            ):
                self._abandoned.discard(message.message_id)
            return None
        if isinstance(request, SearchRequest):
            if isinstance(answer, SearchResultEntry):
                return Entry(message.message_id, answer, message.controls)
            if isinstance(answer, messages.SearchResultReference):
                return Reference(message.message_id, answer.uris)
        if isinstance(answer, messages.IntermediateResponse):
            return None
        return self._final(message, request)

    def _final(self, message: LDAPMessage, request: Request) -> Event:
        answer = message.operation
        message_id = message.message_id
        del self._open[message_id]
        self._binding = False
        if isinstance(request, SearchRequest) and isinstance(answer, messages.SearchResultDone):
            return SearchDone(message_id, answer.result, message.controls)
        if isinstance(request, BindRequest) and isinstance(answer, messages.BindResponse):
            return BindResult(message_id, answer.result)
        if isinstance(answer, messages.ExtendedResponse):
            if answer.result.code == ResultCode.success:
                self._check_extended(request)
            return ExtendedResult(message_id, answer.result, answer.oid, answer.value)
        raise DecodeError("a response that does not belong to its request")

    def _check_extended(self, request: Request) -> None:
        if not isinstance(request, ExtendedRequest):
            raise DecodeError("an extendedResponse that does not belong to its request")
        if request.oid == messages.START_TLS and self._framer.buffered():
            # RFC 4511 4.14.1: what follows must be TLS; plain octets here were put in by somebody else.
            raise DecodeError("octets behind the response to StartTLS")

    def _notice(self, answer: Request | messages.Response) -> Event | None:
        if not isinstance(answer, messages.ExtendedResponse):
            raise DecodeError("a response with message ID 0")
        if answer.oid != messages.NOTICE_OF_DISCONNECTION:
            # RFC 4511 4.4: unsolicited notifications that a client does not know are ignored.
            return None
        self._ended = "disconnected by the server"
        self._open.clear()
        self._binding = False
        return Disconnection(answer.result)


def page_control(size: int, cookie: bytes = b"", critical: bool = True) -> Control:
    """Asks for one page of size entries (RFC 2696); cookie: as next_page gave it for the page before."""
    return PagedResults(size, cookie).to_control(critical)


def next_page(done: SearchDone) -> bytes:
    """The cookie for the next page; b"" where this was the last, or where the server did not page at all.

    Raises DecodeError.
    """
    for control in done.controls:
        if control.oid == PAGED_RESULTS:
            return paged_results(control).cookie
    return b""
