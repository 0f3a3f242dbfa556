"""The entries that a search finds in a state of the copy, piece by piece.

What takes long yields b"" from time to time: then it is somebody else's turn, and this search goes on later.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final, NamedTuple

from gateway.entra.access import Access, Chain, Range
from gateway.entra.matching import Matching
from gateway.entra.packed import Packed
from gateway.entra.selection import Selection
from gateway.entra.snapshot import Row, Snapshot
from gateway.entra.subjects import HeldEntry, Known
from gateway.ldap.dn import DN
from gateway.ldap.filters import Filter
from gateway.ldap.messages import BASE_OBJECT, SINGLE_LEVEL, WHOLE_SUBTREE

# Entries that are looked at before it is somebody else's turn.
_SLICE: Final = 16


# Entries that all chains of one filter may find.
_LINKED: Final = 1_000_000


class TooMuch(Exception):
    """The links that a filter follows lead to too many entries."""


class Sought(NamedTuple):
    """What a search is for. base: the entry that it begins at, and key: of its name. copy_base: of the whole copy."""

    base: Row
    key: bytes
    scope: int
    filter: Filter
    copy_base: DN


def find(snapshot: Snapshot, sought: Sought, selection: Selection) -> Generator[bytes, None, None]:
    """The SearchResultEntries of all that match, b"" in between. Raises TooMuch."""
    matching = Matching(sought.copy_base)
    compiled = matching.compile(sought.filter)
    for chain in matching.chains:
        yield from _follow(chain, snapshot)
        if sum([len(each.found) for each in matching.chains]) > _LINKED:
            raise TooMuch
    known = Known()
    for looked, row in enumerate(_candidates(snapshot, sought, compiled.access), 1):
        if looked % _SLICE == 0:
            yield b""
        if row is not None:
            packed = Packed(row[3])
            if compiled.test(HeldEntry(row[0], packed, known, snapshot)):
                yield selection.write(row[2], packed)


def _follow(chain: Chain, snapshot: Snapshot) -> Generator[bytes, None, None]:
    """Fills in what a chain finds. Whoever was found once is not followed again: links may lead in a circle."""
    pending = [chain.key]
    while pending:
        for numbers in snapshot.leading_to(chain.attribute, pending.pop()):
            new = [number for number in numbers if number not in chain.found]
            chain.found.update(new)
            pending.extend(snapshot.names_of(new))
        yield b""


def _candidates(snapshot: Snapshot, sought: Sought, access: Access | None) -> Iterator[Row | None]:
    """The entries of the scope that may match, each once; None where it only took time."""
    if sought.scope == BASE_OBJECT:
        yield sought.base
        return
    parents = _parents(snapshot, sought)
    parts = None if access is None else snapshot.narrowed(access)
    if parts is None:
        if sought.scope == WHOLE_SUBTREE:
            yield sought.base
        for key in parents:
            yield from snapshot.below(key)
        return
    numbers: set[int] = set()
    for part in parts:
        for some in _numbers(snapshot, part):
            numbers.update(some)
            yield None
    for number in sorted(numbers):
        row = snapshot.numbered(number)
        if row[1] in parents or (number == sought.base[0] and sought.scope != SINGLE_LEVEL):
            yield row


def _numbers(snapshot: Snapshot, part: Range | Chain) -> Iterator[list[int]]:
    if isinstance(part, Chain):
        yield list(part.found)
    else:
        yield from snapshot.numbers(part)


def _parents(snapshot: Snapshot, sought: Sought) -> dict[bytes, None]:
    """The keys of the names right below which the entries of a scope lie, the nearest first."""
    found = {sought.key: None}
    if sought.scope == SINGLE_LEVEL:
        return found
    left = snapshot.parents()
    while new := [key for key, above in left.items() if above in found and key not in found]:
        found.update(dict.fromkeys(new))
    return found
