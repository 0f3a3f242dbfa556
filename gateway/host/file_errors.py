"""Why a file cannot be read or written: what stands there, whose it is, and what to do."""

from __future__ import annotations

import grp
import os
import pwd
from errno import EACCES, ENOENT, ENOTDIR
from pathlib import Path
from stat import filemode
from typing import Final

from gateway.host.system_errors import system_error

_READS: Final = "read"
_WRITES: Final = "write"


def unreadable(path: Path, error: OSError) -> str:
    """What is to be said of an error that opening or reading the file raised."""
    return f"cannot be read: {_why(path, error, _READS)}"


def unwritable(path: Path, error: OSError) -> str:
    """What is to be said of an error that making or writing the file raised."""
    return f"cannot be written: {_why(path, error, _WRITES)}"


def file_trouble(error: OSError) -> str:
    """What is to be said of an error where only the error itself names the file."""
    name = error.filename
    return f"{name}: {unreadable(Path(name), error)}" if isinstance(name, str) else system_error(error)


def owner_and_mode(path: Path) -> str:
    """`it belongs to root:root, mode -rw------- (0600)`. Raises OSError."""
    status = path.stat()
    owner = f"{account_name(status.st_uid)}:{_group(status.st_gid)}"
    return f"it belongs to {owner}, mode {filemode(status.st_mode)} ({status.st_mode & 0o7777:04o})"


def _why(path: Path, error: OSError, verb: str) -> str:
    try:
        if error.errno in (ENOENT, ENOTDIR):
            missing = _first_missing(path)
            if missing == path:
                return "there is no such file"
            return f"{missing} is {'no directory' if missing.exists() else 'not there'}"
        if error.errno == EACCES:
            return _not_permitted(path, verb)
    except OSError:
        # Something has changed there meanwhile, or may not be looked at.
        pass
    return system_error(error)


def _not_permitted(path: Path, verb: str) -> str:
    """Whose the file is, and what lets this process have it. Raises OSError."""
    me = account_name(os.geteuid())
    closed = next((above for above in reversed(path.absolute().parents) if not _may(above, os.X_OK)), None)
    if closed is not None:
        said = f"{me} may not look into {closed}: {owner_and_mode(closed)}"
        return f"{said}; `chgrp` it to a group of {me}, and `chmod g+x` it"
    if not path.exists():
        return (
            f"{me} may not make files in {path.parent}: {owner_and_mode(path.parent)}; `chown {me} {path.parent}`, or "
            f"`chgrp` it to a group of {me} and `chmod g+w` it"
        )
    mode = "0640" if verb == _READS else "0660"
    return (
        f"{me} may not {verb} it: {owner_and_mode(path)}; `chown {me} {path}`, or `chgrp` it to a group of {me} and "
        f"`chmod {mode}` it"
    )


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def account_name(number: int) -> str:
    """The name of a user ID, in words where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user ID {number}"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return f"group ID {number}"


def _first_missing(path: Path) -> Path:
    """The topmost part of the path that is not there, or that nothing can be below. Raises OSError."""
    for above in reversed(path.parents):
        if not above.is_dir():
            return above
    return path
