"""Whether the configuration on disk is still the one in force.

Files of TLS are left out: they are used without a reload (gateway/serve/renewal.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final

from pydantic import BaseModel

from gateway.config import models
from gateway.net.transport.watched_files import Stamp, stamp

_LOADED_BY_ITSELF: Final = "ca_file"


class FilesOnDisk:
    """The files that one load has read: the configuration itself, and those that it names. To be made before the load,
    so that no change between the two is missed; told the others after it.

    What was read is kept as a digest with a key of its own: among these files are passwords.
    """

    def __init__(self, configuration: Path) -> None:
        self._key: Final = token_bytes()
        self._read: dict[Path, bytes] = {configuration: self._digest(configuration)}
        self._stamps: dict[Path, Stamp] = {}
        # Of files with another stamp than the one that is kept, what was found in them.
        self._changed: dict[Path, bool] = {}

    def named_in(self, file: models.File, directory: Path) -> None:
        """The load has read the files that are named there. directory: that relative paths begin at."""
        for path in _named(file):
            whole = directory / path
            self._read.setdefault(whole, self._digest(whole))

    def changed(self) -> list[str]:
        """The files whose contents are not those that were read, as they are named. Costs a system call per file, and
        reads only those that somebody has written since it was last asked."""
        return [str(path) for path, digest in self._read.items() if self._differs(path, digest)]

    def _differs(self, path: Path, digest: bytes) -> bool:
        now = stamp((path,))
        if self._stamps.get(path) != now:
            self._stamps[path] = now
            self._changed[path] = self._digest(path) != digest
        return self._changed[path]

    def _digest(self, path: Path) -> bytes:
        """b"" for a file that cannot be read."""
        try:
            return blake2b(path.read_bytes(), key=self._key).digest()
        except OSError:
            return b""


def _named(value: Any) -> Iterator[str]:
    """The paths of files, wherever they stand in a model."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            found = getattr(value, name)
            if name.endswith("_file") and name != _LOADED_BY_ITSELF:
                if found is not None:
                    yield str(found)
            else:
                yield from _named(found)
    elif isinstance(value, Mapping):
        for found in value.values():
            yield from _named(found)
    elif isinstance(value, list | tuple):
        for found in value:
            yield from _named(found)
