"""What a copy is and does at present, as the process that keeps it writes it down, and others read it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.entra import figures
from gateway.entra.database import ACCEPTED, FIGURES, LAST_FULL, LAST_SWEEP, STAGED, Meta
from gateway.entra.published import PUBLISHED_AT
from gateway.entra.store_file import open_for_reading, open_for_writing
from gateway.state.sqlite_file import transaction

_PHASE: Final = "phase"
CERTIFICATE_ENDS: Final = "certificate_ends"


class Phase(StrEnum):
    """What the process that keeps the copy does."""

    empty = "empty"
    full = "full"
    delta = "delta"
    verify = "verify"
    ready = "ready"
    held = "held"
    stopped = "stopped"


@dataclass(frozen=True, slots=True)
class Told:
    """What the process says of itself. text: one sentence; what to do, where something is to be done. since: seconds
    since the epoch."""

    phase: Phase
    text: str
    since: float


@dataclass(frozen=True, slots=True)
class Run:
    """A round that was begun. ended_at: None while it goes on. outcome: `published`, or why not."""

    kind: str
    began_at: float
    ended_at: float | None
    pages: int
    objects: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Status:
    """A copy as its file says. published_at: the last success, in seconds since the epoch; None where nothing is
    visible. figures: how many entries it shows, by kind. staged: by collection the pages and objects of the round that
    goes on, and whether the collection is whole. runs: the newest first.
    certificate_ends: that of the app; None where it signs in with a secret, whose end only Microsoft knows."""

    told: Told
    published_at: float | None
    last_full: float | None
    last_sweep: float | None
    figures: Mapping[str, int]
    staged: Mapping[str, tuple[int, int, bool]]
    runs: tuple[Run, ...]
    certificate_ends: float | None


def tell(connection: sqlite3.Connection, phase: Phase, text: str, now: float) -> None:
    """Writes down what the process does."""
    meta = Meta(connection)
    before = told(connection)
    since = before.since if before.phase is phase else now
    meta.set(_PHASE, json.dumps([phase, text, since]))


def told(connection: sqlite3.Connection) -> Told:
    found = Meta(connection).get(_PHASE)
    if found is None:
        return Told(Phase.empty, "nothing was fetched yet", 0.0)
    phase, text, since = json.loads(found)
    return Told(Phase(phase), str(text), float(since))


def read_status(path: Path) -> Status:
    """Raises sqlite3.Error, also where there is no file yet."""
    with closing(open_for_reading(path)) as connection:
        connection.execute("BEGIN")
        meta = Meta(connection)
        staged = (meta.get(STAGED) or "0").partition(" ")[0]
        rows = connection.execute(
            "SELECT collection, pages, objects, ended FROM cursor WHERE generation = ?", (int(staged),)
        )
        runs = connection.execute(
            "SELECT kind, began_at, ended_at, coalesce(pages, 0), coalesce(objects, 0), coalesce(outcome, '') FROM run "
            "ORDER BY number DESC LIMIT 20"
        ).fetchall()
        return Status(
            told(connection),
            meta.number(PUBLISHED_AT),
            meta.number(LAST_FULL),
            meta.number(LAST_SWEEP),
            figures.read(meta.get(FIGURES)),
            {row[0]: (row[1], row[2], bool(row[3])) for row in rows},
            tuple(Run(*row) for row in runs),
            meta.number(CERTIFICATE_ENDS),
        )


def accept(path: Path) -> bool:
    """Says that the copy that is held back is right: it becomes visible with the next look of the process that keeps
    it. Returns whether one is held back. Raises OSError and sqlite3.Error."""
    if not path.exists():
        return False
    with closing(open_for_writing(path)) as connection, transaction(connection):
        meta = Meta(connection)
        staged = meta.get(STAGED)
        if staged is None or told(connection).phase is not Phase.held:
            return False
        meta.set(ACCEPTED, staged)
        return True
