"""Whether files have changed since somebody looked, told by what the file system says of them.

The renewal of certificates asks here; no connection does.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

# Of each file what a renewal changes: by writing into it, by renaming another one over it, or by leading a symbolic
# link elsewhere (as Kubernetes does); None for a file that cannot be looked at.
Stamp: TypeAlias = tuple[tuple[int, int, int, int] | None, ...]


def stamp(paths: Iterable[Path]) -> Stamp:
    """Equal for files that nobody has changed. Links are followed. Costs a system call per file and never raises."""
    return tuple(_one(path) for path in paths)


def _one(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
