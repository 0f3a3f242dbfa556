"""Requests as values, and how they are read (RFC 4511 4). Every reader raises BadMessage."""

from dataclasses import dataclass
from typing import Any

from tests.servers.windows.ber import (
    BOOLEAN,
    ENUMERATED,
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    BadMessage,
    Reader,
)

BIND, UNBIND, SEARCH, ABANDON, EXTENDED = 0x60, 0x42, 0x63, 0x50, 0x77

PAGED_RESULTS = "1.2.840.113556.1.4.319"
SCOPES = ("base", "one", "sub")


@dataclass(frozen=True)
class Control:
    oid: str
    critical: bool
    value: bytes | None


@dataclass(frozen=True)
class Message:
    id: int
    tag: int
    content: bytes
    controls: tuple[Control, ...]


@dataclass(frozen=True)
class Bind:
    version: int
    name: str
    # None: SASL.
    password: bytes | None


@dataclass(frozen=True)
class Search:
    """filter: a tree of tuples, as read_filter gives it. attributes: as asked for."""

    base: str
    scope: str
    size_limit: int
    types_only: bool
    filter: tuple[Any, ...]
    attributes: tuple[str, ...]


def read_message(data: bytes) -> Message:
    whole = Reader(data)
    envelope = whole.inside()
    whole.end()
    number = envelope.integer()
    if not 0 < number < 2**31:
        raise BadMessage("the message ID is out of bounds")
    tag, content = envelope.next()
    controls: list[Control] = []
    if envelope:
        listed = envelope.inside(0xA0)
        while listed:
            controls.append(_control(listed.inside()))
    envelope.end()
    return Message(number, tag, content, tuple(controls))


def _control(reader: Reader) -> Control:
    oid = reader.text()
    critical = reader.boolean() if reader.peek() == BOOLEAN else False
    value = reader.octets() if reader else None
    reader.end()
    return Control(oid, critical, value)


def read_bind(content: bytes) -> Bind:
    reader = Reader(content)
    version, name = reader.integer(), reader.text()
    tag, credentials = reader.next()
    reader.end()
    return Bind(version, name, credentials if tag == 0x80 else None)


def read_search(content: bytes) -> Search:
    reader = Reader(content)
    base = reader.text()
    scope = reader.integer(ENUMERATED)
    reader.integer(ENUMERATED)
    size_limit, _time_limit = reader.integer(), reader.integer()
    types_only = reader.boolean()
    wanted = read_filter(*reader.next())
    listed = reader.inside()
    attributes = []
    while listed:
        attributes.append(listed.text())
    reader.end()
    if scope not in (0, 1, 2):
        raise BadMessage("unknown scope")
    return Search(base, SCOPES[scope], size_limit, types_only, wanted, tuple(attributes))


def read_filter(tag: int, content: bytes) -> tuple[Any, ...]:
    """("and" | "or", [filters]), ("not", filter), ("=" | ">=" | "<=", type, value), ("present", type),
    ("substrings", type, initial, [any], final) or ("extensible", rule, type, value); what may be absent is None."""
    reader = Reader(content)
    if tag in (0xA0, 0xA1):
        return ("and" if tag == 0xA0 else "or", [read_filter(*part) for part in reader.each()])
    if tag == 0xA2:
        negated = read_filter(*reader.next())
        reader.end()
        return ("not", negated)
    if tag in (0xA3, 0xA5, 0xA6, 0xA8):
        kind = {0xA5: ">=", 0xA6: "<="}.get(tag, "=")
        assertion = (kind, reader.text(), reader.octets())
        reader.end()
        return assertion
    if tag == 0x87:
        return ("present", content.decode("utf-8", "replace"))
    if tag == 0xA4:
        name, parts = reader.text(), list(reader.inside().each())
        reader.end()
        return ("substrings", name, *_substrings(parts))
    if tag == 0xA9:
        found = dict(reader.each())
        rule, type_ = (found[part].decode() if part in found else None for part in (0x81, 0x82))
        return ("extensible", rule, type_, found.get(0x83, b""))
    raise BadMessage(f"unknown filter {tag:02x}")


def _substrings(parts: list[tuple[int, bytes]]) -> tuple[bytes | None, list[bytes], bytes | None]:
    initial = parts[0][1] if parts and parts[0][0] == 0x80 else None
    final = parts[-1][1] if parts and parts[-1][0] == 0x82 else None
    middle = [value for tag, value in parts if tag == 0x81]
    if not parts or len(middle) + (initial is not None) + (final is not None) != len(parts):
        raise BadMessage("substrings out of order")
    return initial, middle, final


def read_abandon(content: bytes) -> int:
    return int.from_bytes(content, "big")


def read_extended(content: bytes) -> str:
    return Reader(content).text(0x80)


@dataclass(frozen=True)
class Paging:
    size: int
    cookie: bytes


def read_paging(value: bytes | None) -> Paging:
    """RFC 2696 2."""
    whole = Reader(value or b"")
    reader = whole.inside(SEQUENCE)
    whole.end()
    paging = Paging(reader.integer(INTEGER), reader.octets(OCTET_STRING))
    reader.end()
    if paging.size < 0:
        raise BadMessage("negative page size")
    return paging
