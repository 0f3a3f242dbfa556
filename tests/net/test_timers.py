"""The loop's timers, on its real clock."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import AlreadyCalled, AlreadyCancelled

from gateway.net.transport.timers import Timers
from tests.examples import examples
from tests.net.loop import Loop

LONG = 3600.0
ACTIONS = ["add", "cancel", "reset", "delay", "advance"]


@pytest.fixture
def timers():
    return Timers()


def run(timers):
    """Everything that is due within a moment."""
    while timers.calls and timers.wait() < LONG / 2:
        time.sleep(timers.wait())
        timers.run()


def test_it_is_called_once_with_what_was_given(timers):
    called = []
    call = timers.later(0, lambda *args, **kw: called.append((args, kw)), 1, "two", three=3)
    assert call.active() and timers.calls == [call]
    timers.run()
    timers.run()
    assert called == [((1, "two"), {"three": 3})]
    assert not call.active() and timers.calls == []


def test_it_is_not_called_before_its_time(timers):
    called = []
    began = time.monotonic()
    call = timers.later(0.05, lambda: called.append(time.monotonic()))
    assert call.getTime() == pytest.approx(began + 0.05, abs=0.04)
    timers.run()
    assert called == []
    run(timers)
    assert called[0] >= began + 0.05


def test_none_waits_for_ever_and_a_long_one_only_as_long_as_epoll_can(timers):
    assert timers.wait() is None
    timers.later(1e12, print)
    assert timers.wait() == 2_147_483.0
    timers.later(LONG, print)
    assert LONG - 10 < timers.wait() <= LONG


def test_less_than_no_time_is_a_mistake(timers):
    with pytest.raises(ValueError, match="-1"):
        timers.later(-1, print)


def test_what_was_called_or_given_up_cannot_be_again(timers):
    gone, made = timers.later(0, print), timers.later(0, lambda: None)
    gone.cancel()
    timers.run()
    for call, error in ((gone, AlreadyCancelled), (made, AlreadyCalled)):
        for attempt in (call.cancel, lambda call=call: call.reset(1), lambda call=call: call.delay(1)):
            with pytest.raises(error):
                attempt()


def test_in_order_of_time_and_then_of_coming(timers):
    called = []
    for each in range(5):
        timers.later(0, called.append, each)
    timers.later(0.02, called.append, "later")
    timers.later(0.01, called.append, "soon")
    run(timers)
    assert called == [0, 1, 2, 3, 4, "soon", "later"]


@pytest.mark.parametrize("later", [0.02, 0.0])
def test_moved(timers, later):
    """Later, and sooner, and more than once: it is made once, when it was moved to at last."""
    called = []
    call = timers.later(0.01, lambda: called.append(time.monotonic()))
    call.reset(LONG)
    began = time.monotonic()
    call.reset(0)
    call.delay(later)
    assert timers.calls == [call]
    run(timers)
    assert len(called) == 1 and called[0] >= began + later


def test_what_is_added_by_what_is_due_has_to_wait_for_the_next_turn(timers):
    """Otherwise no socket would ever be looked at."""
    called = []

    def again():
        called.append(timers.later(0, again))

    again()
    for turn in range(1, 4):
        assert len(called) == turn
        timers.run()


def test_one_that_fails_is_told_and_stops_nobody(timers, told):
    called = []
    timers.later(0, lambda: 1 / 0)
    timers.later(0, called.append, 1)
    timers.run()
    assert called == [1]
    assert [event["log_failure"].type for event in told] == [ZeroDivisionError]


def test_one_may_give_up_another_that_is_due_as_well(timers):
    called = []
    timers.later(0, lambda: second.cancel())
    second = timers.later(0, called.append, 2)
    timers.run()
    assert called == [] and timers.calls == []


def test_what_is_given_up_does_not_pile_up(timers):
    """A flood of connections has a timer each, of minutes, and most go within seconds."""
    for _ in range(10_000):
        timers.later(LONG, print).cancel()
    assert len(timers._waiting) < 200
    moved = timers.later(LONG, print)
    for _ in range(10_000):
        moved.reset(LONG)
    assert len(timers._waiting) < 200
    assert timers.calls == [moved]


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 9), st.integers(0, 40))))
@settings(max_examples=examples(300))
def test_like_a_list_that_is_looked_through_each_time(actions):
    now = 0.0
    timers = Timers(lambda: now)
    made, due, calls = [], {}, []
    for what, which, much in actions:
        if what == "add":
            due[len(calls)] = now + much
            calls.append(timers.later(much, made.append, len(calls)))
        elif what == "advance":
            now += much
            expected = [each for each in due if due[each] <= now]
            made.clear()
            timers.run()
            assert sorted(made) == sorted(expected)
            order = [due.pop(each) for each in made]
            assert order == sorted(order)
        elif which in due:
            call = calls[which]
            if what == "cancel":
                call.cancel()
                del due[which]
            elif what == "reset":
                call.reset(much)
                due[which] = now + much
            else:
                call.delay(much)
                due[which] += much
        assert sorted(call.getTime() for call in timers.calls) == sorted(due.values())
        assert not due or timers.wait() <= max(0.0, min(due.values()) - now)


def test_the_loop_turns_by_them_and_not_by_the_systems_clock(monkeypatch):
    loop, called = Loop(), []
    monkeypatch.setattr(time, "time", lambda: 0.0)
    loop.callLater(0.01, called.append, 1)
    call = loop.callLater(LONG, called.append, 2)
    loop.until(lambda: called)
    assert called == [1]
    assert loop.getDelayedCalls() == [call]
    call.cancel()
    assert loop.getDelayedCalls() == []
    assert loop.seconds() == pytest.approx(time.monotonic(), abs=10)


def test_the_loop_does_what_threads_ask_for_and_ends():
    loop, called = Loop(), []
    loop.callWhenRunning(lambda: loop.callInThread(lambda: loop.callFromThread(called.append, 1)))
    loop.callWhenRunning(lambda: loop.callLater(0.01, after))

    def after():
        if called:
            loop.stop()
        else:
            loop.callLater(0.01, after)

    loop.addSystemEventTrigger("during", "shutdown", called.append, 2)
    # It ends when it is stopped, and not only with the next timer.
    loop.callLater(30, called.append, 3)
    loop.run(installSignalHandlers=False)
    assert called == [1, 2]
