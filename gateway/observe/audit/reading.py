"""Reads audit records back, from files, compressed files and standard input; what is damaged is named and passed over.

Nothing grows with the length of what is read.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

Record: TypeAlias = dict[str, Any]

# Octets of a line; the longest record has a filter of as many octets as a request may have, each escaped.
MOST_OCTETS: Final = 2**23

STANDARD_INPUT: Final = Path("-")

_GZIP: Final = b"\x1f\x8b"
# What a record may say that it is: of kinds that only a newer gateway writes as well.
_KIND: Final = re.compile(r"[a-z][a-z-]{0,31}")
_PLAIN_TEXT: Final = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+\+00:00 [A-Za-z-]+ [a-z_]+=")


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with a line or a file of the audit.

    file: as it was named. line: from 1; 0 for the file as a whole.
    """

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


def records(path: Path, skips: Callable[[bytes], bool] = lambda line: False) -> Iterator[Record | Damage]:
    """The records of a whole file, or of standard input where path is `-`; gzip is recognised by its first octets.
    skips: says of a line that it need not be read. Raises OSError where the file cannot be opened or read."""
    name = "standard input" if path == STANDARD_INPUT else str(path)
    with _opened(path) as file:
        number = 0
        try:
            for number, line in enumerate(_lines(file), 1):
                if skips(line):
                    continue
                found = record(line)
                yield Damage(name, number, found) if isinstance(found, str) else found
        except (EOFError, zlib.error, gzip.BadGzipFile):
            yield Damage(name, number + 1, "the compressed file is damaged or cut off from here on")


def in_order(paths: Iterable[Path]) -> list[Path]:
    """By the time of their first records, so that `audit*` may be typed. Raises OSError."""

    def first(path: Path) -> str:
        return next((found["time"] for found in records(path) if isinstance(found, dict)), "")

    return sorted(paths, key=first)


def record(line: bytes) -> Record | str:
    """The record in a line, or what is wrong with it. What log collectors write in front of records is passed over."""
    if len(line) >= MOST_OCTETS:
        return "no record: the line is too long"
    begin = line.find(b'{"')
    if begin < 0:
        if _PLAIN_TEXT.match(line):
            return "written with `format: text`, which is for people: read it with less or grep"
        return "no record: no JSON in it" if line.strip(b"\x00\r\n ") else "no record: nothing in it"
    try:
        found = json.loads(line[begin:])
    except ValueError:
        return (
            "no record: cut off" if not line.endswith(b"\n") or line.count(b'{"time": ') > 1 else "no record: no JSON"
        )
    except RecursionError:
        return "no record: JSON of a depth that no record has"
    return found if isinstance(found, dict) and _is_record(found) else "JSON, but no audit record"


def _is_record(found: Record) -> bool:
    kind = found.get("record")
    return isinstance(kind, str) and _KIND.fullmatch(kind) is not None and isinstance(found.get("time"), str)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if path == STANDARD_INPUT:
        yield _decompressed(sys.stdin.buffer)
        return
    with path.open("rb") as file:
        yield _decompressed(file)


def _decompressed(file: Any) -> Any:
    return BufferedReader(gzip.GzipFile(fileobj=file)) if file.peek(2)[:2] == _GZIP else file


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; only the beginning of one that is too long."""
    while line := file.readline(MOST_OCTETS):
        yield line
        while len(line) == MOST_OCTETS and not line.endswith(b"\n"):
            line = file.readline(MOST_OCTETS)
