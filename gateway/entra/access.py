"""Where the entries are that may match a filter, as far as the index tells without a look at the entries themselves.

What an access finds is a superset: each entry of it is put to the filter's test.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from gateway.entra.schema import AttributeType
from gateway.entra.syntaxes import INDEXED_OCTETS, Key, indexed

# Behind every key.
_END: Final = b"\xff" * (INDEXED_OCTETS + 1)


class Range(NamedTuple):
    """The index's rows of one attribute, by its type's number, with keys from low on and before high."""

    attribute: int
    low: bytes
    high: bytes


class Chain:
    """A search along links (MS-ADTS 3.1.1.3.4.4.3): the entries from which links of one type lead, over any number of
    entries in between, to the name with this key.

    found: their numbers, which whoever searches fills in before anything is tested.
    """

    __slots__ = ("attribute", "found", "key")

    def __init__(self, attribute: int, key: bytes) -> None:
        self.attribute = attribute
        self.key = key
        self.found: set[int] = set()


class AnyOf(NamedTuple):
    """All that one of several accesses finds."""

    parts: tuple[Access, ...]


class OneOf(NamedTuple):
    """What any single one of several accesses finds; that of the fewest rows is taken."""

    parts: tuple[Access, ...]


Access: TypeAlias = Range | Chain | AnyOf | OneOf

NOTHING: Final = AnyOf(())


def equal(type: AttributeType, key: Key) -> Range | None:
    """The entries with a value of this key; None where the type has no index."""
    return at_key(type.number, indexed(key)) if type.indexed else None


def at_key(attribute: int, key: bytes) -> Range:
    """key: as the index has it."""
    return Range(attribute, key, key + b"\0")


def beginning(type: AttributeType, initial: str) -> Range | None:
    """The entries with a value whose key begins like this; None where that tells nothing."""
    # A blank may lie between two words, or at the end of a value, where it does not count.
    low = indexed(initial.rstrip(" "))
    return Range(type.number, low, low + _END) if type.indexed and low else None


def present(type: AttributeType) -> Range | None:
    return Range(type.number, b"", _END) if type.indexed else None
