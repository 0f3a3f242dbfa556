"""Which server comes first."""

from collections import Counter

import pytest

from gateway.net.servers.choosing import in_order, listed
from gateway.net.servers.server_state import ServerState
from gateway.net.servers.settings import Candidate, Order, ServerSettings
from gateway.net.transport.failures import FailureCause

SERVERS = [ServerSettings(f"10.1.2.{i}", 636, f"dc{i}.corp.example") for i in range(1, 5)]


def pairs(candidates):
    return [(candidate, ServerState(candidate.server, "trust", lambda: 0.0)) for candidate in candidates]


def names(chosen):
    return [candidate.server.host[-1] for candidate, _ in chosen]


def first_of_many(found, order):
    return Counter(names(in_order(found, order))[0] for _ in range(4000))


def test_listed_servers_are_tried_as_listed():
    assert names(in_order(pairs(listed(SERVERS, Order.priority)), Order.priority)) == ["1", "2", "3", "4"]


def test_what_is_down_comes_last_and_what_swallows_packets_behind_that():
    found = pairs(listed(SERVERS, Order.priority))
    found[0][1].failed(FailureCause.timeout, "")
    found[1][1].failed(FailureCause.refused, "")
    found[2][1].suspect()
    assert names(in_order(found, Order.priority)) == ["4", "3", "2", "1"]


def test_the_one_that_has_just_failed_is_the_last_of_its_equals():
    found = pairs(listed(SERVERS, Order.priority))
    found[3][1].failed(FailureCause.refused, "")
    assert names(in_order(found, Order.priority, SERVERS[0].url)) == ["2", "3", "1", "4"]


def test_the_fewest_sessions_first():
    found = pairs(listed(SERVERS, Order.least_sessions))
    for (_, state), sessions in zip(found, (3, 1, 2, 0), strict=True):
        state.load.sessions = sessions
    assert names(in_order(found, Order.least_sessions)) == ["4", "2", "3", "1"]


def test_equals_share_what_comes():
    found = pairs(listed(SERVERS, Order.least_sessions))
    assert all(count > 800 for count in first_of_many(found, Order.least_sessions).values())


@pytest.mark.parametrize("order", Order)
def test_a_better_priority_comes_first_whatever_the_weight(order):
    found = pairs([Candidate(SERVERS[0], 10, 100), Candidate(SERVERS[1], 0, 0)])
    assert first_of_many(found, order) == {"2": 4000}


def test_weights_are_shares():
    found = pairs([Candidate(SERVERS[0], 0, 60), Candidate(SERVERS[1], 0, 20), Candidate(SERVERS[2], 0, 0)])
    count = first_of_many(found, Order.priority)
    assert 2700 < count["1"] < 3300
    assert 700 < count["2"] < 1300
    assert count["3"] < 40


def test_a_server_of_twice_the_weight_has_twice_the_sessions():
    found = pairs([Candidate(SERVERS[0], 0, 2), Candidate(SERVERS[1], 0, 1)])
    for _ in range(300):
        in_order(found, Order.least_sessions)[0][1].load.sessions += 1
    assert [state.load.sessions for _, state in found] == [200, 100]
