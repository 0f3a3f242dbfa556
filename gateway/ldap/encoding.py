"""The canonical encoding of LDAPMessages (RFC 4511 4 and 5.1)."""

from __future__ import annotations

from gateway.ldap import ber
from gateway.ldap.attribute_lists import write_attributes
from gateway.ldap.controls import write_controls
from gateway.ldap.filters import write_filter
from gateway.ldap.messages import (
    ABANDON_REQUEST,
    BIND_REQUEST,
    BIND_RESPONSE,
    EXTENDED_REQUEST,
    EXTENDED_RESPONSE,
    INTERMEDIATE_RESPONSE,
    REFERRAL,
    SASL,
    SEARCH_DONE,
    SEARCH_ENTRY,
    SEARCH_REFERENCE,
    SEARCH_REQUEST,
    SERVER_SASL_CREDENTIALS,
    SIMPLE,
    UNBIND_REQUEST,
    AbandonRequest,
    BindRequest,
    BindResponse,
    ExtendedRequest,
    ExtendedResponse,
    IntermediateResponse,
    LDAPMessage,
    Operation,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
    SearchResultReference,
    SimpleAuthentication,
    UnbindRequest,
    UnservedResponse,
)
from gateway.ldap.results import LDAPResult


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
