"""Lengths of time in words."""

from __future__ import annotations

from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(seconds: float) -> str:
    """The two largest units: `3 h 12 min`; below a second milliseconds. Negative lengths are 0."""
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))} ms"
    left = round(seconds)
    for i, (unit, size) in enumerate(_UNITS):
        if left >= size:
            rest, smaller = left % size, _UNITS[i + 1 : i + 2]
            words = f"{left // size} {unit}"
            return words if not smaller or rest < smaller[0][1] else f"{words} {rest // smaller[0][1]} {smaller[0][0]}"
    return "0 s"
