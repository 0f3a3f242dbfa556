"""The attribute lists of search requests (RFC 4511 4.5.1, AttributeSelection).

A service asks for the same few lists over and over, so short ones are read, and written, once and remembered.
"""

from __future__ import annotations

from typing import Final, final

from gateway.ldap import ber
from gateway.ldap.errors import beyond_limit

# Lists that are remembered, each way, and the octets of one.
_REMEMBERED: Final = 50
_LONGEST: Final = 1024


@final
class _Known:
    """A list of attributes that was decoded before. longest: octets of the longest name."""

    __slots__ = ("longest", "names")

    def __init__(self, names: tuple[str, ...], longest: int) -> None:
        self.names = names
        self.longest = longest


_READ: Final[dict[bytes, _Known]] = {}
_WRITTEN: Final[dict[tuple[str, ...], bytes]] = {}


def read_attributes(reader: ber.Reader, most: int, longest: int) -> tuple[str, ...]:
    """Reads all that is left as names: no more than `most`, of no more than `longest` octets. Raises DecodeError."""
    size = reader.end - reader.pos
    if size > _LONGEST:
        return _read(reader, most, longest).names
    octets = reader.data[reader.pos : reader.end]
    known = _READ.get(octets)
    # What was read within other limits is read again, to say what is wrong with it.
    if known is None or len(known.names) > most or known.longest > longest:
        known = _read(reader, most, longest)
        if len(_READ) >= _REMEMBERED:
            _READ.clear()
        _READ[octets] = known
    return known.names


def _read(reader: ber.Reader, most: int, longest: int) -> _Known:
    names: list[str] = []
    found = 0
    while not reader.at_end():
        if len(names) >= most:
            raise beyond_limit(f"more than {most} attributes asked for", "limits.attributes")
        names.append(reader.bounded_text(longest, "attribute description", "limits.attribute_length"))
        found = max(found, len(names[-1].encode()))
    return _Known(tuple(names), found)


def write_attributes(names: tuple[str, ...]) -> bytes:
    """The whole element. Raises EncodeError."""
    known = _WRITTEN.get(names)
    if known is None:
        known = ber.element(ber.SEQUENCE, b"".join([ber.text(name) for name in names]))
        if len(known) <= _LONGEST:
            if len(_WRITTEN) >= _REMEMBERED:
                _WRITTEN.clear()
            _WRITTEN[names] = known
    return known
