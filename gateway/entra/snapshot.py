"""What was visible of a copy at one moment, and what can be asked of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from gateway.entra.access import Access, Chain, OneOf, Range, at_key
from gateway.entra.published import LAYOUT_KEY, PUBLISHED_AT

# Rows that are taken at once from a statement that may find very many.
_ROWS: Final = 500
# So few rows of the index are taken without a thought; of more, not more than one in so many of all entries.
_FEW: Final = 100
_PART: Final = 4

# Rows of the index that are counted for one filter.
_COUNTED: Final = 100_000

_META: Final = "SELECT key, value FROM meta WHERE key IN (?, ?)"
_BY_KEY: Final = "SELECT number, parent, dn, attributes FROM entry WHERE key = ?"
_BY_NUMBER: Final = "SELECT number, parent, dn, attributes FROM entry WHERE number = ?"
_BELOW: Final = "SELECT number, parent, dn, attributes FROM entry WHERE parent = ? ORDER BY number"
_RANGE: Final = "SELECT entry FROM value WHERE attribute = ? AND key >= ? AND key < ?"
_COUNT: Final = f"SELECT count(*) FROM ({_RANGE} LIMIT ?)"  # noqa: S608 - constants alone
_HAS: Final = "SELECT 1 FROM value WHERE attribute = ? AND key = ? AND entry = ?"
_LARGEST: Final = "SELECT max(number) FROM entry"
# Each name that has entries below it, found by steps over the index, with the one above it.
_PARENTS: Final = """
WITH RECURSIVE above (key) AS (
    SELECT min(parent) FROM entry UNION ALL
    SELECT (SELECT min(parent) FROM entry WHERE parent > above.key) FROM above WHERE above.key IS NOT NULL
)
SELECT above.key, entry.parent FROM above JOIN entry ON entry.key = above.key
"""

# Number, key of the name above, name, packed attributes.
Row = tuple[int, bytes, str, bytes]


class Snapshot:
    """A state of the copy, in a read transaction: a publish neither waits for it nor is seen in it.

    All methods raise sqlite3.Error where the file cannot be read.
    """

    __slots__ = ("connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        connection.execute("BEGIN")

    def meta(self) -> dict[str, str]:
        """Since when the copy is whole, and how it is laid out. The first thing to ask: with it the state begins."""
        return dict(self.connection.execute(_META, (PUBLISHED_AT, LAYOUT_KEY)))

    def entry(self, key: bytes) -> Row | None:
        """The entry of the name with this key."""
        row: Row | None = self.connection.execute(_BY_KEY, (key,)).fetchone()
        return row

    def numbered(self, number: int) -> Row:
        row: Row = self.connection.execute(_BY_NUMBER, (number,)).fetchone()
        return row

    def below(self, key: bytes) -> Iterator[Row]:
        """The entries right below a name, in the order of their numbers."""
        return self.connection.execute(_BELOW, (key,))

    def parents(self) -> dict[bytes, bytes]:
        """The keys of all names that have entries below them, each with that of the name above it."""
        return dict(self.connection.execute(_PARENTS))

    def has(self, attribute: int, key: bytes, number: int) -> bool:
        """Whether the index has this key of an attribute for an entry."""
        return self.connection.execute(_HAS, (attribute, key, number)).fetchone() is not None

    def narrowed(self, access: Access) -> list[Range | Chain] | None:
        """The ranges and chains through which an access finds least; None where that is so much that to look at every
        entry takes less."""
        rows, parts = self._cheapest(access, _FEW, [_COUNTED])
        if rows < _FEW:
            return parts
        limit = int(self.connection.execute(_LARGEST).fetchone()[0] or 0) // _PART
        rows, parts = self._cheapest(access, limit, [_COUNTED])
        return parts if rows < limit else None

    def numbers(self, part: Range) -> Iterator[list[int]]:
        """The numbers of the entries in a range, some at once."""
        cursor = self.connection.execute(_RANGE, part)
        while rows := cursor.fetchmany(_ROWS):
            yield [number for (number,) in rows]

    def names_of(self, numbers: list[int]) -> Iterator[bytes]:
        """The keys of the names of entries."""
        for number in numbers:
            (key,) = self.connection.execute("SELECT key FROM entry WHERE number = ?", (number,)).fetchone()
            yield key

    def leading_to(self, attribute: int, key: bytes) -> Iterator[list[int]]:
        """The numbers of the entries from which a link leads to the name with this key, some at once."""
        return self.numbers(at_key(attribute, key))

    def _cheapest(self, access: Access, limit: int, left: list[int]) -> tuple[int, list[Range | Chain]]:
        """How many rows there are, at least, and through what; more than limit are not counted. left: rows that may
        still be counted in all; where there are none, a range counts as one of too many."""
        if isinstance(access, Range):
            if left[0] <= 0:
                return limit, [access]
            rows = int(self.connection.execute(_COUNT, (*access, limit)).fetchone()[0])
            left[0] -= rows
            return rows, [access]
        if isinstance(access, Chain):
            return len(access.found), [access]
        found = [self._cheapest(part, limit, left) for part in access.parts]
        if isinstance(access, OneOf):
            return min(found, key=lambda each: each[0])
        return sum([rows for rows, _ in found]), [part for _, parts in found for part in parts]

    def end(self) -> None:
        self.connection.execute("ROLLBACK")
