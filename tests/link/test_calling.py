"""How long an agent waits before it calls again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.link.calling import Calling
from gateway.link.commands import Cause, End
from gateway.link.frames import NotWelcome

LOST = End(Cause.closed, "lost")
STOPPING = End(Cause.refused, "stopping", NotWelcome.stopping)
REJECTED = [
    End(Cause.unwelcome, "tls"),
    End(Cause.protocol, "what is that"),
    *(End(Cause.refused, "no", why) for why in NotWelcome if why is not NotWelcome.stopping),
]


def high(low, high):
    assert low == 0.0
    return high


def bounds(end, times):
    calling = Calling(high)
    return [calling.ended(end, 0.0) for _ in range(times)]


@pytest.mark.parametrize("end", [LOST, STOPPING, End(Cause.silent, "silent"), End(Cause.twice, "twice")], ids=repr)
def test_waits_grow_to_a_minute(end):
    assert bounds(end, 10) == [1, 1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize("end", REJECTED, ids=repr)
def test_waits_of_one_who_is_not_wanted_grow_to_five_minutes(end):
    assert bounds(end, 12) == [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_waits_do_not_grow_for_ever():
    calling = Calling(high)
    for _ in range(5_000):
        calling.ended(LOST, 0.0)
    assert calling.ended(LOST, 0.0) == 60
    assert calling.ended(REJECTED[0], 0.0) == 300


def test_a_line_that_lived_a_minute_was_a_good_one():
    calling = Calling(high)
    for _ in range(6):
        calling.ended(LOST, 0.0)
    calling.rose(100.0)
    assert calling.ended(LOST, 159.9) == 32
    calling.rose(200.0)
    assert calling.ended(LOST, 260.0) == 1
    assert calling.ended(LOST, 261.0) == 1
    # A line that did not rise has not lived, however long ago the last one was.
    assert calling.ended(LOST, 999.0) == 2


def test_a_way_that_is_good_for_certain():
    calling = Calling(high)
    for _ in range(6):
        calling.ended(LOST, 0.0)
    calling.worked()
    assert calling.ended(LOST, 0.0) == 1


@given(st.floats(0, 1), st.lists(st.sampled_from([LOST, STOPPING, *REJECTED]), max_size=30))
def test_each_wait_is_anything_up_to_its_bound(share, ends):
    drawn, bound = Calling(lambda low, high: low + share * (high - low)), Calling(high)
    for end in ends:
        assert drawn.ended(end, 0.0) == share * bound.ended(end, 0.0)
