"""The searches of which the shrink guard's memory holds sizes: a bounded number for each client."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from gateway.state.size_database import ShapeId, StoredShape

# Seconds between two lines about a client's searches that had to go after one use. A client may make them up by
# thousands.
TELL_PAUSE = 60.0

_NEXT = "and the next complete result is compared with nothing"


class RecentShapes:
    """At most `limit` of each client. Of those with which nothing was compared the least recently used go, and only
    where there are none of these the others: searches that a client makes up do not push out those that it repeats."""

    def __init__(self, limit: int, shapes: Iterable[StoredShape] = ()) -> None:
        """shapes: the least recently used first."""
        self._limit = limit
        self._clients: dict[str, _ClientShapes] = {}
        for shape in shapes:
            self.put(shape)

    def __iter__(self) -> Iterator[StoredShape]:
        """The shapes by client: those that were never compared first, and the least recently used of either first."""
        for shapes in self._clients.values():
            yield from shapes.once.values()
            yield from shapes.compared.values()

    def __contains__(self, shape_id: ShapeId) -> bool:
        client, key, account = shape_id
        return client in self._clients and account in self._clients[client].accounts.get(key, ())

    def measure(self, client: str, key: bytes, account: str) -> StoredShape | None:
        """The account's own, or else the client's latest of that key. Does not count as a use."""
        shapes = self._clients.get(client)
        accounts = None if shapes is None else shapes.accounts.get(key)
        if shapes is None or accounts is None:
            return None
        if account in accounts:
            return shapes.get((key, account))
        return max((shapes.get((key, other)) for other in accounts), key=lambda shape: shape.run)

    def compare(self, client: str, key: bytes, account: str) -> StoredShape | None:
        """What `measure` gives, because a result is compared with it."""
        found = self.measure(client, key, account)
        return None if found is None else self._use(replace(found, compared=True))

    def put(self, shape: StoredShape) -> StoredShape | None:
        """Counts as a use. Returns the shape that had to go for it."""
        self._use(shape)
        shapes = self._clients[shape.client]
        if len(shapes.once) + len(shapes.compared) <= self._limit:
            return None
        own = (shape.key, shape.account)
        # Not the new one: it would never be there at its second run.
        oldest = next((row for row in (*_first_two(shapes.once), *_first_two(shapes.compared)) if row != own), own)
        return shapes.pop(oldest)

    def drop(self, shape: StoredShape) -> None:
        self._clients[shape.client].pop((shape.key, shape.account))

    def _use(self, shape: StoredShape) -> StoredShape:
        shapes = self._clients.setdefault(shape.client, _ClientShapes())
        row = (shape.key, shape.account)
        shapes.once.pop(row, None)
        shapes.compared.pop(row, None)
        (shapes.compared if shape.compared else shapes.once)[row] = shape
        shapes.accounts.setdefault(shape.key, set()).add(shape.account)
        return shape


class _ClientShapes:
    """The shapes of one client.

    once: never compared, compared: the others; either in the order of use, by key and account. accounts: by key.
    """

    def __init__(self) -> None:
        self.once: OrderedDict[tuple[bytes, str], StoredShape] = OrderedDict()
        self.compared: OrderedDict[tuple[bytes, str], StoredShape] = OrderedDict()
        self.accounts: dict[bytes, set[str]] = {}

    def get(self, row: tuple[bytes, str]) -> StoredShape:
        return self.compared[row] if row in self.compared else self.once[row]

    def pop(self, row: tuple[bytes, str]) -> StoredShape:
        gone = self.compared.pop(row) if row in self.compared else self.once.pop(row)
        self.accounts[gone.key].discard(gone.account)
        if not self.accounts[gone.key]:
            del self.accounts[gone.key]
        return gone


def _first_two(shapes: OrderedDict[tuple[bytes, str], StoredShape]) -> list[tuple[bytes, str]]:
    return [row for row, _ in zip(shapes, range(2), strict=False)]


class Forgotten:
    """Says which searches had to go: each that was compared before, and the others of a client in one line for every
    TELL_PAUSE seconds."""

    def __init__(self, limit: int, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        """limit: searches of a client that are remembered. clock: seconds."""
        self._limit = limit
        self._say = say
        self._clock = clock
        self._untold: dict[str, int] = {}
        self._told: dict[str, float] = {}

    def add(self, gone: StoredShape) -> None:
        if gone.compared:
            search = _printable(gone.description)
            self._say(f"{self._too_many(gone.client)}: the sizes of {search} are forgotten, {_NEXT}")
        else:
            self._untold[gone.client] = self._untold.get(gone.client, 0) + 1
            self.tell()

    def tell(self, last: bool = False) -> None:
        """What was not said yet and is due. last: whether or not it is due."""
        for client, count in list(self._untold.items()):
            now = self._clock()
            if not last and client in self._told and 0 <= now - self._told[client] < TELL_PAUSE:
                continue
            self._told[client] = now
            del self._untold[client]
            which = "1 search that ran once" if count == 1 else f"{count} searches that ran once each"
            self._say(f"{self._too_many(client)}: the sizes of {which} are forgotten, {_NEXT}")

    def _too_many(self, client: str) -> str:
        return f"shrink guard: client {client} makes more than {self._limit} different searches"


def _printable(text: str) -> str:
    """A client chose these characters; a line break among them would begin another line of the log."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
