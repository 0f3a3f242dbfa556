"""When a server is up, down or doubtful, and when it is looked at again."""

import pytest

from gateway.net.servers.server_state import FIRST_RETRY, JITTER, LONGEST_RETRY, SLOW_ATTEMPT, DirectoryState
from gateway.net.servers.settings import ServerSettings
from gateway.net.transport.failures import FailureCause

DC1 = ServerSettings("10.1.2.3", 636, "dc1.corp.example")
DC2 = ServerSettings("10.1.2.4", 636, "dc2.corp.example")
TIMEOUT, REFUSED, NO_ANSWER = FailureCause.timeout, FailureCause.refused, FailureCause.no_answer


class Clock:
    now = 100.0
    wishes = 0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def state(clock):
    made = DirectoryState(clock).server(DC1, "trust")
    made.woken = lambda: setattr(clock, "wishes", clock.wishes + 1)
    return made


def test_one_session_that_cannot_connect_takes_it_down_and_that_is_told_once(state, clock):
    assert not state.doubtful
    assert state.failed(TIMEOUT, "no answer")
    assert (state.doubtful, clock.wishes, state.down.since) == (True, 1, clock.now)
    clock.now += 5
    assert not state.failed(TIMEOUT, "no answer")
    # Another cause is news; it is down for as long as before.
    assert state.failed(REFUSED, "refused")
    assert (state.down.since, clock.wishes) == (100, 1)


def test_a_session_that_connects_brings_it_back(state):
    state.failed(REFUSED, "refused")
    assert state.connected()
    assert not state.doubtful
    assert not state.connected()


def test_checks_need_to_fail_and_to_pass_a_few_times_in_a_row(state):
    failed = (3, REFUSED, "refused", False)
    assert not state.check_failed(*failed)
    assert not state.check_failed(*failed)
    assert not state.check_passed(2)
    assert not state.check_failed(*failed)
    assert not state.check_failed(*failed)
    assert not state.doubtful
    assert state.check_failed(*failed)
    assert state.doubtful
    assert not state.check_passed(2)
    assert not state.check_failed(*failed)
    assert not state.check_passed(2)
    assert state.check_passed(2)
    assert not state.doubtful


def test_a_connection_proves_nothing_of_a_server_that_does_not_answer(state):
    assert state.check_failed(1, NO_ANSWER, "no root DSE", True)
    assert not state.connected()
    assert state.doubtful
    assert state.check_passed(1)


def test_what_is_suspected_is_checked_at_once_and_one_check_settles_it(state, clock):
    state.suspect()
    state.suspect()
    assert (state.doubtful, clock.wishes, state.plan_check(30)) == (True, 1, 0)
    assert not state.check_passed(2)
    assert not state.doubtful
    state.suspect()
    assert state.check_failed(3, TIMEOUT, "no answer", False)


def test_an_attempt_that_takes_long_makes_it_doubtful_for_others(state, clock):
    began = state.attempt_began()
    clock.now += SLOW_ATTEMPT
    assert not state.doubtful
    clock.now += 0.1
    assert state.doubtful
    state.attempt_ended(began)
    assert not state.doubtful


def test_checks_of_a_server_that_is_down_become_rarer(state):
    state.failed(TIMEOUT, "no answer")
    waits = [state.plan_check(20) for _ in range(30)]
    for i, wait in enumerate(waits):
        expected = min(FIRST_RETRY * 2**i, 20)
        assert expected * (1 - JITTER) <= wait <= expected * (1 + JITTER)
    assert len(set(waits[10:])) > 1
    assert state.plan_check(None) <= LONGEST_RETRY * (1 + JITTER)
    # What goes down again is looked for as soon as at first.
    state.connected()
    state.failed(TIMEOUT, "no answer")
    assert state.plan_check(20) <= FIRST_RETRY * (1 + JITTER)


def test_without_checks_only_trouble_is_looked_at(state):
    assert state.plan_check(None) is None
    state.suspect()
    assert state.plan_check(None) == 0


def test_what_is_known_outlives_a_reload_unless_the_trust_changes(clock):
    directory = DirectoryState(clock)
    state = directory.server(DC1, "trust")
    state.failed(REFUSED, "refused")
    state.load.sessions = 3
    directory.keep({(DC1, "trust"), (DC2, "trust")})
    assert directory.server(DC1, "trust") is state
    renewed = directory.server(DC1, "other trust")
    assert (renewed.down, renewed.load.sessions) == (None, 3)
    directory.keep({(DC2, "trust")})
    again = directory.server(DC1, "trust")
    # Its sessions go on, so they count.
    assert (again.down, again.load.sessions) == (None, 3)
