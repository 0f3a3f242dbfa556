"""What the last complete searches gave: the shrink guard's memory, from one sync run to the next."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic, time
from typing import Protocol

from gateway.policy.shrink import Remembered, Shape, Sizes
from gateway.state.recent_shapes import Forgotten, RecentShapes
from gateway.state.size_database import (
    FILE_NAME,
    Change,
    ShapeId,
    SizeDatabase,
    StoredShape,
    read_alone,
)
from gateway.state.size_witness import Witness, last_written, note_written
from gateway.state.sqlite_file import UnusableDatabase, set_aside, trouble
from gateway.state.state_dir import StateError, check_state_dir

# Shapes per client, those of each account counted. A sync has a handful; a client that makes up filters must not fill
# memory or disk.
MAX_SHAPES = 1000
# Characters of a description that are kept; a filter may have 500 kB.
MAX_DESCRIPTION = 1000
# Seconds between two looks at the file, to write what is new and to see what another process wrote.
WRITE_PAUSE = 0.5
# Seconds between two attempts on a file that cannot be used.
RETRY_PAUSE = 5.0
# Seconds that close() waits for the last write.
CLOSE_PATIENCE = 5.0

# What no waiting mends: the file is none, or not the gateway's.
_MISTAKES = frozenset({errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EROFS})
_SQLITE_MISTAKES = frozenset({sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH})


class SizeMemory(Protocol):
    """Called on the reactor's thread, for every search that can give several entries: neither method waits for a
    disk or raises.

    What is worth storing is for the caller (the relay) to decide: complete results only, and of a shape that is not
    known yet only those with at least `minimum` entries; a known one is stored whatever its size.
    """

    @property
    def latest_acceptance(self) -> int:
        """The highest number of an acceptance that has come from another process; 0 for none."""

    def read(self, shape: Shape) -> Remembered: ...

    def store(self, shape: Shape, sizes: Sizes) -> None:
        """Takes sizes as the new measure; an acceptance is used up by it."""

    def close(self) -> None:
        """Writes what is not written yet. May wait for CLOSE_PATIENCE seconds."""


class SizesInMemory:
    """A SizeMemory that forgets at the end of the process, for a configuration without state_dir. No other process
    reaches it."""

    latest_acceptance = 0

    def __init__(
        self,
        limit: int = MAX_SHAPES,
        clock: Callable[[], float] = time,
        lost: Callable[[str], None] = lambda text: None,
    ) -> None:
        """lost: told which searches had to go; must not raise."""
        self._recent = RecentShapes(limit)
        self._forgotten = Forgotten(limit, lost, monotonic)
        self._clock = clock
        self._run = 0

    def read(self, shape: Shape) -> Remembered:
        found = self._recent.compare(shape.client, shape.key, shape.account)
        return Remembered(None if found is None else found.sizes, False)

    def store(self, shape: Shape, sizes: Sizes) -> None:
        self._run += 1
        before = self._recent.measure(shape.client, shape.key, shape.account)
        gone = self._recent.put(stored_shape(shape, sizes, self._clock(), self._run, before))
        if gone is not None:
            self._forgotten.add(gone)

    def close(self) -> None:
        self._forgotten.tell(last=True)


class SizesOnDisk:
    """A SizeMemory in `state_dir/sizes.sqlite3`.

    Everything is answered from a mirror in memory; a thread of its own writes to the file and takes over what another
    process (`ldap-gateway shrink`) wrote, both within WRITE_PAUSE. Where the file cannot be written, the newest sizes
    of each shape wait in memory until it can be. Where it cannot be read at the start, the mirror is empty until it can
    be; what it then has stays the measure, for nothing was compared with it in the meantime.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        failed: Callable[[str], None],
        recovered: Callable[[], None],
        lost: Callable[[str], None],
        limit: int = MAX_SHAPES,
        clock: Callable[[], float] = time,
        pause: float = WRITE_PAUSE,
        retry: float = RETRY_PAUSE,
    ) -> None:
        """Raises StateError.

        failed, recovered: once each time that the file stops and begins to be usable. lost: sizes are forgotten: a
        damaged file, or one of a newer version, was moved aside, what was written last is missing from it, or a client
        makes too many searches. They are called on any thread and must not raise; the texts name the file or the
        client. pause, retry: seconds, as WRITE_PAUSE and RETRY_PAUSE.
        """
        self._state_dir = state_dir
        self._path = state_dir / FILE_NAME
        self._failed = failed
        self._recovered = recovered
        self._lost = lost
        self._limit = limit
        self._clock = clock
        self._pause = pause
        self._retry = retry
        self._database: SizeDatabase | None = None
        self._failing = False
        # Whether what the file had at the start is known, and whether that was all.
        self._loaded = False
        self._witnessed = False
        self._closing = Event()
        # The lock is held for work in memory only: the reactor waits for it.
        self._lock = Lock()
        self._recent = RecentShapes(limit)
        self._forgotten = Forgotten(limit, lost, monotonic)
        self._run = 0
        self._latest_acceptance = 0
        # In the order of use; never more than what is in _recent. None: compared with, not stored.
        self._unwritten: dict[ShapeId, Change | None] = {}
        self._on_disk: set[ShapeId] = set()
        # In the file, and to be deleted there before anything is written.
        self._gone: set[ShapeId] = set()
        check_state_dir(state_dir)
        self._begin()
        self._writer = Thread(target=self._write_until_closed, name="sizes", daemon=True)
        self._writer.start()

    @property
    def latest_acceptance(self) -> int:
        return self._latest_acceptance

    def read(self, shape: Shape) -> Remembered:
        with self._lock:
            found = self._recent.compare(shape.client, shape.key, shape.account)
            if found is None:
                return Remembered(None, False)
            unwritten = self._unwritten.pop(found.id, None)
            self._unwritten[found.id] = None if unwritten is None else replace(unwritten, shape=found)
        return Remembered(found.sizes, found.accepted != 0)

    def store(self, shape: Shape, sizes: Sizes) -> None:
        with self._lock:
            self._run += 1
            before = self._recent.measure(shape.client, shape.key, shape.account)
            if before is not None and before.account != shape.account and before.run == 0:
                # An older version left it, which knew no accounts: it is that of the first account that comes.
                self._recent.drop(before)
                self._forget(before)
            elif before is not None and before.account != shape.account and before.accepted:
                # Another account's acceptance let this result pass: it holds for one.
                settled = replace(before, accepted=0)
                self._recent.put(settled)
                self._unwritten.pop(settled.id, None)
                self._unwritten[settled.id] = Change(settled, before.accepted)
            stored = stored_shape(shape, sizes, self._clock(), self._run, before)
            unwritten = self._unwritten.pop(stored.id, None)
            settles = before.accepted if before is not None and before.id == stored.id else 0
            if settles == 0 and unwritten is not None:
                settles = unwritten.settles
            gone = self._recent.put(stored)
            self._unwritten[stored.id] = Change(stored, settles)
            if gone is not None:
                self._forget(gone)
                self._forgotten.add(gone)

    def close(self) -> None:
        self._closing.set()
        self._writer.join(CLOSE_PATIENCE)
        with self._lock:
            self._forgotten.tell(last=True)

    def _forget(self, gone: StoredShape) -> None:
        """The lock is held."""
        self._unwritten.pop(gone.id, None)
        if gone.id in self._on_disk:
            self._on_disk.discard(gone.id)
            self._gone.add(gone.id)

    def _begin(self) -> None:
        try:
            self._open()
        except (sqlite3.Error, OSError, UnusableDatabase) as error:
            shapes = _readable(self._path)
            if shapes is not None:
                self._take_over(shapes)
            elif _is_mistake(error):
                raise StateError(f"state_dir {self._state_dir}: {FILE_NAME}: {trouble(error)}") from None
            self._fail(error)

    def _write_until_closed(self) -> None:
        while not self._closing.wait(self._retry if self._failing else self._pause):
            self._exchange(last=False)
            with self._lock:
                self._forgotten.tell()
        self._exchange(last=True)
        self._drop_connection()

    def _exchange(self, last: bool) -> None:
        """Takes over what is new in the file, then writes what is new here."""
        try:
            if self._database is not None and not self._database.is_in_place():
                self._drop_connection()
            elif self._database is not None and not self._database.has_journal():
                self._drop_connection()
                self._write_everything_again()
            if self._database is None:
                database = self._open()
            else:
                database = self._database
                if database.changed():
                    self._take_over(database.load())
            self._write(database, last)
        except (sqlite3.Error, OSError, UnusableDatabase) as error:
            self._drop_connection()
            self._fail(error)
        else:
            if self._failing:
                self._failing = False
                self._recovered()

    def _open(self) -> SizeDatabase:
        is_new = not self._path.exists()
        is_aside = False
        # First: another process may write between the two looks.
        witness = last_written(self._state_dir)
        try:
            database, shapes = _loaded(self._path)
        except UnusableDatabase as error:
            moved = set_aside(self._path, self._clock())
            self._lost(f"{error}: moved to {moved.name}, and a new one is begun")
            is_new = is_aside = True
            database, shapes = _loaded(self._path)
        if witness is not None and witness.writes > database.writes and not self._witnessed and not is_aside:
            self._lost(
                f"{self._path} lacks what was written last, because it or its journal ({self._path.name}-wal) was "
                f"deleted or damaged: it had {_searches(witness.shapes)} and now has {len(shapes)}; the next complete "
                "result of a search that is missing is compared with nothing"
            )
        self._witnessed = True
        if is_new:
            self._write_everything_again()
        self._take_over(shapes)
        note_written(self._state_dir, Witness(database.writes, len(shapes)))
        self._database = database
        return database

    def _write_everything_again(self) -> None:
        with self._lock:
            self._on_disk.clear()
            self._gone.clear()
            unwritten: dict[ShapeId, Change | None] = {shape.id: Change(shape) for shape in self._recent}
            for shape_id, change in self._unwritten.items():
                again = unwritten.pop(shape_id)
                unwritten[shape_id] = change or again
            self._unwritten = unwritten

    def _take_over(self, shapes: list[StoredShape]) -> None:
        """Makes the file's content the mirror, with what is not written yet on top of it."""
        with self._lock:
            recent = RecentShapes(self._limit)
            gone = [recent.put(shape) for shape in shapes if shape.id not in self._gone]
            on_disk = {shape.id for shape in shapes}
            unwritten: dict[ShapeId, Change | None] = {}
            for shape_id, change in self._unwritten.items():
                found = recent.compare(*shape_id) if shape_id in recent else None
                if found is None and (change is None or shape_id in self._on_disk):
                    # Another process has deleted it since.
                    continue
                if not self._loaded and recent.measure(*shape_id) is not None:
                    # Nothing was compared with the file's: the small result of a broken sync must not replace them.
                    continue
                unwritten[shape_id] = change
                if change is not None:
                    accepted = change.shape.accepted if found is None else found.accepted
                    accepted = 0 if accepted == change.settles else accepted
                    gone.append(recent.put(replace(change.shape, accepted=accepted)))
            before, self._recent = self._recent, recent
            self._unwritten = {shape_id: change for shape_id, change in unwritten.items() if shape_id in recent}
            self._gone &= on_disk
            self._on_disk = on_disk - self._gone
            for lost in gone:
                if lost is not None and lost.id not in recent:
                    self._forget(lost)
                    if lost.id in before or not self._loaded:
                        self._forgotten.add(lost)
            self._run = max([self._run, *(shape.run for shape in shapes)])
            self._latest_acceptance = max([self._latest_acceptance, *(shape.accepted for shape in shapes)])
            self._loaded = True

    def _write(self, database: SizeDatabase, last: bool) -> None:
        with self._lock:
            # Uses alone are not worth a write, until the end.
            if not self._gone and (not self._unwritten or not (last or any(self._unwritten.values()))):
                return
            changes = dict(self._unwritten)
            gone = set(self._gone)
        database.write(changes, gone)
        with self._lock:
            self._gone -= gone
            for shape_id, change in changes.items():
                if shape_id not in self._recent:
                    # It had to go while it was written.
                    self._gone.add(shape_id)
                    continue
                if shape_id in self._unwritten and self._unwritten[shape_id] is change:
                    del self._unwritten[shape_id]
                if change is not None:
                    self._on_disk.add(shape_id)
            written = Witness(database.writes, len(self._on_disk))
        note_written(self._state_dir, written)

    def _fail(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            memory = "until it can be used, only memory holds what is new"
            if not self._loaded:
                memory += ", and results are compared with nothing that was remembered before"
            self._failed(f"{self._path}: {trouble(error)}; {memory}")

    def _drop_connection(self) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None


def stored_shape(shape: Shape, sizes: Sizes, now: float, run: int, before: StoredShape | None) -> StoredShape:
    """What is stored of a result. run: its number. before: the measure of the shape until now."""
    description = shape.description
    if len(description) > MAX_DESCRIPTION:
        description = description[: MAX_DESCRIPTION - 1] + "…"
    compared = before is not None and before.account == shape.account and before.compared
    return StoredShape(
        shape.client, shape.key, description, sizes, now, account=shape.account, run=run, compared=compared
    )


def _readable(path: Path) -> list[StoredShape] | None:
    """The shapes of a file that cannot be opened for writing: somebody holds its lock, or the disk is full. None where
    it cannot be read either."""
    for read in (_read_beside_a_writer, read_alone):
        try:
            return read(path)
        except (sqlite3.Error, OSError, UnusableDatabase):
            continue
    return None


def _read_beside_a_writer(path: Path) -> list[StoredShape]:
    with closing(SizeDatabase(path, create=False)) as database:
        return database.load()


def _is_mistake(error: Exception) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_MISTAKES
    return isinstance(error, OSError) and error.errno in _MISTAKES


def _loaded(path: Path) -> tuple[SizeDatabase, list[StoredShape]]:
    database = SizeDatabase(path, create=True)
    try:
        return database, database.load()
    except BaseException:
        database.close()
        raise


def _searches(number: int) -> str:
    return "1 search" if number == 1 else f"{number} searches"
