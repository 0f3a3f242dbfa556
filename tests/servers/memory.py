"""What a process holds in memory, to be searched for what it must not know."""

import contextlib
from pathlib import Path


def memory_of(pid: int) -> bytes:
    """All that a process may write to, or has read."""
    found = []
    process = Path("/proc") / str(pid)
    with (process / "maps").open() as maps, (process / "mem").open("rb", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw") or "[v" in line:
                continue
            begin, end = (int(each, 16) for each in span.split("-"))
            with contextlib.suppress(OSError, ValueError):
                mem.seek(begin)
                found.append(mem.read(end - begin))
    return b"".join(found)
