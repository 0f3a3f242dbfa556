"""A note of how often the shrink guard's file was written and what it then held, beside that file.

SQLite takes a database whose journal is lost or damaged for a whole one that is older. By this note it is told from one
that lacks nothing.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "sizes.written"


@dataclass(frozen=True, slots=True)
class Witness:
    """What the note beside the shrink guard's file says of it.

    writes: of the gateway so far. shapes: searches in the file after the last of them.
    """

    writes: int
    shapes: int


def note_written(state_dir: Path, witness: Witness) -> None:
    """Replaces the note that is there, in one go. Never raises: an older note shows less, and nothing wrong."""
    path, new = state_dir / FILE_NAME, state_dir / f"{FILE_NAME}.new"
    with suppress(OSError):
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(witness), file)
        new.replace(path)


def last_written(state_dir: Path) -> Witness | None:
    """None where there is none, or none that can be read: it came with a later version than the file did, or the power
    was lost while it was written."""
    try:
        found = json.loads((state_dir / FILE_NAME).read_bytes())
        writes, shapes = found["writes"], found["shapes"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if type(writes) is not int or type(shapes) is not int:
        return None
    return Witness(writes, shapes)
