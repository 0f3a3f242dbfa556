"""BER as Active Directory writes it, and a strict reader of requests."""

from collections.abc import Iterator

BOOLEAN, INTEGER, OCTET_STRING, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31

# A request longer than this is an attack or a mistake; AD's MaxReceiveBuffer.
MAX_REQUEST = 10 << 20


class BadMessage(Exception):
    """What was received is not BER, or not the message that was expected."""


class Writer:
    """Encodes with `84 xx xx xx xx` as length: AD does for every constructed element, and here by default for
    primitive ones too, which is harder on the reader. primitives_short: only the constructed ones, as captures of
    Windows show."""

    def __init__(self, *, primitives_short: bool = False):
        self._primitives_short = primitives_short

    def element(self, tag: int, content: bytes) -> bytes:
        if self._primitives_short and not tag & 0x20:
            return bytes((tag,)) + _shortest_length(len(content)) + content
        return bytes((tag, 0x84)) + len(content).to_bytes(4, "big") + content

    def octets(self, value: bytes | str, tag: int = OCTET_STRING) -> bytes:
        return self.element(tag, value.encode() if isinstance(value, str) else value)

    def integer(self, value: int, tag: int = INTEGER) -> bytes:
        return self.element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))

    def sequence(self, *parts: bytes, tag: int = SEQUENCE) -> bytes:
        return self.element(tag, b"".join(parts))


def _shortest_length(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def message_length(data: bytes | bytearray) -> int | None:
    """Octets of the whole message that data begins with; None while its header is not all there. Raises BadMessage."""
    if not data:
        return None
    if data[0] != SEQUENCE:
        raise BadMessage(f"a message begins with {data[0]:02x}")
    header = _header(data, 0)
    if header is None:
        return None
    start, length = header
    if length > MAX_REQUEST:
        raise BadMessage("the message is too long")
    return start + length


def _header(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """Where the content begins and how long it is; at is the tag's position."""
    if len(data) < at + 2:
        return None
    first = data[at + 1]
    if first < 0x80:
        return at + 2, first
    count = first & 0x7F
    if not 1 <= count <= 4:
        raise BadMessage("indefinite or overlong length")
    if len(data) < at + 2 + count:
        return None
    return at + 2 + count, int.from_bytes(data[at + 2 : at + 2 + count], "big")


class Reader:
    """Reads the elements of one content, in order. Every method raises BadMessage where that is not what comes."""

    def __init__(self, data: bytes):
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def peek(self) -> int | None:
        return self._data[self._at] if self else None

    def next(self, tag: int | None = None) -> tuple[int, bytes]:
        if not self:
            raise BadMessage("an element is missing")
        found = self._data[self._at]
        if tag is not None and found != tag:
            raise BadMessage(f"{tag:02x} expected, {found:02x} found")
        header = _header(self._data, self._at)
        if header is None or sum(header) > len(self._data):
            raise BadMessage("an element is cut off")
        start, length = header
        self._at = start + length
        return found, self._data[start : self._at]

    def octets(self, tag: int = OCTET_STRING) -> bytes:
        return self.next(tag)[1]

    def text(self, tag: int = OCTET_STRING) -> str:
        try:
            return self.octets(tag).decode()
        except UnicodeDecodeError:
            raise BadMessage("not UTF-8") from None

    def integer(self, tag: int = INTEGER) -> int:
        content = self.octets(tag)
        if not content:
            raise BadMessage("an integer without content")
        return int.from_bytes(content, "big", signed=True)

    def boolean(self, tag: int = BOOLEAN) -> bool:
        content = self.octets(tag)
        if content not in (b"\x00", b"\xff"):
            raise BadMessage("not a BOOLEAN as RFC 4511 5.1 wants it")
        return content == b"\xff"

    def inside(self, tag: int = SEQUENCE) -> "Reader":
        return Reader(self.octets(tag))

    def each(self) -> Iterator[tuple[int, bytes]]:
        while self:
            yield self.next()

    def end(self) -> None:
        if self:
            raise BadMessage("something follows the last element")
