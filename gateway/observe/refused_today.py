"""What was refused in the last day, by client and reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

HOUR: Final = 3600.0
# The current hour and those before it that make a day.
_HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class Refused:
    """What a source was refused, and how often.

    client: "" where the source belongs to none. last: when it last happened, in seconds since the epoch.
    """

    client: str
    reason: str
    count: int
    last: float


class RefusedToday:
    """Counts by the hour, so that a day's take no more room than its clients and reasons."""

    def __init__(self) -> None:
        # By hour since the epoch, oldest first.
        self._hours: dict[int, Counter[tuple[str, str]]] = {}
        self._last: dict[tuple[str, str], float] = {}

    def add(self, client: str, reason: str, now: float) -> None:
        hour = int(now / HOUR)
        counts = self._hours.get(hour)
        if counts is None:
            self._forget(hour)
            counts = self._hours[hour] = Counter()
        counts[client, reason] += 1
        self._last[client, reason] = now

    def listed(self, now: float) -> list[Refused]:
        """The most frequent first."""
        self._forget(int(now / HOUR))
        day: Counter[tuple[str, str]] = Counter()
        for counts in self._hours.values():
            day.update(counts)
        return [
            Refused(client, reason, count, self._last[client, reason]) for (client, reason), count in day.most_common()
        ]

    def _forget(self, hour: int) -> None:
        """What is older than a day, in this hour."""
        gone = [other for other in self._hours if other <= hour - _HOURS]
        if not gone:
            return
        for other in gone:
            del self._hours[other]
        kept = {each for counts in self._hours.values() for each in counts}
        self._last = {each: last for each, last in self._last.items() if each in kept}
