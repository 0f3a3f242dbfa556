"""A file of SQLite that the gateway keeps something in: how it is made, opened, found damaged and put aside."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway.host.system_errors import system_error

# Seconds that one process waits for the other's transaction; each takes milliseconds.
BUSY_TIMEOUT = 2.0

# SQLITE_ERROR in statements that are known to be right: the tables are not those of the schema version.
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})

# SQLite's own texts, in words that say what to look at.
_SQLITE_WORDS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk or the file system reports an error",
    sqlite3.SQLITE_BUSY: "another process holds its lock",
    sqlite3.SQLITE_LOCKED: "another process holds its lock",
    sqlite3.SQLITE_READONLY: "this account may not write to it: see owner and mode",
    sqlite3.SQLITE_PERM: "this account may not use it: see owner and mode",
    sqlite3.SQLITE_AUTH: "this account may not use it: see owner and mode",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: see owner and mode of the file and of its directory",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_PROTOCOL: "another process holds its lock",
}


class UnusableDatabase(Exception):
    """The file is damaged, or of a newer version; the text names it and says which."""


def set_aside(path: Path, now: float) -> Path:
    """Renames the database, its journal with it; returns the new path. Raises OSError."""
    moved = path.with_name(f"{path.name}.{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%S.%fZ}")
    # The database first: a journal without one is thrown away by SQLite, one beside a new database is not harmless.
    for suffix in ("", "-wal", "-shm"):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(moved.with_name(moved.name + suffix))
    return moved


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Raises UnusableDatabase for errors that mean that the content is at fault, not the disk or a lock."""
    try:
        yield
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        raise UnusableDatabase(f"{path} is damaged ({error})") from None
    except ValueError:
        raise UnusableDatabase(f"{path} is damaged (a row is not as the gateway writes it)") from None


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the error means that the content of the file is at fault."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGE


def make_private(path: Path) -> None:
    """Makes the file where it is missing, for its owner alone. Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def connect(path: Path, patience: float = BUSY_TIMEOUT) -> sqlite3.Connection:
    """A connection to a file that is there, for one thread at a time; transactions begin where the caller says so.
    patience: seconds that one process waits for the other's transaction."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=patience,
        isolation_level=None,
        check_same_thread=False,
    )
    # The default decoder's error cannot be told from one of the disk.
    connection.text_factory = lambda octets: octets.decode("utf-8")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is written inside, or nothing where it raises."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Raises UnusableDatabase where SQLite finds a fault in the file; it reads all of it."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise UnusableDatabase(f"{path} is damaged")


def trouble(error: Exception) -> str:
    """Why the database cannot be used, in words; of an error of the system or of SQLite."""
    if isinstance(error, OSError):
        return system_error(error)
    known = _SQLITE_WORDS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return known or str(error)
