"""From a stream of bytes to whole messages, in linear time and within a limit.

A message of n bytes costs O(n) in however many pieces it arrives: pieces are kept apart until the
length that the header announces is there, and the announced length is judged as soon as it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from gateway.ldap.ber import MAX_LENGTH_OCTETS, SEQUENCE, Reader
from gateway.ldap.errors import DecodeError, MessageTooLarge

if TYPE_CHECKING:
    from mypy_extensions import i64

# Tag, length of lengths, and the longest length: after these a message's size is known.
LONGEST_HEADER: Final = 2 + MAX_LENGTH_OCTETS


def message_size(data: bytes, pos: i64) -> i64:
    """The size in octets of the message that begins at pos, header included; 0 until that is known.

    Raises DecodeError where no LDAPMessage can begin like that.
    """
    available: i64 = len(data) - pos
    if available < 1:
        return 0
    if data[pos] != SEQUENCE:
        raise DecodeError("no LDAPMessage begins here")
    if available < 2:
        return 0
    length: i64 = data[pos + 1]
    if length < 0x80:
        return 2 + length
    count = length & 0x7F
    if count == 0 or count > MAX_LENGTH_OCTETS:
        raise DecodeError("a message's length is indefinite or oversized")
    if available < 2 + count:
        return 0
    size: i64 = 0
    for i in range(pos + 2, pos + 2 + count):
        size = size << 8 | data[i]
    return 2 + count + size


def announced_id(data: bytes, pos: int) -> int | None:
    """The ID of the message that begins at pos, whose size is known, however little of it has come.

    None until that tells, 0 where it begins with no message ID (RFC 4511 4.1.1.1).
    """
    length = data[pos + 1]
    start = pos + 2 + (length & 0x7F if length >= 0x80 else 0)
    end = min(start + LONGEST_HEADER + 4, len(data))
    try:
        return Reader(data, start, end).integer()
    except DecodeError:
        return 0 if end - start == LONGEST_HEADER + 4 else None


@final
class Framer:
    """Collects received bytes and gives them back as whole messages.

    limit: octets of one message, header included; it may be changed at any time and holds from the next
    header on. data, pos: what gather has put together lies in data[pos:].
    """

    __slots__ = ("_awaited", "_parts", "_parts_size", "data", "limit", "pos")

    def __init__(self, limit: int) -> None:
        self.limit: int = limit
        self.data: bytes = b""
        self.pos: int = 0
        self._parts: list[bytes] = []
        self._parts_size: int = 0
        # Octets that must be there, from pos on, before it is worth looking again.
        self._awaited: int = 1

    def feed(self, data: bytes) -> None:
        self._parts.append(data)
        self._parts_size += len(data)

    def buffered(self) -> int:
        """Octets received and not yet given back."""
        return len(self.data) - self.pos + self._parts_size

    def gather(self) -> bool:
        """Puts what was received together, unless too little has come for that to be of use."""
        if self.buffered() < self._awaited:
            return False
        if self._parts:
            if self.pos < len(self.data):
                self._parts.insert(0, self.data[self.pos :])
            self.data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self.pos = 0
            self._parts.clear()
            self._parts_size = 0
        return True

    def skip(self, pos: int) -> None:
        """Everything before pos in data is done with; a message begins there, or nothing is left."""
        if pos != self.pos:
            self.pos = pos
            self._awaited = 1
        if pos == len(self.data):
            self.data = b""
            self.pos = 0

    def next_size(self) -> int:
        """Octets of the message that is next, as far as they have come; what is no message counts as one, too."""
        try:
            size = message_size(self.data, self.pos)
            if size == 0 and self.gather():
                size = message_size(self.data, self.pos)
        except DecodeError:
            size = 0
        return min(size, self.buffered()) if size else self.buffered()

    def next_message(self) -> bytes | None:
        """The next whole message, or None if more must arrive.

        Raises DecodeError for what cannot be a message, MessageTooLarge for one larger than the limit; the stream
        is then unusable. Of a message that is too large nothing is taken: asked again, it is raised again.

        `EntryFilter` in entries.py passes entries on without this, and says which test holds the two ways equal.
        """
        if not self.gather():
            return None
        size = message_size(self.data, self.pos)
        available = len(self.data) - self.pos
        if size == 0:
            self._awaited = available + 1
            return None
        if size > self.limit:
            text = f"message of {size} octets, more than {self.limit}"
            raise MessageTooLarge(text, announced_id(self.data, self.pos))
        if available < size:
            self._awaited = size
            return None
        start = self.pos
        end = start + size
        message = self.data[start:end]
        self.skip(end)
        return message
