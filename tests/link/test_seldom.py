from hypothesis import given
from hypothesis import strategies as st

from gateway.link.seldom import QUIET, Seldom


def test_the_first_is_told_at_once_and_the_rest_of_the_minute_with_the_next():
    seldom = Seldom()
    assert [seldom.note(at) for at in (1000.0, 1000.1, 1000.0 + QUIET - 0.1)] == [1, 0, 0]
    assert seldom.note(1000.0 + QUIET) == 3


def test_some_may_be_told_one_by_one():
    seldom = Seldom(2)
    assert [seldom.note(at) for at in (0.0, 1.0, 2.0, 3.0, QUIET, QUIET + 1, QUIET + 2)] == [1, 1, 0, 0, 3, 1, 0]


@given(st.lists(st.floats(0, 300, allow_nan=False), max_size=200), st.integers(1, 5))
def test_each_is_counted_once_and_no_minute_has_too_many(times, at_once):
    seldom = Seldom(at_once)
    told = [(at, count) for at in sorted(times) if (count := seldom.note(at))]
    assert sum(count for _, count in told) <= len(times)
    # A window begins with what is told first in it.
    for i in range(len(told) - at_once):
        assert told[i + at_once][0] - told[i][0] >= 0
    windows = {}
    since = None
    for at, _ in told:
        if since is None or at - since >= QUIET:
            since = at
        windows[since] = windows.get(since, 0) + 1
    assert all(count <= at_once for count in windows.values())
    if times:
        assert told[0] == (min(times), 1)
