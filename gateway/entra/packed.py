"""The attributes of an entry as octets, so that an answer is made by copying what was asked for.

A table of places comes first: how many attributes there are, then the number of each one's type, where it ends, and how
far behind its beginning its first value begins. Behind the table lie the PartialAttributes (RFC 4511 4.1.7) themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from struct import Struct
from typing import Final

from gateway.entra.schema import TYPES, AttributeType
from gateway.ldap import ber

_COUNT: Final = Struct("<H")
_NAMES: Final = [ber.text(type.name) for type in TYPES]
# Of an OCTET STRING of so many octets.
_SHORT: Final = [ber.header(ber.OCTET_STRING, size) for size in range(0x80)]


@cache
def _table(count: int) -> Struct:
    """The numbers of types, which are below 256, the places of the ends, the distances of the first values."""
    return Struct(f"<{count}B{count}I{count}B")


def pack(attributes: Iterable[tuple[AttributeType, Sequence[bytes]]]) -> bytes:
    """attributes: each type once, with one value at least."""
    numbers: list[int] = []
    ends: list[int] = []
    distances: list[int] = []
    written: list[bytes] = []
    at = 0
    for type, values in attributes:
        contents = b"".join([_SHORT[len(each)] + each if len(each) < 0x80 else ber.octets(each) for each in values])
        partial = ber.element(ber.SEQUENCE, _NAMES[type.number] + ber.element(ber.SET, contents))
        at += len(partial)
        numbers.append(type.number)
        ends.append(at)
        distances.append(len(partial) - len(contents))
        written.append(partial)
    table = _table(len(numbers))
    begin = _COUNT.size + table.size
    places = table.pack(*numbers, *[begin + end for end in ends], *distances)
    return b"".join([_COUNT.pack(len(numbers)), places, *written])


class Packed:
    """The attributes of one entry, by the numbers of their types. octets: as pack made them."""

    __slots__ = ("_places", "octets")

    def __init__(self, octets: bytes) -> None:
        (count,) = _COUNT.unpack_from(octets)
        table = _table(count)
        found = table.unpack_from(octets, _COUNT.size)
        ends = found[count : 2 * count]
        begins = (_COUNT.size + table.size, *ends[:-1])
        self.octets = octets
        # Where each PartialAttribute begins and ends, and how far from its beginning its values are.
        self._places = dict(zip(found[:count], zip(begins, ends, found[2 * count :], strict=True), strict=True))

    def __contains__(self, number: int) -> bool:
        return number in self._places

    @property
    def numbers(self) -> Iterable[int]:
        """In the order in which the attributes were packed."""
        return self._places.keys()

    def whole(self) -> bytes:
        """The PartialAttributes of all types."""
        (count,) = _COUNT.unpack_from(self.octets)
        return self.octets[_COUNT.size + _table(count).size :]

    def partial(self, number: int) -> bytes:
        """The PartialAttribute of a type; b"" where the entry has none."""
        place = self._places.get(number)
        return b"" if place is None else self.octets[place[0] : place[1]]

    def values_octets(self, number: int) -> bytes:
        """The values of a type, each an OCTET STRING; b"" where the entry has none."""
        place = self._places.get(number)
        return b"" if place is None else self.octets[place[0] + place[2] : place[1]]


def split_values(octets: bytes) -> list[bytes]:
    """The values in Packed.values_octets."""
    found: list[bytes] = []
    pos, size = 0, len(octets)
    while pos < size:
        _, start, pos = ber.read_header(octets, pos, size)
        found.append(octets[start:pos])
    return found
