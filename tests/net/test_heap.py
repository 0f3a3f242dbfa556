"""When memory goes back to the system."""

import ctypes
import platform
from pathlib import Path

import pytest

from gateway.net.transport.heap import MANY, PAUSE, Heap, give_back


def looks(*times):
    """At which of these (ended sessions, seconds) something was given back."""
    given = []
    heap = Heap(lambda: given.append(None))
    found = []
    for ended, now in times:
        before = len(given)
        heap.look(ended, now)
        if len(given) > before:
            found.append((ended, now))
    return found


def test_few_ended_sessions_are_not_worth_it():
    assert looks((MANY - 1, 1.0), (MANY - 1, 5000.0)) == []


def test_many_are_as_soon_as_no_more_end():
    assert looks((MANY, 1.0), (MANY + 50, 2.0), (MANY + 50, 3.0), (MANY + 50, 4.0)) == [(MANY + 50, 3.0)]


def test_and_then_as_many_again():
    assert looks((MANY, 1.0), (MANY, 2.0), (2 * MANY - 1, 3.0), (2 * MANY - 1, 4.0)) == [(MANY, 2.0)]
    assert looks((MANY, 1.0), (MANY, 2.0), (2 * MANY, 3.0), (2 * MANY, 4.0)) == [(MANY, 2.0), (2 * MANY, 4.0)]


def test_a_flood_without_an_end_costs_one_in_a_while():
    flood = [(MANY * second, float(second)) for second in range(1, 31)]
    assert [now for _, now in looks(*flood)] == [1.0 + PAUSE, 2.0 + 2 * PAUSE]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has malloc_trim")
def test_what_was_freed_in_the_middle_of_the_heap_is_given_back():
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = (ctypes.c_void_p,)
    # Small enough to come from the heap, and the last one keeps its top where it is.
    blocks = [libc.malloc(65_536) for _ in range(800)]
    for block in blocks:
        ctypes.memset(block, 1, 65_536)
    for block in blocks[:-1]:
        libc.free(block)
    before = resident()
    give_back()
    after = resident()
    libc.free(blocks[-1])
    assert before - after > 40 * 1024 * 1024


def resident():
    """Octets."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
