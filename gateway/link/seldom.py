"""What somebody else can have happen as often as he likes, told a few times a minute."""

from __future__ import annotations

from typing import Final

# Seconds in which it is told no more often than `at_once`.
QUIET: Final = 60.0


class Seldom:
    """Counts what is not told. at_once: how often it may be told within QUIET seconds."""

    __slots__ = ("_at_once", "_count", "_left", "_since")

    def __init__(self, at_once: int = 1) -> None:
        self._at_once = self._left = at_once
        self._since = 0.0
        self._count = 0

    def note(self, now: float) -> int:
        """It has happened once more. How many there were since it was last told, with this one, where it is to be told
        now; else 0. now: of a monotonic clock, in seconds."""
        self._count += 1
        if self._left < self._at_once and now - self._since >= QUIET:
            self._left = self._at_once
        if not self._left:
            return 0
        if self._left == self._at_once:
            self._since = now
        self._left -= 1
        count, self._count = self._count, 0
        return count
