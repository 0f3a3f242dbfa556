"""The file of the shrink guard's memory: SQLite, one row per client, shape and account.

It holds counts, names of attributes, times and `Shape.description`; attribute values never.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from gateway.policy.shrink import AttributeSize, Sizes
from gateway.state.sqlite_file import UnusableDatabase, check_whole, connect, make_private, naming_damage, transaction

FILE_NAME = "sizes.sqlite3"
SCHEMA_VERSION = 2
# Without `account`, `run`, `compared` and `writes`. A gateway brings it up to date; other processes use it as it is.
_FIRST_VERSION = 1

# Its first second, since the epoch; what comes later has no date.
_YEAR_9999 = 253_370_764_800

_SCHEMA = (
    """
CREATE TABLE shapes (
    client TEXT NOT NULL,
    key BLOB NOT NULL,
    account TEXT NOT NULL, -- the spelling that signed in; '' for an anonymous one, and from schema 1
    description TEXT NOT NULL,
    entries INTEGER NOT NULL,
    attributes TEXT NOT NULL, -- JSON: [[name, entries, values], ...]
    stored REAL NOT NULL, -- seconds since the epoch
    used INTEGER NOT NULL, -- rises with each use
    run INTEGER NOT NULL, -- rises with each complete result
    compared INTEGER NOT NULL, -- 1 once a result was compared with it
    accepted INTEGER NOT NULL, -- 0, or which acceptance it was
    PRIMARY KEY (client, key, account)
) WITHOUT ROWID
""",
    # How often a gateway has written, for size_witness.
    "CREATE TABLE writes (number INTEGER NOT NULL)",
    "INSERT INTO writes VALUES (0)",
)
_UPDATE = (
    "ALTER TABLE shapes RENAME TO shapes_1",
    *_SCHEMA,
    """
INSERT INTO shapes SELECT client, key, '', description, entries, attributes, stored, used, 0, 0, accepted
FROM shapes_1
""",
    "DROP TABLE shapes_1",
)
_UPSERT = """
INSERT INTO shapes (client, key, account, description, entries, attributes, stored, used, run, compared, accepted)
VALUES (:client, :key, :account, :description, :entries, :attributes, :stored, :used, :run, :compared, :accepted)
ON CONFLICT (client, key, account) DO UPDATE SET
    description = excluded.description, entries = excluded.entries, attributes = excluded.attributes,
    stored = excluded.stored, used = excluded.used, run = excluded.run, compared = excluded.compared,
    accepted = CASE WHEN accepted = :settles THEN 0 ELSE accepted END
"""
_COMPARED = "UPDATE shapes SET used = ?, compared = 1 WHERE client = ? AND key = ? AND account = ?"
_DELETE = "DELETE FROM shapes WHERE client = ? AND key = ? AND account = ?"
_CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"
# By schema version.
_SELECT = {
    _FIRST_VERSION: """
SELECT client, key, '', description, entries, attributes, stored, 0, 0, accepted FROM shapes ORDER BY used
""",
    SCHEMA_VERSION: """
SELECT client, key, account, description, entries, attributes, stored, run, compared, accepted FROM shapes ORDER BY used
""",
}

# Client, key and account.
ShapeId: TypeAlias = tuple[str, bytes, str]

Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class StoredShape:
    """A search in the database, with its last sizes.

    account: the spelling by which its session signed in. stored: seconds since the epoch. run: rises with each complete
    result of any shape. compared: whether a result was compared with it. accepted: 0, or a number of its own for each
    acceptance.
    """

    client: str
    key: bytes
    description: str
    sizes: Sizes
    stored: float
    accepted: int = 0
    account: str = ""
    run: int = 0
    compared: bool = False

    @property
    def id(self) -> ShapeId:
        return self.client, self.key, self.account


@dataclass(frozen=True, slots=True)
class Change:
    """A shape to be written. settles: the acceptance that its sizes have used up, 0 for none; one that came
    later stays."""

    shape: StoredShape
    settles: int = 0


class SizeDatabase:
    """One connection to the file, for one thread at a time.

    Every method may raise sqlite3.Error (a lock held for longer than sqlite_file.BUSY_TIMEOUT, a disk that is full or
    gone) and UnusableDatabase.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        """create: whether a file that is missing is made (mode 0600), and one of an older version brought up to date;
        otherwise FileNotFoundError, and the file stays as it is. Raises OSError too where the file cannot be opened."""
        self.path = path
        if create:
            make_private(path)
        self._file = _file_id(path)
        self._connection = connect(path)
        self._version = 0
        self._journal_file: tuple[int, int] | None = None
        # How often a gateway has written to it; 0 where that is not known.
        self.writes = 0
        try:
            with self._naming_damage():
                (journal,) = self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
                # In WAL, NORMAL leaves a whole database behind at a power loss; other journals need FULL for that.
                self._connection.execute(f"PRAGMA synchronous = {'NORMAL' if journal == 'wal' else 'FULL'}")
                self._check(create)
            if journal == "wal" and _journal(path).exists():
                self._journal_file = _file_id(_journal(path))
        except BaseException:
            self._connection.close()
            raise

    def load(self) -> list[StoredShape]:
        """Every shape, the least recently used first."""
        with self._naming_damage(), self._connection:
            self._connection.execute("BEGIN")
            (self._version,) = self._connection.execute("PRAGMA data_version").fetchone()
            if _schema_version(self._connection) == SCHEMA_VERSION:
                (self.writes,) = self._connection.execute("SELECT max(number) FROM writes").fetchone()
                _count(self.writes)
            return _read_shapes(self._connection)

    def changed(self) -> bool:
        """Whether another connection has written since load()."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return bool(version != self._version)

    def is_in_place(self) -> bool:
        """False once the path holds no file or another one: what is written to this connection is lost then."""
        return _is(self.path, self._file)

    def has_journal(self) -> bool:
        """False once the journal was deleted or replaced: what was written since may be lost, or be lost soon."""
        return self._journal_file is None or _is(_journal(self.path), self._journal_file)

    def write(self, changes: Mapping[ShapeId, Change | None], gone: Iterable[ShapeId] = ()) -> None:
        """All of it or nothing. changes: in the order of use; None for a shape that a result was compared with. gone:
        what is deleted first."""
        with self._naming_damage(), transaction(self._connection):
            self._connection.executemany(_DELETE, gone)
            (last,) = self._connection.execute("SELECT coalesce(max(used), 0) FROM shapes").fetchone()
            for used, (shape_id, change) in enumerate(changes.items(), last + 1):
                if change is None:
                    self._connection.execute(_COMPARED, (used, *shape_id))
                else:
                    self._connection.execute(_UPSERT, _columns(change, used))
            self._connection.execute("UPDATE writes SET number = number + 1")
            (self.writes,) = self._connection.execute("SELECT max(number) FROM writes").fetchone()
        # Into the file itself, so that a journal that is lost takes nothing with it. It was written all the same where
        # this fails or somebody reads.
        with suppress(sqlite3.OperationalError):
            self._connection.execute(_CHECKPOINT).fetchone()

    def accept(self, client: str, number: int) -> int:
        """Marks every shape of a client; returns how many. number: above 0, another one each time."""
        with self._naming_damage():
            done = self._connection.execute("UPDATE shapes SET accepted = ? WHERE client = ?", (number, client))
            return done.rowcount

    def forget(self, client: str | None) -> int:
        """Deletes the shapes of a client, or of all (None); returns how many."""
        with self._naming_damage():
            done = self._connection.execute(
                "DELETE FROM shapes WHERE client = :client OR :client IS NULL", {"client": client}
            )
            return done.rowcount

    def close(self) -> None:
        self._connection.close()

    def _check(self, create: bool) -> None:
        check_whole(self._connection, self.path)
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE" if create else "BEGIN")
            if create:
                _bring_up_to_date(self._connection)
            _check_version(self._connection, self.path)

    @contextmanager
    def _naming_damage(self) -> Iterator[None]:
        with naming_damage(self.path):
            yield


def read_alone(path: Path) -> list[StoredShape]:
    """The shapes of a file that cannot be opened as usual because the disk is full: without the shared memory file
    that WAL needs otherwise, and so only while no other process has it open. Raises as SizeDatabase does."""
    _file_id(path)
    with naming_damage(path):
        connection = connect(path)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            check_whole(connection, path)
            _check_version(connection, path)
            return _read_shapes(connection)
        finally:
            connection.close()


def _file_id(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _is(path: Path, file: tuple[int, int]) -> bool:
    try:
        return _file_id(path) == file
    except OSError:
        return False


def _journal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _is_new(connection: sqlite3.Connection) -> bool:
    version = _schema_version(connection)
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(version == 0 and tables == 0)


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    statements: tuple[str, ...] = _SCHEMA if _is_new(connection) else ()
    if _schema_version(connection) == _FIRST_VERSION:
        statements = _UPDATE
    for statement in statements:
        connection.execute(statement)
    if statements:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _schema_version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    version = _schema_version(connection)
    if version > SCHEMA_VERSION:
        raise UnusableDatabase(f"{path} was written by a newer version of the gateway (schema {version})")
    if version not in (_FIRST_VERSION, SCHEMA_VERSION):
        raise UnusableDatabase(f"{path} is not a database of the gateway")


def _columns(change: Change, used: int) -> dict[str, str | bytes | int | float]:
    shape = change.shape
    return {
        "client": shape.client,
        "key": shape.key,
        "account": shape.account,
        "description": shape.description,
        "entries": shape.sizes.entries,
        "attributes": json.dumps([[size.name, size.entries, size.values] for size in shape.sizes.attributes]),
        "stored": shape.stored,
        "used": used,
        "run": shape.run,
        "compared": int(shape.compared),
        "accepted": shape.accepted,
        "settles": change.settles,
    }


def _read_shapes(connection: sqlite3.Connection) -> list[StoredShape]:
    rows = connection.execute(_SELECT[_schema_version(connection)])
    return [
        StoredShape(
            client=_of(str, client),
            key=_of(bytes, key),
            description=_of(str, description),
            sizes=Sizes(_count(entries), _read_attributes(_of(str, attributes))),
            stored=_moment(stored),
            accepted=_of(int, accepted),
            account=_of(str, account),
            run=_count(run),
            compared=_of(int, compared) != 0,
        )
        for client, key, account, description, entries, attributes, stored, run, compared, accepted in rows
    ]


def _read_attributes(text: str) -> tuple[AttributeSize, ...]:
    found = []
    for item in _of(list, json.loads(text)):
        name, entries, values = _of(list, item)
        found.append(AttributeSize(_of(str, name), _count(entries), _count(values)))
    return tuple(found)


def _of(kind: type[Kind], value: object) -> Kind:
    if type(value) is not kind:
        raise ValueError
    return value


def _moment(value: object) -> float:
    seconds = _of(float, value)
    if not 0 <= seconds < _YEAR_9999:
        raise ValueError
    return seconds


def _count(value: object) -> int:
    number = _of(int, value)
    if number < 0:
        raise ValueError
    return number
