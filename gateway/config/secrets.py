"""Files that hold secrets: what may be in them, and who may read them."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path
from stat import S_IROTH
from typing import Final

from gateway.config.source import Location
from gateway.host.file_errors import unreadable

# Of a file with a password or with hashes.
MAX_OCTETS: Final = 4096


class SecretReader:
    """The reader of files that hold passwords.

    problem, warning: take what is wrong, and where. Neither says anything of what is in a file.
    """

    def __init__(self, problem: Callable[[Location, str], None], warning: Callable[[Location, str], None]) -> None:
        self._problem = problem
        self._warning = warning

    def password(self, at: Location, path: Path) -> bytes | None:
        """The password of an account of the gateway's own; None where it cannot be used."""
        octets = self.octets(at, path)
        if octets is None:
            return None
        # An editor and echo end a line; nothing else that stands in the file is taken for something else.
        password = octets.removesuffix(b"\r\n") if octets.endswith(b"\r\n") else octets.removesuffix(b"\n")
        if not password:
            self._problem(at, f"{path}: it is empty; it must hold the password of bind_dn")
            return None
        if b"\n" in password or b"\0" in password or password.startswith(BOM_UTF8):
            said = "more than one line, a NUL or a byte order mark; only the password and a line end may be in it"
            self._problem(at, f"{path}: {said}")
            return None
        return password

    def octets(self, at: Location, path: Path) -> bytes | None:
        """None where it cannot be read."""
        try:
            with path.open("rb") as file:
                octets = file.read(MAX_OCTETS + 1)
                open_to_all = os.fstat(file.fileno()).st_mode & S_IROTH
        except OSError as error:
            self._problem(at, f"{path}: {unreadable(path, error)}")
            return None
        if len(octets) > MAX_OCTETS:
            self._problem(at, f"{path}: larger than {MAX_OCTETS} octets")
            return None
        if open_to_all:
            self._warning(at, f"{path}: every user of this host can read it; chmod o-r, or mode 0400 for a container's")
        return octets
