"""The configuration that a running gateway has in force, in state_dir, for commands that compare one with it.

It holds no secret (gateway/config/effective.py), and is readable by the gateway's own account alone: names of accounts
and containers are in it.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from gateway.host.file_errors import unreadable

FILE_NAME: Final = "in-force.json"
FORMAT: Final = 1


class NoRecord(Exception):
    """There is none, or none that can be read; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What is kept of the configuration in force.

    version: of the gateway. file: that was loaded, loaded: when, in seconds since the epoch. key: of the digests in
    configuration, in hexadecimal digits.
    """

    version: str
    file: str
    loaded: float
    key: str
    configuration: dict[str, Any]


def write_in_force(state_dir: Path, record: InForce) -> None:
    """Replaces the one that is there, in one go. Raises OSError."""
    path, new = state_dir / FILE_NAME, state_dir / f"{FILE_NAME}.new"
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, **asdict(record)}, file)
    new.replace(path)


def read_in_force(state_dir: Path) -> InForce:
    """Raises NoRecord."""
    path = state_dir / FILE_NAME
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NoRecord(f"{path}: not there: no gateway runs with this state_dir") from None
    except OSError as error:
        raise NoRecord(f"{path}: {unreadable(path, error)}") from None
    except ValueError:
        raise NoRecord(f"{path}: cannot be read: it is damaged; a reload writes it anew") from None
    if not isinstance(found, dict) or found.pop("format", None) != FORMAT:
        raise NoRecord(f"{path}: of another version of the gateway")
    try:
        return InForce(**found)
    except TypeError:
        raise NoRecord(f"{path}: of another version of the gateway") from None


def forget_in_force(state_dir: Path) -> None:
    """A gateway that has stopped has nothing in force. Never raises."""
    with contextlib.suppress(OSError):
        (state_dir / FILE_NAME).unlink()
