"""One round after the other: what is due is fetched, staged, verified and published.

Until a round has ended with all its collections, nothing that is visible changes. What follows from each kind of
trouble is in gateway/entra/trouble.py and in `Graph`; what the process does with it, in `Keeper`.
"""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Final

from gateway.entra.clock import Clock
from gateway.entra.database import ACCEPTED, LAST_FULL, LAST_SWEEP, MAPPING, STAGED_MAPPING, VISIBLE, Meta
from gateway.entra.gate import Gate
from gateway.entra.graph import Graph
from gateway.entra.page import read_page
from gateway.entra.properties import Collection
from gateway.entra.published import LAYOUT_KEY
from gateway.entra.publishing import Held, Publisher
from gateway.entra.settings import DAY, RoundSettings
from gateway.entra.staging import Cursor, RoundKind, Staged, Staging
from gateway.entra.status import Phase, tell, told
from gateway.entra.sweep import Sweep
from gateway.entra.trouble import BeginAnew, Passing
from gateway.entra.wanted import Wanted
from gateway.state.sqlite_file import transaction

# Graph keeps its tokens for seven days.
_CURSOR_LIFE: Final = 6 * DAY

_WHOLE: Final = "the copy is whole"


class Rounds:
    """The rounds of one file. Everything happens in the caller's thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        wanted: Wanted,
        settings: RoundSettings,
        graph: Graph,
        gate: Gate,
        clock: Clock,
        patience: int | None,
    ) -> None:
        """patience: how often in a row a round that reads everything begins anew; None for ever."""
        self._connection = connection
        self._wanted = wanted
        self._settings = settings
        self._graph = graph
        self._gate = gate
        self._now = clock.now
        self._patience = patience
        self._meta = Meta(connection)
        self._staging = Staging(connection, wanted)
        self._publisher = Publisher(connection, wanted, self._staging, settings.keep_at_least)
        self._sweep = Sweep(connection, graph, wanted.collections)

    def once(self, *, full: bool = False) -> None:
        """Does what is due. full: everything is read anew, whatever is due. Raises Held, Stopped, StopRequested, and
        Passing where the patience ends."""
        staged = None if full else self._resumed()
        if staged is not None and self._is_held():
            self._accepted_or_held(staged)
        else:
            self._round(staged, RoundKind.full if full else self._due())
        self._tell(Phase.ready, _WHOLE)
        if self._now() - (self._meta.number(LAST_SWEEP) or 0.0) >= self._settings.sweep:
            self._sweep.sweep(self._now())
            self._tell(Phase.ready, _WHOLE)

    def _resumed(self) -> Staged | None:
        """The round that was under way, where it can go on."""
        staged = self._staging.staged()
        if staged is None:
            return None
        urls = {cursor.collection for cursor in self._staging.cursors(staged.generation)}
        oldest = min((c.obtained_at for c in self._staging.cursors(staged.generation)), default=0.0)
        whole = urls == set(self._wanted.collections) and self._meta.get(STAGED_MAPPING) == self._wanted.digest
        if whole and self._now() - oldest < _CURSOR_LIFE:
            return staged
        self._staging.drop("given up: it is too old, or the settings have changed", self._now())
        return None

    def _due(self) -> RoundKind:
        visible = self._meta.get(VISIBLE)
        if visible is None or self._meta.get(MAPPING) != self._wanted.digest or self._sweep.is_suspicious():
            return RoundKind.full
        now = self._now()
        cursors = self._staging.cursors(int(visible))
        old = [cursor for cursor in cursors if now - cursor.obtained_at >= _CURSOR_LIFE]
        if old or len(cursors) < len(self._wanted.collections):
            return RoundKind.full
        overdue = now - (self._meta.number(LAST_FULL) or 0.0) >= self._settings.full
        return RoundKind.full if overdue else RoundKind.delta

    def _round(self, staged: Staged | None, kind: RoundKind) -> None:
        """Goes on with the staged round, or begins one, until one is published."""
        starts = 0
        while True:
            try:
                if staged is None:
                    staged = self._begun(kind)
                self._fetch(staged)
                self._publish(staged)
            except BeginAnew as reason:
                if kind is RoundKind.full:
                    # Not at once: what was so for everything is likely to be so again.
                    self._gate.shut(None)
                self._staging.drop(str(reason), self._now())
                self._tell(Phase.full, str(reason))
                staged, kind, starts = None, RoundKind.full, starts + 1
                if self._patience is not None and starts >= self._patience:
                    raise Passing(str(reason)) from None
            else:
                return

    def _begun(self, kind: RoundKind) -> Staged:
        if kind is RoundKind.delta:
            cursors = self._staging.cursors(int(self._meta.get(VISIBLE) or 0))
            urls = {cursor.collection: cursor.url for cursor in cursors}
        else:
            urls = {each: self._graph.first_url(each, self._wanted.select(each)) for each in self._wanted.collections}
        self._staging.begin(kind, urls, self._now())
        return self._staging.begun()

    def _fetch(self, staged: Staged) -> None:
        """Stages pages until each collection has reached its deltaLink."""
        said = "everything is read anew" if staged.kind is RoundKind.full else "changes are read"
        self._tell(Phase(staged.kind), said)
        for collection in self._wanted.collections:
            while not (cursor := self._cursor(staged, collection)).ended:
                self._graph.asked(cursor.url, collection, partial(self._stage, cursor))

    def _cursor(self, staged: Staged, collection: Collection) -> Cursor:
        found = [each for each in self._staging.cursors(staged.generation) if each.collection is collection]
        if not found:
            raise BeginAnew("the round that goes on is not there any more")
        return found[0]

    def _stage(self, cursor: Cursor, body: bytes) -> None:
        select = self._wanted.select(cursor.collection)
        self._staging.stage(cursor, read_page(body, cursor.collection, select, self._graph.origin), self._now())

    def _publish(self, staged: Staged) -> None:
        self._tell(Phase.verify, "all is fetched, and is compared with the copy and with Graph's count")
        try:
            self._publisher.publish(staged, self._graph.people(), self._now())
        except Held as held:
            self._tell(Phase.held, str(held))
            raise

    def _is_held(self) -> bool:
        return told(self._connection).phase is Phase.held

    def _accepted_or_held(self, staged: Staged) -> None:
        if self._meta.get(ACCEPTED) != f"{staged.generation} {staged.kind}":
            raise Held(told(self._connection).text)
        self._publisher.publish(staged, None, self._now())
        with transaction(self._connection):
            self._meta.set(ACCEPTED, None)

    def _tell(self, phase: Phase, text: str) -> None:
        with transaction(self._connection):
            tell(self._connection, phase, text, self._now())


def begin(connection: sqlite3.Connection, wanted: Wanted, now: float) -> None:
    """Puts a file in order that was opened: what no generation needs goes, and what has to be shown anew is shown."""
    staging, meta = Staging(connection, wanted), Meta(connection)
    staging.clean()
    if meta.get(VISIBLE) is None or meta.get(LAYOUT_KEY) is not None:
        return
    # Another version of the gateway shows entries in another form. What Graph said is all there, and as old as it was.
    if meta.get(MAPPING) == wanted.digest:
        Publisher(connection, wanted, staging, 0).show_again(now)
