"""The one gate to a tenant: who was told to wait keeps everybody waiting, for Graph counts per app and tenant."""

from __future__ import annotations

from random import Random
from typing import Final

from gateway.entra.clock import Clock

# Seconds of the first wait where the other side says nothing, and of the longest.
_FIRST: Final = 2.0
_LONGEST: Final = 300.0
# What Graph may ask for; it has never been seen to ask for more than some minutes.
_LONGEST_ASKED: Final = 3600.0


class Gate:
    """Before each question is waited here."""

    def __init__(self, clock: Clock, random: Random | None = None) -> None:
        self._clock = clock
        self._random = random or Random()
        self._open_at = 0.0
        self._failures = 0

    def wait(self) -> None:
        """Returns when the next question may be asked."""
        self._clock.go_on()
        while (left := self._open_at - self._clock.monotonic()) > 0:
            self._clock.sleep(left)

    def shut(self, after: float | None) -> float:
        """Shuts for as long as the other side wants, or else for twice as long each time, a part of it by chance;
        returns the seconds."""
        self._failures += 1
        if after is None:
            doubled = min(_LONGEST, _FIRST * 2.0 ** min(self._failures - 1, 16))
            after = doubled * self._random.uniform(0.5, 1.0)
        after = min(after, _LONGEST_ASKED)
        self._open_at = max(self._open_at, self._clock.monotonic() + after)
        return after

    def passed(self) -> None:
        """A question was answered."""
        self._failures = 0
