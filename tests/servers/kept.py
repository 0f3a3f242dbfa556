"""Directories that take long to make: made once, kept in pytest's cache, shared by all its processes."""

import contextlib
import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def kept(directory: Path, maker: str, make: Callable[[Path], None], seconds: float = float("inf")) -> Iterator[Path]:
    """The directory, locked until the context ends. make makes it first if it is missing, older than so many seconds
    or made by another maker, which is a text that tells what it depends on."""
    stamp = directory.with_suffix(".made-by")
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == maker and 0 <= time.time() - stamp.stat().st_mtime < seconds):
            stamp.unlink(missing_ok=True)
            shutil.rmtree(directory, ignore_errors=True)
            make(directory)
            stamp.write_text(maker)
        yield directory
