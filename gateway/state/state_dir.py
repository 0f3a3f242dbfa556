"""Whether state_dir, in which a gateway keeps what outlives it, can be used at all."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.host.file_errors import account_name, owner_and_mode
from gateway.host.system_errors import system_error


class StateError(Exception):
    """The error of a state_dir that cannot be used.

    state_dir cannot be used; the text begins with `state_dir` and names the directory.
    """


def check_state_dir(state_dir: Path) -> None:
    """Raises StateError where it is missing, or not writable: a mistake in the set-up, which no waiting mends."""
    try:
        is_directory = state_dir.is_dir()
    except OSError as error:
        raise StateError(f"state_dir {state_dir}: {system_error(error)}") from None
    if not is_directory:
        what = "not a directory" if state_dir.exists() else "no such directory"
        raise StateError(f"state_dir {state_dir}: {what}; make it, owned by the account that the gateway runs as")
    if not os.access(state_dir, os.R_OK | os.W_OK | os.X_OK):
        raise StateError(f"state_dir {state_dir}: {_why_unwritable(state_dir)}")


def _why_unwritable(state_dir: Path) -> str:
    me = account_name(os.geteuid())
    if os.statvfs(state_dir).f_flag & os.ST_RDONLY:
        return "the file system is mounted read-only: give the gateway one that it can write to"
    own = state_dir.stat().st_uid == os.geteuid()
    remedy = f"`chmod u+rwx {state_dir}`" if own else f"`chown {me} {state_dir}`"
    return f"{me}, as whom the gateway runs, cannot write to it: {owner_and_mode(state_dir)}; {remedy}"
