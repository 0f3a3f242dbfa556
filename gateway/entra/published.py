"""What is visible of a copy: its entries and their index, in SQLite.

`entry` has each entry: its attributes as they go out, its name's key, and the key of the name above it. `value` has the
keys of its indexed attributes, for look-ups by equality, by beginning and by presence. `meta` has, beside what others
keep there, since when the copy is whole (`published_at`) and how it is laid out.

Everything is written inside the caller's transaction: whoever reads meanwhile goes on seeing what was there before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

from gateway.entra.packed import Packed, pack, split_values
from gateway.entra.schema import TYPES, AttributeType, served_type
from gateway.entra.syntaxes import indexed, is_value, name_keys, stored_key
from gateway.ldap.dn import DNError, parse
from gateway.state.sqlite_file import transaction

# Keys of `meta`.
PUBLISHED_AT: Final = "published_at"
LAYOUT_KEY: Final = "published_layout"

# Of what lies in the tables; a new one where the keys of values or the octets of entries are made otherwise.
_VERSION: Final = 2
_LAID_OUT: Final = [f"{type.name} {type.oid} {type.syntax.value} {type.indexed}" for type in TYPES]
LAYOUT: Final = blake2b(f"{_VERSION} {_LAID_OUT}".encode(), digest_size=8).hexdigest()

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, key BLOB NOT NULL, parent BLOB NOT NULL, dn TEXT NOT NULL,
    attributes BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS entry_key ON entry (key);
CREATE INDEX IF NOT EXISTS entry_parent ON entry (parent);
CREATE TABLE IF NOT EXISTS value (
    attribute INTEGER, key BLOB, entry INTEGER, PRIMARY KEY (attribute, key, entry)
) WITHOUT ROWID;
"""
# Entries whose names lie below none: of each name above entries, found by steps over the index, one entry.
_ALONE: Final = """
WITH RECURSIVE above (key) AS (
    SELECT min(parent) FROM entry UNION ALL
    SELECT (SELECT min(parent) FROM entry WHERE parent > above.key) FROM above WHERE above.key IS NOT NULL
)
SELECT dn FROM above JOIN entry ON entry.parent = above.key
WHERE NOT EXISTS (SELECT 1 FROM entry AS other WHERE other.key = above.key) LIMIT 2
"""
_BY_ID: Final = "SELECT number, dn, attributes FROM entry WHERE id = ?"
_ADD: Final = "INSERT OR IGNORE INTO value VALUES (?, ?, ?)"
_ADD_UNSORTED: Final = "INSERT INTO temp.unsorted VALUES (?, ?, ?)"
_TWICE: Final = "SELECT min(dn) FROM entry GROUP BY key HAVING count(*) > 1 LIMIT 1"
_NAMED_TWICE: Final = "SELECT min(dn) FROM entry WHERE key = ? GROUP BY key HAVING count(*) > 1"

# New names of which each is looked at by itself.
_MANY: Final = 1000

_INDEXED: Final = tuple(type for type in TYPES if type.indexed and type.oid)
_NAME: Final = served_type("distinguishedName")
_CLASS: Final = served_type("objectClass")


class PublishedEntry(NamedTuple):
    """An entry as it is to be visible.

    id: Graph's object id, as the text of a UUID in lower case; that of a container is made up, and always the same. dn:
    RFC 4514, canonical; the entry above it is published too, unless this is the base. attributes: by the names that
    Active Directory has, with their values as LDAP has them. objectClass is among them, distinguishedName need not be.
    """

    id: str
    dn: str
    attributes: Mapping[str, Sequence[bytes]]


class CopyError(ValueError):
    """Entries that cannot be published; the text names the entry and what is wrong, and never a value of an attribute.
    The caller rolls its transaction back."""


def create_tables(connection: sqlite3.Connection) -> None:
    """Makes the tables where there are none. What lies in them in another layout goes, together with `published_at`: a
    `replace_all` has to follow, and until then nothing is visible."""
    connection.executescript(_TABLES)
    layout = read_meta(connection, LAYOUT_KEY)
    if layout is not None and layout != LAYOUT:
        with transaction(connection):
            connection.execute("DELETE FROM meta WHERE key IN (?, ?)", (PUBLISHED_AT, LAYOUT_KEY))
            connection.execute("DELETE FROM value")
            connection.execute("DELETE FROM entry")


def read_meta(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def note_success(connection: sqlite3.Connection, at: int) -> None:
    """A round has ended well, whether or not it changed anything. at: Unix seconds."""
    _write_meta(connection, PUBLISHED_AT, str(at))


def write_entries(connection: sqlite3.Connection, changed: Iterable[PublishedEntry], removed: Iterable[str]) -> None:
    """Publishes changed and new entries, and removes those with the ids in removed, which need not be there. An entry
    that is as it was costs no write. Raises CopyError; also where `replace_all` has not come before, since a part of a
    copy must not be visible."""
    if read_meta(connection, LAYOUT_KEY) != LAYOUT:
        raise CopyError("nothing is published yet: a full publish has to come first")
    writing = _Writing(connection)
    for id in removed:
        writing.remove(id)
    for entry in changed:
        writing.put(entry)
    writing.end()


def replace_all(connection: sqlite3.Connection, entries: Iterable[PublishedEntry]) -> None:
    """Publishes all entries; what is visible and not among them goes. Raises CopyError."""
    first = connection.execute("SELECT 1 FROM entry LIMIT 1").fetchone() is None
    writing = _Writing(connection, first=first)
    for entry in entries:
        writing.put(entry)
    if not first:
        writing.remove_others()
    writing.end()
    _write_meta(connection, LAYOUT_KEY, LAYOUT)


def _write_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


class _Writing:
    """One publish under way. first: nothing is visible yet, so that no entry has to be compared."""

    def __init__(self, connection: sqlite3.Connection, *, first: bool = False) -> None:
        if not connection.in_transaction:
            raise CopyError("a publish is a part of its caller's transaction")
        self._connection = connection
        self._first = first
        # The numbers of the entries that were put, and the keys of the names that are new.
        self._put: set[int] = set()
        self._new_names: list[bytes] = []
        if first:
            connection.execute("DROP TABLE IF EXISTS temp.unsorted")
            connection.execute("CREATE TEMP TABLE unsorted (attribute INTEGER, key BLOB, entry INTEGER)")

    def put(self, entry: PublishedEntry) -> None:
        id = _octets_of(entry.id)
        key, parent = _name_keys(entry)
        attributes = _attributes(entry)
        octets = pack([attributes[number] for number in sorted(attributes)])
        found = None if self._first else self._held(id)
        if found is None:
            number = self._insert(entry, (id, key, parent, entry.dn, octets))
            self._new_names.append(key)
            keys = _keys(entry, attributes)
            come = [(type, key, number) for type, values in keys.items() for key in values.values()]
            self._connection.executemany(_ADD_UNSORTED if self._first else _ADD, come)
        else:
            number, dn, old = found
            if dn != entry.dn or old != octets:
                keys = _keys(entry, attributes)
                if dn != entry.dn:
                    self._new_names.append(key)
                self._connection.execute(
                    "UPDATE entry SET key = ?, parent = ?, dn = ?, attributes = ? WHERE number = ?",
                    (key, parent, entry.dn, octets, number),
                )
                self._change_index(number, Packed(old), keys)
        if number in self._put:
            raise _twice(entry)
        self._put.add(number)

    def remove(self, id: str) -> None:
        found = self._held(_octets_of(id))
        if found is not None:
            self._remove(found[0], found[2])

    def remove_others(self) -> None:
        """Removes all entries that were not put."""
        held = self._connection.execute("SELECT number FROM entry").fetchall()
        for number in {number for (number,) in held} - self._put:
            row = self._connection.execute("SELECT attributes FROM entry WHERE number = ?", (number,)).fetchone()
            self._remove(number, row[0])

    def end(self) -> None:
        """Raises CopyError where two entries have one name, or one has no entry above it and is not the base."""
        if self._first:
            # In the order of the index: so it is written once, and its pages are full.
            self._connection.execute(
                "INSERT INTO value SELECT DISTINCT attribute, key, entry FROM temp.unsorted ORDER BY 1, 2, 3"
            )
            self._connection.execute("DROP TABLE temp.unsorted")
        if len(self._new_names) > _MANY:
            twice = self._connection.execute(_TWICE).fetchall()
        else:
            twice = [row for key in self._new_names for row in self._connection.execute(_NAMED_TWICE, (key,))]
        for (name,) in twice:
            raise CopyError(f"{name}: two entries have this name")
        alone = self._connection.execute(_ALONE).fetchall()
        if len(alone) > 1:
            names = " and ".join(sorted((row[0] for row in alone), key=len))
            raise CopyError(f"{names}: the entry above is not published, which only the base's is not")

    def _held(self, id: bytes) -> tuple[int, str, bytes] | None:
        """Number, name and attributes of the entry with this id."""
        row: tuple[int, str, bytes] | None = self._connection.execute(_BY_ID, (id,)).fetchone()
        return row

    def _insert(self, entry: PublishedEntry, row: tuple[bytes, bytes, bytes, str, bytes]) -> int:
        try:
            made = self._connection.execute(
                "INSERT INTO entry (id, key, parent, dn, attributes) VALUES (?, ?, ?, ?, ?)", row
            )
        except sqlite3.IntegrityError:
            raise _twice(entry) from None
        return int(made.lastrowid or 0)

    def _remove(self, number: int, octets: bytes) -> None:
        self._change_index(number, Packed(octets), {})
        self._connection.execute("DELETE FROM entry WHERE number = ?", (number,))

    def _change_index(self, number: int, old: Packed, new: Mapping[int, Mapping[bytes, bytes]]) -> None:
        """Puts the index right for an entry that was there. new: the values of each indexed attribute, each with its
        key."""
        gone: list[tuple[int, bytes, int]] = []
        come: list[tuple[int, bytes, int]] = []
        for type in _INDEXED:
            values = new.get(type.number, {})
            had = set(split_values(old.values_octets(type.number)))
            # Two values may have one key: SMTP:a@corp.example and smtp:a@corp.example.
            keys = set(_index_keys(type, had.difference(values))).difference(values.values())
            gone += [(type.number, key, number) for key in keys]
            come += [(type.number, key, number) for value, key in values.items() if value not in had]
        self._connection.executemany("DELETE FROM value WHERE attribute = ? AND key = ? AND entry = ?", gone)
        self._connection.executemany(_ADD, come)


def _twice(entry: PublishedEntry) -> CopyError:
    return CopyError(f"{entry.dn}: the same id stands twice in one publish: {entry.id}")


def _index_keys(type: AttributeType, values: Iterable[bytes]) -> Iterator[bytes]:
    for value in values:
        key = stored_key(type, value)
        if key is not None:
            yield indexed(key)


def _octets_of(id: str) -> bytes:
    try:
        return UUID(id).bytes
    except ValueError:
        raise CopyError(f"an id that is no UUID: {id!r}") from None


def _name_keys(entry: PublishedEntry) -> tuple[bytes, bytes]:
    """The key of the entry's name, and that of the name above it."""
    try:
        keys = name_keys(entry.dn)
    except DNError as error:
        raise CopyError(f"{entry.id}: the name cannot be read: {error}") from None
    if keys is None:
        raise CopyError(f"{entry.dn}: this is not how the name is written: {str(parse(entry.dn)) or 'the root'}")
    return keys


def _attributes(entry: PublishedEntry) -> dict[int, tuple[AttributeType, Sequence[bytes]]]:
    """What the entry has, by the numbers of the types; its own name is among it."""
    attributes: dict[int, tuple[AttributeType, Sequence[bytes]]] = {}
    for name, values in entry.attributes.items():
        try:
            type = served_type(name)
        except KeyError:
            raise CopyError(f"{entry.dn}: gateway/entra/schema.py has no attribute {name}") from None
        if type.number in attributes:
            raise CopyError(f"{entry.dn}: the attribute {name} stands there twice")
        if values:
            attributes[type.number] = type, values
    if _CLASS.number not in attributes:
        raise CopyError(f"{entry.dn}: an entry without objectClass")
    attributes[_NAME.number] = _NAME, [entry.dn.encode()]
    return attributes


def _keys(
    entry: PublishedEntry, attributes: Mapping[int, tuple[AttributeType, Sequence[bytes]]]
) -> dict[int, dict[bytes, bytes]]:
    """The values of each indexed attribute, each with its key. Raises CopyError for a value that is none."""
    found: dict[int, dict[bytes, bytes]] = {}
    for number, (type, values) in attributes.items():
        if type.indexed:
            keys = list(_index_keys(type, values))
            valid = len(keys) == len(values) and b"" not in values
            found[number] = dict(zip(values, keys, strict=False))
        else:
            valid = all([is_value(type, value) for value in values])  # noqa: C419 - twice as fast as a generator
        if not valid:
            raise CopyError(f"{entry.dn}: a value of {type.name} is none of its syntax ({type.syntax.name})")
    return found
