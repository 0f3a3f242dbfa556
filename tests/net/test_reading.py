"""Rests between the short reads of a long answer."""

import pytest
from twisted.internet.task import Clock

from gateway.net.transport.reading import Reading


class Transport:
    def __init__(self):
        self.reads = True

    def pauseProducing(self):
        self.reads = False

    def resumeProducing(self):
        self.reads = True


@pytest.fixture
def lab():
    clock, transport = Clock(), Transport()
    return clock, transport, Reading(transport, clock)


def long_answer(reading):
    for _ in range(33):
        reading.read(1000)


def test_short_answers_are_read_without_a_rest(lab):
    _, transport, reading = lab
    for _ in range(1000):
        reading.asked()
        for _ in range(5):
            reading.read(100)
            assert transport.reads


def test_a_long_answer_in_short_reads_has_rests_that_end(lab):
    clock, transport, reading = lab
    long_answer(reading)
    for _ in range(10):
        assert not transport.reads
        clock.advance(0.01)
        assert transport.reads
        reading.read(1000)


def test_full_reads_need_no_rest(lab):
    _, transport, reading = lab
    for _ in range(100):
        reading.read(60_000)
        assert transport.reads


def test_a_question_ends_the_rest(lab):
    clock, transport, reading = lab
    long_answer(reading)
    reading.asked()
    assert transport.reads
    reading.read(1000)
    assert transport.reads
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("rests_first", [True, False])
def test_what_is_held_stays_so_whatever_ends_first(lab, rests_first):
    clock, transport, reading = lab
    long_answer(reading)
    reading.hold()
    if rests_first:
        reading.release()
        assert not transport.reads
        clock.advance(0.01)
    else:
        clock.advance(0.01)
        assert not transport.reads
        reading.release()
    assert transport.reads


@pytest.mark.parametrize("end", ["end", "lost"])
def test_nothing_is_left_behind(lab, end):
    clock, transport, reading = lab
    long_answer(reading)
    reading.hold()
    getattr(reading, end)()
    assert clock.getDelayedCalls() == []
    assert transport.reads == (end == "end")
