"""What becomes of many signals."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from gateway.serve.wanted import Wanted


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000))))
def test_however_many_ask_it_is_done_once_more_and_nobody_is_forgotten(turns):
    """turns: how many ask before a turn of the reactor, and how many while the action is under way in it."""
    waiting, begun = deque(), 0
    # Of all that have asked, how many had done so when the action last began.
    asked = seen = during = 0

    def ask(times):
        nonlocal asked
        for _ in range(times):
            asked += 1
            wanted.ask(1, None)

    def action():
        nonlocal begun, seen
        begun += 1
        seen = asked
        ask(during)

    wanted = Wanted(action, waiting.append)
    for before, meanwhile in turns:
        during = meanwhile
        ask(before)
        assert len(waiting) <= 1
        began = begun
        if waiting:
            waiting.popleft()()
        assert begun - began <= 1
    during = 0
    while waiting:
        waiting.popleft()()
    assert seen == asked
