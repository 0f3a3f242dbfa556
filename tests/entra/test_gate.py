"""How long the one gate to a tenant stays shut."""

from random import Random

from gateway.entra.gate import Gate
from tests.entra.played import PlayedTime


def test_who_is_not_told_how_long_waits_twice_as_long_each_time_and_five_minutes_at_most():
    gate = Gate(PlayedTime().clock(), Random(1))
    waits = [gate.shut(None) for _ in range(20)]
    for number, wait in enumerate(waits):
        longest = min(300.0, 2.0 * 2**number)
        assert longest / 2 <= wait <= longest
    assert len(set(waits)) == len(waits)
    gate.passed()
    assert gate.shut(None) <= 2.0


def test_everybody_waits_until_the_last_moment_that_anybody_was_told():
    time = PlayedTime()
    gate = Gate(time.clock(), Random(1))
    gate.wait()
    assert time.slept == []
    gate.shut(30.0)
    gate.shut(0.5)
    gate.wait()
    assert time.slept == [30.0]


def test_a_sleep_that_ends_early_is_not_enough():
    time = PlayedTime()
    slept = []

    def short(seconds):
        slept.append(seconds)
        time.seconds += min(seconds, 4.0)

    time.sleep = short
    gate = Gate(time.clock(), Random(1))
    gate.shut(10.0)
    gate.wait()
    assert slept == [10.0, 6.0, 2.0]
