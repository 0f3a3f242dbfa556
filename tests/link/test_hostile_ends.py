"""Another end that says anything at all, in any order: a machine ends, or goes on, and nothing else happens."""

from itertools import count
from math import inf
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.link import commands as c
from gateway.link import frames as f
from gateway.link import pings
from gateway.link.arrival import Arrival
from gateway.link.berth import InsideBerth, OutsideBerth, Stage
from gateway.link.line import InsideLine, OutsideLine
from tests.examples import examples
from tests.link.frame_values import all_frames, frames, states
from tests.link.machines import BERTH_HELLO, GO, LINE_HELLO, LOOK_HELLO, OUTSIDE, TOKEN, low

WELCOME = f.Welcome("1", TOKEN, TOKEN, 4, 0, 0)


@pytest.fixture(autouse=True, scope="module")
def guessed():
    """The other end guesses the numbers of pings, so that it gets as far as one that reads them."""
    numbers = count()
    with patch.object(pings, "randbelow", lambda _: next(numbers) % 8):
        yield


# What is likely to be right somewhere, so that not all ends at the first octet.
likely = st.one_of(
    st.builds(f.Ping, st.integers(0, 3)),
    st.builds(f.Pong, st.integers(0, 3)),
    st.sampled_from([WELCOME, f.Drain(), f.Accept("s1"), f.Refuse(f.NoSession.draining), GO, f.Want(9)]),
    states,
)
octets = (likely | frames).map(f.encode) | st.binary(max_size=12)
events = st.lists(
    st.one_of(
        st.tuples(st.just("octets"), octets),
        st.tuples(st.just("octets"), st.lists(octets, max_size=4).map(b"".join)),
        st.tuples(st.just("time"), st.floats(0, 30)),
        st.tuples(st.just("own"), st.integers(0, 5)),
        st.tuples(st.just("lost"), st.none()),
    ),
    max_size=25,
)


def outside_line(hello):
    line = OutsideLine(hello, "inside-1", 0.0)
    line.welcome(OUTSIDE, TOKEN, 4, [], 0.0, 0.0)
    return line


def inside_line(welcomed):
    line = InsideLine(LINE_HELLO, "gw:8636", 0.0)
    line.begin(0.0)
    if welcomed:
        line.received(f.encode(WELCOME), 0.0)
    return line


MACHINES = {
    "arrival": lambda: Arrival("inside-1", 0.0),
    "outside line": lambda: outside_line(LINE_HELLO),
    "look": lambda: outside_line(LOOK_HELLO),
    "inside line": lambda: inside_line(True),
    "inside line before welcome": lambda: inside_line(False),
    "outside berth": lambda: OutsideBerth("inside-1", 0.0, low),
    "inside berth": lambda: InsideBerth(BERTH_HELLO, "gw:8636", 0.0, low),
}


def own(machine, number, now):
    """What this end does by itself, where it may."""
    if isinstance(machine, OutsideBerth):
        return machine.go(GO, 5.0, now) if machine.parked else []
    if isinstance(machine, InsideBerth):
        asked = machine.stage is Stage.asked
        return (machine.accept("s1") if number % 2 else machine.refuse(f.NoSession.draining)) if asked else []
    if isinstance(machine, Arrival):
        return []
    if number == 0:
        return machine.drain(now)
    if isinstance(machine, OutsideLine):
        return machine.challenge(now) if number == 1 else machine.want(number, now)
    return machine.tell(f.State("mimecast", bool(number % 2), "", {}), now)


def is_session(machine):
    return getattr(machine, "stage", None) is Stage.taken


@pytest.mark.parametrize("make", MACHINES.values(), ids=MACHINES.keys())
@given(happens=events)
@settings(max_examples=examples(250))
def test_anything_may_come(make, happens):
    machine, now, ended, asked, taken = make(), 0.0, 0, 0, 0
    for what, value in happens:
        match what:
            case "octets":
                if is_session(machine):
                    break
                commands = machine.received(value, now)
                answers = sum(isinstance(command, c.Send) for command in commands)
                assert answers <= len(value) // 4
            case "time":
                now += value
                commands = machine.tick(now)
                assert sum(isinstance(command, c.Send) for command in commands) <= 1
                assert machine.due > now
            case "own":
                commands = own(machine, value, now)
            case "lost":
                commands = machine.lost(now)
        assert not commands or not ended, "it goes on behind its end"
        for command in commands:
            if isinstance(command, c.End):
                assert command is commands[-1]
                assert command.said.isprintable()
                ended += 1
            elif isinstance(command, c.Send):
                reader = f.FrameReader()
                reader.feed(command.octets)
                assert len(all_frames(reader)) == 1
            asked += isinstance(command, c.Asked)
            taken += isinstance(command, c.Taken)
        if ended:
            assert machine.due == inf
    assert asked <= 1 and taken <= 1 and ended <= 1
