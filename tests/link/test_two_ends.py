"""An outside and an agent, and between them a wire that delays, splits and cuts: every order of GO, close, age, PONG.

Both ends are honest here, so neither may ever find the other one wrong; a session gets what its other half wrote, all
of it and nothing else; and an end whose other end has gone finds out in time.
"""

from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.link import commands as c
from gateway.link import frames as f
from gateway.link.arrival import Arrival
from gateway.link.berth import InsideBerth, OutsideBerth, Stage
from gateway.link.line import InsideLine, OutsideLine, Who
from tests.examples import examples

HOST = Who("0.1.0", "0" * 32)
PATIENCE = 5.0
REFUSES = object()


class Session:
    """One half of a session, on its end of a berth."""

    def __init__(self, name):
        self.name = name
        self.written = b""
        self.heard = b""


class Side:
    """One end of a connection: the machine, its driver, and the octets that are under way to the other end. said: what
    it has told of each client."""

    def __init__(self, world, connection, machine):
        self.world = world
        self.connection = connection
        self.machine = machine
        self.wire = bytearray()
        self.closed = False
        self.session = None
        self.ends = []
        self.said = {}

    def run(self, commands):
        for position, command in enumerate(commands):
            if isinstance(command, c.Send):
                assert not self.closed, "something is sent behind the end"
                self.wire += command.octets
            elif isinstance(command, c.End):
                assert position == len(commands) - 1
                assert not self.ends, "it ends twice"
                assert command.cause is not c.Cause.protocol, command.said
                self.ends.append(command)
                self.closed = True
                self.world.ended(self)
            else:
                self.world.told(self, command)

    def get(self, octets):
        if self.closed:
            return
        if self.session is None:
            self.run(self.machine.received(octets, self.world.now))
        else:
            self.session.heard += octets

    def lose(self):
        """The other end has closed, or the wire was cut."""
        if not self.closed and self.session is None:
            self.run(self.machine.lost(self.world.now))
        self.closed = True

    def tick(self):
        if self.closed or self.session is not None:
            return
        if self.machine.due <= self.world.now:
            self.run(self.machine.tick(self.world.now))
            assert self.closed or self.machine.due > self.world.now, "it would tick for ever"


class Connection:
    """instance: of the process that called. whole: the wire was never cut. went, asked: the GOs that were sent and that
    came. prompt: what the inside's session says first where a session is accepted as soon as it is asked for; REFUSES
    where it is not; None where the answer takes time."""

    def __init__(self, world, machine, instance):
        self.instance = instance
        self.inside = Side(world, self, machine)
        self.outside = Side(world, self, Arrival("inside-1", world.now))
        self.whole = True
        self.went = []
        self.asked = []
        self.prompt = None

    def carry(self, inward, octets):
        source, target = (self.outside, self.inside) if inward else (self.inside, self.outside)
        piece = bytes(source.wire[:octets])
        del source.wire[:octets]
        if piece:
            target.get(piece)
        elif source.closed:
            target.lose()

    def carry_all(self):
        """Until nothing is under way."""
        for _ in range(50):
            busy = bool(self.inside.wire or self.outside.wire)
            for inward in (True, False):
                self.carry(inward, 1 << 20)
            if not busy:
                return
        raise AssertionError("they never stop")

    def cut(self):
        self.whole = False
        for side in (self.inside, self.outside):
            side.wire.clear()
        for side in (self.inside, self.outside):
            side.lose()


class TwoEnds(RuleBasedStateMachine):
    @initialize(share=st.floats(0, 1), berths=st.integers(0, 6), rough=st.booleans())
    def begin_with_berths(self, share, berths, rough):
        self.begin(share)
        self.rough = rough
        if berths:
            self.call("1")
            self.carry_all()
        for _ in range(berths):
            self.park("1")

    def begin(self, share):
        # Whether lines and wires break; otherwise they would hardly live to see a session.
        self.rough = False
        self.now = 1_000.0
        self.draw = lambda low, high: low + share * (high - low)
        self.connections = []
        self.names = count(1)
        # The outside's part. line: that which counts. waiting: arrivals while the first is challenged.
        self.line = None
        self.token = ""
        self.waiting = []

    # What drivers do.

    def told(self, side, command):
        connection = side.connection
        match command:
            case c.Arrived(hello):
                self.arrived(side, hello)
            case c.Proven():
                for waiting in self.waiting:
                    waiting.run(waiting.machine.refuse(f.NotWelcome.already_here))
                self.waiting = []
            case c.Asked(go):
                assert [go] == connection.went
                assert connection.asked == []
                connection.asked.append(go)
                if connection.prompt is REFUSES:
                    side.run(side.machine.refuse(f.NoSession.not_ready))
                elif connection.prompt is not None:
                    self.accept(side, connection.prompt)
            case c.Taken(session, octets):
                assert connection.inside.session is not None, "ACCEPT came from nobody"
                assert connection.inside.session.name == session
                side.session = Session(session)
                side.session.heard += octets

    def arrived(self, side, hello):
        if isinstance(hello, f.BerthHello):
            if self.line is not None and hello.line == self.token:
                side.machine = OutsideBerth("inside-1", self.now, self.draw)
            else:
                side.run(side.machine.refuse(f.NotWelcome.unknown_line))
        elif self.line is None:
            self.welcome(side, hello)
        elif hello.instance == self.line.machine.hello.instance:
            # The same process calls again: it has given its line up.
            old = self.line
            old.run(old.machine.end(c.Cause.dropped, "the agent has called again"))
            self.welcome(side, hello)
        else:
            side.hello = hello
            self.waiting.append(side)
            self.line.run(self.line.machine.challenge(self.now))

    def welcome(self, side, hello):
        self.token = f"{next(self.names):032x}"
        side.machine = OutsideLine(hello, "inside-1", self.now)
        self.line = side
        side.run(side.machine.welcome(HOST, self.token, 4, [], 0.0, self.now))

    def ended(self, side):
        """A line takes its parked berths with it, at either end."""
        if side is self.line:
            self.line = None
            for each in self.of(OutsideBerth, "outside"):
                each.run(each.machine.end(c.Cause.dropped, "the line has ended"))
            waiting, self.waiting = [each for each in self.waiting if not each.closed], []
            for each in waiting:
                self.arrived(each, each.hello)
        elif isinstance(side.machine, InsideLine):
            for each in self.of(InsideBerth, "inside"):
                if each.connection.instance == side.connection.instance:
                    each.run(each.machine.end(c.Cause.dropped, "the line has ended"))

    def of(self, kind, end):
        sides = [getattr(connection, end) for connection in self.connections]
        return [side for side in sides if isinstance(side.machine, kind) and not side.closed]

    def agent_line(self, instance):
        """The agent's end of its newest line; None where it has none."""
        lines = [side for side in self.of(InsideLine, "inside") if side.connection.instance == instance]
        return lines[-1] if lines else None

    # What may happen.

    @precondition(lambda self: self.rough or not self.connections)
    @rule(instance=st.sampled_from("11112"))
    def call(self, instance):
        instance *= 32
        if self.agent_line(instance) is None:
            machine = InsideLine(f.LineHello("0.1.0", instance, 500), "gw:8636", self.now)
            connection = Connection(self, machine, instance)
            self.connections.append(connection)
            connection.inside.run(machine.begin(self.now))

    @rule(instance=st.sampled_from("11112"))
    def park(self, instance):
        instance *= 32
        line = self.agent_line(instance)
        if line is not None and line.machine.up:
            machine = InsideBerth(f.BerthHello("0.1.0", instance, self.token), "gw:8636", self.now, self.draw)
            connection = Connection(self, machine, instance)
            self.connections.append(connection)
            connection.inside.run(machine.begin())

    @precondition(lambda self: self.alive())
    @rule(which=st.integers(0, 30), inward=st.booleans(), octets=st.integers(1, 80))
    def carry(self, which, inward, octets):
        self.one_of(self.alive(), which).carry(inward, octets)

    @precondition(lambda self: self.alive())
    @rule(which=st.integers(0, 30))
    def carry_one(self, which):
        self.one_of(self.alive(), which).carry_all()

    @rule()
    def carry_all(self):
        """Until nothing is under way anywhere: what one connection brings may be news for another one."""
        for _ in range(20):
            for connection in self.connections:
                connection.carry_all()
            if not any(each.inside.wire or each.outside.wire for each in self.connections):
                return
        raise AssertionError("they never stop")

    @precondition(lambda self: self.rough and self.alive())
    @rule(which=st.integers(0, 30))
    def cut(self, which):
        self.one_of(self.alive(), which).cut()

    @rule()
    def pass_little_time(self):
        self.pass_time(0.1)

    @precondition(lambda self: self.rough)
    @rule(seconds=st.sampled_from([1.0, 2.0, 5.0, 9.0, 16.0]))
    def pass_time(self, seconds):
        self.now += seconds
        self.tick_all()

    def tick_all(self):
        for connection in self.connections:
            connection.inside.tick()
            connection.outside.tick()

    @rule(seconds=st.sampled_from([1, 5, 30, 700]))
    def pass_time_as_it_goes(self, seconds):
        self.go_on_until(self.now + seconds)
        self.carry_all()

    @precondition(lambda self: any(side.machine.parked for side in self.of(OutsideBerth, "outside")))
    @rule(which=st.integers(0, 30))
    def ping(self, which):
        """A berth is pinged, or ends, and that is under way."""
        side = self.one_of([side for side in self.of(OutsideBerth, "outside") if side.machine.parked], which)
        self.go_on_until(side.machine.due)

    def go_on_until(self, moment):
        """In small steps, each with all octets carried before it: nobody finds the other one dead. Only a session that
        waits for its answer, which is not a matter of the wire, gives up."""
        self.carry_all()
        before = [(side, len(side.ends)) for each in self.connections for side in (each.inside, each.outside)]
        while self.now < moment:
            self.carry_all()
            due = [side.machine.due for side, _ in before if not side.closed and side.session is None]
            self.now = min([moment, *(each for each in due if each > self.now)])
            self.tick_all()
        for side, ends in before:
            for ended in side.ends[ends:]:
                gave_up = isinstance(side.machine, OutsideBerth) and side.connection.went
                assert ended.cause not in (c.Cause.silent, c.Cause.twice) or gave_up, ended

    @precondition(lambda self: any(side.machine.parked for side in self.of(OutsideBerth, "outside")))
    @rule(which=st.integers(0, 30), prompt=st.none() | st.just(REFUSES) | st.binary(max_size=9))
    def go(self, which, prompt):
        side = self.one_of([side for side in self.of(OutsideBerth, "outside") if side.machine.parked], which)
        go = f.Go("mimecast", f"s{next(self.names)}", "198.51.100.7")
        side.connection.went.append(go)
        side.connection.prompt = prompt
        side.run(side.machine.go(go, PATIENCE, self.now))

    @precondition(lambda self: any(side.machine.stage is Stage.asked for side in self.of(InsideBerth, "inside")))
    @rule(which=st.integers(0, 30), accepts=st.sampled_from([True, True, False]))
    def answer(self, which, accepts):
        asked = [side for side in self.of(InsideBerth, "inside") if side.machine.stage is Stage.asked]
        side = self.one_of(asked, which)
        if accepts:
            self.accept(side, b"")
        else:
            side.run(side.machine.refuse(f.NoSession.not_ready))

    def accept(self, side, first):
        name = f"i{next(self.names)}"
        side.run(side.machine.accept(name))
        side.session = Session(name)
        # It may speak at once, such as with a notice of disconnection.
        self.write(side, first)

    @precondition(lambda self: self.talking())
    @rule(which=st.integers(0, 30), octets=st.binary(min_size=1, max_size=40))
    def speak(self, which, octets):
        self.write(self.one_of(self.talking(), which), octets)

    @precondition(lambda self: self.rough and self.talking())
    @rule(which=st.integers(0, 30))
    def hang_up(self, which):
        self.one_of(self.talking(), which).closed = True

    def alive(self):
        return [each for each in self.connections if not (each.inside.closed and each.outside.closed)]

    def one_of(self, those, which):
        return those[which % len(those)]

    def talking(self):
        sides = [side for each in self.connections for side in (each.inside, each.outside)]
        return [side for side in sides if side.session is not None and not side.closed]

    def write(self, side, octets):
        side.session.written += octets
        side.wire += octets

    @precondition(lambda self: self.rough and self.alive())
    @rule(which=st.integers(0, 30), outside=st.booleans())
    def drop(self, which, outside):
        connection = self.one_of(self.alive(), which)
        side = connection.outside if outside else connection.inside
        if side.session is None:
            side.run(side.machine.end(c.Cause.dropped, "the gateway is stopping"))

    @rule(outside=st.booleans())
    def drain(self, outside):
        side = self.line if outside else self.agent_line("1" * 32)
        if side is not None:
            side.run(side.machine.drain(self.now))

    @rule(client=st.sampled_from(["a", "b"]), ready=st.booleans())
    def tell(self, client, ready):
        side = self.agent_line("1" * 32)
        if side is not None:
            side.said[client] = f.State(client, ready, "", {})
            side.run(side.machine.tell(side.said[client], self.now))

    @rule(parked=st.integers(0, 64))
    def want(self, parked):
        if self.line is not None:
            self.line.run(self.line.machine.want(parked, self.now))

    # What must hold.

    @invariant()
    def a_session_hears_what_its_other_half_wrote(self):
        for connection in getattr(self, "connections", ()):
            assert len(connection.went) <= 1
            here, there = connection.outside.session, connection.inside.session
            if here is not None:
                assert there is not None
                assert there.written.startswith(here.heard)
                assert here.written.startswith(there.heard)
            elif there is not None:
                assert there.heard == b""

    @invariant()
    def one_line_counts(self):
        lines = self.of(OutsideLine, "outside") if hasattr(self, "connections") else []
        assert len(lines) <= 1

    def teardown(self):
        if not hasattr(self, "connections"):
            return
        self.carry_all()
        for connection in self.connections:
            here, there = connection.outside, connection.inside
            if connection.whole and here.session is not None and not (here.closed or there.closed):
                assert here.session.heard == there.session.written
                assert there.session.heard == here.session.written
        for connection in self.connections:
            if connection.outside is self.line and connection.inside.machine.up:
                assert dict(self.line.machine.states) == connection.inside.said
        # The way swallows all from here on.
        for _ in range(16):
            self.now += 5.0
            for connection in list(self.connections):
                for side in (connection.inside, connection.outside):
                    side.wire.clear()
                    side.tick()
        for connection in self.connections:
            for side in (connection.inside, connection.outside):
                waits_for_us = isinstance(side.machine, InsideBerth) and side.machine.stage is Stage.asked
                assert side.closed or side.session is not None or waits_for_us or side in self.waiting


TestTwoEnds = TwoEnds.TestCase
TestTwoEnds.settings = settings(max_examples=examples(200), stateful_step_count=60, deadline=None)


def test_a_session_from_call_to_end():
    world = TwoEnds()
    world.begin(0.5)
    world.call("1")
    world.carry_all()
    world.tell("a", True)
    world.park("1")
    world.carry_all()
    world.go(0, b"first")
    world.carry_all()
    world.speak(0, b"request")
    world.speak(1, b"answer")
    world.carry_all()
    (session,) = [each for each in world.connections if each.went]
    assert session.inside.session.heard + session.outside.session.heard in (
        b"answerfirstrequest",
        b"requestfirstanswer",
    )
    world.a_session_hears_what_its_other_half_wrote()
    world.teardown()


def test_a_process_that_calls_again_has_its_place_at_once():
    world = TwoEnds()
    world.begin(0.5)
    world.call("1")
    world.carry_all()
    first = world.connections[0]
    first.inside.closed = True
    world.call("1")
    world.connections[1].carry_all()
    assert world.line is world.connections[1].outside
    assert first.outside.closed


@pytest.mark.parametrize("answers", [True, False])
def test_another_process_with_the_same_key(answers):
    world = TwoEnds()
    world.begin(0.5)
    world.call("1")
    world.carry_all()
    world.call("2")
    first, second = world.connections
    second.carry_all()
    assert world.line is first.outside
    if answers:
        world.carry_all()
        assert [end.why for end in second.inside.ends] == [f.NotWelcome.already_here]
        assert world.line is first.outside
    else:
        world.now += 2.0
        first.outside.tick()
        second.carry_all()
        assert [end.cause for end in first.outside.ends] == [c.Cause.twice]
        assert world.line is second.outside
        assert second.inside.machine.up
