"""BER as tests of hostile input write it: right by default, wrong wherever a case says so.

It shares nothing with the gateway's own codec, so that both cannot be wrong in the same way.
"""

from collections.abc import Iterable
from typing import TypedDict, Unpack

# What is written as a string: its octets, or a text whose UTF-8 they are.
Text = str | bytes

BASE = "OU=Staff,DC=corp,DC=example"
SYNC = "svc-sync@corp.example"
PASSWORD = "Hostile-Passw0rd-3f9c"

PAGED = "1.2.840.113556.1.4.319"
START_TLS = "1.3.6.1.4.1.1466.20037"
NOTICE = "1.3.6.1.4.1.1466.20036"


def length(size: int, octets: int = 0) -> bytes:
    """octets: of the long form; 0 for the shortest form."""
    if not octets and size < 0x80:
        return bytes((size,))
    octets = octets or (size.bit_length() + 7) // 8
    return bytes((0x80 | octets,)) + size.to_bytes(octets, "big")


def tlv(tag: int, *contents: bytes, announced: bytes | None = None) -> bytes:
    """announced: the octets that stand in place of the true length."""
    joined = b"".join(contents)
    return bytes((tag,)) + (length(len(joined)) if announced is None else announced) + joined


def integer(value: int, tag: int = 0x02) -> bytes:
    size = 1
    while not -(1 << 8 * size - 1) <= value < 1 << 8 * size - 1:
        size += 1
    return tlv(tag, value.to_bytes(size, "big", signed=True))


def enumerated(value: int) -> bytes:
    return integer(value, 0x0A)


def boolean(value: bool) -> bytes:
    return tlv(0x01, b"\xff" if value else b"\0")


def text(value: Text, tag: int = 0x04) -> bytes:
    return tlv(tag, value if isinstance(value, bytes) else value.encode())


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def control(oid: Text, critical: bool | None = None, value: Text | None = None) -> bytes:
    """critical: None where the field is left out."""
    parts = [text(oid)]
    if critical is not None:
        parts.append(boolean(critical))
    if value is not None:
        parts.append(text(value))
    return sequence(*parts)


def page(size: int, cookie: Text = b"", critical: bool = True) -> bytes:
    return control(PAGED, critical, sequence(integer(size), text(cookie)))


def message(operation: bytes, *controls: bytes, id: int = 7) -> bytes:
    rest = [tlv(0xA0, *controls)] if controls else []
    return sequence(integer(id), operation, *rest)


def present(attribute: Text = "objectClass") -> bytes:
    return text(attribute, 0x87)


def equal(attribute: Text, value: Text) -> bytes:
    return tlv(0xA3, text(attribute), text(value))


def substrings(attribute: Text, *parts: bytes) -> bytes:
    return tlv(0xA4, text(attribute), sequence(*parts))


def all_of(*filters: bytes) -> bytes:
    return tlv(0xA0, *filters)


def any_of(*filters: bytes) -> bytes:
    return tlv(0xA1, *filters)


def negated(filter_: bytes) -> bytes:
    return tlv(0xA2, filter_)


def nested(tag: int, depth: int, inner: bytes) -> bytes:
    """One filter inside another, depth times; without building each layer of a deep one anew."""
    headers: list[bytes] = []
    size = len(inner)
    for _ in range(depth):
        headers.append(bytes((tag,)) + length(size))
        size += len(headers[-1])
    return b"".join(reversed(headers)) + inner


_WHOLE_SUBTREE, _NEVER, _UNLIMITED, _FALSE = enumerated(2), enumerated(0), integer(0), boolean(False)


class SearchFields(TypedDict, total=False):
    """The fields of a search that are other than usual: of five of them the whole elements."""

    base: Text
    filter_: bytes | None
    attributes: Iterable[Text]
    scope: bytes
    deref: bytes
    size: bytes
    time: bytes
    types: bytes


def search_contents(
    base: Text = BASE,
    filter_: bytes | None = None,
    attributes: Iterable[Text] = ("mail",),
    *,
    scope: bytes = _WHOLE_SUBTREE,
    deref: bytes = _NEVER,
    size: bytes = _UNLIMITED,
    time: bytes = _UNLIMITED,
    types: bytes = _FALSE,
) -> list[bytes]:
    """The fields in their order, as SearchFields has them."""
    tested = present() if filter_ is None else filter_
    return [text(base), scope, deref, size, time, types, tested, sequence(*map(text, attributes))]


def search(*controls: bytes, id: int = 7, **fields: Unpack[SearchFields]) -> bytes:
    return message(tlv(0x63, *search_contents(**fields)), *controls, id=id)


def bind(name: Text = SYNC, password: Text = PASSWORD, id: int = 7, version: int = 3) -> bytes:
    return message(tlv(0x60, integer(version), text(name), text(password, 0x80)), id=id)


def unbind(id: int = 9) -> bytes:
    return message(tlv(0x42), id=id)


def abandon(of: int, id: int = 9) -> bytes:
    return message(integer(of, 0x50), id=id)


def extended(oid: Text, value: Text | None = None, id: int = 7) -> bytes:
    return message(tlv(0x77, text(oid, 0x80), *([] if value is None else [text(value, 0x81)])), id=id)


def result(
    tag: int,
    code: int = 0,
    matched: Text = b"",
    diagnostic: Text = b"",
    *more: bytes,
    id: int = 7,
    controls: Iterable[bytes] = (),
) -> bytes:
    return message(tlv(tag, enumerated(code), text(matched), text(diagnostic), *more), *controls, id=id)


def attribute(name: Text, *values: Text) -> bytes:
    return sequence(text(name), tlv(0x31, *map(text, values)))


def entry(dn: Text, *attributes: bytes, id: int = 7, controls: Iterable[bytes] = ()) -> bytes:
    return message(tlv(0x64, text(dn), sequence(*attributes)), *controls, id=id)


def done(code: int = 0, id: int = 7, controls: Iterable[bytes] = ()) -> bytes:
    return result(0x65, code, id=id, controls=controls)
