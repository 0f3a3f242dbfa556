"""Where audit lines go: standard output or a file. Used by the audit's own thread, which may wait for them."""

from __future__ import annotations

import os
import select
import stat
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.observe.audit.line import AuditLine

# Octets that are given to the system at once.
_CHUNK: Final = 2**16

# Seconds that a descriptor that takes nothing at the moment is waited for.
_PATIENCE: Final = 1.0

# Records name people: administrators read them, and not everybody who has an account on the host.
_MODE: Final = 0o640

_STANDARD_OUTPUT: Final = 1


class RecordTooLong(Exception):
    """The first of the waiting lines cannot be sent to this output at all."""


class Output(ABC):
    """Where audit records are written. name: in words. reopened: what has been done after reopen()."""

    name: str
    reopened = "opened anew"

    @abstractmethod
    def write(self, waiting: deque[AuditLine]) -> None:
        """Takes each line from the left that is written as a whole. Raises OSError, and what is not written is still
        in waiting; and RecordTooLong."""

    @abstractmethod
    def reopen(self) -> None:
        """Follows a file that was renamed. Raises OSError, and then everything goes where it went before."""

    @abstractmethod
    def close(self) -> None:
        """Does not raise."""


class StreamOutput(Output):
    """Lines as octets one after another. A line of which only a part could be written is continued, not repeated."""

    def __init__(self) -> None:
        # Lines that are written, and octets of the next one that are.
        self._count = 0
        self._begun = 0

    def write(self, waiting: deque[AuditLine]) -> None:
        while waiting:
            frames: list[bytes] = []
            octets = 0
            for line in waiting:
                frames.append(self._frame(line, self._count + len(frames)))
                octets += len(frames[-1])
                if octets >= _CHUNK:
                    break
            written = self._begun + self._send(memoryview(b"".join(frames))[self._begun :])
            for frame in frames:
                if written < len(frame):
                    break
                written -= len(frame)
                waiting.popleft()
                self._count += 1
            self._begun = written

    def _frame(self, line: AuditLine, number: int) -> bytes:
        """number: of lines before it. The same line has the same frame each time."""
        return line.octets

    @abstractmethod
    def _send(self, octets: memoryview) -> int:
        """How many were taken. Raises OSError."""


class StandardOutput(StreamOutput):
    """Standard output as the place of audit records."""

    name = "standard output"
    reopened = "written up to here"

    def reopen(self) -> None:
        """It stays what it is."""

    def close(self) -> None:
        """It is not the audit's alone."""

    def _send(self, octets: memoryview) -> int:
        return _write(_STANDARD_OUTPUT, octets)


class FileOutput(StreamOutput):
    """A file that others read while it grows, and rename. Raises OSError where it cannot be opened."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.name = str(path)
        self._path = path
        self._file = self._open()
        # What a crash cut off must not spoil the line that follows.
        self._lead = b"\n" if _ends_within_a_line(path) else b""

    def write(self, waiting: deque[AuditLine]) -> None:
        try:
            super().write(waiting)
        except OSError:
            self._take_back()
            raise

    def reopen(self) -> None:
        file = self._open()
        if not os.path.samestat(os.fstat(file), os.fstat(self._file)):
            self._begun = 0
        self._file, old = file, self._file
        os.close(old)

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._file)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)

    def _send(self, octets: memoryview) -> int:
        if self._lead:
            _write(self._file, memoryview(self._lead))
            self._lead = b""
        return _write(self._file, octets)

    def _take_back(self) -> None:
        """Whatever becomes of file and process now, no line is cut in two."""
        if self._begun:
            # Not possible with a device or a pipe.
            with suppress(OSError):
                os.ftruncate(self._file, os.fstat(self._file).st_size - self._begun)
                self._begun = 0


def _write(file: int, octets: memoryview) -> int:
    try:
        return os.write(file, octets)
    except BlockingIOError:
        # Whoever shares the descriptor has made it so.
        select.select([], [file], [], _PATIENCE)
        return 0


def _ends_within_a_line(path: Path) -> bool:
    with suppress(OSError), path.open("rb", buffering=0) as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    return False
