"""LDAPMessage and its operations as values, and the tags of the protocol's operations (RFC 4511 4).

decoding.py reads them strictly, encoding.py writes them canonically. Operations that the gateway never performs (add,
delete, modify, modifyDN, compare) are recognised, not read: their contents go nowhere, so nothing in them needs to be
understood.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

from gateway.ldap.controls import Control
from gateway.ldap.filters import Filter, Present
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

RESPONSE_TO: Final = {
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
UNSERVED_RESPONSES: Final = frozenset(RESPONSE_TO.values())


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
        return RESPONSE_TO[self.tag]

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
    return UnservedRequest(tag) if tag in RESPONSE_TO else None


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
