"""How many berths should be parked, who gets the next one, and how many are dialled."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from gateway.link.frames import MOST_PARKED
from gateway.link.wanted import MOST_DIALS, Demand, Waiting, to_dial


class TestDemand:
    def test_nobody_came(self):
        demand = Demand(4)
        assert demand.target(0, 0.0) == 4
        assert demand.due == inf

    def test_those_who_came_of_late(self):
        demand = Demand(4)
        for second in range(6):
            demand.taken(float(second))
        assert demand.target(0, 5.0) == 6
        assert demand.due == 10.0
        assert demand.target(0, 9.9) == 6
        assert demand.target(0, 10.0) == 5
        assert demand.target(0, 99.0) == 4

    def test_those_who_wait_count_at_once_and_are_not_counted_twice(self):
        demand = Demand(4)
        assert demand.target(20, 0.0) == 20
        for served in range(1, 21):
            demand.taken(0.0)
            assert demand.target(20 - served, 0.0) == 20

    def test_there_is_a_most(self):
        demand = Demand(0)
        for _ in range(10_000):
            demand.taken(1.0)
        assert demand.target(250, 1.0) == MOST_PARKED
        assert demand.target(0, 11.0) == 0

    @given(st.integers(0, MOST_PARKED), st.lists(st.floats(0, 30), max_size=150), st.integers(0, 300))
    def test_it_is_clamp_of_the_taken_and_the_waiting(self, least, moments, waiting):
        demand = Demand(least)
        for moment in sorted(moments):
            demand.taken(moment)
        now = max(moments, default=0.0)
        recent = sum(moment + 10.0 > now for moment in moments)
        assert demand.target(waiting, now) == min(max(least, recent + waiting), max(least, MOST_PARKED))


def any_agent(agent):
    return True


class TestWaiting:
    def test_first_come_first_served(self):
        waiting = Waiting()
        for name in ("a", "b", "c"):
            waiting.add(name, any_agent, 5.0)
        assert [waiting.parked("inside-1") for _ in range(4)] == ["a", "b", "c", None]

    def test_one_who_does_not_take_it_keeps_his_place(self):
        waiting = Waiting()
        waiting.add("a", lambda agent: agent == "inside-2", 5.0)
        waiting.add("b", any_agent, 5.0)
        assert (waiting.count("inside-1"), waiting.count("inside-2")) == (1, 2)
        assert waiting.parked("inside-1") == "b"
        assert waiting.parked("inside-1") is None
        assert waiting.parked("inside-2") == "a"

    def test_what_an_agent_is_good_for_is_judged_when_its_berth_comes(self):
        ready, waiting = set(), Waiting()
        waiting.add("a", ready.__contains__, 5.0)
        assert waiting.parked("inside-1") is None
        ready.add("inside-1")
        assert waiting.parked("inside-1") == "a"

    def test_one_who_goes(self):
        waiting = Waiting()
        waiting.add("a", any_agent, 5.0)
        waiting.withdraw("a")
        waiting.withdraw("a")
        assert len(waiting) == 0
        assert waiting.parked("inside-1") is None

    def test_those_who_waited_long_enough(self):
        waiting = Waiting()
        for name, until in (("a", 7.0), ("b", 5.0), ("c", 9.0)):
            waiting.add(name, any_agent, until)
        assert waiting.due == 5.0
        assert waiting.expired(4.9) == []
        assert waiting.expired(7.0) == ["a", "b"]
        assert waiting.due == 9.0
        assert waiting.parked("inside-1") == "c"
        assert waiting.due == inf


class TestDialling:
    def test_as_many_as_are_missing(self):
        assert to_dial(wanted=10, parked=4, dialled=3, room=500) == 3

    def test_too_many_are_left_alone(self):
        assert to_dial(wanted=4, parked=10, dialled=0, room=500) == 0

    def test_no_more_than_there_is_room_for(self):
        assert to_dial(wanted=10, parked=4, dialled=0, room=2) == 2
        assert to_dial(wanted=10, parked=4, dialled=0, room=-3) == 0

    def test_no_more_at_once_than_there_may_be(self):
        assert to_dial(wanted=64, parked=0, dialled=0, room=500) == MOST_DIALS
        assert to_dial(wanted=64, parked=0, dialled=30, room=500) == 2
