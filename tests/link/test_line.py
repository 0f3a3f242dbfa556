"""A line at either end: its beginning, its clocks, what is told on it, and what ends it."""

from math import inf

import pytest

from gateway.link import commands as c
from gateway.link import frames as f
from gateway.link import line as lines
from gateway.link.line import InsideLine, OutsideLine
from tests.link.machines import LINE_HELLO, LOOK_HELLO, OUTSIDE, READY, TOKEN, end, news, octets, sent

WELCOME = f.Welcome(OUTSIDE.version, OUTSIDE.instance, TOKEN, 4, 0, 1_796_083_200)
ASKS = f.State("mimecast", True, "", {"base_dns": "ab13"})


def outside(hello=LINE_HELLO, states=(), now=0.0):
    """An outside's end that has just said welcome."""
    line = OutsideLine(hello, "inside-1", now)
    line.welcome(OUTSIDE, TOKEN, 4, states, 1_796_083_200.9, now)
    return line


def pinged(commands):
    """The number of the one ping that they send."""
    (ping,) = sent(commands)
    assert isinstance(ping, f.Ping)
    return ping.n


def inside(now=0.0, hello=LINE_HELLO):
    """An agent's end that has just been welcomed."""
    line = InsideLine(hello, "gw.example:8636", now)
    line.begin(now)
    assert news(line.received(f.encode(WELCOME), now)) == [c.Welcomed(WELCOME)]
    return line


BOTH = pytest.mark.parametrize("make", [outside, inside])


class TestBeginning:
    def test_the_agent_says_hello_and_the_outside_welcome(self):
        agent = InsideLine(LINE_HELLO, "gw.example:8636", 0.0)
        assert sent(agent.begin(0.0)) == [LINE_HELLO]
        assert not agent.up
        line = OutsideLine(LINE_HELLO, "inside-1", 0.1)
        greeting = line.welcome(OUTSIDE, TOKEN, 4, [ASKS], 1_796_083_200.9, 0.1)
        told = f.Welcome(OUTSIDE.version, OUTSIDE.instance, TOKEN, 4, 1, 1_796_083_200)
        assert sent(greeting) == [told, ASKS]
        assert news(agent.received(octets(greeting), 0.2)) == [c.Welcomed(told), c.Told(ASKS)]
        assert agent.up and agent.told_all

    def test_not_all_is_told_before_the_state_of_each_client_has_come(self):
        agent = InsideLine(LINE_HELLO, "gw.example:8636", 0.0)
        agent.begin(0.0)
        agent.received(f.encode(f.Welcome("1", TOKEN, TOKEN, 4, 2, 0)), 0.1)
        assert not agent.told_all
        agent.received(f.encode(ASKS), 0.1)
        assert not agent.told_all
        agent.received(f.encode(f.State("other", True, "", {})), 0.1)
        assert agent.told_all

    def test_what_the_agent_has_to_say_waits_for_the_welcome(self):
        agent = InsideLine(LINE_HELLO, "gw.example:8636", 0.0)
        agent.begin(0.0)
        assert agent.tell(READY, 0.0) == agent.drain(0.0) == []
        assert sent(agent.received(f.encode(WELCOME), 0.1)) == [READY, f.Drain()]

    @pytest.mark.parametrize("why", f.NotWelcome)
    def test_the_outside_may_refuse(self, why):
        agent = InsideLine(LINE_HELLO, "gw.example:8636", 0.0)
        agent.begin(0.0)
        ended = end(agent.received(f.encode(f.Refused(why)), 0.1))
        assert (ended.cause, ended.why) == (c.Cause.refused, why)
        assert ended.said.startswith("the gateway at gw.example:8636 refuses: ")

    def test_the_outside_closes_in_place_of_an_answer(self):
        agent = InsideLine(LINE_HELLO, "gw.example:8636", 0.0)
        agent.begin(0.0)
        ended = end(agent.lost(0.1))
        assert ended.cause is c.Cause.unwelcome
        assert ended.said.endswith("before it said welcome: is this agent's key known there?")

    def test_the_outside_does_not_answer(self):
        agent = InsideLine(LINE_HELLO, "gw.example:8636", 100.0)
        agent.begin(100.0)
        assert agent.due == 105.0
        assert agent.tick(104.9) == []
        assert end(agent.tick(105.0)) == c.End(
            c.Cause.silent, "the gateway at gw.example:8636 did not answer within 5 s"
        )

    @pytest.mark.parametrize("frame", [f.Ping(1), READY, f.Want(4), f.Drain(), f.Refuse(f.NoSession.draining)])
    def test_nothing_else_comes_before_welcome(self, frame):
        agent = InsideLine(LINE_HELLO, "gw.example:8636", 0.0)
        agent.begin(0.0)
        ended = end(agent.received(f.encode(frame), 0.1))
        assert ended.cause is c.Cause.protocol
        assert ended.said.endswith("frame before it said welcome")


class TestLife:
    @BOTH
    def test_a_ping_is_answered(self, make):
        assert sent(make().received(f.encode(f.Ping(77)), 1.0)) == [f.Pong(77)]

    @BOTH
    def test_an_end_that_says_nothing_for_a_while_pings(self, make):
        line = make(now=100.0)
        assert line.due == 105.0
        assert line.tick(104.9) == []
        first = pinged(line.tick(105.0))
        assert line.due == 110.0
        line.received(f.encode(f.Pong(first)), 105.25)
        assert line.round_trip == 0.25
        assert pinged(line.tick(110.0)) != first

    @BOTH
    def test_whatever_else_is_sent_puts_the_ping_off_but_an_answer_does_not(self, make):
        line = make(now=100.0)
        line.tell(f.State("other", False, "x", {}), 103.0)
        assert line.due == 108.0
        line.received(f.encode(f.Ping(1)), 107.0)
        assert line.due == 108.0

    @BOTH
    def test_an_end_that_hears_nothing_closes(self, make):
        line = make(now=100.0)
        for now in (105.0, 110.0):
            line.tick(now)
        assert line.due == 115.0
        ended = end(line.tick(115.0))
        assert ended.cause is c.Cause.silent
        assert ended.said.endswith(" was silent for 15 s")
        assert line.due == inf

    @BOTH
    def test_half_a_frame_is_no_sign_of_life(self, make):
        line = make(now=100.0)
        for second, octet in enumerate(f.encode(READY)[:14], 101):
            line.received(bytes((octet,)), float(second))
        assert end(line.tick(115.0)).cause is c.Cause.silent

    @BOTH
    def test_one_who_speaks_and_never_answers_is_closed_too(self, make):
        line = make(now=100.0)
        now = 100.0
        while not line.closed:
            now += 1.0
            line.received(f.encode(f.Ping(1)), now)
            commands = line.tick(now)
        assert now == 120.0
        assert end(commands).cause is c.Cause.silent

    @BOTH
    def test_an_answer_that_nobody_asked_for(self, make):
        line = make()
        assert end(line.received(f.encode(f.Pong(0)), 1.0)).cause is c.Cause.protocol

    @BOTH
    def test_an_answer_that_comes_twice(self, make):
        line = make()
        answer = f.encode(f.Pong(pinged(line.tick(5.0))))
        assert line.received(answer, 5.1) == []
        assert "waited for none" in end(line.received(answer, 5.2)).said

    @BOTH
    def test_an_answer_of_one_that_has_not_read_the_ping(self, make):
        first, second = pinged(make().tick(5.0)), make()
        second.tick(5.0)
        assert "waited for none" in end(second.received(f.encode(f.Pong(first)), 5.1)).said

    @BOTH
    def test_a_flood_of_frames(self, make):
        line = make()
        flood = line.received(f.encode(f.Ping(1)) * 3_000, 1.0)
        assert len(sent(flood[:-1])) < 2_001
        assert end(flood).said.endswith("more than 2000 frames in 5 s")

    @BOTH
    def test_many_frames_over_time_are_none(self, make):
        line = make()
        for second in range(1, 20):
            line.received(f.encode(f.Ping(1)) * 390, float(second))
            for frame in sent(line.tick(float(second))):
                line.received(f.encode(f.Pong(frame.n)), float(second))
        assert not line.closed


class TestStates:
    @BOTH
    def test_what_is_new_is_sent_and_nothing_twice(self, make):
        line = make()
        assert sent(line.tell(READY, 1.0)) == [READY]
        assert line.tell(READY, 2.0) == []
        gone = f.State("mimecast", False, "no server is up", {"base_dns": "ab12"}, (0, 2))
        assert sent(line.tell(gone, 3.0)) == [gone]

    @BOTH
    def test_what_is_told_is_known_and_news_once(self, make):
        line = make()
        assert line.received(f.encode(READY), 1.0) == [c.Told(READY)]
        assert line.received(f.encode(READY), 2.0) == []
        assert dict(line.states) == {"mimecast": READY}

    def test_what_was_told_with_the_welcome_is_not_told_again(self):
        assert outside(states=[ASKS]).tell(ASKS, 1.0) == []

    @BOTH
    def test_there_are_so_many_clients_and_no_more(self, make):
        line = make()
        for number in range(lines.MOST_CLIENTS):
            state = f.State(f"c{number}", True, "", {})
            line.tell(state, 1.0)
            assert line.received(f.encode(state), 1.0 + number) == [c.Told(state)]
        with pytest.raises(ValueError, match="more than 500 clients"):
            line.tell(READY, 1.0)
        # Of those that are known more may be said.
        assert not line.closed
        assert line.tell(f.State("c1", False, "x", {}), 1.0)
        assert end(line.received(f.encode(READY), 2000.0)).said.endswith("states of more than 500 clients")

    @BOTH
    def test_a_state_that_no_frame_holds_is_not_remembered(self, make):
        line = make()
        for _ in range(2):
            with pytest.raises(ValueError, match="octets"):
                line.tell(f.State("c", True, "", {str(number): "d" * 200 for number in range(30)}), 1.0)


class TestDrainAndWant:
    @BOTH
    def test_drain_is_said_once_and_heard_once(self, make):
        line = make()
        assert sent(line.drain(1.0)) == [f.Drain()]
        assert line.drain(2.0) == []
        assert not line.drains
        assert line.received(f.encode(f.Drain()), 3.0) == [c.Draining()]
        assert line.received(f.encode(f.Drain()), 4.0) == []
        assert line.drains

    def test_want_is_said_where_it_is_new(self):
        line = outside()
        assert line.want(4, 1.0) == []
        assert sent(line.want(12, 1.0)) == [f.Want(12)]
        assert line.want(12, 2.0) == []
        assert line.due == 6.0

    def test_one_cannot_want_more_than_a_frame_holds(self):
        line = outside()
        for _ in range(2):
            with pytest.raises(ValueError, match="from 0 to 64"):
                line.want(65, 1.0)

    def test_want_is_heard(self):
        assert inside().received(f.encode(f.Want(12)), 1.0) == [c.Wanted(12)]

    def test_an_agent_wants_nothing(self):
        ended = end(outside().received(f.encode(f.Want(12)), 1.0))
        assert ended.said == "agent inside-1 sent a WANT frame, which has no place here"


class TestChallenge:
    def test_an_agent_that_answers_is_here(self):
        line = outside(now=100.0)
        asked = pinged(line.challenge(101.0))
        assert line.due == 103.0
        assert line.challenge(101.5) == []
        assert line.received(f.encode(f.Pong(asked)), 102.9) == [c.Proven()]
        assert line.due > 103.0
        assert pinged(line.challenge(104.0)) != asked

    def test_the_answer_to_an_older_ping_proves_nothing(self):
        line = outside(now=100.0)
        older = pinged(line.tick(105.0))
        line.challenge(106.0)
        assert line.received(f.encode(f.Pong(older)), 106.5) == []
        assert end(line.tick(108.0)).cause is c.Cause.twice

    def test_an_agent_that_does_not_answer_gives_its_place(self):
        line = outside(now=100.0)
        line.challenge(101.0)
        assert line.tick(102.9) == []
        ended = end(line.tick(103.0))
        assert ended.said == "agent inside-1 did not answer, and another process has come with its key"


class TestLook:
    def test_a_look_is_told_what_a_line_is(self):
        line = OutsideLine(LOOK_HELLO, "inside-1", 0.0)
        commands = line.welcome(OUTSIDE, TOKEN, 4, [ASKS], 0.0, 0.0)
        looker = InsideLine(LOOK_HELLO, "gw.example:8636", 0.0)
        looker.begin(0.0)
        looker.received(octets(commands), 0.1)
        assert looker.told_all
        assert looker.states["mimecast"] == ASKS

    def test_a_look_does_not_last(self):
        line = outside(LOOK_HELLO, now=100.0)
        for now in (105.0, 110.0):
            for frame in sent(line.tick(now)):
                line.received(f.encode(f.Pong(frame.n)), now)
        assert line.due == 115.0
        assert end(line.tick(115.0)).cause is c.Cause.dropped

    @pytest.mark.parametrize("frame", [READY, f.Drain()])
    def test_a_look_says_nothing(self, frame):
        assert end(outside(LOOK_HELLO).received(f.encode(frame), 1.0)).said.endswith("that it would only look")


class TestAllClients:
    @BOTH
    def test_those_that_are_gone_are_told_so(self, make):
        line = make()
        other = f.State("other", True, "", {"base_dns": "cd14"})
        assert sent(line.tell_all([READY, other], 1.0)) == [READY, other]
        (gone,) = sent(line.tell_all([READY], 2.0))
        assert (gone.client, gone.is_gone) == ("other", True)
        assert line.tell_all([READY], 3.0) == []
        assert sent(line.tell_all([READY, other], 4.0)) == [other]

    @BOTH
    def test_a_line_ends_where_it_has_no_room_for_all_that_it_has_spoken_of(self, make, monkeypatch):
        monkeypatch.setattr(lines, "MOST_CLIENTS", 2)
        line = make()
        line.tell_all([f.State("one", True, "", {}), f.State("two", True, "", {})], 1.0)
        ended = end(line.tell_all([f.State("one", True, "", {}), f.State("three", True, "", {})], 2.0))
        assert ended.cause is c.Cause.dropped and "no room" in ended.said

    def test_a_client_that_is_not_ready_is_not_gone(self):
        assert not f.State("one", False, "no server", {"base_dns": "ab13"}).is_gone
        assert not f.State("one", True, "", {}).is_gone


class TestEnd:
    @BOTH
    @pytest.mark.parametrize(
        "frame", [LINE_HELLO, WELCOME, f.Refused(f.NotWelcome.stopping), f.Go("a", "b", "c"), f.Accept("s")]
    )
    def test_frames_that_have_no_place_on_a_line(self, make, frame):
        ended = end(make().received(f.encode(frame), 1.0))
        assert ended.cause is c.Cause.protocol
        assert ended.said.endswith("frame, which has no place here")

    @BOTH
    def test_what_is_no_frame(self, make):
        ended = end(make().received(b"\x30\x0c", 1.0))
        assert ended.cause is c.Cause.protocol
        assert ended.said.endswith("sent LDAP came where a frame must come")

    @BOTH
    def test_what_came_before_counts_and_what_comes_behind_does_not(self, make):
        line = make()
        commands = line.received(f.encode(READY) + b"\xff" + f.encode(f.Drain()), 1.0)
        assert commands[0] == c.Told(READY)
        assert end(commands).cause is c.Cause.protocol
        assert not line.drains

    @BOTH
    def test_a_line_that_ended_says_and_does_nothing_more(self, make):
        line = make()
        assert end(line.lost(1.0)).cause is c.Cause.closed
        assert line.closed and line.due == inf
        assert line.lost(2.0) == line.tick(99.0) == line.received(b"\x30", 2.0) == line.end(c.Cause.dropped, "x") == []
        assert line.tell(READY, 2.0) == line.drain(2.0) == []
        if isinstance(line, OutsideLine):
            assert line.want(9, 2.0) == line.challenge(2.0) == []
