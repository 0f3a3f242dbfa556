"""Whose input is handled when: nobody's for long, and last that of who has worked most or asks for most. Time is the
test's."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.net.sessions.turns import FREE, OCTET, PATIENCE, SHARE, Turn, Turns


class Loop:
    """As much of the reactor as is used, and a clock that stands still unless somebody works."""

    def __init__(self):
        self.now = 0.0
        self.planned = []

    def callLater(self, delay, function):
        assert delay == 0
        self.planned.append(function)

    def iterate(self):
        """Seconds that the timers of one turn of the loop took."""
        begun = self.now
        planned, self.planned = self.planned, []
        for function in planned:
            function()
        return self.now - begun


class Session:
    """work: seconds that each request takes that waits. handled: at which time each one was done."""

    def __init__(self, loop, turns, work=()):
        self.loop = loop
        self.work = list(work)
        self.handled = []
        self.turn = Turn(turns, self.go_on)

    def receive(self, *work):
        self.work += work
        self.go_on()

    def go_on(self):
        self.turn.begin()
        while self.work and self.turn.goes_on():
            self.loop.now += self.work.pop(0)
            self.handled.append(self.loop.now)
        self.turn.end(self.loop.now, int(self.work[0] / OCTET) + 1 if self.work else 0)


def sessions(count):
    loop = Loop()
    turns = Turns(loop, lambda: loop.now)
    return loop, [Session(loop, turns) for _ in range(count)]


def test_what_is_soon_done_is_done_at_once_and_plans_nothing():
    loop, (session,) = sessions(1)
    session.receive(*[SHARE / 100] * 50)
    assert len(session.handled) == 50
    assert loop.planned == []


def test_a_session_gives_up_its_turn_and_comes_again():
    loop, (session,) = sessions(1)
    session.receive(*[SHARE / 4] * 20)
    assert len(session.handled) == 4
    turns = 1
    while session.work:
        assert loop.iterate() <= SHARE * 1.25
        turns += 1
    assert turns == 5
    loop.iterate()
    assert loop.planned == []


def test_who_comes_while_another_one_works_is_next():
    loop, (busy, other) = sessions(2)
    busy.receive(*[SHARE / 2] * 1000)
    for _ in range(100):
        arrived = loop.now
        other.receive(SHARE / 20)
        loop.iterate()
        assert other.work == []
        assert other.handled[-1] - arrived <= 2 * SHARE
    assert busy.work


def test_all_who_are_readable_at_once_take_no_longer_than_one():
    loop, crowd = sessions(200)
    for session in crowd:
        session.receive(*[SHARE / 2] * 3)
    # Before the loop comes to its sockets again.
    assert loop.now <= 2 * SHARE
    while any(session.work for session in crowd):
        assert loop.iterate() <= 2 * SHARE


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(SHARE / 100, 3 * SHARE)), max_size=80))
def test_everything_is_handled_once_in_the_order_of_its_session(requests):
    loop, crowd = sessions(5)
    expected = [[] for _ in crowd]
    for number, work in requests:
        crowd[number].receive(work)
        expected[number].append(work)
    longest = max((work for _, work in requests), default=0.0)
    while loop.planned:
        # The sums are of floats, in another order on each side.
        assert loop.iterate() <= (SHARE + longest) * (1 + 1e-9)
    assert [len(session.handled) for session in crowd] == [len(each) for each in expected]
    assert all(session.handled == sorted(session.handled) for session in crowd)


def test_a_client_that_works_little_is_not_behind_for_it():
    loop, (busy, other) = sessions(2)
    turns = busy.turn._turns
    for _ in range(1000):
        other.receive(SHARE / 10)
        loop.now += SHARE / 10 / FREE
        loop.iterate()
    busy.receive(*[SHARE] * 20)
    new = Session(loop, turns)
    other.receive(SHARE / 10)
    new.receive(SHARE / 10)
    loop.iterate()
    assert len(other.handled) == 1001
    assert len(new.handled) == 1


@given(st.lists(st.floats(2 * SHARE, 5 * SHARE), min_size=1, max_size=40))
def test_however_many_have_just_connected_with_a_dear_request_a_small_one_is_next(dear):
    loop, (busy, other, *crowd) = sessions(2 + len(dear))
    busy.receive(SHARE)
    for session, work in zip(crowd, dear, strict=True):
        session.receive(work)
    other.receive(SHARE / 20)
    loop.iterate()
    # One of the others has gone before it at most.
    assert other.work == []
    assert sum(len(session.handled) for session in crowd) <= 1


@pytest.mark.parametrize("request_", [SHARE / 2, 10 * SHARE])
@pytest.mark.parametrize("worked", [0, 5])
def test_many_who_work_little_keep_nobody_away_for_ever(worked, request_):
    """Twenty sessions of which each works as little as if it had just connected take all the time that there is."""
    loop, (busy, *crowd) = sessions(21)
    while loop.now < worked:
        busy.receive(SHARE)
        loop.iterate()
    begun = loop.now
    busy.receive(*[request_] * 10)
    while busy.work and loop.now < begun + 60:
        for session in crowd:
            if not session.work:
                session.receive(SHARE / 20)
        # The others have every second turn at least.
        handled = sum(len(session.handled) for session in crowd)
        loop.iterate()
        loop.iterate()
        assert sum(len(session.handled) for session in crowd) > handled
    assert busy.work == []
    assert loop.now - begun <= 10 * (2 * PATIENCE + request_)


def test_of_those_who_wait_no_more_little_is_kept():
    loop, (busy, other, *crowd) = sessions(22)
    turns = busy.turn._turns
    busy.receive(*[SHARE] * 2000)
    for _ in range(2000):
        for session in (other, *crowd):
            if not session.work:
                session.receive(SHARE / 20)
        loop.now += PATIENCE
        loop.iterate()
    assert len(busy.handled) > 500
    assert len(turns._order) < 150


def test_an_event_without_a_request_is_no_work():
    loop, (session, _) = sessions(2)
    session.turn.begin()
    loop.now += 10 * SHARE
    session.turn.end(loop.now, 0)
    assert loop.planned == []
    session.receive(SHARE / 10)
    assert session.work == []


def test_a_request_that_is_handled_at_another_event_than_its_coming_counts():
    loop, crowd = sessions(100)
    for session in crowd:
        # As where the end of a bind lets the next one begin.
        session.work.append(SHARE / 2)
        session.go_on()
    assert loop.now <= 2 * SHARE
    while any(session.work for session in crowd):
        assert loop.iterate() <= 2 * SHARE


def test_a_session_that_is_gone_is_passed_over():
    loop, (busy, _) = sessions(2)
    busy.receive(*[SHARE] * 3)
    busy.turn._go_on = partial(int)
    loop.iterate()
    assert loop.planned == []
