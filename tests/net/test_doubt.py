"""When what sessions find out behind their connections makes a server doubtful, and where sign-ins go then."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from gateway.net.observer import Observer
from gateway.net.servers.choosing import in_order
from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.doubt import FIRST_DOUBT, LONGEST_DOUBT, REMEMBERED, SLOW_ANSWER, Doubts, Finding
from gateway.net.servers.server_state import DirectoryState
from gateway.net.servers.settings import DirectorySettings, Order, ServerSettings
from gateway.net.transport.failures import FailureCause
from gateway.relay.questions import Conduct, Duty, ServerAsked, ServerBehaved
from tests.examples import examples

ANSWERED, GIVEN_UP, SILENT, CLOSED, FAILED = Conduct
AT_ONCE, TWICE = (SILENT, CLOSED), (FAILED,)
SERVERS = tuple(ServerSettings(f"10.1.2.{i}", 636, f"dc{i}.corp.example") for i in range(1, 5))


@pytest.fixture
def clock():
    made = Clock()
    made.advance(100)
    return made


@pytest.fixture
def doubts(clock):
    return Doubts(clock.seconds)


def session(doubts, clock, conduct, duty=Duty.bind, seconds=1.0):
    """One that begins now, takes so long and ends."""
    began = clock.seconds()
    doubts.asked(duty, began)
    clock.advance(seconds)
    return doubts.behaved(duty, began, conduct)


@pytest.mark.parametrize("duty", Duty)
@pytest.mark.parametrize("conduct", AT_ONCE)
def test_what_no_client_can_bring_about_counts_at_once(doubts, clock, duty, conduct):
    assert session(doubts, clock, conduct, duty) is Finding.doubtful
    assert doubts.doubtful
    assert session(doubts, clock, conduct, duty) is Finding.bad


@pytest.mark.parametrize("duty", Duty)
def test_what_a_client_may_have_brought_about_counts_the_second_time(doubts, clock, duty):
    assert session(doubts, clock, FAILED, duty) is Finding.bad
    assert not doubts.doubtful
    assert session(doubts, clock, FAILED, duty) is Finding.doubtful


def test_what_was_under_way_together_counts_once(doubts, clock):
    began = clock.seconds()
    for _ in range(8):
        doubts.asked(Duty.bind, began)
    clock.advance(1)
    assert {doubts.behaved(Duty.bind, began, FAILED) for _ in range(4)} == {Finding.bad}
    clock.advance(1)
    assert {doubts.behaved(Duty.bind, began, FAILED) for _ in range(4)} == {Finding.bad}
    assert session(doubts, clock, FAILED) is Finding.doubtful


@pytest.mark.parametrize("between", ["a success", "a long time"])
def test_a_second_time_is_one_of_the_same_trouble(doubts, clock, between):
    session(doubts, clock, FAILED)
    if between == "a success":
        session(doubts, clock, ANSWERED)
    else:
        clock.advance(REMEMBERED)
    assert session(doubts, clock, FAILED) is Finding.bad


@pytest.mark.parametrize("conduct", [SILENT, CLOSED, FAILED, GIVEN_UP])
def test_a_session_that_fares_ill_while_others_are_served_says_nothing_of_the_server(doubts, clock, conduct):
    for _ in range(5):
        began = clock.seconds()
        doubts.asked(Duty.bind, began)
        clock.advance(1)
        session(doubts, clock, ANSWERED, seconds=SLOW_ANSWER)
        assert not doubts.doubtful
        assert doubts.behaved(Duty.bind, began, conduct) is Finding.nothing


def test_a_client_that_leaves_says_nothing_unless_the_server_made_it_wait(doubts, clock):
    for _ in range(9):
        assert session(doubts, clock, GIVEN_UP, seconds=SLOW_ANSWER) is Finding.nothing
    assert session(doubts, clock, GIVEN_UP, seconds=SLOW_ANSWER + 1) is Finding.bad
    assert session(doubts, clock, GIVEN_UP, seconds=SLOW_ANSWER + 1) is Finding.doubtful


def test_while_an_answer_is_late_others_do_not_wait_for_the_same(doubts, clock):
    began = clock.seconds()
    doubts.asked(Duty.bind, began)
    clock.advance(SLOW_ANSWER)
    assert not doubts.doubtful
    clock.advance(1)
    assert doubts.doubtful
    doubts.behaved(Duty.bind, began, ANSWERED)
    assert not doubts.doubtful


def test_a_doubt_ends_with_a_success_of_what_it_is_about(doubts, clock):
    session(doubts, clock, SILENT, Duty.service)
    assert session(doubts, clock, ANSWERED, Duty.bind) is Finding.nothing
    assert doubts.doubtful
    assert session(doubts, clock, ANSWERED, Duty.service) is Finding.trusted
    assert not doubts.doubtful


def test_a_doubt_ends_after_a_while_and_the_next_is_longer(doubts, clock):
    times = []
    for _ in range(9):
        session(doubts, clock, SILENT)
        times.append(doubts.time_passed())
        clock.advance(times[-1] - 1)
        assert doubts.time_passed() == pytest.approx(1)
        assert doubts.doubtful
        clock.advance(1)
        assert doubts.time_passed() is None
        assert not doubts.doubtful
    assert times[:3] == [FIRST_DOUBT, 2 * FIRST_DOUBT, 4 * FIRST_DOUBT]
    assert times[-1] == LONGEST_DOUBT
    session(doubts, clock, ANSWERED)
    session(doubts, clock, SILENT)
    assert doubts.time_passed() == FIRST_DOUBT


def test_a_check_ends_a_doubt_only_if_it_bound_and_only_until_sessions_know_better(doubts, clock):
    session(doubts, clock, SILENT)
    assert not doubts.check_passed(bound=False)
    assert doubts.check_passed(bound=True)
    assert not doubts.doubtful
    session(doubts, clock, SILENT)
    assert not doubts.check_passed(bound=True)
    assert doubts.doubtful


class World:
    """A directory whose sessions the test plays, over the connector and the order that sign-ins take. told: what the
    observer was told, by server. ca_file: a small one, because loading the system's takes longer than all else here."""

    def __init__(self, ca_file, number, order=Order.priority):
        self.clock = Clock()
        self.clock.advance(100)
        directory = DirectorySettings("corp", SERVERS[:number], ca_file, order=order)
        self.told: dict[str, list[Any]] = {}
        self.state = DirectoryState(self.clock.seconds)
        world = self

        class Told(Observer):
            def server_doubted(self, directory, server, trouble):
                world.told.setdefault(server.url, []).append(trouble.value)

            def server_trusted(self, directory, server):
                world.told.setdefault(server.url, []).append(None)

        self.connector = ServerConnector(directory, self.clock, Told(), self.state)

    @property
    def states(self):
        return [state for _, state in self.connector.servers]

    def first(self):
        return in_order(self.connector.servers, self.connector.directory.order)[0][1]

    def session(self, state, duty, conduct, seconds=1.0):
        began = self.clock.seconds()
        self.connector.heard(ServerAsked(state.server.url, duty, began))
        self.clock.advance(seconds)
        self.connector.heard(ServerBehaved(state.server.url, duty, began, conduct))
        # The checks that follow pass: these servers can be connected to.
        state.check_passed(1)

    def sign_in(self, ends):
        """ends: by server, how one does what it must not; None for one that serves. Whether the sign-in succeeds."""
        state = self.first()
        end = ends[state.server]
        if end is None:
            self.session(state, Duty.bind, ANSWERED, 0.1)
            self.session(state, Duty.service, ANSWERED, 0.1)
            return True
        duty, conduct = end
        if duty is Duty.service:
            self.session(state, Duty.bind, ANSWERED, 0.1)
        self.session(state, duty, conduct)
        return False


@pytest.fixture(scope="module")
def new_world(server_certificates):
    """A function that takes World's other arguments."""
    return partial(World, server_certificates.ca_file)


bad_ends = st.tuples(st.sampled_from(Duty), st.sampled_from([SILENT, CLOSED, FAILED]))


@settings(max_examples=examples(150))
@given(st.lists(st.none() | bad_ends, min_size=2, max_size=4).filter(lambda ends: None in ends), st.sampled_from(Order))
def test_no_server_that_fails_behind_its_connection_keeps_sign_ins_from_one_that_works(new_world, ends, order):
    world = new_world(len(ends), order)
    each = dict(zip(SERVERS, ends, strict=False))
    bad = sum(end is not None for end in ends)
    served = [world.sign_in(each) for _ in range(10 * len(ends))]
    assert served.count(False) <= 2 * bad
    # All that within the time of the first doubt.
    assert world.clock.seconds() < 100 + FIRST_DOUBT
    if order is Order.priority:
        assert all(served[2 * bad :])


@settings(max_examples=examples(150))
@given(
    st.integers(2, 4),
    st.lists(st.tuples(st.integers(0, 3), bad_ends, st.sampled_from([1.0, 30.0, 100.0])), max_size=40),
)
def test_no_client_can_have_every_server_passed_over(new_world, number, ends):
    world = new_world(number)
    for place, (duty, conduct), seconds in ends:
        world.session(world.states[place % number], duty, conduct, seconds)
        assert not all(state.doubtful for state in world.states)


@pytest.mark.parametrize("order", Order)
def test_where_all_are_doubtful_none_is_passed_over(new_world, order):
    world = new_world(4, order)
    for state in world.states:
        world.session(state, Duty.bind, SILENT)
    assert [told[-1] for told in world.told.values()] == ["bind-unanswered"] * 4
    assert [state.doubtful for state in world.states] == [False] * 4
    # The next one that breaks a session is.
    world.session(world.states[0], Duty.bind, SILENT)
    assert [state.doubtful for state in world.states] == [True, False, False, False]


def test_with_one_server_bad_and_the_others_talked_into_doubt_one_sign_in_pays(new_world, clock):
    world = new_world(2)
    ends = {SERVERS[0]: (Duty.bind, SILENT), SERVERS[1]: None}
    assert [world.sign_in(ends) for _ in range(3)] == [False, True, True]
    for _ in range(5):
        # A client that makes the good server fail for it.
        world.session(world.states[1], Duty.service, CLOSED)
        assert [world.sign_in(ends) for _ in range(3)] == [False, True, True]


def test_a_server_that_is_down_is_not_doubtful_and_begins_anew(new_world):
    world = new_world(2)
    state = world.states[0]
    world.session(state, Duty.bind, SILENT)
    timers = len(world.clock.getDelayedCalls())
    state.failed(FailureCause.refused, "refused")
    assert state.doubts.doubt is None
    assert len(world.clock.getDelayedCalls()) == timers - 1
    state.connected()
    assert not state.doubtful


def test_its_end_is_told_by_the_clock(new_world):
    world = new_world(2)
    world.session(world.states[0], Duty.bind, SILENT)
    world.clock.advance(FIRST_DOUBT - 1)
    # It has broken another session meanwhile.
    world.session(world.states[0], Duty.bind, SILENT, 0.5)
    world.clock.advance(FIRST_DOUBT - 1)
    assert world.told[SERVERS[0].url] == ["bind-unanswered"]
    world.clock.advance(1)
    assert world.told[SERVERS[0].url] == ["bind-unanswered", None]
    assert world.clock.getDelayedCalls() == []
