"""Times of records, in ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from math import floor
from typing import Final

_MILLISECONDS: Final = tuple(f".{number:03}+00:00" for number in range(1000))


def moment(seconds: float) -> str:
    """In UTC, with milliseconds, as `datetime.isoformat` has it. seconds: since the epoch."""
    second = floor(seconds)
    microseconds = round((seconds - second) * 1_000_000)
    if microseconds == 1_000_000:
        second, microseconds = second + 1, 0
    return _second(second) + _MILLISECONDS[microseconds // 1000]


def milliseconds(seconds: float) -> float:
    """The milliseconds that something took, to the microsecond."""
    return round(seconds * 1_000_000) / 1000


# The last seconds only: under load many records share one.
@lru_cache(8)
def _second(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
