"""The lock by which one gateway at a time has a state_dir.

The kernel holds it for the process (flock(2)), in whatever container that runs on the host: it ends with the process,
however that ends, and the file that stays behind means nothing. Commands that only look at the directory do not ask
for it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from gateway.host.system_errors import system_error
from gateway.state.state_dir import StateError, check_state_dir

FILE_NAME: Final = "gateway.lock"

# Seconds between two attempts to get the lock.
RETRY_STEP: Final = 0.1

# The file system knows no such locks, or is full and has no file for one yet.
_NO_LOCKS: Final = frozenset(
    {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL, errno.ENOSPC, errno.EDQUOT}
)


class StateInUse(Exception):
    """Another gateway has the state_dir; the text begins with `state_dir` and says which."""


class StateLock:
    """Held from the beginning on, until release() or the end of the process.

    missing: why another gateway would not be noticed; "" where the lock is held.
    """

    def __init__(self, state_dir: Path, patience: float, waits: Callable[[str], None]) -> None:
        """patience: seconds to wait for another gateway, which may be about to end. waits: told once, in words, if
        there is one.

        Raises StateInUse if that gateway is still there then, and StateError where the directory cannot be used.
        """
        check_state_dir(state_dir)
        self.state_dir = state_dir
        self.missing = ""
        self._file: int | None = None
        try:
            self._file = os.open(state_dir / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            self._acquire(self._file, patience, waits)
        except OSError as error:
            self.release()
            said = system_error(error)
            if error.errno not in _NO_LOCKS:
                raise StateError(f"state_dir {state_dir}: {FILE_NAME}: {said}") from None
            self.missing = f"state_dir {state_dir}: {FILE_NAME}: {said}: another gateway here would not be noticed"
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Once, or as often as somebody likes."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _acquire(self, file: int, patience: float, waits: Callable[[str], None]) -> None:
        until = monotonic() + patience
        told = False
        while not _is_free(file):
            other = f"state_dir {self.state_dir}: another gateway uses it ({_holder(file)})"
            if monotonic() >= until:
                raise StateInUse(f"{other}; each gateway needs a state_dir of its own")
            if not told:
                told = True
                waits(f"{other}; waiting up to {patience:g} seconds for its end")
            sleep(RETRY_STEP)
        # For people: which process it is. The lock holds without it.
        with suppress(OSError):
            os.ftruncate(file, 0)
            os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def _is_free(file: int) -> bool:
    """And from now on this process's own."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: int) -> str:
    with suppress(OSError):
        words = os.pread(file, 300, 0).decode(errors="replace").strip()
        if words and words.isprintable():
            return words
    return "which one is not known"
