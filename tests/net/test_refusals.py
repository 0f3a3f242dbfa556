from collections import Counter

import pytest
from twisted.logger import formatEvent

from gateway.net.listeners.refusals import NAMED, QUIET_SECONDS, Refusals
from gateway.net.observer import Observer
from gateway.policy.reasons import Reason


class Counting(Observer):
    def __init__(self):
        self.counts = Counter()

    def connection_refused(self, reason, client=""):
        self.counts[reason] += 1


@pytest.fixture
def counting():
    return Counting()


@pytest.fixture
def refuse(counting, told):
    """Tells of one; the lines that it was worth."""
    refusals = Refusals(counting)

    def tell(address, now, reason=Reason.source_not_listed):
        told.clear()
        refusals.note(reason, address, f"a connection from {address}", now)
        return [formatEvent(event) for event in told]

    return tell


def test_an_address_is_named_once_a_minute_for_each_reason(refuse, counting):
    line = "source-not-listed: closed a connection from 192.0.2.1; see clients.X.sources"
    assert refuse("192.0.2.1", 0) == [line]
    assert refuse("192.0.2.1", 1) == []
    assert len(refuse("192.0.2.1", 1, Reason.too_many_sessions)) == 1
    assert len(refuse("192.0.2.2", 1)) == 1
    assert refuse("192.0.2.1", QUIET_SECONDS - 1) == []
    assert refuse("192.0.2.1", QUIET_SECONDS) == [line]
    assert refuse("192.0.2.1", QUIET_SECONDS + 1) == []
    assert counting.counts == {Reason.source_not_listed: 6, Reason.too_many_sessions: 1}


def test_a_flood_from_ever_new_addresses_is_worth_so_many_lines_a_minute_and_is_counted(refuse, counting):
    for number in range(NAMED):
        assert len(refuse(f"s{number}", 0)) == 1
    assert refuse("further", 12) == [
        f"source-not-listed: closed connections from more than {NAMED} addresses within 12 seconds; further ones are "
        "counted and not named until 60 have passed"
    ]
    for number in range(1000):
        assert refuse(f"t{number}", 13) == []
    assert len(refuse("192.0.2.1", 13, Reason.tls_failed)) == 1
    assert counting.counts[Reason.source_not_listed] == NAMED + 1001
    assert len(refuse("further", QUIET_SECONDS)) == 1


def test_of_one_64_of_ipv6_one_address_is_named(refuse, counting):
    assert len(refuse("2001:db8::1", 0)) == 1
    for number in range(2, 1000):
        assert refuse(f"2001:db8::{number:x}", 0) == []
    assert len(refuse("2001:db8:0:1::1", 0)) == 1
    assert counting.counts[Reason.source_not_listed] == 1000
