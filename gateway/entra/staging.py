"""What a round has fetched so far, beside the copy that is visible and without a trace in it.

Each page is staged together with where the round goes on from there, in one transaction: whenever the process ends, the
next one goes on where it was.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from gateway.entra.database import ACCEPTED, STAGED, STAGED_MAPPING, VISIBLE, Meta, id_octets, read_document
from gateway.entra.page import Page, Told
from gateway.entra.properties import Collection
from gateway.entra.trouble import BeginAnew, Refused
from gateway.entra.wanted import Wanted
from gateway.state.sqlite_file import transaction

# Of one collection in one round. The largest tenants have some millions of objects.
_MOST_PAGES: Final = 1_000_000
_MOST_OBJECTS: Final = 20_000_000
# Runs that are remembered.
_MOST_RUNS: Final = 200

_PUT_OBJECT: Final = """
INSERT INTO object (generation, number, collection, removed, document) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET removed = excluded.removed, document = excluded.document
"""
_PUT_LINK: Final = """
INSERT INTO link (generation, source, target, present) SELECT ?, ?, number, ? FROM name WHERE id = ?
ON CONFLICT DO UPDATE SET present = excluded.present
"""
# A person has one manager: whoever else it was is it no more.
_NO_OTHER_MANAGER: Final = """
INSERT INTO link (generation, source, target, present)
SELECT :staged, source, target, 0 FROM link
WHERE generation IN (:visible, :staged) AND source = :source AND target <> (SELECT number FROM name WHERE id = :manager)
ON CONFLICT DO UPDATE SET present = 0
"""


class RoundKind(StrEnum):
    """Whether a round reads everything, or what has changed since the last one."""

    full = "full"
    delta = "delta"


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a collection goes on. obtained_at: when Graph gave the link, in seconds since the epoch. pages, objects: of
    the round so far. ended: whether the link begins the next round."""

    collection: Collection
    url: str
    obtained_at: float
    pages: int
    objects: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Staged:
    """The round that is staged. base: the generation that an overlay lies over; None for a whole new one."""

    generation: int
    kind: RoundKind
    base: int | None


class Staging:
    """The staged round of a file. No method may be called inside a transaction."""

    def __init__(self, connection: sqlite3.Connection, wanted: Wanted) -> None:
        self._connection = connection
        self._wanted = wanted
        self._meta = Meta(connection)

    def staged(self) -> Staged | None:
        found = self._meta.get(STAGED)
        if found is None:
            return None
        generation, _, kind = found.partition(" ")
        visible = self._meta.get(VISIBLE)
        base = int(visible) if kind == RoundKind.delta and visible is not None else None
        return Staged(int(generation), RoundKind(kind), base)

    def begun(self) -> Staged:
        """The staged round, of which somebody knows that there is one. Raises BeginAnew where it is not there any
        more."""
        staged = self.staged()
        if staged is None:
            raise BeginAnew("the round that was under way is not there any more, so everything is read anew")
        return staged

    def begin(self, kind: RoundKind, urls: Mapping[Collection, str], now: float) -> None:
        """Begins a round in the place of the one that is staged."""
        visible = int(self._meta.get(VISIBLE) or 0)
        before = self.staged()
        generation = max(visible, before.generation if before is not None else 0) + 1
        with transaction(self._connection):
            self._meta.set(STAGED, f"{generation} {kind}")
            self._meta.set(STAGED_MAPPING, self._wanted.digest)
            self._meta.set(ACCEPTED, None)
            for collection, url in urls.items():
                self._connection.execute(
                    "INSERT INTO cursor VALUES (?, ?, ?, ?, 0, 0, 0)", (generation, collection, url, now)
                )
                self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (generation, _digest(url)))
            self._connection.execute("INSERT INTO run (kind, began_at) VALUES (?, ?)", (kind, now))
            self._connection.execute("DELETE FROM run WHERE number <= (SELECT max(number) FROM run) - ?", (_MOST_RUNS,))

    def drop(self, outcome: str, now: float) -> None:
        """Gives the staged round up. outcome: why, for people."""
        with transaction(self._connection):
            self._meta.set(STAGED, None)
            self.note_end(outcome, now)
        self.clean()

    def note_end(self, outcome: str, now: float) -> None:
        """Says of the last run how it ended; inside a transaction."""
        self._connection.execute(
            "UPDATE run SET ended_at = ?, outcome = ? "
            "WHERE number = (SELECT max(number) FROM run) AND ended_at IS NULL",
            (now, outcome),
        )

    def cursors(self, generation: int) -> list[Cursor]:
        rows = self._connection.execute(
            "SELECT collection, url, obtained_at, pages, objects, ended FROM cursor WHERE generation = ?", (generation,)
        )
        found = {row[0]: Cursor(Collection(row[0]), row[1], row[2], row[3], row[4], bool(row[5])) for row in rows}
        return [found[each] for each in self._wanted.collections if each in found]

    def stage(self, cursor: Cursor, page: Page, now: float) -> None:
        """Stages a page and where it leads. cursor: where the page came from. Raises Refused, and then nothing has
        changed; BeginAnew for a round without an end."""
        staged = self.begun()
        pages, objects = cursor.pages + 1, cursor.objects + len(page.told)
        if pages > _MOST_PAGES or objects > _MOST_OBJECTS:
            raise BeginAnew(f"Graph's round of {cursor.collection} does not end, so everything is read anew")
        with transaction(self._connection):
            self._note_link(staged.generation, page)
            for told in page.told:
                self._stage_object(staged, cursor.collection, told)
            self._connection.execute(
                "UPDATE cursor SET url = ?, obtained_at = ?, pages = ?, objects = ?, ended = ? "
                "WHERE generation = ? AND collection = ?",
                (page.link, now, pages, objects, page.last, staged.generation, cursor.collection),
            )
            self._connection.execute(
                "UPDATE run SET pages = coalesce(pages, 0) + 1, objects = coalesce(objects, 0) + ? "
                "WHERE number = (SELECT max(number) FROM run)",
                (len(page.told),),
            )

    def clean(self) -> None:
        """Removes what belongs to no generation any more."""
        staged = self.staged()
        kept = (int(self._meta.get(VISIBLE) or 0), staged.generation if staged is not None else 0)
        with transaction(self._connection):
            for table in ("object", "link", "cursor", "seen"):
                self._connection.execute(f"DELETE FROM {table} WHERE generation NOT IN (?, ?)", kept)  # noqa: S608

    def _note_link(self, generation: int, page: Page) -> None:
        """A link that came before in this round would go round for ever."""
        if page.last:
            return
        added = self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (generation, _digest(page.link)))
        if added.rowcount == 0:
            raise Refused("a page of Graph leads back to a page that came before, so it is not taken")

    def _stage_object(self, staged: Staged, collection: Collection, told: Told) -> None:
        number = self._number(told.id)
        if told.removed:
            self._connection.execute(
                _PUT_OBJECT, (staged.generation, number, collection, 2 if told.for_good else 1, None)
            )
            return
        is_known, before = self._before(staged, number)
        if not is_known:
            self._check_is_new(staged, number)
        merged = {**(before or {}), **told.document}
        kept = self._wanted.kept(collection, merged)
        if before is not None and not self._wanted.shows(collection, before) and self._wanted.shows(collection, kept):
            raise BeginAnew("an object gets an entry of which not all was kept before, so everything is read anew")
        lacking = self._wanted.lacks(collection, kept)
        if lacking is not None:
            raise Refused(
                f"Graph tells {told.id} without {lacking}, so the page is not taken; the round asks for it again"
            )
        document = json.dumps(kept, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        self._connection.execute(_PUT_OBJECT, (staged.generation, number, collection, 0, document))
        if told.links:
            self._stage_links(staged, collection, number, told.links)

    def _check_is_new(self, staged: Staged, number: int) -> None:
        """Whoever came back after everything was read anew has lost links meanwhile, and nobody promises that a round
        of changes tells them."""
        named = self._connection.execute("SELECT cn IS NOT NULL FROM name WHERE number = ?", (number,)).fetchone()
        if staged.kind is RoundKind.delta and named[0]:
            raise BeginAnew("an object was restored that this copy does not have any more, so everything is read anew")

    def _before(self, staged: Staged, number: int) -> tuple[bool, Mapping[str, Any] | None]:
        """Whether the object was known, and what of it, because Graph need not tell again what has not changed; None
        where it was gone."""
        for generation in (staged.generation, staged.base):
            row = self._connection.execute(
                "SELECT removed, document FROM object WHERE generation = ? AND number = ?", (generation, number)
            ).fetchone()
            if row is not None:
                return True, None if row[0] else read_document(row[1])
        return False, None

    def _stage_links(
        self, staged: Staged, collection: Collection, source: int, links: Iterable[tuple[str, bool]]
    ) -> None:
        targets = [(id_octets(id), present) for id, present in links]
        self._connection.executemany("INSERT OR IGNORE INTO name (id) VALUES (?)", [(id,) for id, _ in targets])
        self._connection.executemany(_PUT_LINK, [(staged.generation, source, present, id) for id, present in targets])
        managers = [id for id, present in targets if present]
        if collection is Collection.users and managers:
            self._connection.execute(
                _NO_OTHER_MANAGER,
                {"staged": staged.generation, "visible": staged.base, "source": source, "manager": managers[-1]},
            )

    def _number(self, id: str) -> int:
        octets = id_octets(id)
        row = self._connection.execute("SELECT number FROM name WHERE id = ?", (octets,)).fetchone()
        if row is None:
            row = self._connection.execute("INSERT INTO name (id) VALUES (?) RETURNING number", (octets,)).fetchone()
        return int(row[0])


def _digest(url: str) -> bytes:
    return blake2b(url.encode(), digest_size=16).digest()
