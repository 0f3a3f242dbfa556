"""What the last complete searches gave: the shrink guard's memory, from one sync run to the next."""

from __future__ import annotations

import os
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock, Thread
from time import time
from typing import Protocol

from gateway.policy.shrink import Remembered, Shape, Sizes
from gateway.state.size_database import (
    FILE_NAME,
    Change,
    ShapeId,
    SizeDatabase,
    StoredShape,
    UnusableDatabase,
    read_alone,
    set_aside,
)

# Shapes per client. A sync has a handful; a client that makes up filters must not fill memory or disk.
MAX_SHAPES = 1000
# Characters of a description that are kept; a filter may have 500 kB.
MAX_DESCRIPTION = 1000
# Seconds between two looks at the file, to write what is new and to see what another process wrote.
WRITE_PAUSE = 0.5
# Seconds between two attempts on a file that cannot be used.
RETRY_PAUSE = 5.0
# Seconds that close() waits for the last write.
CLOSE_PATIENCE = 5.0


class StateError(Exception):
    """state_dir cannot be used; the text begins with `state_dir` and names the directory."""


class SizeMemory(Protocol):
    """Called on the reactor's thread, for every search that can give several entries: neither method waits for a
    disk or raises.

    What is worth storing is for the caller (the relay) to decide: complete results only, and of a shape that is not
    known yet only those with at least `minimum` entries; a known one is stored whatever its size.
    """

    def read(self, shape: Shape) -> Remembered: ...

    def store(self, shape: Shape, sizes: Sizes) -> None:
        """Takes sizes as the new measure; an acceptance is used up by it."""

    def close(self) -> None:
        """Writes what is not written yet. May wait for CLOSE_PATIENCE seconds."""


class RecentShapes:
    """At most `limit` shapes of each client: the least recently used go."""

    def __init__(self, limit: int, shapes: Iterable[StoredShape] = ()) -> None:
        """shapes: the least recently used first."""
        self._limit = limit
        self._clients: dict[str, OrderedDict[bytes, StoredShape]] = {}
        for shape in shapes:
            self.put(shape)

    def __iter__(self) -> Iterator[StoredShape]:
        """Of each client, the least recently used first."""
        for shapes in self._clients.values():
            yield from shapes.values()

    def __contains__(self, shape_id: ShapeId) -> bool:
        client, key = shape_id
        return key in self._clients.get(client, ())

    def get(self, client: str, key: bytes) -> StoredShape | None:
        """Counts as a use."""
        shapes = self._clients.get(client)
        if shapes is None or key not in shapes:
            return None
        shapes.move_to_end(key)
        return shapes[key]

    def put(self, shape: StoredShape) -> StoredShape | None:
        """Counts as a use. Returns the shape that had to go for it."""
        shapes = self._clients.setdefault(shape.client, OrderedDict())
        shapes[shape.key] = shape
        shapes.move_to_end(shape.key)
        return shapes.popitem(last=False)[1] if len(shapes) > self._limit else None


class SizesInMemory:
    """A SizeMemory that forgets at the end of the process, for a configuration without state_dir."""

    def __init__(self, limit: int = MAX_SHAPES, clock: Callable[[], float] = time) -> None:
        self._recent = RecentShapes(limit)
        self._clock = clock

    def read(self, shape: Shape) -> Remembered:
        found = self._recent.get(shape.client, shape.key)
        return Remembered(None if found is None else found.sizes, False)

    def store(self, shape: Shape, sizes: Sizes) -> None:
        self._recent.put(stored_shape(shape, sizes, self._clock()))

    def close(self) -> None:
        pass


class SizesOnDisk:
    """A SizeMemory in `state_dir/sizes.sqlite3`.

    Everything is answered from a mirror in memory; a thread of its own writes to the file and takes over what another
    process (`ldap-gateway shrink`) wrote, both within WRITE_PAUSE. Where the file cannot be written, the newest sizes
    of each shape wait in memory until it can be.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        failed: Callable[[str], None],
        recovered: Callable[[], None],
        begun_anew: Callable[[str], None],
        limit: int = MAX_SHAPES,
        clock: Callable[[], float] = time,
        pause: float = WRITE_PAUSE,
        retry: float = RETRY_PAUSE,
    ) -> None:
        """Raises StateError.

        failed, recovered: once each time that the file stops and begins to be usable. begun_anew: a damaged file, or
        one of a newer version, was moved aside. They are called on any thread and must not raise; the texts name the
        file. pause, retry: seconds, as WRITE_PAUSE and RETRY_PAUSE.
        """
        self._path = state_dir / FILE_NAME
        self._failed = failed
        self._recovered = recovered
        self._begun_anew = begun_anew
        self._limit = limit
        self._clock = clock
        self._pause = pause
        self._retry = retry
        self._database: SizeDatabase | None = None
        self._failing = False
        self._closing = Event()
        # The lock is held for work in memory only: the reactor waits for it.
        self._lock = Lock()
        self._recent = RecentShapes(limit)
        # In the order of use; never more than what is in _recent. None: read, not stored.
        self._unwritten: dict[ShapeId, Change | None] = {}
        self._on_disk: set[ShapeId] = set()
        _check_directory(state_dir)
        self._begin(state_dir)
        self._writer = Thread(target=self._write_until_closed, name="sizes", daemon=True)
        self._writer.start()

    def read(self, shape: Shape) -> Remembered:
        with self._lock:
            found = self._recent.get(shape.client, shape.key)
            if found is None:
                return Remembered(None, False)
            self._unwritten[found.id] = self._unwritten.pop(found.id, None)
        return Remembered(found.sizes, found.accepted != 0)

    def store(self, shape: Shape, sizes: Sizes) -> None:
        stored = stored_shape(shape, sizes, self._clock())
        with self._lock:
            before = self._recent.get(shape.client, shape.key)
            unwritten = self._unwritten.pop(stored.id, None)
            settles = 0 if before is None else before.accepted
            if settles == 0 and unwritten is not None:
                settles = unwritten.settles
            gone = self._recent.put(stored)
            if gone is not None:
                self._unwritten.pop(gone.id, None)
                self._on_disk.discard(gone.id)
            self._unwritten[stored.id] = Change(stored, settles)

    def close(self) -> None:
        self._closing.set()
        self._writer.join(CLOSE_PATIENCE)

    def _begin(self, state_dir: Path) -> None:
        try:
            self._open()
        except (sqlite3.Error, OSError, UnusableDatabase) as error:
            try:
                shapes = read_alone(self._path)
            except (sqlite3.Error, OSError, UnusableDatabase):
                raise StateError(f"state_dir {state_dir}: {FILE_NAME}: {_words(error)}") from None
            self._take_over(shapes)
            self._fail(error)

    def _write_until_closed(self) -> None:
        while not self._closing.wait(self._retry if self._failing else self._pause):
            self._exchange(last=False)
        self._exchange(last=True)
        self._drop_connection()

    def _exchange(self, last: bool) -> None:
        """Takes over what is new in the file, then writes what is new here."""
        try:
            if self._database is not None and not self._database.is_in_place():
                self._drop_connection()
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
        try:
            database, shapes = _loaded(self._path)
        except UnusableDatabase as error:
            moved = set_aside(self._path, self._clock())
            self._begun_anew(f"{error}: moved to {moved.name}, and a new one is begun")
            is_new = True
            database, shapes = _loaded(self._path)
        if is_new:
            self._write_everything_again()
        self._take_over(shapes)
        self._database = database
        return database

    def _write_everything_again(self) -> None:
        with self._lock:
            self._on_disk.clear()
            unwritten: dict[ShapeId, Change | None] = {shape.id: Change(shape) for shape in self._recent}
            for shape_id, change in self._unwritten.items():
                again = unwritten.pop(shape_id)
                unwritten[shape_id] = change or again
            self._unwritten = unwritten

    def _take_over(self, shapes: list[StoredShape]) -> None:
        """Makes the file's content the mirror, with what is not written yet on top of it."""
        recent = RecentShapes(self._limit, shapes)
        on_disk = {shape.id for shape in shapes}
        with self._lock:
            unwritten: dict[ShapeId, Change | None] = {}
            for shape_id, change in self._unwritten.items():
                found = recent.get(*shape_id)
                if found is None and (change is None or shape_id in self._on_disk):
                    # Another process has deleted it since.
                    continue
                unwritten[shape_id] = change
                if change is not None:
                    accepted = change.shape.accepted if found is None else found.accepted
                    recent.put(replace(change.shape, accepted=0 if accepted == change.settles else accepted))
            self._recent = recent
            self._unwritten = {shape_id: change for shape_id, change in unwritten.items() if shape_id in recent}
            self._on_disk = {shape_id for shape_id in on_disk if shape_id in recent}

    def _write(self, database: SizeDatabase, last: bool) -> None:
        with self._lock:
            # Uses alone are not worth a write, until the end.
            if not self._unwritten or not (last or any(self._unwritten.values())):
                return
            changes = dict(self._unwritten)
        database.write(changes, self._limit)
        with self._lock:
            for shape_id, change in changes.items():
                if shape_id not in self._recent:
                    continue
                if shape_id in self._unwritten and self._unwritten[shape_id] is change:
                    del self._unwritten[shape_id]
                if change is not None:
                    self._on_disk.add(shape_id)

    def _fail(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            self._failed(f"{self._path}: {_words(error)}; until it can be used, only memory holds what is new")

    def _drop_connection(self) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None


def stored_shape(shape: Shape, sizes: Sizes, now: float) -> StoredShape:
    description = shape.description
    if len(description) > MAX_DESCRIPTION:
        description = description[: MAX_DESCRIPTION - 1] + "…"
    return StoredShape(shape.client, shape.key, description, sizes, now)


def _loaded(path: Path) -> tuple[SizeDatabase, list[StoredShape]]:
    database = SizeDatabase(path, create=True)
    try:
        return database, database.load()
    except BaseException:
        database.close()
        raise


def _check_directory(state_dir: Path) -> None:
    try:
        is_directory = state_dir.is_dir()
    except OSError as error:
        raise StateError(f"state_dir {state_dir}: {error.strerror}") from None
    if not is_directory:
        what = "not a directory" if state_dir.exists() else "no such directory"
        raise StateError(f"state_dir {state_dir}: {what}; make it, owned by the account that the gateway runs as")
    if not os.access(state_dir, os.R_OK | os.W_OK | os.X_OK):
        raise StateError(f"state_dir {state_dir}: the account that the gateway runs as cannot write to it")


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
