"""What is told of a link: events, counts, how it stands."""

import socket
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

from gateway.link.agreed import agreed
from gateway.link.berth_way import agent_server
from gateway.link.commands import Cause
from gateway.link.frames import Go, NotWelcome
from gateway.link.keyring import Keyring
from gateway.link.keys import write_pair
from gateway.link.observer import LinkEventKind
from gateway.link.tls import outside_context
from gateway.net.servers.connecting import connect
from gateway.net.servers.settings import ServerSettings
from gateway.relay.audit import CameBy
from gateway.relay.settings import SessionLimits
from tests.link.world import SYNC, Owner, result
from tests.policy.policies import policy
from tests.relay.harness import bind


def told_of(world, kind):
    return [event for event in world.events if event.kind is kind]


def test_a_line_that_comes_and_goes_is_told_at_both_ends(world):
    world.ready()
    world.loop.until(lambda: len(told_of(world, LinkEventKind.risen)) == 2)
    world.host._agents["inside-1"].line.close("for the test")
    world.loop.until(lambda: len(told_of(world, LinkEventKind.fallen)) == 2)
    assert {(event.link, event.peer, event.why) for event in told_of(world, LinkEventKind.fallen)} == {
        ("inside", "inside-1", "dropped"),
        ("dmz", world.called(world.host).address, "closed"),
    }
    assert (
        world.seen.lost["inside", "inside-1", Cause.dropped]
        == world.seen.lost["dmz", world.called(world.host).address, Cause.closed]
        == 1
    )


def test_a_line_that_comes_and_goes_without_end_is_told_some_times_a_minute(world, told):
    world.ready()
    for count in range(2, 15):
        world.host._agents["inside-1"].line.close("for the test")
        caller = world.insides["inside-1"].caller
        world.loop.until(lambda caller=caller: not caller.up)
        # Not after the pause that grows from call to call.
        caller._timer.cancel()
        caller.begin()
        world.loop.until(lambda count=count: world.seen.calls["dmz", world.called(world.host).address] == count)
    for kind in (LinkEventKind.risen, LinkEventKind.fallen):
        assert len([event for event in told_of(world, kind) if event.link == "inside"]) == 10
    assert len([each for each in told if "is not here any more" in each["log_format"]]) == 10
    assert world.seen.lost["inside", "inside-1", Cause.dropped] == 13


def test_whoever_is_refused_with_a_right_key_is_counted_each_time_and_told_once_a_minute(world, told):
    world.ready()
    agent = world.host._agents["inside-1"]
    world.loop.until(lambda: len(world.parked) == 4)
    agent.connections += 10_000
    for count in range(1, 4):
        hello(world, b"")
        world.loop.until(lambda count=count: world.seen.turned_away["inside", NotWelcome.too_many] == count)
    agent.connections -= 10_000
    (event,) = told_of(world, LinkEventKind.refused)
    assert (event.link, event.peer, event.why, event.count) == ("inside", "inside-1", "too-many", 1)
    assert len([each for each in told if "more connections here" in str(each.get("said"))]) == 1


def test_a_connection_with_a_right_key_and_bad_frames_is_counted_and_told_once_a_minute(world, told):
    world.ready()
    for count in range(1, 4):
        hello(world, b"0" * 8)
        world.loop.until(lambda count=count: world.seen.turned_away["inside", Cause.protocol] == count)
    (event,) = told_of(world, LinkEventKind.refused)
    assert (event.peer, event.why) == ("inside-1", "protocol")
    assert "LDAP came where a frame must come" in event.said
    assert len([each for each in told if "LDAP came" in str(each.get("said"))]) == 1


def hello(world, octets):
    """An agent's key, and then these octets."""
    layer = next(iter(world.insides["inside-1"].link.keyrings.values())).layer()
    opening = connect(ServerSettings("127.0.0.1", world.host.gate.port, "localhost"), 5, world.loop)
    world.loop.until(lambda: opening.called)
    stream = result(opening)
    stream.protocol = SimpleNamespace(
        handshakeCompleted=lambda layer: stream.write(octets),
        dataReceived=lambda data: None,
        connectionLost=lambda reason: None,
    )
    stream.start_tls(layer)


def test_strangers_are_counted_each_time_and_told_once_a_minute(world):
    world.ready()
    for _ in range(3):
        socket.create_connection(("127.0.0.1", world.host.gate.port)).close()
    world.loop.until(lambda: world.seen.strangers["inside"] == 3)
    (event,) = told_of(world, LinkEventKind.stranger)
    assert (event.peer, event.count) == ("", 1)


def test_a_second_process_with_the_key_of_an_agent_is_told_at_both_ends(world):
    world.ready()
    twin = world.inside("inside-1")
    try:
        world.loop.until(lambda: len(told_of(world, LinkEventKind.refused)) == 2)
    finally:
        twin.end()
    assert {(event.link, event.peer, event.why) for event in told_of(world, LinkEventKind.refused)} == {
        ("inside", "inside-1", "already-here"),
        ("dmz", world.called(world.host).address, "already-here"),
    }
    assert world.seen.turned_away["inside", NotWelcome.already_here] > 0


def test_a_client_that_the_inside_does_not_know_trips_the_wire(world):
    world.ready()
    attempt = world.host.open(agent_server("inside", "inside-1"), Go("nobody", "s1", "192.0.2.1"), 5)
    failed = []
    attempt.addErrback(failed.append)
    world.loop.until(lambda: failed)
    assert world.seen.policy_refusals == {("dmz", "", "client-unknown"): 1}
    (event,) = told_of(world, LinkEventKind.refused)
    assert (event.link, event.why, event.said) == ("dmz", "client-unknown", "client nobody")


def test_how_long_sessions_wait_is_counted(world):
    world.ready()
    world.open()
    assert world.seen.waits("inside").cumulative()[-1] == 1


def test_what_a_long_source_says_is_cut_in_the_records(world):
    world.ready()
    go = Go("mimecast", "s" * 255, "x" * 255)
    opening = world.host.open(agent_server("inside", "inside-1"), go, 5)
    world.loop.until(lambda: opening.called)
    link, owner = result(opening), Owner()
    link.attach(owner)
    assert link.session == "s1"
    world.ask(link, owner, bind(SYNC))
    (recorded,) = world.records
    assert recorded.came_by == CameBy("dmz", "s" * 64 + "\N{HORIZONTAL ELLIPSIS}", "x" * 64 + "\N{HORIZONTAL ELLIPSIS}")


def test_keys_that_are_added_changed_and_removed_are_told(world):
    world.ready()
    other = write_pair(world.directory, "other", datetime.now(UTC))

    def configure(pins, identity=None):
        settings = replace(world.host.settings, agents=pins, identity=identity or world.host.settings.identity)
        world.host.configure(settings, Keyring(settings.identity, pins, outside_context, server_side=True))

    first = world.keys["inside-1"].certificate
    configure({"inside-1": first, "inside-2": other.certificate})
    configure({"inside-2": first})
    newer = write_pair(world.directory, "newer", datetime.now(UTC))
    configure({"inside-2": first}, newer)
    configure({"inside-2": first}, newer)
    assert [(event.kind.value, event.peer) for event in world.events if event.kind.value.startswith("key")] == [
        ("key-added", "inside-2"),
        ("key-removed", "inside-1"),
        ("key-changed", "inside-2"),
        ("key-changed", ""),
    ]
    assert all(event.said.startswith("SHA256:") for event in world.events if event.kind.value.startswith("key"))


def test_how_a_link_stands_is_told_at_both_ends(world):
    world.ready()
    world.loop.until(lambda: len(world.parked) == 4)
    asked = ("mimecast", "second")
    world.host.ask_for({name: agreed(policy(name=name), SessionLimits(), outside=True) for name in asked})
    link, owner = world.open()
    world.ask(link, owner, bind(SYNC))
    world.loop.until(lambda: "clients.second" in (world.host.standing().peers[0].differs or ()))
    (agent,) = world.host.standing().peers
    assert (agent.name, agent.up, agent.version, agent.sessions) == ("inside-1", True, "1.0", 1)
    assert agent.ready == ("mimecast",)
    assert agent.clients[1].why == "agent inside-1 has no client second on this link"
    (host,) = world.insides["inside-1"].link.standing().peers
    assert (host.name, host.up, host.version, host.sessions) == (world.called(world.host).address, True, "1.0", 1)
    world.insides["inside-1"].link.stop()
    world.loop.until(lambda: not world.host.agents_for(None))
    (agent,) = world.host.standing().peers
    assert (agent.up, agent.ready, agent.version) == (False, (), "")
    assert agent.why


def test_an_outside_whose_key_changes_or_is_pinned_no_more_is_told_inside(world):
    world.ready()
    inside, called = world.insides["inside-1"], world.called(world.host)
    other = write_pair(world.directory, "other", datetime.now(UTC))
    world.call_with_pins(other)
    world.call_with_pins(other)
    world.call(inside, replace(called, certificate=world.directory / "nothing.pem"))
    assert [(event.kind.value, event.peer) for event in world.events if event.kind.value.startswith("key")] == [
        ("key-changed", called.address),
        ("key-removed", called.address),
    ]
    (host,) = inside.link.standing().peers
    assert (host.up, host.key_expires) == (False, None)
    assert "nothing.pem" in host.why
