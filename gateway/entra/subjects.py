"""Entries as filters are put to them (matching.Subject): those of the copy, and those that are made up beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.entra.packed import Packed, split_values
from gateway.entra.schema import TYPES
from gateway.entra.snapshot import Snapshot
from gateway.entra.syntaxes import Key, indexed, stored_key

# Attributes with their values, as they stand in entries, whose keys are remembered in one search: most entries of a
# copy have one of few classes, categories and companies.
_REMEMBERED: Final = 2048


class Known:
    """The keys of values that were met in one search."""

    def __init__(self) -> None:
        self._keys: dict[bytes, list[Key]] = {}

    def keys(self, entry: Packed, attribute: int) -> Sequence[Key]:
        partial = entry.partial(attribute)
        found = self._keys.get(partial)
        if found is None:
            type = TYPES[attribute]
            values = split_values(entry.values_octets(attribute))
            found = [key for value in values if (key := stored_key(type, value)) is not None]
            if len(self._keys) >= _REMEMBERED:
                self._keys.clear()
            self._keys[partial] = found
        return found


class HeldEntry:
    """An entry of the copy."""

    __slots__ = ("_known", "_snapshot", "number", "packed")

    def __init__(self, number: int, packed: Packed, known: Known, snapshot: Snapshot) -> None:
        self.number = number
        self.packed = packed
        self._known = known
        self._snapshot = snapshot

    def __contains__(self, attribute: int) -> bool:
        return attribute in self.packed

    def keys(self, attribute: int) -> Sequence[Key]:
        return self._known.keys(self.packed, attribute)

    def names(self, attribute: int, key: bytes) -> bool:
        """A group may have a hundred thousand members: the index knows."""
        return attribute in self.packed and self._snapshot.has(attribute, indexed(key), self.number)


class MadeEntry:
    """An entry that is made up here and not in the copy,."""

    number: Final = 0

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self._known = Known()

    def __contains__(self, attribute: int) -> bool:
        return attribute in self._packed

    def keys(self, attribute: int) -> Sequence[Key]:
        return self._known.keys(self._packed, attribute)

    def names(self, attribute: int, key: bytes) -> bool:
        return key in self.keys(attribute)
