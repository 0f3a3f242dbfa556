"""A copy whose process kills itself: `python -m tests.entra.killed DIRECTORY STATEMENT`, in the second round, before
the statement of that number."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path

from gateway.entra import copy_file
from gateway.entra.store_file import open_for_writing
from tests.entra.played import Played, uuid


def people(played: Played) -> None:
    """What the first round finds."""
    members = [played.person(number, mail=f"p{number}@x.example") for number in range(1, 9)]
    played.group(11, members[:5])
    played.contact(21)


def changes(played: Played) -> None:
    """What happens before the second one."""
    played.tenant.remove(uuid(1))
    played.tenant.change(uuid(2), {"displayName": "New", "mail": None})
    played.person(9)
    played.tenant.link(uuid(11), uuid(9))
    played.tenant.unlink(uuid(11), uuid(3))
    played.tenant.link(uuid(4), uuid(5))
    played.tenant.purge(uuid(21))


def main(directory: Path, statement: int) -> None:
    played = Played(directory)
    people(played)
    played.once()
    changes(played)
    played.time.seconds += 600
    left = statement

    def kill(text: str) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def traced(path: Path) -> sqlite3.Connection:
        connection = open_for_writing(path)
        connection.set_trace_callback(kill)
        return connection

    setattr(copy_file, "open_for_writing", traced)  # noqa: B010 - it is no name that the module gives away
    played.once()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
