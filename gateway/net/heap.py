"""Memory that ended sessions have used goes back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

# Ended sessions that are worth a look, and seconds between two looks: one takes some 40 ms after ten thousand sessions.
MANY: Final = 100
PAUSE: Final = 10.0


def malloc_trim() -> None:
    """glibc keeps what OpenSSL has freed in the middle of its heap for ever, unless it is asked (malloc_trim(3)). Other
    C libraries have no such call, and nothing happens."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Heap:
    """trim: gives back what is free."""

    def __init__(self, trim: Callable[[], None] = malloc_trim) -> None:
        self._trim = trim
        self._ended = 0
        self._next = 0.0

    def look(self, ended: int, now: float) -> None:
        """ended: sessions since the start. now: seconds."""
        if ended - self._ended < MANY or now < self._next:
            return
        self._ended = ended
        self._next = now + PAUSE
        self._trim()
