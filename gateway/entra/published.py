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
from gateway.entra.syntaxes import dn_key, indexed, stored_key
from gateway.ldap.attribute_types import canonical_type
from gateway.ldap.dn import DNError, parse

# Keys of `meta`.
PUBLISHED_AT: Final = "published_at"
LAYOUT_KEY: Final = "published_layout"

# Of what lies in the tables; a new one where the keys of values or the octets of entries are made otherwise.
_VERSION: Final = 1
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
_TWICE: Final = "SELECT min(dn) FROM entry GROUP BY key HAVING count(*) > 1 LIMIT 1"

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
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM meta WHERE key IN (?, ?)", (PUBLISHED_AT, LAYOUT_KEY))
        connection.execute("DELETE FROM value")
        connection.execute("DELETE FROM entry")
        connection.execute("COMMIT")


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
    writing.check_names()


def replace_all(connection: sqlite3.Connection, entries: Iterable[PublishedEntry]) -> None:
    """Publishes all entries; what is visible and not among them goes. Raises CopyError."""
    writing = _Writing(connection)
    for entry in entries:
        writing.put(entry)
    writing.remove_others()
    writing.check_names()
    _write_meta(connection, LAYOUT_KEY, LAYOUT)


def _write_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    connection.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (key, value))


class _Writing:
    """One publish under way."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        if not connection.in_transaction:
            raise CopyError("a publish is a part of its caller's transaction")
        self._connection = connection
        # The numbers of the entries that were put.
        self._put: set[int] = set()

    def put(self, entry: PublishedEntry) -> None:
        id = _octets_of(entry.id)
        key, parent = _keys(entry)
        octets = _packed(entry)
        found = self._connection.execute("SELECT number, dn, attributes FROM entry WHERE id = ?", (id,)).fetchone()
        if found is None:
            made = self._connection.execute(
                "INSERT INTO entry (id, key, parent, dn, attributes) VALUES (?, ?, ?, ?, ?)",
                (id, key, parent, entry.dn, octets),
            )
            number = int(made.lastrowid or 0)
            self._index(number, None, Packed(octets))
        else:
            number, dn, old = found
            if dn != entry.dn or old != octets:
                self._connection.execute(
                    "UPDATE entry SET key = ?, parent = ?, dn = ?, attributes = ? WHERE number = ?",
                    (key, parent, entry.dn, octets, number),
                )
                self._index(number, Packed(old), Packed(octets))
        if number in self._put:
            raise CopyError(f"{entry.dn}: the same id stands twice in one publish: {entry.id}")
        self._put.add(number)

    def remove(self, id: str) -> None:
        found = self._connection.execute("SELECT number FROM entry WHERE id = ?", (_octets_of(id),)).fetchone()
        if found is not None:
            self._remove(found[0])

    def remove_others(self) -> None:
        """Removes all entries that were not put."""
        held = self._connection.execute("SELECT number FROM entry").fetchall()
        for (number,) in held:
            if number not in self._put:
                self._remove(number)

    def check_names(self) -> None:
        """Raises CopyError where two entries have one name, or one has no entry above it and is not the base."""
        twice = self._connection.execute(_TWICE).fetchone()
        if twice is not None:
            raise CopyError(f"{twice[0]}: two entries have this name")
        alone = self._connection.execute(_ALONE).fetchall()
        if len(alone) > 1:
            names = " and ".join(sorted((row[0] for row in alone), key=len))
            raise CopyError(f"{names}: the entry above is not published, which only the base's is not")

    def _remove(self, number: int) -> None:
        row = self._connection.execute("SELECT attributes FROM entry WHERE number = ?", (number,)).fetchone()
        self._index(number, Packed(row[0]), None)
        self._connection.execute("DELETE FROM entry WHERE number = ?", (number,))

    def _index(self, number: int, old: Packed | None, new: Packed | None) -> None:
        """Puts the index right where the attributes of an entry were old and are new."""
        for type in _INDEXED:
            before = b"" if old is None else old.values_octets(type.number)
            after = b"" if new is None else new.values_octets(type.number)
            if before == after:
                continue
            gone, come = _changed_keys(type, before, after)
            if gone:
                self._connection.executemany(
                    "DELETE FROM value WHERE attribute = ? AND key = ? AND entry = ?",
                    [(type.number, key, number) for key in gone],
                )
            if come:
                self._connection.executemany(
                    "INSERT OR IGNORE INTO value VALUES (?, ?, ?)", [(type.number, key, number) for key in come]
                )


def _changed_keys(type: AttributeType, before: bytes, after: bytes) -> tuple[set[bytes], set[bytes]]:
    """The keys that the index has too many of, and those that it may lack. A large group differs in few members, so no
    more of them is looked at than needed."""
    old, new = set(split_values(before)), set(split_values(after))
    gone = set(_index_keys(type, old - new))
    if gone and new:
        # Two values may have one key: SMTP:a@corp.example and smtp:a@corp.example.
        gone -= set(_index_keys(type, new))
    return gone, set(_index_keys(type, new - old))


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


def _keys(entry: PublishedEntry) -> tuple[bytes, bytes]:
    """The key of the entry's name, and that of the name above it."""
    try:
        dn = parse(entry.dn)
    except DNError as error:
        raise CopyError(f"{entry.id}: the name cannot be read: {error}") from None
    if not dn.rdns or str(dn) != entry.dn:
        raise CopyError(f"{entry.dn}: this is not how the name is written: {str(dn) or 'the root'}")
    return dn_key(dn), dn_key(dn.parent())


def _packed(entry: PublishedEntry) -> bytes:
    attributes = {_NAME.number: (_NAME, [entry.dn.encode()])}
    for name, values in entry.attributes.items():
        try:
            type = served_type(name)
        except KeyError:
            raise CopyError(f"{entry.dn}: gateway/entra/schema.py has no attribute {name}") from None
        if canonical_type(type.name) == canonical_type(_NAME.name):
            continue
        if type.number in attributes:
            raise CopyError(f"{entry.dn}: the attribute {name} stands there twice")
        for value in values:
            if stored_key(type, value) is None:
                raise CopyError(f"{entry.dn}: a value of {name} is none of its syntax ({type.syntax.name})")
        if values:
            attributes[type.number] = type, list(values)
    if _CLASS.number not in attributes:
        raise CopyError(f"{entry.dn}: an entry without objectClass")
    # In the order of the table, so that the same attributes make the same octets.
    return pack([attributes[number] for number in sorted(attributes)])
