"""The look at all ids, which finds whom the delta queries have not told.

Restored people were seen not to be told where properties are selected. So now and then all ids are listed. An id that
the copy does not have, twice in a row, has everything read anew; a list never removes anybody, because it may be
shorter than the truth.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from gateway.entra.database import LAST_SWEEP, Meta, id_octets
from gateway.entra.graph import Graph
from gateway.entra.page import read_ids
from gateway.entra.properties import Collection
from gateway.entra.trouble import BeginAnew
from gateway.state.sqlite_file import transaction

_IS_KNOWN = "SELECT 1 FROM name JOIN shown USING (number) WHERE id = ?"


class Sweep:
    """The looks at all ids. What one finds is remembered until the next one."""

    def __init__(self, connection: sqlite3.Connection, graph: Graph, collections: Sequence[Collection]) -> None:
        self._connection = connection
        self._graph = graph
        self._collections = collections
        self._meta = Meta(connection)

    def is_suspicious(self) -> bool:
        """Whether the last two looks both found an id that the copy does not have."""
        (found,) = self._connection.execute("SELECT count(*) FROM missing WHERE times > 1 AND NOT excused").fetchone()
        return bool(found)

    def sweep(self, now: float) -> None:
        """Looks at all ids. Raises Passing and Stopped as Graph does."""
        try:
            unknown = {id: each for each in self._collections for id in self._unknown(each)}
        except BeginAnew:
            # The list broke off. What is not known of it says nothing; the next round looks again.
            return
        with transaction(self._connection):
            before = dict(self._connection.execute("SELECT id, times FROM missing").fetchall())
            for id in before.keys() - unknown.keys():
                self._connection.execute("DELETE FROM missing WHERE id = ?", (id,))
            for id, collection in unknown.items():
                self._connection.execute(
                    "INSERT INTO missing VALUES (?, ?, 1, 0) ON CONFLICT DO UPDATE SET times = times + 1",
                    (id, collection),
                )
            self._meta.set(LAST_SWEEP, str(now))

    def _unknown(self, collection: Collection) -> set[bytes]:
        found: set[bytes] = set()
        url: str | None = self._graph.ids_url(collection)
        seen = set()
        while url is not None and url not in seen:
            seen.add(url)
            ids, url = self._graph.asked(url, collection, lambda body: read_ids(body, self._graph.origin))
            octets = [id_octets(id) for id in ids]
            found.update(id for id in octets if self._connection.execute(_IS_KNOWN, (id,)).fetchone() is None)
        return found
