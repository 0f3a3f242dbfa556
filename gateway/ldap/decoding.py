"""The strict decoding of LDAPMessages (RFC 4511 4 and 5.1).

decode_request reads what a client may send, decode_response what a server may send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, final

from gateway.ldap import ber
from gateway.ldap.attribute_lists import read_attributes
from gateway.ldap.controls import Control, read_controls
from gateway.ldap.errors import INVALID_DN_SYNTAX, DecodeError, RequestFault, ValueFault, beyond_limit
from gateway.ldap.filters import FilterLimits, FilterReader
from gateway.ldap.messages import (
    ABANDON_REQUEST,
    BIND_REQUEST,
    BIND_RESPONSE,
    EXTENDED_REQUEST,
    EXTENDED_RESPONSE,
    INTERMEDIATE_RESPONSE,
    LEAST_INT,
    REFERRAL,
    RESPONSE_TO,
    SASL,
    SCOPE_NAMES,
    SEARCH_DONE,
    SEARCH_ENTRY,
    SEARCH_REFERENCE,
    SEARCH_REQUEST,
    SERVER_SASL_CREDENTIALS,
    SIMPLE,
    UNBIND_REQUEST,
    UNSERVED_RESPONSES,
    WHOLE_SUBTREE,
    AbandonRequest,
    Attribute,
    BindRequest,
    BindResponse,
    ExtendedRequest,
    ExtendedResponse,
    IntermediateResponse,
    LDAPMessage,
    Request,
    Response,
    SaslAuthentication,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
    SearchResultReference,
    SimpleAuthentication,
    UnbindRequest,
    UnservedRequest,
    UnservedResponse,
)
from gateway.ldap.results import LDAPResult


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
    if tag in RESPONSE_TO:
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
    if tag in UNSERVED_RESPONSES:
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
