"""Sync runs that are not over yet, as far as the records of their searches tell.

The audit has the sum of a run only once no search has come for the client's sync_gap (gateway/observe/sync_runs.py).
Until then a list of sync runs would look as if none had begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.net.sessions.settings import DEFAULT_SYNC_GAP
from gateway.observe.audit.reading import Record

# Seconds that a search may have taken whose end still keeps a run open.
_LONGEST_SEARCH: Final = 3600.0


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A sync run that is still open. until: when it is over, unless another search comes before."""

    client: str
    until: datetime

    def __str__(self) -> str:
        return (
            f"{self.client}: a run is open until {self.until:%H:%M} UTC, unless more searches come before; its line "
            "follows then"
        )


class OpenRuns:
    """Takes records in the order of time. gaps: sync_gap of each client, in seconds; of others it is the default.
    now: the time at which it is asked what is open."""

    def __init__(self, gaps: Mapping[str, float], now: datetime) -> None:
        self._gaps = gaps
        self._now = now
        self._last: dict[str, datetime] = {}
        longest = max([DEFAULT_SYNC_GAP, *gaps.values()])
        # The time of the first record that can belong to a run that is open, as records have their time: when the
        # operation began.
        self.since = (now - timedelta(seconds=longest + _LONGEST_SEARCH)).isoformat(timespec="milliseconds")

    def add(self, record: Record) -> None:
        client = record.get("client")
        if not isinstance(client, str):
            return
        if record["record"] == "sync":
            self._end(client, record)
        elif record.get("operation") == "search" and record.get("account") and record.get("scope") != "base":
            began, took = _moment(record["time"]), record.get("ms")
            if began is not None and isinstance(took, int | float):
                self._last[client] = began + timedelta(milliseconds=took)

    def found(self) -> list[OpenRun]:
        """By the name of the client."""
        runs = [
            OpenRun(client, last + timedelta(seconds=self._gaps.get(client, DEFAULT_SYNC_GAP)))
            for client, last in sorted(self._last.items())
        ]
        return [run for run in runs if run.until > self._now]

    def _end(self, client: str, record: Record) -> None:
        ended, last = _moment(record.get("ended")), self._last.get(client)
        # Times of a run are rounded down.
        if ended is not None and last is not None and ended + timedelta(seconds=0.01) >= last:
            del self._last[client]


def _moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
