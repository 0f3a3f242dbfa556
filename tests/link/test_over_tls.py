"""A line, a berth and a session from the handshake on, in TLS in memory: how whoever holds the connections goes on."""

from gateway.link import commands as c
from gateway.link import frames as f
from gateway.link.arrival import Arrival
from gateway.link.berth import InsideBerth, OutsideBerth
from gateway.link.line import InsideLine, OutsideLine
from gateway.link.tls import inside_context, outside_context, peer
from gateway.net.transport.tls_layer import TlsLayer
from tests.link.key_files import identity, made, pinned
from tests.link.machines import GO, LINE_HELLO, OUTSIDE, READY, TOKEN, low, news, octets

LDAP = bytes.fromhex("300c020101600702010304008000")


class Connection:
    """TLS between the two ends of a link; each end has been looked at."""

    def __init__(self, tmp_path):
        outside, inside = made(tmp_path / "out", "dmz"), made(tmp_path / "in", "inside-1")
        agents, hosts = pinned(inside_1=inside), pinned(gw=outside)
        self.here = TlsLayer(outside_context(identity(outside), agents), server_side=True)
        self.there = TlsLayer(inside_context(identity(inside), hosts), server_side=False)
        self.carry(self.there, self.here, self.there.begin())
        self.carry(self.here, self.there, b"")
        assert self.carry(self.there, self.here, b"") == b""
        self.agent = peer(self.here, agents)
        assert peer(self.there, hosts) == "gw"

    def carry(self, source, target, encrypted):
        """What the target hears of that, and of all that waited behind it."""
        return target.receive(encrypted + source.outgoing())

    def out(self, commands):
        """Commands of the inside, heard outside."""
        return self.carry(self.there, self.here, self.there.send(octets(commands)))

    def into(self, commands):
        """Commands of the outside, heard inside."""
        return self.carry(self.here, self.there, self.here.send(octets(commands)))


def test_a_line_comes_up(tmp_path):
    wire = Connection(tmp_path)
    agent, arrival = InsideLine(LINE_HELLO, "gw:8636", 0.0), Arrival(wire.agent, 0.0)
    agent.tell(READY, 0.0)
    (arrived,) = arrival.received(wire.out(agent.begin(0.0)), 0.1)
    line = OutsideLine(arrived.hello, wire.agent, 0.1)
    welcomed = agent.received(wire.into(line.welcome(OUTSIDE, TOKEN, 4, [], 0.0, 0.1)), 0.2)
    assert agent.up
    assert line.received(wire.out(welcomed), 0.3) == [c.Told(READY)]


def test_a_session_takes_a_berth(tmp_path):
    wire = Connection(tmp_path)
    hello = f.BerthHello("0.1.0", LINE_HELLO.instance, TOKEN)
    there, arrival = InsideBerth(hello, "gw:8636", 0.0, low), Arrival(wire.agent, 0.0)
    (arrived,) = arrival.received(wire.out(there.begin()), 0.1)
    assert arrived.hello.line == TOKEN
    here = OutsideBerth(wire.agent, 0.1, low)
    (asked,) = there.received(wire.into(here.go(GO, 5.0, 1.0)), 1.1)
    assert asked.go == GO
    # The inside's session speaks at once, and all of it comes in one read.
    accepted = [*there.accept("s93"), c.Send(LDAP)]
    (taken,) = news(here.received(wire.out(accepted), 1.2))
    assert (taken.session, taken.octets) == ("s93", LDAP)
    assert wire.into([c.Send(LDAP * 2)]) == LDAP * 2
