"""LDAPMessage and its operations as values, decoded strictly and encoded canonically (RFC 4511 4).

decode_request reads what a client may send, decode_response what a server may send. Operations that
the gateway never performs (add, delete, modify, modifyDN, compare) are recognised, not read: their
contents go nowhere, so nothing in them needs to be understood.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

from gateway.ldap import ber
from gateway.ldap.attribute_lists import read_attributes, write_attributes
from gateway.ldap.controls import Control, read_controls, write_controls
from gateway.ldap.errors import INVALID_DN_SYNTAX, DecodeError, RequestFault, ValueFault, beyond_limit
from gateway.ldap.filters import Filter, FilterLimits, FilterReader, Present, write_filter
from gateway.ldap.results import LDAPResult, ResultCode

BIND_REQUEST: Final = 0x60
BIND_RESPONSE: Final = 0x61
UNBIND_REQUEST: Final = 0x42
SEARCH_REQUEST: Final = 0x63
SEARCH_ENTRY: Final = 0x64
SEARCH_DONE: Final = 0x65
SEARCH_REFERENCE: Final = 0x73
MODIFY_REQUEST: Final = 0x66
MODIFY_RESPONSE: Final = 0x67
ADD_REQUEST: Final = 0x68
ADD_RESPONSE: Final = 0x69
DELETE_REQUEST: Final = 0x4A
DELETE_RESPONSE: Final = 0x6B
MODIFY_DN_REQUEST: Final = 0x6C
MODIFY_DN_RESPONSE: Final = 0x6D
COMPARE_REQUEST: Final = 0x6E
COMPARE_RESPONSE: Final = 0x6F
ABANDON_REQUEST: Final = 0x50
EXTENDED_REQUEST: Final = 0x77
EXTENDED_RESPONSE: Final = 0x78
INTERMEDIATE_RESPONSE: Final = 0x79

SIMPLE: Final = 0x80
SASL: Final = 0xA3
SERVER_SASL_CREDENTIALS: Final = 0x87
REFERRAL: Final = 0xA3

START_TLS: Final = "1.3.6.1.4.1.1466.20037"
WHO_AM_I: Final = "1.3.6.1.4.1.4203.1.11.3"
NOTICE_OF_DISCONNECTION: Final = "1.3.6.1.4.1.1466.20036"

BASE_OBJECT: Final = 0
SINGLE_LEVEL: Final = 1
WHOLE_SUBTREE: Final = 2
# Of an INTEGER of 32 bits.
LEAST_INT: Final = -(2**31)
SCOPE_NAMES: Final = ("base", "one", "sub")

# The attribute list that asks for none (RFC 4511 4.5.1.8).
NO_ATTRIBUTES: Final = "1.1"

_RESPONSE_TO: Final = {
    MODIFY_REQUEST: MODIFY_RESPONSE,
    ADD_REQUEST: ADD_RESPONSE,
    DELETE_REQUEST: DELETE_RESPONSE,
    MODIFY_DN_REQUEST: MODIFY_DN_RESPONSE,
    COMPARE_REQUEST: COMPARE_RESPONSE,
}
_UNSERVED_NAMES: Final = {
    MODIFY_REQUEST: "modify",
    ADD_REQUEST: "add",
    DELETE_REQUEST: "delete",
    MODIFY_DN_REQUEST: "modifyDN",
    COMPARE_REQUEST: "compare",
}
# The operations that are never served, by the name that RFC 4511 gives them.
UNSERVED_TAGS: Final = {name: tag for tag, name in _UNSERVED_NAMES.items()}
_REQUEST_NAMES: Final = {
    BIND_REQUEST: "bind",
    UNBIND_REQUEST: "unbind",
    SEARCH_REQUEST: "search",
    ABANDON_REQUEST: "abandon",
    EXTENDED_REQUEST: "extended",
}
_UNSERVED_RESPONSES: Final = frozenset(_RESPONSE_TO.values())


@dataclass(frozen=True, slots=True)
class SimpleAuthentication:
    """The password is left out of repr, so that no traceback or log can show it."""

    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SaslAuthentication:
    """A bind by SASL, of which the gateway serves none."""

    mechanism: str
    credentials: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BindRequest:
    """A bind (RFC 4511 4.2). version: 1 to 127. name: as sent; whether it is a DN is for policy to say."""

    version: int
    name: str
    authentication: SimpleAuthentication | SaslAuthentication


@dataclass(frozen=True, slots=True)
class UnbindRequest:
    """An unbind (RFC 4511 4.3)."""


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class SearchRequest:
    """A search (RFC 4511 4.5.1).

    scope: 0 to 2. deref_aliases: 0 to 3. size_limit: entries, time_limit: seconds; 0 is none.
    """

    base: Final[str]
    scope: Final[int]
    filter: Final[Filter]
    attributes: Final[tuple[str, ...]]
    deref_aliases: Final[int]
    size_limit: Final[int]
    time_limit: Final[int]
    types_only: Final[bool]

    def __init__(
        self,
        base: str,
        scope: int,
        filter: Filter,
        attributes: tuple[str, ...] = (),
        deref_aliases: int = 0,
        size_limit: int = 0,
        time_limit: int = 0,
        types_only: bool = False,
    ) -> None:
        self.base = base
        self.scope = scope
        self.filter = filter
        self.attributes = attributes
        self.deref_aliases = deref_aliases
        self.size_limit = size_limit
        self.time_limit = time_limit
        self.types_only = types_only


@dataclass(frozen=True, slots=True)
class AbandonRequest:
    """An abandon (RFC 4511 4.11). message_id: the request to be given up."""

    message_id: int


@dataclass(frozen=True, slots=True)
class ExtendedRequest:
    """An extended request (RFC 4511 4.12)."""

    oid: str
    value: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class UnservedRequest:
    """An operation that the gateway never performs; tag is its protocolOp's."""

    tag: int

    @property
    def response_tag(self) -> int:
        return _RESPONSE_TO[self.tag]

    @property
    def name(self) -> str:
        return _UNSERVED_NAMES[self.tag]


@dataclass(frozen=True, slots=True)
class BindResponse:
    """The answer to a bind (RFC 4511 4.2.2)."""

    result: LDAPResult
    server_sasl_credentials: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of an entry, with its values.

    type: an attribute description, with its options. values: in the server's order.
    """

    type: str
    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SearchResultEntry:
    """One entry of a search's answer (RFC 4511 4.5.2)."""

    dn: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class SearchResultReference:
    """A reference in a search's answer (RFC 4511 4.5.3)."""

    uris: tuple[str, ...]


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class SearchResultDone:
    """The end of a search's answer (RFC 4511 4.5.2)."""

    result: Final[LDAPResult]

    def __init__(self, result: LDAPResult) -> None:
        self.result = result


@dataclass(frozen=True, slots=True)
class UnservedResponse:
    """The response to an UnservedRequest; tag is its protocolOp's."""

    tag: int
    result: LDAPResult


@dataclass(frozen=True, slots=True)
class ExtendedResponse:
    """The answer to an extended request, or an unsolicited notification (RFC 4511 4.12, 4.4)."""

    result: LDAPResult
    oid: str | None = None
    value: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class IntermediateResponse:
    """An answer before the final one (RFC 4511 4.13)."""

    oid: str | None = None
    value: bytes | None = field(default=None, repr=False)


Request: TypeAlias = BindRequest | UnbindRequest | SearchRequest | AbandonRequest | ExtendedRequest | UnservedRequest
FinalResponse: TypeAlias = BindResponse | SearchResultDone | ExtendedResponse | UnservedResponse
Response: TypeAlias = FinalResponse | SearchResultEntry | SearchResultReference | IntermediateResponse
Operation: TypeAlias = Request | Response


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class LDAPMessage:
    """A whole message: an operation with its ID and its controls (RFC 4511 4.1.1).

    message_id: 0 to 2^31-1; 0 only for unsolicited notifications (RFC 4511 4.1.1.1).
    """

    message_id: Final[int]
    operation: Final[Operation]
    controls: Final[tuple[Control, ...]]

    def __init__(self, message_id: int, operation: Operation, controls: tuple[Control, ...] = ()) -> None:
        self.message_id = message_id
        self.operation = operation
        self.controls = controls


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one request may hold. attributes: names in a search's list; attribute_length: octets of one.
    dn_length, password_length: octets. controls: of one message."""

    filter: FilterLimits = field(default_factory=FilterLimits)
    attributes: int = 500
    attribute_length: int = 256
    dn_length: int = 8192
    password_length: int = 1024
    controls: int = 16


DEFAULT_LIMITS: Final = RequestLimits()


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Envelope:
    """Where the parts of one whole message lie: its ID, the tag of its operation, the bounds of the
    operation's contents, and where the controls begin (the end of the message where there are none)."""

    message_id: Final[int]
    tag: Final[int]
    start: Final[int]
    end: Final[int]

    def __init__(self, message_id: int, tag: int, start: int, end: int) -> None:
        self.message_id = message_id
        self.tag = tag
        self.start = start
        self.end = end


def read_envelope(data: bytes) -> Envelope:
    """Reads the outermost layer of one whole message, nothing trailing. Raises DecodeError.

    `EntryFilter` in entries.py reads that of entries by itself, and says which test holds the two ways equal."""
    outer = ber.Reader(data)
    message = outer.enter(ber.SEQUENCE)
    outer.finish()
    message_id = message.integer()
    tag, start, end = message.any_element()
    return Envelope(message_id, tag, start, end)


def decode_request(data: bytes, limits: RequestLimits = DEFAULT_LIMITS) -> LDAPMessage:
    """Decodes one whole message from a client. Raises DecodeError; RequestFault, which is one, where only a value in it
    is none that it may have."""
    envelope = read_envelope(data)
    body = ber.Reader(data, envelope.start, envelope.end)
    try:
        request = _read_request(envelope.tag, body, limits)
        return LDAPMessage(envelope.message_id, request, _read_controls(data, envelope, limits.controls))
    except ValueFault as fault:
        found = fault
    raise RequestFault(envelope.message_id, envelope.tag, found)


def decode_response(data: bytes, maximum_controls: int = 64) -> LDAPMessage:
    """Decodes one whole message from a server. Raises DecodeError."""
    return decode_enveloped(data, read_envelope(data), maximum_controls)


def decode_enveloped(data: bytes, envelope: Envelope, maximum_controls: int = 64) -> LDAPMessage:
    """Decodes a message whose outermost layer was read already."""
    body = ber.Reader(data, envelope.start, envelope.end)
    response = _read_response(envelope.tag, body)
    return LDAPMessage(envelope.message_id, response, _read_controls(data, envelope, maximum_controls))


def _read_controls(data: bytes, envelope: Envelope, maximum: int) -> tuple[Control, ...]:
    rest = ber.Reader(data, envelope.end)
    controls = read_controls(rest, maximum)
    rest.finish()
    return controls


def _read_request(tag: int, body: ber.Reader, limits: RequestLimits) -> Request:
    if tag == SEARCH_REQUEST:
        return _read_search(body, limits)
    if tag == BIND_REQUEST:
        return _read_bind(body, limits)
    if tag == UNBIND_REQUEST:
        # RFC 4511 4.3: NULL, so there are no contents.
        body.finish()
        return UnbindRequest()
    if tag == ABANDON_REQUEST:
        # A primitive INTEGER under the operation's own tag, so the contents are the number itself.
        whole = ber.Reader(ber.element(ber.INTEGER, body.data[body.pos : body.end]))
        return AbandonRequest(whole.integer())
    if tag == EXTENDED_REQUEST:
        oid = body.text(0x80)
        value = None if body.at_end() else body.octets(0x81)
        body.finish()
        return ExtendedRequest(oid, value)
    if tag in _RESPONSE_TO:
        return UnservedRequest(tag)
    raise DecodeError(f"0x{tag:02x} is not a request")


def _read_bind(body: ber.Reader, limits: RequestLimits) -> BindRequest:
    version = _number(body, ber.INTEGER, 1, 127, "LDAP version")
    name = body.bounded_text(limits.dn_length, "bind name", "limits.dn_length", INVALID_DN_SYNTAX)
    authentication: SimpleAuthentication | SaslAuthentication
    if body.peek_tag() == SASL:
        inner = body.enter(SASL)
        mechanism = inner.text()
        credentials = None if inner.at_end() else inner.octets()
        inner.finish()
        authentication = SaslAuthentication(mechanism, credentials)
    else:
        password = body.octets(SIMPLE)
        if len(password) > limits.password_length:
            raise beyond_limit(f"password of more than {limits.password_length} octets", "limits.password_length")
        authentication = SimpleAuthentication(password)
    body.finish()
    return BindRequest(version, name, authentication)


def _number(body: ber.Reader, tag: int, low: int, high: int, what: str) -> int:
    """Raises ValueFault for a number that is not between low and high."""
    found = body.integer(tag, LEAST_INT)
    if not low <= found <= high:
        raise ValueFault(f"{what} {found} is not between {low} and {high}")
    return found


def _read_search(body: ber.Reader, limits: RequestLimits) -> SearchRequest:
    base = body.bounded_text(limits.dn_length, "base DN", "limits.dn_length", INVALID_DN_SYNTAX)
    scope = body.integer(ber.ENUMERATED, LEAST_INT)
    if not 0 <= scope <= WHOLE_SUBTREE:
        raise ValueFault(f"scope {scope} is not one of {', '.join(SCOPE_NAMES)}")
    deref_aliases = _number(body, ber.ENUMERATED, 0, 3, "derefAliases")
    size_limit = _number(body, ber.INTEGER, 0, ber.MAX_INT, "sizeLimit")
    time_limit = _number(body, ber.INTEGER, 0, ber.MAX_INT, "timeLimit")
    types_only = body.boolean()
    search_filter = FilterReader(limits.filter).read(body)
    selection = body.enter(ber.SEQUENCE)
    body.finish()
    attributes = read_attributes(selection, limits.attributes, limits.attribute_length)
    return SearchRequest(base, scope, search_filter, attributes, deref_aliases, size_limit, time_limit, types_only)


def _read_response(tag: int, body: ber.Reader) -> Response:
    if tag == SEARCH_ENTRY:
        return _read_entry(body)
    if tag == SEARCH_DONE:
        done = SearchResultDone(_read_result(body))
        body.finish()
        return done
    if tag == BIND_RESPONSE:
        result = _read_result(body)
        credentials = None if body.at_end() else body.octets(SERVER_SASL_CREDENTIALS)
        body.finish()
        return BindResponse(result, credentials)
    if tag == SEARCH_REFERENCE:
        uris: list[str] = []
        while not body.at_end():
            uris.append(body.text())
        return SearchResultReference(tuple(uris))
    if tag == EXTENDED_RESPONSE:
        result = _read_result(body)
        oid = body.text(0x8A) if body.peek_tag() == 0x8A else None
        value = None if body.at_end() else body.octets(0x8B)
        body.finish()
        return ExtendedResponse(result, oid, value)
    if tag == INTERMEDIATE_RESPONSE:
        oid = body.text(0x80) if body.peek_tag() == 0x80 else None
        value = None if body.at_end() else body.octets(0x81)
        body.finish()
        return IntermediateResponse(oid, value)
    if tag in _UNSERVED_RESPONSES:
        result = _read_result(body)
        body.finish()
        return UnservedResponse(tag, result)
    raise DecodeError(f"0x{tag:02x} is not a response")


def _read_result(body: ber.Reader) -> LDAPResult:
    code = body.integer(ber.ENUMERATED)
    # Texts are for people; a server that writes them in Latin-1 does not fail the operation for it.
    matched_dn = body.octets().decode("utf-8", "replace")
    diagnostic = body.octets().decode("utf-8", "replace")
    referral: list[str] = []
    if body.peek_tag() == REFERRAL:
        uris = body.enter(REFERRAL)
        while not uris.at_end():
            referral.append(uris.text())
    return LDAPResult(code, matched_dn, diagnostic, tuple(referral))


def _read_entry(body: ber.Reader) -> SearchResultEntry:
    dn = body.text()
    listed = body.enter(ber.SEQUENCE)
    body.finish()
    attributes: list[Attribute] = []
    while not listed.at_end():
        item = listed.enter(ber.SEQUENCE)
        description = item.text()
        values_reader = item.enter(ber.SET)
        item.finish()
        values: list[bytes] = []
        while not values_reader.at_end():
            values.append(values_reader.octets())
        attributes.append(Attribute(description, tuple(values)))
    return SearchResultEntry(dn, tuple(attributes))


def encode(message: LDAPMessage) -> bytes:
    """The canonical encoding of a message. Raises EncodeError."""
    return _wrap(message.message_id, write_operation(message.operation) + write_controls(message.controls))


def _wrap(message_id: int, rest: bytes) -> bytes:
    return ber.element(ber.SEQUENCE, ber.integer(message_id) + rest)


def write_operation(operation: Operation) -> bytes:
    """The protocolOp element alone. Raises EncodeError."""
    if isinstance(operation, SearchRequest):
        return ber.element(SEARCH_REQUEST, _search_contents(operation))
    if isinstance(operation, BindRequest):
        return ber.element(BIND_REQUEST, _bind_contents(operation))
    if isinstance(operation, UnbindRequest):
        return ber.element(UNBIND_REQUEST, b"")
    if isinstance(operation, AbandonRequest):
        return ber.integer(operation.message_id, ABANDON_REQUEST)
    if isinstance(operation, ExtendedRequest):
        contents = ber.text(operation.oid, 0x80)
        if operation.value is not None:
            contents += ber.octets(operation.value, 0x81)
        return ber.element(EXTENDED_REQUEST, contents)
    if isinstance(operation, SearchResultEntry):
        return ber.element(SEARCH_ENTRY, _entry_contents(operation))
    if isinstance(operation, SearchResultDone):
        return ber.element(SEARCH_DONE, _result_contents(operation.result))
    if isinstance(operation, SearchResultReference):
        return ber.element(SEARCH_REFERENCE, b"".join([ber.text(uri) for uri in operation.uris]))
    if isinstance(operation, BindResponse):
        contents = _result_contents(operation.result)
        if operation.server_sasl_credentials is not None:
            contents += ber.octets(operation.server_sasl_credentials, SERVER_SASL_CREDENTIALS)
        return ber.element(BIND_RESPONSE, contents)
    if isinstance(operation, ExtendedResponse):
        contents = _result_contents(operation.result)
        if operation.oid is not None:
            contents += ber.text(operation.oid, 0x8A)
        if operation.value is not None:
            contents += ber.octets(operation.value, 0x8B)
        return ber.element(EXTENDED_RESPONSE, contents)
    if isinstance(operation, IntermediateResponse):
        contents = b""
        if operation.oid is not None:
            contents += ber.text(operation.oid, 0x80)
        if operation.value is not None:
            contents += ber.octets(operation.value, 0x81)
        return ber.element(INTERMEDIATE_RESPONSE, contents)
    if isinstance(operation, UnservedResponse):
        return ber.element(operation.tag, _result_contents(operation.result))
    # A request that was never read cannot be written.
    raise TypeError(f"{operation.name} requests are not forwarded")


def _search_contents(request: SearchRequest) -> bytes:
    return b"".join(
        [
            ber.text(request.base),
            ber.integer(request.scope, ber.ENUMERATED),
            ber.integer(request.deref_aliases, ber.ENUMERATED),
            ber.integer(request.size_limit),
            ber.integer(request.time_limit),
            ber.boolean(request.types_only),
            write_filter(request.filter),
            write_attributes(request.attributes),
        ]
    )


def _bind_contents(request: BindRequest) -> bytes:
    contents = ber.integer(request.version) + ber.text(request.name)
    authentication = request.authentication
    if isinstance(authentication, SimpleAuthentication):
        return contents + ber.octets(authentication.password, SIMPLE)
    inner = ber.text(authentication.mechanism)
    if authentication.credentials is not None:
        inner += ber.octets(authentication.credentials)
    return contents + ber.element(SASL, inner)


def _result_contents(result: LDAPResult) -> bytes:
    contents = ber.integer(result.code, ber.ENUMERATED)
    contents += ber.text(result.matched_dn) + ber.text(result.diagnostic)
    if result.referral:
        contents += ber.element(REFERRAL, b"".join([ber.text(uri) for uri in result.referral]))
    return contents


def _entry_contents(entry: SearchResultEntry) -> bytes:
    items: list[bytes] = []
    for attribute in entry.attributes:
        values = b"".join([ber.octets(value) for value in attribute.values])
        items.append(ber.element(ber.SEQUENCE, ber.text(attribute.type) + ber.element(ber.SET, values)))
    return ber.text(entry.dn) + ber.element(ber.SEQUENCE, b"".join(items))


def operation_name(tag: int) -> str:
    """The name that RFC 4511 gives to the request with this protocolOp tag."""
    return _REQUEST_NAMES.get(tag) or _UNSERVED_NAMES[tag]


def blank_request(tag: int) -> Request | None:
    """A request of this kind that asks for nothing, for one whose values cannot be used; None where it gets no answer
    (unbind, abandon)."""
    if tag == SEARCH_REQUEST:
        # Not one for the root DSE, which everybody may read.
        return SearchRequest("", WHOLE_SUBTREE, Present("objectClass"), (NO_ATTRIBUTES,))
    if tag == BIND_REQUEST:
        return BindRequest(3, "", SimpleAuthentication(b""))
    if tag == EXTENDED_REQUEST:
        return ExtendedRequest("")
    return UnservedRequest(tag) if tag in _RESPONSE_TO else None


def final_response(request: Request, result: LDAPResult, value: bytes | None = None) -> FinalResponse | None:
    """The response type that RFC 4511 wants for a request; None where it wants none (unbind, abandon). value: of the
    response to an extended request, None for no value."""
    if isinstance(request, SearchRequest):
        return SearchResultDone(result)
    if isinstance(request, BindRequest):
        return BindResponse(result)
    if isinstance(request, ExtendedRequest):
        return ExtendedResponse(result, value=value)
    if isinstance(request, UnservedRequest):
        return UnservedResponse(request.response_tag, result)
    return None


def notice_of_disconnection(code: ResultCode, diagnostic: str) -> LDAPMessage:
    """RFC 4511 4.4.1: the unsolicited notification that comes before the gateway closes a connection."""
    result = LDAPResult(int(code), "", diagnostic)
    return LDAPMessage(0, ExtendedResponse(result, NOTICE_OF_DISCONNECTION))
