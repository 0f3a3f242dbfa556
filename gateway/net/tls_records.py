"""Where the records of a TLS stream end (RFC 8446 5.1; 1.2 has the same header)."""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = -1

_HEADER: Final = 5
# change_cipher_spec to application_data, of every version since SSL 3.
_FIRST_TYPE: Final = 20
_LAST_TYPE: Final = 23
_MAJOR_VERSION: Final = 3


class RecordEnds:
    """Of one direction, from its first octet on."""

    __slots__ = ("_begun", "_left", "_lost")

    def __init__(self) -> None:
        # Of a record that has begun: its octets so far, where they are less than a header; else how many are to come.
        self._begun = b""
        self._left = 0
        self._lost = False

    def count(self, data: bytes) -> int:
        """How many records end in the next octets of the stream; UNKNOWN where these do not end with one, and from
        the first octets on that are no header."""
        if self._lost:
            return UNKNOWN
        if self._begun:
            data = self._begun + data
        end, size, ended = self._left, len(data), 1 if self._left else 0
        while end + _HEADER <= size:
            if not _FIRST_TYPE <= data[end] <= _LAST_TYPE or data[end + 1] != _MAJOR_VERSION:
                self._lost = True
                return UNKNOWN
            end += _HEADER + (data[end + 3] << 8 | data[end + 4])
            ended += 1
        self._begun = data[end:]
        self._left = max(0, end - size)
        return ended if end == size else UNKNOWN
