"""A search for what the gateway outside must not know finds it wherever it is, and says so where it cannot look."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.certificates import make_certificates
from gateway.demo.marks import (
    Held,
    Mark,
    MemoryUnreadable,
    Searched,
    marks_of,
    search_files,
    search_memory,
    unknown_outside,
)
from gateway.demo.place import Place

pytestmark = pytest.mark.servers

# Never whole in this file, nor in any other octets than those that a test puts somewhere.
SECRET = b"-".join([b"a", b"mark", b"that", b"is", b"nowhere"])
MARKS = (Mark("password", (SECRET,)),)

HOLDING = """
import sys
piece = int(sys.stdin.readline())
secret = sys.stdin.readline().strip().encode()
# One at each distance from a multiple of the pieces that are looked at together.
kept = bytearray(b"." * 40 * piece)
for number in range(20):
    at = number * 2 * piece + number
    kept[at : at + len(secret)] = secret
del secret
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holding() -> Iterator[int]:
    """A process that has the secret 20 times in one buffer, wherever else it may be."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"4096\n{SECRET.decode()}\n")
        process.stdin.flush()
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


@pytest.mark.parametrize("piece", [4096, 1024 * 1024])
def test_memory_is_searched_across_the_pieces_that_it_is_read_in(holding: int, piece: int) -> None:
    found = search_memory(holding, MARKS, piece)
    assert found.octets > 4096 * 40
    assert 20 <= found.found["password"] <= 30


def test_memory_without_a_mark_has_none(holding: int) -> None:
    assert search_memory(holding, [Mark("other", (SECRET[::-1],))]).found == Counter()


def test_memory_that_cannot_be_read_is_said() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        with pytest.raises(MemoryUnreadable, match=rf"^/proc/{process.pid}/mem: .*searched.*ptrace_scope"):
            search_memory(process.pid, MARKS)


def test_files_are_searched_below_the_directory(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one").write_bytes(b"x" + SECRET + SECRET)
    (tmp_path / "two").write_bytes(SECRET[:-1])
    os.mkfifo(tmp_path / "not-a-file")
    assert search_files(tmp_path, MARKS) == Searched(3 * len(SECRET), Counter(password=2))


def test_the_marks_of_a_directory_are_in_what_shows_it(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, "directory", ("dc1.example",))
    marks = marks_of(Place("127.9.8.7", 0x1234, "dc1.example", files.ca_file), "CN=svc", b"pass")
    shown = {
        "address": b"url: ldaps://127.9.8.7:4660",
        "name": b"server_name: dc1.example",
        "certificate": files.ca_file.read_bytes(),
        "account": b"CN=svc",
        "password": b"pass",
    }
    assert [mark.what for mark in marks] == list(shown)
    for mark in marks:
        assert any(spelling in shown[mark.what] for spelling in mark.spellings)
    assert b"\x12\x34\x7f\x09\x08\x07" in marks[0].spellings[1]
    # The server's own certificate is signed by it, and is another one.
    assert not any(spelling in files.certificate.read_bytes() for spelling in marks[2].spellings)


NOTHING = Searched(10, Counter())
THERE = Searched(10, Counter(password=2))


@pytest.mark.parametrize(
    ("outside", "inside", "holds", "said"),
    [
        (Held(NOTHING, NOTHING), Held(THERE, THERE), True, "outside hold 0 marks of the directory (password); those"),
        (Held(THERE, NOTHING), Held(THERE, THERE), False, "hold 2 marks of the directory (password): password 2;"),
        (Held(NOTHING, THERE), Held(THERE, THERE), False, "hold 2 marks"),
        (Held(NOTHING, NOTHING), Held(THERE, NOTHING), False, "blind for these, which are inside for sure: password"),
        (Held(NOTHING, NOTHING), Held(NOTHING, THERE), False, "blind"),
    ],
)
def test_the_claim_holds_only_where_the_search_sees(outside: Held, inside: Held, holds: bool, said: str) -> None:
    claim = unknown_outside(outside, inside, MARKS)
    assert claim.holds is holds
    assert said in claim.text
