"""Memory that ended sessions have used goes back to the system.

It is called as sessions end, and not on the way of any octet.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Final

# Ended sessions that are worth it, and seconds between two times where they go on ending: one takes some 50 ms after
# ten thousand sessions.
MANY: Final = 100
PAUSE: Final = 10.0


def give_back() -> None:
    """glibc keeps what OpenSSL has freed in the middle of its heap for ever, unless it is asked (malloc_trim(3)). Other
    C libraries have no such call, and then Python's own search for garbage is all."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Heap:
    """The memory of the C library, and when it is asked to give back what is free. give_back: asks it."""

    def __init__(self, give_back: Callable[[], None] = give_back) -> None:
        self._give_back = give_back
        # Sessions that had ended when it was last done, and at the last look.
        self._done_at = 0
        self._seen = 0
        self._due: float | None = None

    def look(self, ended: int, now: float) -> None:
        """Called every second or so. ended: sessions since the start. now: seconds."""
        still = ended == self._seen
        self._seen = ended
        if ended - self._done_at < MANY:
            return
        if self._due is None:
            self._due = now + PAUSE
        if still or now >= self._due:
            self._done_at = ended
            self._due = None
            self._give_back()
