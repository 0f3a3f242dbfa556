"""Who reads the copy at the moment: few at one time, none for long, and nobody where the copy is not to be trusted.

While somebody reads a state of the copy, the file beside it that holds later changes can only grow.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, time
from typing import Final, TypeAlias

from twisted.logger import Logger

from gateway.entra.published import LAYOUT, LAYOUT_KEY, PUBLISHED_AT
from gateway.entra.snapshot import Snapshot
from gateway.entra.store_file import open_for_reading

log = Logger(__name__)

# States that may be read at one time.
MOST: Final = 32
# Seconds after which a reading ends, whatever is done with it.
OLDEST: Final = 900.0
# Connections to the file that are kept for the next reading.
_SPARE: Final = 4

# Device and inode, by which another file in the same place is told.
FileId: TypeAlias = tuple[int, int]

_STATUS: Final = "`ldap-gateway entra status` says why"
_NOTHING: Final = f"nothing of the tenant is published yet; {_STATUS}"


class Unavailable(Exception):
    """Nothing can be read of the copy. The text says why, for whoever asked. busy: it is worth asking again soon."""

    def __init__(self, text: str, *, busy: bool = False) -> None:
        super().__init__(text)
        self.busy = busy


class Reading:
    """One state of the copy, and what is made of it piece by piece. begun: on the monotonic clock. waits: nobody asks
    for more before the next page is asked for. ended: nothing more comes of it."""

    __slots__ = ("_file", "_readings", "begun", "ended", "found", "snapshot", "waits")

    def __init__(self, readings: Readings, snapshot: Snapshot, file: FileId) -> None:
        self._readings = readings
        self._file = file
        self.snapshot = snapshot
        self.begun = monotonic()
        self.waits = False
        self.ended = False
        # Entries as they go out; b"" where it is somebody else's turn.
        self.found: Generator[bytes, None, None] | None = None

    def end(self) -> None:
        if self.ended:
            return
        self.ended = True
        if self.found is not None:
            # Its open statements would keep the state alive.
            self.found.close()
        self._readings.ended(self, self._file)


class Readings:
    """All that are under way. path: of the store. refuse_after: seconds after the last complete round from which on
    nothing is read any more."""

    def __init__(self, path: Path, refuse_after: float) -> None:
        self._path = path
        self._refuse_after = refuse_after
        self._open: list[Reading] = []
        self._spare: list[tuple[sqlite3.Connection, FileId]] = []
        # What was wrong with the copy the last time, so that it is logged once.
        self._trouble = ""

    def begin(self) -> Reading:
        """Raises Unavailable."""
        self._make_room()
        try:
            reading = self._begin()
        except Unavailable as unavailable:
            self._note("" if unavailable.busy else str(unavailable))
            raise
        self._note("")
        return reading

    def _begin(self) -> Reading:
        connection, file = self._connection()
        try:
            snapshot = Snapshot(connection)
            why = self._why_not(snapshot.meta())
        except sqlite3.Error as error:
            connection.close()
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
                # There is no such table.
                raise Unavailable(_NOTHING) from None
            raise explained(error) from None
        if why:
            snapshot.end()
            connection.close()
            raise Unavailable(why)
        reading = Reading(self, snapshot, file)
        self._open.append(reading)
        return reading

    def ended(self, reading: Reading, file: FileId) -> None:
        """The reading tells so itself."""
        self._open.remove(reading)
        connection = reading.snapshot.connection
        try:
            reading.snapshot.end()
        except sqlite3.Error:
            connection.close()
            return
        if len(self._spare) < _SPARE and file == self._file():
            self._spare.append((connection, file))
        else:
            connection.close()

    def end_old(self) -> None:
        """To be called from time to time: ends what has been read for too long."""
        until = monotonic() - OLDEST
        for reading in [each for each in self._open if each.begun < until]:
            reading.end()

    def close(self) -> None:
        for reading in list(self._open):
            reading.end()
        while self._spare:
            self._spare.pop()[0].close()

    def _make_room(self) -> None:
        """Raises Unavailable. What waits for its next page is given up for what is asked for now."""
        if len(self._open) < MOST:
            return
        waiting = [each for each in self._open if each.waits]
        if not waiting:
            raise Unavailable(f"{MOST} searches are under way, and no more may be", busy=True)
        min(waiting, key=lambda each: each.begun).end()

    def _connection(self) -> tuple[sqlite3.Connection, FileId]:
        file = self._file()
        while self._spare:
            connection, known = self._spare.pop()
            if known == file:
                return connection, file
            # Another file lies there now.
            connection.close()
        try:
            return open_for_reading(self._path), file
        except sqlite3.Error as error:
            raise explained(error) from None

    def _file(self) -> FileId:
        """(0, 0) where there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino

    def _why_not(self, meta: dict[str, str]) -> str:
        """Why a copy with this `meta` must not be read; "" where it may."""
        published = meta.get(PUBLISHED_AT, "")
        if not published.isdecimal() or LAYOUT_KEY not in meta:
            return _NOTHING
        if meta[LAYOUT_KEY] != LAYOUT:
            return "another version of ldap-gateway published the copy; restart `ldap-gateway entra run`"
        at = int(published)
        age = time() - at
        if abs(age) <= self._refuse_after:
            return ""
        when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        if age < 0:
            return f"the copy of the tenant is of {when}, which is in the future; set this machine's clock"
        hours = self._refuse_after / 3600
        return f"the copy of the tenant is of {when}, and older than {hours:g} hours (refuse_after); {_STATUS}"

    def _note(self, trouble: str) -> None:
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble:
            log.error("searches of the copy are answered with unavailable: {trouble}", trouble=trouble)
        else:
            log.info("searches of the copy are answered again")


def explained(error: sqlite3.Error) -> Unavailable:
    """What an error of SQLite means to whoever asks; its own text may have something of a statement in it."""
    code = getattr(error, "sqlite_errorcode", None)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable("the copy is locked for a moment", busy=True)
    if code == sqlite3.SQLITE_CANTOPEN:
        return Unavailable(_NOTHING)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Unavailable("the file of the copy is damaged; `ldap-gateway entra run` makes a new one")
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    return Unavailable(f"the file of the copy cannot be read ({name}); {_STATUS}")
