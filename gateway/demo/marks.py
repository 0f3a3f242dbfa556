"""Whether what a gateway keeps, in its files and in its memory, shows anything of the directory behind it."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.demo.place import Place
from gateway.demo.proof import Claim
from gateway.host.system_errors import system_error

# Octets of memory that are looked at together.
_PIECE: Final = 1024 * 1024
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
# A page of the kernel's at an address that no file offset can have.
_KERNELS: Final = "[vsyscall]"
_ADVICE: Final = (
    "the memory of the gateway outside cannot be searched; run the demo as root, or with kernel.yama.ptrace_scope at 0 "
    "or 1 and /proc mounted"
)


class MemoryUnreadable(Exception):
    """The memory of a process cannot be read. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that only the inside may know. what: in words. spellings: octets, each of which shows it."""

    what: str
    spellings: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Searched:
    """What was found in one place. octets: that were looked at. found: how often each mark is there, by its words."""

    octets: int
    found: Counter[str]


@dataclass(frozen=True, slots=True)
class Held:
    """What one gateway holds. files: its configuration, keys, log, audit and state."""

    files: Searched
    memory: Searched


def marks_of(directory: Place, account: str, password: bytes) -> tuple[Mark, ...]:
    """The marks of a directory and of the account that the gateway inside signs in with. Raises OSError."""
    pem = directory.ca_file.read_bytes()
    point = x509.load_pem_x509_certificate(pem).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    # As the system calls have it: family, port and address in 8 octets.
    packed = struct.pack("=H", socket.AF_INET) + struct.pack("!H", directory.port) + socket.inet_aton(directory.host)
    return (
        Mark("address", (directory.host.encode(), packed)),
        Mark("name", (directory.name.encode(),)),
        # A line from the middle of the file, and the key as it is in the certificate: the first lines are like others'.
        Mark("certificate", (pem.splitlines()[4], point)),
        Mark("account", (account.encode(),)),
        Mark("password", (password,)),
    )


def held_by(pid: int, directory: Path, marks: Iterable[Mark]) -> Held:
    """directory: of the gateway's files. Raises OSError, and MemoryUnreadable."""
    marks = tuple(marks)
    return Held(search_files(directory, marks), search_memory(pid, marks))


def search_files(directory: Path, marks: Iterable[Mark]) -> Searched:
    """All files below a directory. Raises OSError."""
    marks = tuple(marks)
    octets, found = 0, Counter[str]()
    for file in directory.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            octets += len(content)
            found += _counted(content, marks, 0)
    return Searched(octets, found)


def search_memory(pid: int, marks: Iterable[Mark], piece: int = _PIECE) -> Searched:
    """All memory of a running process that it can read itself. piece: octets that are looked at together. Raises
    MemoryUnreadable."""
    marks = tuple(marks)
    overlap = max(len(spelling) for mark in marks for spelling in mark.spellings) - 1
    octets, found = 0, Counter[str]()
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for begin, end in _regions(pid):
                kept = b""
                while begin < end:
                    memory.seek(begin)
                    read = _read(memory, min(piece, end - begin))
                    if not read:
                        begin, kept = begin + _PAGE, b""
                        continue
                    # What lies across two pieces is whole in the second one.
                    found += _counted(kept + read, marks, len(kept))
                    kept = (kept + read)[-overlap:]
                    begin += len(read)
                    octets += len(read)
    except OSError as error:
        raise MemoryUnreadable(f"/proc/{pid}/mem: {system_error(error)}; {_ADVICE}") from None
    return Searched(octets, found)


def unknown_outside(outside: Held, inside: Held, marks: Iterable[Mark]) -> Claim:
    """That nothing outside shows the directory. A search that does not find each mark in the files and in the memory
    inside would be blind, so that fails too."""
    there = outside.files.found + outside.memory.found
    count = inside.files.found + inside.memory.found
    known = ", ".join(f"{mark.what} {there[mark.what]}" for mark in marks if there[mark.what])
    missed = [mark.what for mark in marks if not inside.files.found[mark.what] or not inside.memory.found[mark.what]]
    text = (
        f"files ({outside.files.octets / 1e3:,.0f} kB) and memory ({outside.memory.octets / 1e6:,.0f} MB) of the "
        f"gateway outside hold {there.total()} marks of the directory ({', '.join(mark.what for mark in marks)})"
        f"{': ' * bool(known)}{known}; those of the one inside hold {count.total():,}"
    )
    blind = f"; the search is blind for these, which are inside for sure: {', '.join(missed)}" if missed else ""
    return Claim("unknown outside", not there and not missed, text + blind)


def _regions(pid: int) -> Iterator[tuple[int, int]]:
    """The first address of each part of the memory, and the one behind its last. Raises OSError."""
    for line in Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines():
        addresses, rights, *rest = line.split(maxsplit=5)
        if rights.startswith("r") and _KERNELS not in rest:
            begin, end = addresses.split("-")
            yield int(begin, 16), int(end, 16)


def _read(memory: FileIO, most: int) -> bytes:
    """Nothing where there is no page, such as behind the end of a file that is mapped. Raises OSError."""
    try:
        return memory.read(most) or b""
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return b""


def _counted(octets: bytes, marks: Iterable[Mark], behind: int) -> Counter[str]:
    """How often each mark ends behind so many octets."""
    return +Counter(
        {
            mark.what: sum(octets.count(spelling, max(0, behind + 1 - len(spelling))) for spelling in mark.spellings)
            for mark in marks
        }
    )
