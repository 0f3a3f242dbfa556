"""A connection of an agent before its line or berth begins."""

from math import inf

import pytest

from gateway.link import commands as c
from gateway.link import frames as f
from gateway.link.arrival import Arrival
from tests.link.frame_values import raw
from tests.link.machines import BERTH_HELLO, LINE_HELLO, LOOK_HELLO, READY, end, sent


@pytest.mark.parametrize("hello", [LINE_HELLO, BERTH_HELLO, LOOK_HELLO])
def test_a_hello_in_any_pieces(hello):
    arrival = Arrival("inside-1", 0.0)
    octets = f.encode(hello)
    for octet in octets[:-1]:
        assert arrival.received(bytes((octet,)), 1.0) == []
    assert arrival.received(octets[-1:], 1.0) == [c.Arrived(hello)]
    assert arrival.due == inf


def test_a_hello_that_does_not_come():
    arrival = Arrival("inside-1", 100.0)
    arrival.received(f.encode(LINE_HELLO)[:-1], 104.0)
    assert arrival.due == 105.0
    assert arrival.tick(104.9) == []
    ended = end(arrival.tick(105.0))
    assert ended == c.End(c.Cause.silent, "agent inside-1 did not say within 5 s what it wants")
    assert arrival.due == inf


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (f.encode(READY), "a STATE frame where HELLO has its place"),
        (b"\x30\x0c\x02", "LDAP came where a frame must come"),
        (raw(1, b"{}"), "a HELLO frame: `kind` is missing"),
        (f.encode(LINE_HELLO) + b"\x04", "something behind its HELLO, before it had an answer"),
        (f.encode(BERTH_HELLO) * 2, "something behind its HELLO, before it had an answer"),
    ],
)
def test_what_is_no_hello(octets, said):
    ended = end(Arrival("inside-1", 0.0).received(octets, 1.0))
    assert ended == c.End(c.Cause.protocol, f"agent inside-1 sent {said}")


def test_nothing_comes_while_it_waits_for_its_answer():
    arrival = Arrival("inside-1", 0.0)
    arrival.received(f.encode(LINE_HELLO), 1.0)
    assert "behind its HELLO" in end(arrival.received(b"\x04", 1.5)).said


@pytest.mark.parametrize("why", f.NotWelcome)
def test_it_may_be_refused(why):
    arrival = Arrival("inside-1", 0.0)
    arrival.received(f.encode(LINE_HELLO), 1.0)
    commands = arrival.refuse(why)
    assert sent(commands) == [f.Refused(why)]
    assert (end(commands).cause, end(commands).why) == (c.Cause.refused, why)
    assert arrival.refuse(why) == []


def test_one_that_ended_does_nothing_more():
    arrival = Arrival("inside-1", 0.0)
    assert end(arrival.lost(1.0)).cause is c.Cause.closed
    assert arrival.closed
    assert arrival.lost(2.0) == arrival.tick(9.0) == arrival.received(f.encode(LINE_HELLO), 2.0) == []
    assert arrival.refuse(f.NotWelcome.stopping) == []
