"""Where the first RDN of a DN ends, found without parsing the rest: entries that lie side by side share it.

gateway/ldap/dn.py has the whole parser; tests/ldap/test_first_rdn.py holds the two equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_extensions import i64


def end_of_first_rdn(data: bytes, start: i64, end: i64) -> i64:
    """The place of the comma behind the first RDN of the DN in data[start:end].

    -1 where there is none, and wherever more than a look at single octets would be needed to say that
    gateway.ldap.dn.parse accepts that RDN: several values, OIDs, `#` values, blanks around `=` and `,`, control
    characters, and escapes of anything but one ASCII character.
    """
    pos = start
    while pos < end and _is_of_descr(data[pos], pos == start):
        pos += 1
    if pos == start or pos >= end or data[pos] != 0x3D:
        return -1
    pos += 1
    value = pos
    ascii_only = True
    blank = True
    while pos < end:
        octet: i64 = data[pos]
        if octet == 0x2C:
            if blank:
                return -1
            return pos if ascii_only or _is_utf8(data, value, pos) else -1
        # A blank at the beginning or at the end is not part of the value; which one is the last is known at the comma.
        blank = octet == 0x20
        if blank and pos == value:
            return -1
        if octet >= 0x80:
            ascii_only = False
        elif octet == 0x5C:
            size = _escape_size(data, pos, end)
            if size == 0:
                return -1
            pos += size
            continue
        elif _must_be_escaped(octet) or (octet == 0x23 and pos == value):
            return -1
        pos += 1
    return -1


def _is_of_descr(octet: i64, first: bool) -> bool:
    """RFC 4512 1.4: a letter, or behind it a letter, a digit or a hyphen."""
    if 0x41 <= octet <= 0x5A or 0x61 <= octet <= 0x7A:
        return True
    return not first and (0x30 <= octet <= 0x39 or octet == 0x2D)


def _must_be_escaped(octet: i64) -> bool:
    """`"`, `+`, `;`, `<` and `>` (RFC 4514 2.4); and control characters, which the parser may look at."""
    return octet < 0x20 or octet == 0x22 or octet == 0x2B or 0x3B <= octet <= 0x3C or octet == 0x3E or octet == 0x7F


def _escape_size(data: bytes, pos: i64, end: i64) -> i64:
    """The octets of the escape at pos; 0 where it does not stand for one printable ASCII character."""
    if pos + 1 >= end:
        return 0
    octet: i64 = data[pos + 1]
    if octet in b' "#+,;<=>\\':
        return 2
    # 20 to 7e.
    if 0x32 <= octet <= 0x37 and pos + 2 < end and _is_hex(data[pos + 2]):
        return 0 if octet == 0x37 and data[pos + 2] in b"fF" else 3
    return 0


def _is_hex(octet: i64) -> bool:
    return 0x30 <= octet <= 0x39 or 0x41 <= octet <= 0x46 or 0x61 <= octet <= 0x66


def _is_utf8(data: bytes, start: i64, end: i64) -> bool:
    try:
        data[start:end].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
