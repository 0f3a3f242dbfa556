"""Follows an audit file that grows, over its rotation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from gateway.observe.audit.reading import MOST_OCTETS, Damage, Record, record

# Seconds between two looks, and that a file has to be still before the one that took its name is read: until the
# gateway hears of a rotation, it writes to the old one.
LOOK_PAUSE: Final = 0.2
STILL: Final = 1.0


# Octets before a file's end that are read where only the last records are wanted.
TAIL: Final = 2**16


class Following:
    """Every record from the file's beginning, or from shortly before its present end.

    wait: sleeps for the seconds that it is given; an exception of it ends the following.
    """

    def __init__(self, path: Path, wait: Callable[[float], None], from_end: bool) -> None:
        """Raises OSError."""
        self._path = path
        self._wait = wait
        self._file: IO[bytes] = path.open("rb")
        # Of the line that is read, from 1 where the beginning is known.
        self._line = 0
        size = os.fstat(self._file.fileno()).st_size
        if from_end and size > TAIL:
            self._file.seek(size - TAIL)
            self._file.readline()

    def records(self) -> Iterator[Record | Damage | None]:
        """None: nothing more is there at the moment. Line numbers count from where the following began."""
        begun = b""
        still = 0.0
        while True:
            piece = self._file.readline(MOST_OCTETS)
            begun += piece
            if begun.endswith(b"\n") or len(begun) >= MOST_OCTETS:
                yield self._read(begun)
                begun = b""
            if piece:
                still = 0.0
                continue
            yield None
            if os.fstat(self._file.fileno()).st_size < self._file.tell():
                # Emptied in its place, as by logrotate's copytruncate.
                self._file.seek(0)
                begun = b""
                continue
            successor = self._successor() if still >= STILL else None
            if successor is None:
                self._wait(LOOK_PAUSE)
                still += LOOK_PAUSE
                continue
            if begun:
                yield self._read(begun)
            self._file.close()
            self._file, self._line, begun, still = successor, 0, b"", 0.0

    def close(self) -> None:
        self._file.close()

    def _read(self, line: bytes) -> Record | Damage:
        self._line += 1
        found = record(line)
        return Damage(str(self._path), self._line, found) if isinstance(found, str) else found

    def _successor(self) -> IO[bytes] | None:
        """The file that has the name now, where that is another one."""
        try:
            found = self._path.open("rb")
        except FileNotFoundError:
            return None
        if os.path.samestat(os.fstat(found.fileno()), os.fstat(self._file.fileno())):
            found.close()
            return None
        return found
