"""Connections that can be closed to make room for a new one, by source, in the order in which they came."""

from __future__ import annotations

from collections import OrderedDict
from heapq import heapify, heappop, heappush
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

# Keys of removed items that a queue may hold besides as many as it has items.
_FEW: Final = 16


class Queue(Generic[Item]):
    """Items in the order of their keys, each key at most once. Adding and removing take O(log n), amortised.

    A key is a pair, compared as a tuple: (when, number); the number is of one item alone.
    """

    def __init__(self) -> None:
        self._items: dict[tuple[float, int], Item] = {}
        # The keys of all items, and of some that were removed.
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._items)

    def add(self, key: tuple[float, int], item: Item) -> None:
        self._items[key] = item
        heappush(self._heap, key)

    def remove(self, key: tuple[float, int]) -> bool:
        """Whether it was there."""
        if self._items.pop(key, None) is None:
            return False
        if len(self._heap) > 2 * len(self._items) + _FEW:
            self._heap = list(self._items)
            heapify(self._heap)
        return True

    def first(self) -> tuple[tuple[float, int], Item] | None:
        """The item of the least key, with that; None where there is no item."""
        while self._heap:
            key = self._heap[0]
            item = self._items.get(key)
            if item is not None:
                return key, item
            heappop(self._heap)
        return None


class Waiting(Generic[Item]):
    """Items by source, and which source has most of them. number: of an item, in the order in which they came.

    Every method takes O(log n) at most, amortised, whatever the number of items and of sources.
    """

    def __init__(self) -> None:
        self.total = 0
        self._queues: dict[str, Queue[Item]] = {}
        # The sources that have so many items, those that have had so many for the longest time first.
        self._having: dict[int, OrderedDict[str, None]] = {}
        self._most = 0

    def count(self, source: str) -> int:
        queue = self._queues.get(source)
        return 0 if queue is None else len(queue)

    def add(self, source: str, number: int, item: Item) -> None:
        queue = self._queues.get(source)
        if queue is None:
            queue = self._queues[source] = Queue()
        before = len(queue)
        queue.add((0.0, number), item)
        self._changed(source, before, len(queue))

    def remove(self, source: str, number: int) -> None:
        """Nothing, where it is not there."""
        queue = self._queues.get(source)
        if queue is None or not queue.remove((0.0, number)):
            return
        self._changed(source, len(queue) + 1, len(queue))
        if not len(queue):
            del self._queues[source]

    def oldest(self, source: str) -> Item | None:
        """The item of this source that came first; None where it has none."""
        queue = self._queues.get(source)
        found = None if queue is None else queue.first()
        return None if found is None else found[1]

    def oldest_of_most(self) -> Item | None:
        """The first item of the source that has most; of several, of the one that has had so many for longest."""
        if not self._most:
            return None
        return self.oldest(next(iter(self._having[self._most])))

    def _changed(self, source: str, before: int, after: int) -> None:
        self.total += after - before
        if before:
            sources = self._having[before]
            del sources[source]
            if not sources:
                del self._having[before]
        if after:
            self._having.setdefault(after, OrderedDict())[source] = None
        # By one at a time: where no source is left that has as many, this one has one less.
        if after > self._most or (before == self._most and before not in self._having):
            self._most = after
