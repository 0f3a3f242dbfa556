"""Keys of values: two values of an attribute are equal if their keys are.

`stored_key` makes the key of a value that an entry has, `asserted_key` that of a value in a filter, which may be
written in more ways. Both give None for what is no value of the syntax; a comparison with that is Undefined.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Final, TypeAlias
from uuid import UUID

from gateway.entra.folding import fold
from gateway.entra.schema import AttributeType, Syntax, class_key
from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.dn import key as key_of_dn

Key: TypeAlias = str | bytes | int

# Octets of a key that the index holds: more of a text does not make it tell more entries apart.
INDEXED_OCTETS: Final = 64
# Enough that nobody finds a name with the key of one among 100,000 others.
_DN_KEY_OCTETS: Final = 12

# A name whose key is the name itself in lower case: none of its values has anything escaped, or a run of blanks.
_PLAIN: Final = rb"[^\x00-\x20\x7f-\xff\"+,;<=>\\]"
_PLAIN_DN: Final = re.compile(
    rb"(?:(?:CN|OU|DC|O|L|ST|C)=(?!#)" + _PLAIN + rb"+(?: " + _PLAIN + rb"+)*(?:,(?=.)|\Z))+\Z"
)
_INTEGER: Final = re.compile(rb"-?[0-9]{1,20}\Z")
# 63 bits, as the widest type of Active Directory has (LargeInteger).
_MOST: Final = 2**63 - 1
_BOOLEANS: Final = {b"TRUE": 1, b"FALSE": 0}
# RFC 4517 3.3.13; Active Directory writes 20261201042200.0Z.
_TIME: Final = re.compile(
    rb"(?P<hour>[0-9]{10})(?:(?P<minute>[0-9]{2})(?P<second>[0-9]{2})?)?(?:[.,](?P<part>[0-9]{1,9}))?"
    rb"(?P<zone>Z|[+-][0-9]{2}(?:[0-9]{2})?)\Z"
)
_GUID: Final = re.compile(rb"\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?\Z")
_HEX_GUID: Final = re.compile(rb"[0-9A-Fa-f]{32}\Z")
_SID: Final = re.compile(rb"[Ss]-1-([0-9]{1,15})((?:-[0-9]{1,10}){1,15})\Z")


def dn_key(dn: DN) -> bytes:
    """The key of a name: a digest, since the index holds each member of each group."""
    written = "\n".join(["\t".join(sorted([f"{kind}={value}" for kind, value in rdn])) for rdn in key_of_dn(dn)])
    return blake2b(written.encode("utf-8", "surrogatepass"), digest_size=_DN_KEY_OCTETS).digest()


def name_keys(dn: str) -> tuple[bytes, bytes] | None:
    """The keys of a name and of the one above it; None where the name is not written as RFC 4514 writes it, and as the
    gateway does. Raises DNError."""
    octets = dn.encode("utf-8", "surrogatepass")
    if _PLAIN_DN.match(octets):
        return _plain_key(octets), _plain_key(octets.partition(b",")[2])
    parsed = parse(dn)
    return (dn_key(parsed), dn_key(parsed.parent())) if parsed.rdns and str(parsed) == dn else None


def stored_key(type: AttributeType, value: bytes) -> Key | None:
    return _STORED[type.syntax](value)


def is_value(type: AttributeType, value: bytes) -> bool:
    """Whether this is a value of the type's syntax."""
    if type.syntax is not Syntax.text:
        return stored_key(type, value) is not None
    try:
        return bool(value.decode())
    except UnicodeDecodeError:
        return False


def asserted_key(type: AttributeType, value: bytes) -> Key | None:
    return _ASSERTED[type.syntax](value)


def indexed(key: Key) -> bytes:
    """The octets under which the index has a key; those of longer texts may be the same."""
    if isinstance(key, bytes):
        return key[:INDEXED_OCTETS]
    return str(key).encode()[:INDEXED_OCTETS]


def _text(value: bytes) -> str | None:
    try:
        return fold(value.decode())
    except UnicodeDecodeError:
        return None


def _plain_key(value: bytes) -> bytes:
    return blake2b(value.lower().replace(b",", b"\n"), digest_size=_DN_KEY_OCTETS).digest()


@lru_cache(4096)
def _dn(value: bytes) -> bytes | None:
    if _PLAIN_DN.match(value):
        return _plain_key(value)
    try:
        return dn_key(parse(value.decode()))
    except (UnicodeDecodeError, DNError):
        return None


def _integer(value: bytes) -> int | None:
    if _INTEGER.match(value) is None:
        return None
    number = int(value)
    return number if abs(number) <= _MOST else None


def _boolean(value: bytes) -> int | None:
    return _BOOLEANS.get(value)


def _octets(value: bytes) -> bytes:
    return value


def _class(value: bytes) -> str | None:
    try:
        return class_key(value.decode())
    except UnicodeDecodeError:
        return None


def _time(value: bytes) -> int | None:
    """Microseconds since the year 1."""
    found = _TIME.match(value)
    if found is None:
        return None
    minute, second, part, zone = found["minute"], found["second"], found["part"], found["zone"]
    unit = 3600 if minute is None else 60 if second is None else 1
    try:
        day = datetime.strptime(found["hour"][:8].decode(), "%Y%m%d").replace(tzinfo=UTC)
        past = timedelta(hours=int(found["hour"][8:]), minutes=int(minute or 0), seconds=int(second or 0))
        if int(found["hour"][8:]) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
            return None
        if part is not None:
            past += timedelta(microseconds=unit * 1_000_000 * int(part) // 10 ** len(part))
        if zone != b"Z":
            away = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:] or 0))
            past -= -away if zone[:1] == b"-" else away
        return (day + past - datetime(1, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None


def _asserted_guid(value: bytes) -> bytes:
    """The octets, for themselves or for a text with or without braces; 32 digits are the octets in hexadecimal."""
    text = _GUID.match(value)
    if text is not None:
        return UUID(text[1].decode()).bytes_le
    return bytes.fromhex(value.decode()) if _HEX_GUID.match(value) else value


def _asserted_sid(value: bytes) -> bytes | None:
    """MS-DTYP 2.4.2.1 has the text, 2.4.2.2 the octets."""
    text = _SID.match(value)
    if text is None:
        return value
    authority = int(text[1])
    parts = [int(part) for part in text[2].split(b"-")[1:]]
    if authority >= 2**48 or any(part >= 2**32 for part in parts):
        return None
    octets = bytes((1, len(parts))) + authority.to_bytes(6, "big")
    return octets + b"".join([part.to_bytes(4, "little") for part in parts])


_STORED: Final[dict[Syntax, Callable[[bytes], Key | None]]] = {
    Syntax.text: _text,
    Syntax.integer: _integer,
    Syntax.boolean: _boolean,
    Syntax.dn: _dn,
    Syntax.octets: _octets,
    Syntax.guid: _octets,
    Syntax.sid: _octets,
    Syntax.oid: _class,
    Syntax.time: _time,
}
_ASSERTED: Final[dict[Syntax, Callable[[bytes], Key | None]]] = _STORED | {
    Syntax.guid: _asserted_guid,
    Syntax.sid: _asserted_sid,
}
