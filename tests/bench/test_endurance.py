"""What half an hour in an unsteady world is held to, and how it is measured."""

import os
import threading

import pytest

from bench.endurance import SPARE_DESCRIPTORS, SPARE_THREADS, Held, held_by, point, verdict

FIRST = Held(80_000_000, 30, 5)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (Held(88_000_000, 30 + SPARE_DESCRIPTORS, 5 + SPARE_THREADS), "met"),
        (Held(60_000_000, 10, 3), "met"),
        (Held(88_000_001, 30, 5), "**memory not met**"),
        (Held(80_000_000, 31 + SPARE_DESCRIPTORS, 5), "**descriptors not met**"),
        (Held(80_000_000, 30, 6 + SPARE_THREADS), "**threads not met**"),
        (Held(99_000_000, 99, 99), "**memory and descriptors and threads not met**"),
    ],
)
def test_nothing_has_grown_in_the_end(last, said):
    assert verdict(FIRST, last) == said


def test_a_point_is_the_median_of_its_time():
    samples = [(float(at), Held(at * 1000, at, at)) for at in range(0, 100, 10)]
    assert point(samples, 30, 50) == Held(40_000, 40, 40)
    assert point(samples, 90, 90) == Held(90_000, 90, 90)


def test_what_a_process_holds_is_what_it_opened():
    before = held_by(os.getpid())
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    reading, writing = os.pipe()
    try:
        during = held_by(os.getpid())
        assert during.descriptors == before.descriptors + 2
        assert during.threads == before.threads + 1
    finally:
        done.set()
        thread.join()
        os.close(reading)
        os.close(writing)
