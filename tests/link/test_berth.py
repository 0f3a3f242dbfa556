"""A berth at either end: parked, asked, taken; its age, and where the two ends meet."""

from math import inf

import pytest

from gateway.link import commands as c
from gateway.link import frames as f
from gateway.link.berth import InsideBerth, OutsideBerth, Stage
from tests.link.frame_values import raw
from tests.link.machines import BERTH_HELLO, GO, end, low, octets, sent

LDAP = bytes.fromhex("300c020101600702010304008000")


def outside(now=0.0):
    return OutsideBerth("inside-1", now, low)


def inside(now=0.0):
    berth = InsideBerth(BERTH_HELLO, "gw.example:8636", now, low)
    assert sent(berth.begin()) == [BERTH_HELLO]
    return berth


def asked(now=0.0):
    """An agent's end on which a session waits for an answer."""
    berth = inside(now)
    assert berth.received(f.encode(GO), now) == [c.Asked(GO)]
    return berth


BOTH = pytest.mark.parametrize("make", [outside, inside])


class TestTaking:
    def test_go_accept_and_ldap_behind_it(self):
        here, there = outside(), inside()
        go = here.go(GO, 5.0, 1.0)
        assert sent(go) == [GO]
        assert not here.parked
        assert there.received(octets(go), 1.1) == [c.Asked(GO)]
        accepted = there.accept("s93")
        assert sent(accepted) == [f.Accept("s93")]
        assert there.stage is Stage.taken
        assert here.received(octets(accepted) + LDAP, 1.2) == [c.Taken("s93", LDAP)]
        assert here.stage is Stage.taken

    def test_accept_in_any_pieces_with_ldap_behind_it(self):
        stream = f.encode(f.Accept("s93")) + LDAP
        for cut in range(1, len(stream)):
            here = outside()
            here.go(GO, 5.0, 0.0)
            found = here.received(stream[:cut], 0.1)
            if here.stage is not Stage.taken:
                found += here.received(stream[cut:], 0.1)
                rest = b""
            else:
                rest = stream[cut:]
            (taken,) = found
            assert taken.octets + rest == LDAP

    @pytest.mark.parametrize("why", f.NoSession)
    def test_a_session_that_is_refused(self, why):
        here, there = outside(), asked()
        here.go(GO, 5.0, 0.0)
        refused = there.refuse(why)
        assert sent(refused) == [f.Refuse(why)]
        assert end(refused).why is why
        ended = end(here.received(octets(refused), 0.1))
        assert (ended.cause, ended.why) == (c.Cause.refused, why)
        assert ended.said.startswith("agent inside-1 refuses the session: ")
        assert here.stage is there.stage is Stage.closed

    def test_an_answer_that_does_not_come(self):
        here = outside()
        here.go(GO, 5.0, 100.0)
        assert here.due == 105.0
        assert here.tick(104.9) == []
        assert end(here.tick(105.0)) == c.End(c.Cause.silent, "agent inside-1 did not accept a session in time")

    def test_only_a_parked_berth_can_be_taken_and_only_once(self):
        here = outside()
        here.go(GO, 5.0, 0.0)
        with pytest.raises(RuntimeError, match="parked"):
            here.go(GO, 5.0, 0.0)
        gone = outside()
        gone.lost(0.0)
        with pytest.raises(RuntimeError, match="parked"):
            gone.go(GO, 5.0, 0.0)

    def test_a_go_that_no_frame_holds_leaves_the_berth_parked(self):
        here = outside()
        with pytest.raises(ValueError, match="client"):
            here.go(f.Go("", "s", "x"), 5.0, 0.0)
        assert here.parked

    @pytest.mark.parametrize("make", [inside, lambda: TestTaking.taken_inside()])
    def test_only_what_was_asked_is_answered(self, make):
        for answer in (lambda berth: berth.accept("s1"), lambda berth: berth.refuse(f.NoSession.draining)):
            with pytest.raises(RuntimeError, match="no session waits"):
                answer(make())

    @staticmethod
    def taken_inside():
        berth = asked()
        berth.accept("s93")
        return berth

    def test_no_octet_of_a_session_is_for_the_berth(self):
        here, there = outside(), self.taken_inside()
        here.go(GO, 5.0, 0.0)
        here.received(f.encode(f.Accept("s93")), 0.1)
        for berth in (here, there):
            with pytest.raises(RuntimeError, match="the session's"):
                berth.received(LDAP, 0.2)
            # How it ends is the session's too.
            assert berth.lost(1.0) == berth.end(c.Cause.dropped, "x") == berth.tick(9_999.0) == []
            assert berth.due == inf
            assert berth.stage is Stage.taken

    def test_the_octets_of_a_session_are_in_no_repr(self):
        assert "secret" not in repr(c.Taken("s1", b"secret"))


class TestTooEarly:
    @pytest.mark.parametrize("behind", [LDAP, b"\x04", f.encode(f.Ping(1)), f.encode(GO)])
    def test_nothing_comes_behind_go_before_accept(self, behind):
        together = inside()
        ended = end(together.received(f.encode(GO) + behind, 0.0))
        assert ended.cause is c.Cause.protocol
        later = asked()
        assert end(later.received(behind, 0.1)) == ended
        with pytest.raises(RuntimeError, match="no session waits"):
            later.accept("s1")

    @pytest.mark.parametrize("octets", [LDAP, f.encode(f.Accept("s1")), f.encode(f.Refuse(f.NoSession.draining))])
    def test_an_agent_says_nothing_of_sessions_before_go(self, octets):
        assert end(outside().received(octets, 0.0)).cause is c.Cause.protocol

    @pytest.mark.parametrize("octets", [LDAP, f.encode(f.Ping(1)), f.encode(f.Drain()), raw(10, b"{}")])
    def test_an_agent_says_nothing_but_its_answer_behind_go(self, octets):
        here = outside()
        here.go(GO, 5.0, 0.0)
        assert end(here.received(octets, 0.1)).cause is c.Cause.protocol

    @BOTH
    @pytest.mark.parametrize("frame", [BERTH_HELLO, f.Want(1), f.Drain(), f.Accept("s1")])
    def test_frames_that_have_no_place_on_a_berth(self, make, frame):
        ended = end(make().received(f.encode(frame), 0.0))
        assert ended.said.endswith("frame, which has no place here")


class TestLife:
    def test_the_outside_pings_and_the_agent_answers(self):
        here, there = outside(100.0), inside(100.0)
        assert here.due == 115.0
        assert here.tick(114.9) == []
        ping = here.tick(115.0)
        (asked,) = sent(ping)
        assert isinstance(asked, f.Ping)
        assert here.tick(116.0) == []
        pong = there.received(octets(ping), 115.1)
        assert sent(pong) == [f.Pong(asked.n)]
        assert here.received(octets(pong), 115.2) == []
        assert here.due == 115.2 + 15.0

    def test_pings_are_spread(self):
        ranges = []
        OutsideBerth("a", 0.0, lambda low, high: ranges.append((low, high)) or high)
        assert ranges == [(480.0, 720.0), (15.0, 25.0)]

    def test_no_answer(self):
        here = outside(100.0)
        here.tick(115.0)
        assert here.due == 125.0
        assert here.tick(124.9) == []
        assert end(here.tick(125.0)) == c.End(c.Cause.silent, "agent inside-1 did not answer on a berth within 10 s")

    def test_an_answer_that_was_under_way_when_the_berth_was_taken(self):
        here, there = outside(), inside()
        ping = here.tick(15.0)
        go = here.go(GO, 5.0, 15.1)
        pong = there.received(octets(ping), 15.1)
        assert there.received(octets(go), 15.2) == [c.Asked(GO)]
        assert here.received(octets(pong), 15.3) == []
        assert here.stage is Stage.asked
        assert here.received(octets(there.accept("s93")), 15.4) == [c.Taken("s93", b"")]

    def test_an_answer_that_waited_for_none(self):
        assert "waited for none" in end(outside().received(f.encode(f.Pong(0)), 1.0)).said
        here = outside()
        here.go(GO, 5.0, 0.0)
        assert "waited for none" in end(here.received(f.encode(f.Pong(0)), 0.1)).said

    def test_the_agent_closes_what_it_does_not_hear(self):
        there = inside(100.0)
        assert there.due == 160.0
        there.received(f.encode(f.Ping(0)), 150.0)
        assert there.due == 210.0
        assert there.tick(209.9) == []
        ended = end(there.tick(210.0))
        assert ended == c.End(c.Cause.silent, "the gateway at gw.example:8636 was silent on a berth for 60 s")

    def test_a_berth_is_parked_only_for_so_long(self):
        here, there = outside(100.0), inside(100.0)
        for _ in range(500):
            now = min(here.due, there.due)
            if now >= 580.0:
                break
            here.received(octets(there.received(octets(here.tick(now)), now)), now)
        assert now == 580.0
        assert end(here.tick(now)).cause is end(there.tick(now)).cause is c.Cause.aged

    def test_the_agent_answers_no_flood(self):
        there = inside()
        commands = there.received(f.encode(f.Ping(1)) * 500, 1.0)
        assert len(sent(commands[:-1])) == 200
        assert end(commands).said.endswith("more than 200 PINGs on one berth")

    @pytest.mark.parametrize("why", f.NotWelcome)
    def test_the_outside_has_no_place_for_it(self, why):
        ended = end(inside().received(f.encode(f.Refused(why)), 0.1))
        assert (ended.cause, ended.why) == (c.Cause.refused, why)

    @BOTH
    def test_a_berth_that_ended_does_nothing_more(self, make):
        berth = make()
        assert end(berth.lost(1.0)).cause is c.Cause.closed
        assert berth.due == inf
        assert berth.lost(2.0) == berth.tick(9_999.0) == berth.received(LDAP, 2.0) == []
        assert berth.end(c.Cause.dropped, "x") == []

    @BOTH
    def test_either_end_may_drop_it(self, make):
        assert make().end(c.Cause.dropped, "the line has ended") == [c.End(c.Cause.dropped, "the line has ended")]
