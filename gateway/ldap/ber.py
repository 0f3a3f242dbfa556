"""BER as RFC 4511 5.1 restricts it: definite lengths, primitive strings, low tag numbers.

Lengths may be written in the long form even where the short one would do (AD writes `84 xx xx xx xx`
throughout), in at most four octets; they are always written in the shortest form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.ldap.errors import PROTOCOL_ERROR, DecodeError, EncodeError, ValueFault, beyond_limit

if TYPE_CHECKING:
    from mypy_extensions import i64

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
ENUMERATED: Final = 0x0A
SEQUENCE: Final = 0x30
SET: Final = 0x31

# maxInt of RFC 4511 4.1.1; every INTEGER of the protocol is below it.
MAX_INT: Final = 2**31 - 1

_OCTETS: Final = [bytes((octet,)) for octet in range(0x100)]

# Four octets announce 4 GiB, more than any limit here permits; OpenLDAP draws the same line.
MAX_LENGTH_OCTETS: Final = 4


def read_header(data: bytes, pos: i64, end: i64) -> tuple[i64, i64, i64]:
    """Reads one tag and length that lie, with their contents, inside data[pos:end].

    Returns (tag, start of contents, end of contents).
    Raises DecodeError for an indefinite or oversized length, a multi-octet tag, or contents beyond end.
    """
    if pos + 2 > end:
        raise DecodeError(f"truncated element at octet {pos}")
    tag: i64 = data[pos]
    if tag & 0x1F == 0x1F:
        raise DecodeError(f"multi-octet tag at octet {pos}")
    length: i64 = data[pos + 1]
    start = pos + 2
    if length >= 0x80:
        count = length & 0x7F
        if count == 0:
            raise DecodeError(f"indefinite length at octet {pos}")
        if count > MAX_LENGTH_OCTETS:
            raise DecodeError(f"length of {count} octets at octet {pos}")
        if start + count > end:
            raise DecodeError(f"truncated length at octet {pos}")
        length = 0
        for i in range(start, start + count):
            length = length << 8 | data[i]
        start += count
    if length > end - start:
        raise DecodeError(f"element at octet {pos} is longer than what contains it")
    return tag, start, start + length


class Reader:
    """Reads the elements of one constructed value in order; every read checks its tag and bounds."""

    __slots__ = ("data", "end", "pos")

    def __init__(self, data: bytes, pos: int = 0, end: int = -1) -> None:
        self.data: bytes = data
        self.pos: i64 = pos
        self.end: i64 = len(data) if end < 0 else end

    def at_end(self) -> bool:
        return self.pos >= self.end

    def peek_tag(self) -> int:
        """The tag of the next element, or -1 at the end."""
        return self.data[self.pos] if self.pos < self.end else -1

    def any_element(self) -> tuple[int, int, int]:
        """Reads whatever comes next; returns (tag, start of contents, end of contents)."""
        tag, start, end = read_header(self.data, self.pos, self.end)
        self.pos = end
        return tag, start, end

    def element(self, tag: i64) -> tuple[i64, i64]:
        """Reads the next element, which must have this tag; returns the bounds of its contents."""
        at = self.pos
        found, start, end = read_header(self.data, at, self.end)
        if found != tag:
            raise DecodeError(f"tag 0x{found:02x} where 0x{tag:02x} was expected, at octet {at}")
        self.pos = end
        return start, end

    def enter(self, tag: int) -> Reader:
        """Reads a constructed element and returns a Reader of its contents."""
        start, end = self.element(tag)
        return Reader(self.data, start, end)

    def octets(self, tag: int = OCTET_STRING) -> bytes:
        start, end = self.element(tag)
        return self.data[start:end]

    def text(self, tag: int = OCTET_STRING) -> str:
        """An LDAPString: strictly UTF-8 (RFC 4511 4.1.2). Raises ValueFault for what is not."""
        at = self.pos
        start, end = self.element(tag)
        try:
            return self.data[start:end].decode("utf-8")
        except UnicodeDecodeError:
            pass
        # Raised outside the handler: a UnicodeDecodeError carries the received octets with it.
        raise ValueFault(f"string at octet {at} is not UTF-8")

    def bounded_text(self, maximum: int, what: str, setting: str, code: int = PROTOCOL_ERROR) -> str:
        """The text of an OCTET STRING of no more than maximum octets. what: names the element in the error. setting:
        names the limit there. code: the result for what is not UTF-8."""
        start, end = self.element(OCTET_STRING)
        if end - start > maximum:
            raise beyond_limit(f"{what} of more than {maximum} octets", setting)
        try:
            return self.data[start:end].decode("utf-8")
        except UnicodeDecodeError:
            pass
        raise ValueFault(f"{what} is not UTF-8", code)

    def integer(self, tag: int = INTEGER, low: int = 0, high: int = MAX_INT) -> int:
        """An INTEGER or ENUMERATED in its shortest form (X.690 8.3.2) between low and high; raises ValueFault for one
        beyond these."""
        at = self.pos
        start, end = self.element(tag)
        size = end - start
        if size == 0 or size > 4:
            raise DecodeError(f"integer of {size} octets at octet {at}")
        value: i64 = self.data[start]
        if value >= 0x80:
            value -= 0x100
        for i in range(start + 1, end):
            value = value << 8 | self.data[i]
            # X.690 8.3.2: the first nine bits are neither all 0 nor all 1.
            if i == start + 1 and -0x80 <= value < 0x80:
                raise DecodeError(f"integer at octet {at} is not in its shortest form")
        if not low <= value <= high:
            raise ValueFault(f"integer at octet {at} is not between {low} and {high}")
        return value

    def boolean(self, tag: int = BOOLEAN) -> bool:
        """A BOOLEAN. TRUE is 0xff (RFC 4511 5.1); as in BER any octet but 00 is taken for it, because Go's library and
        old ones of Ruby send 01."""
        at = self.pos
        start, end = self.element(tag)
        if end - start != 1:
            raise DecodeError(f"boolean of {end - start} octets at octet {at}")
        return self.data[start] != 0x00

    def finish(self) -> None:
        """Raises DecodeError unless everything was read."""
        if self.pos != self.end:
            raise DecodeError(f"{self.end - self.pos} octets too many at octet {self.pos}")


def header_size(size: i64) -> i64:
    """Octets of the shortest tag and length for contents of so many octets."""
    if size < 0x80:
        return 2
    if size < 0x100:
        return 3
    if size < 0x10000:
        return 4
    return 5 if size < 0x1000000 else 6


def header(tag: i64, size: i64) -> bytes:
    """A tag, and the length in the shortest form. Raises EncodeError from 4 GiB on."""
    if size < 0x80:
        return _OCTETS[tag] + _OCTETS[size]
    if size < 0x100:
        return _OCTETS[tag] + b"\x81" + _OCTETS[size]
    if size < 0x10000:
        return _OCTETS[tag] + b"\x82" + _OCTETS[size >> 8] + _OCTETS[size & 0xFF]
    if size >= 0x100000000:
        raise EncodeError("contents of 4 GiB and more")
    octets = header_size(size) - 2
    return _OCTETS[tag] + _OCTETS[0x80 | octets] + int(size).to_bytes(octets, "big")


def element(tag: int, contents: bytes) -> bytes:
    """One element with its length in the shortest form. Raises EncodeError from 4 GiB on."""
    return header(tag, len(contents)) + contents


def octets(contents: bytes, tag: int = OCTET_STRING) -> bytes:
    return element(tag, contents)


def text(value: str, tag: int = OCTET_STRING) -> bytes:
    return element(tag, value.encode("utf-8"))


def integer(value: int, tag: int = INTEGER) -> bytes:
    """An INTEGER or ENUMERATED in its shortest form. Raises EncodeError beyond 32 bits."""
    if not -(2**31) <= value <= MAX_INT:
        raise EncodeError("integer beyond 32 bits")
    rest: i64 = value
    contents = b""
    while True:
        octet = rest & 0xFF
        contents = _OCTETS[octet] + contents
        rest >>= 8
        # The sign is the first bit of what is written.
        if rest == (0 if octet < 0x80 else -1):
            return _OCTETS[tag] + _OCTETS[len(contents)] + contents


def boolean(value: bool, tag: int = BOOLEAN) -> bytes:
    return bytes((tag, 1, 0xFF if value else 0x00))
