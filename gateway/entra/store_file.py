"""The file that holds a copy: who may read it, and how it is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gateway.state.sqlite_file import connect, make_private

# Seconds that one writer waits for another.
_PATIENCE: Final = 30.0
# Octets of a page.
_PAGE: Final = 8192
# Kibioctets of pages that a connection keeps, negative as SQLite wants it.
_CACHE: Final = -2000


def open_for_writing(path: Path) -> sqlite3.Connection:
    """A connection that begins and ends its transactions by itself, to a file that is made where there is none. Whoever
    reads meanwhile sees what was there before (WAL). Raises OSError, sqlite3.Error."""
    make_private(path)
    connection = connect(path, _PATIENCE)
    try:
        # Of a new file: an entry has two kilobytes, of which pages of the usual four could hold one.
        connection.execute(f"PRAGMA page_size = {_PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        # What was committed survives a kill of the process, and after a loss of power the file is whole, if older.
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing. Raises sqlite3.Error, also where there is no file."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=0.0)
    try:
        connection.execute(f"PRAGMA cache_size = {_CACHE}")
        # Whatever is asked, this connection changes nothing.
        connection.execute("PRAGMA query_only = 1")
    except BaseException:
        connection.close()
        raise
    return connection
