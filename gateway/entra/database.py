"""The tables behind the copy, beside those that show it (gateway/entra/published.py), all in one file.

`name` gives each id a number for good, and the name that it keeps. What Graph says lies in generations: one is that
behind the copy that is visible, another one may be staged, which is either a whole new one or the changes to the
visible one (an overlay). `object` and `link` have what each says; a link leads from a person to the manager, or from a
group to a member, by numbers, whoever is there or not. `cursor` has where a collection goes on. `shown` has what the
visible generation shows of each object.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

from gateway.entra.published import read_meta
from gateway.state.sqlite_file import UnusableDatabase

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS name (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, digits TEXT UNIQUE, cn TEXT
);
CREATE TABLE IF NOT EXISTS object (
    generation INTEGER NOT NULL, number INTEGER NOT NULL, collection TEXT NOT NULL,
    removed INTEGER NOT NULL, -- 0: it is there; 1: it may come back; 2: it is gone for good
    document TEXT, -- JSON
    PRIMARY KEY (generation, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link (
    generation INTEGER NOT NULL, source INTEGER NOT NULL, target INTEGER NOT NULL, present INTEGER NOT NULL,
    PRIMARY KEY (generation, source, target)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS link_target ON link (generation, target, source);
CREATE TABLE IF NOT EXISTS cursor (
    generation INTEGER NOT NULL, collection TEXT NOT NULL, url TEXT NOT NULL, obtained_at REAL NOT NULL,
    pages INTEGER NOT NULL, objects INTEGER NOT NULL, ended INTEGER NOT NULL,
    PRIMARY KEY (generation, collection)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    generation INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (generation, digest)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shown (
    number INTEGER PRIMARY KEY, collection TEXT NOT NULL, container TEXT NOT NULL,
    dn TEXT, -- NULL where it has no entry
    mail INTEGER NOT NULL, login TEXT, digest BLOB, changed_at INTEGER
);
CREATE INDEX IF NOT EXISTS shown_login ON shown (login) WHERE login IS NOT NULL;
CREATE TABLE IF NOT EXISTS missing (
    id BLOB PRIMARY KEY, collection TEXT NOT NULL, times INTEGER NOT NULL, excused INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS run (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, began_at REAL NOT NULL, ended_at REAL, pages INTEGER,
    objects INTEGER, outcome TEXT
);
"""

# In `meta` beside what gateway/entra/published.py keeps there.
SCHEMA: Final = "schema"
TENANT: Final = "tenant"
MAPPING: Final = "mapping"
VISIBLE: Final = "visible"
STAGED: Final = "staged"
STAGED_MAPPING: Final = "staged_mapping"
FIGURES: Final = "figures"
# When the last round ended well; `published_at` goes when the visible tables get another layout.
SUCCEEDED: Final = "succeeded_at"
LAST_FULL: Final = "last_full"
LAST_SWEEP: Final = "last_sweep"
# Which staged round somebody has accepted, by its generation.
ACCEPTED: Final = "accepted"

SCHEMA_VERSION: Final = "1"


def create_staging_tables(connection: sqlite3.Connection) -> None:
    connection.executescript(_TABLES)


class Meta:
    """The table of keys and values."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, key: str) -> str | None:
        return read_meta(self._connection, key)

    def number(self, key: str) -> float | None:
        found = self.get(key)
        return None if found is None else float(found)

    def set(self, key: str, value: str | None) -> None:
        """None: the key goes."""
        if value is None:
            self._connection.execute("DELETE FROM meta WHERE key = ?", (key,))
        else:
            self._connection.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (key, value)
            )


def read_document(text: str) -> dict[str, Any]:
    """The document of a row. Raises UnusableDatabase where it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnusableDatabase("a row of the copy's file is not as the gateway writes it")
    return found


def id_octets(id: str) -> bytes:
    return bytes.fromhex(id.replace("-", ""))


def id_text(octets: bytes) -> str:
    digits = octets.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
