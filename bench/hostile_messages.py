"""Octets that no honest client sends, and requests that are well-formed and a lot of work, or refused."""

import os

from gateway.ldap import ber
from gateway.ldap.controls import Control
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.messages import WHOLE_SUBTREE, BindRequest, LDAPMessage, SearchRequest, SimpleAuthentication, encode
from tests.servers.windows import people

_FILTER_NOT = 0xA2
_FILTER_OR = 0xA1
_PRESENT = 0x87


def _search_with(contents: bytes) -> bytes:
    """A search whose filter is these octets."""
    parts = ber.octets(people.STAFF.encode()) + bytes.fromhex("0a01020a0100020100020100010100") + contents
    return _message(0x63, parts + ber.element(ber.SEQUENCE, b""))


def _message(tag: int, contents: bytes) -> bytes:
    return ber.element(ber.SEQUENCE, ber.integer(9) + ber.element(tag, contents))


def _nested(depth: int) -> bytes:
    found = ber.element(_PRESENT, b"cn")
    for _ in range(depth):
        found = ber.element(_FILTER_NOT, found)
    return found


def _search(base: str, text: str, *controls: Control) -> bytes:
    request = SearchRequest(base, WHOLE_SUBTREE, parse_filter(text), ("mail",))
    return encode(LDAPMessage(9, request, controls))


# The gateway ends a connection for each of these.
MALFORMED = (
    b"\x30\x80\x02\x01\x01\x42\x00\x00\x00",
    b"\x30\x84\x7f\xff\xff\xff",
    b"\x30\xff" + b"\x01" * 127,
    b"\x30\x05\x02\x01\x01\x42\x7f",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    os.urandom(2000),
    b"\x30\x0c\x02\x01\x80\x60\x07\x02\x01\x03\x04\x00\x80\x00",
    _message(0x63, b"\xff" * 5000),
    _search_with(_nested(10_000)),
    _search_with(ber.element(_FILTER_OR, ber.element(_PRESENT, b"cn") * 60_000)),
)

# And answers each of these, to whom has not bound, with a refusal.
REFUSED = (
    _search(people.STAFF, "(objectClass=*)"),
    _search("DC=corp,DC=example", "(employeeID=LEAK-1*)"),
    _search(f"OU=secret,{people.STAFF}\0,OU=allowed,{people.STAFF}", "(cn=a)"),
    _search(people.STAFF, "(|" + "".join(f"(cn={number})" for number in range(1500)) + ")"),
    _search(people.STAFF, "(cn=" + "*a" * 900 + "*)"),
    _search(people.STAFF, "(cn=a)", Control("1.2.840.113556.1.4.1504", True, b"\0" * 100)),
    encode(LDAPMessage(9, BindRequest(2, people.SYNC_DN, SimpleAuthentication(b"x")))),
    encode(LDAPMessage(9, BindRequest(3, people.SYNC_DN, SimpleAuthentication(b"")))),
    _message(0x66, ber.octets(people.STAFF.encode()) + ber.element(ber.SEQUENCE, b"")),
    _message(0x77, b"\x80\x041.99"),
)
