"""Keys that are not pinned any more, addresses that change, and what each end of a link may have."""

import socket
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from gateway.ldap import messages as m
from gateway.link.keyring import Keyring
from gateway.link.keys import write_pair
from gateway.link.settings import InsideSettings
from gateway.link.tls import outside_context
from gateway.net.listeners.listening import StartError
from gateway.net.servers.connector import NoServer
from gateway.serve.links import Links
from tests.link.world import SYNC, world_of
from tests.relay.harness import OK, bind, search


def new_pair(world, name):
    return write_pair(world.directory, name, datetime.now(UTC))


def signed_in(world):
    link, owner = world.open()
    assert world.ask(link, owner, bind(SYNC)) == [m.BindResponse(OK)]
    return link, owner


# Keys that are not pinned any more.


def test_an_agent_whose_key_is_not_pinned_gets_no_line(world):
    pins = {"inside-1": new_pair(world, "other").certificate}
    settings = replace(world.host.settings, agents=pins)
    _, owner = world.open()
    world.host.configure(settings, Keyring(settings.identity, pins, outside_context, server_side=True))
    # The line, the berths and the session end; and it is not let in again.
    world.loop.until(lambda: owner.lost is not None and not world.host.agents_for(None))
    world.loop.until(lambda: world.host._agents["inside-1"].connections == 0)
    assert not world.parked


def test_a_session_inside_ends_with_the_outsides_key_also_while_there_is_no_line(world):
    _, owner = signed_in(world)
    world.insides["inside-1"].caller._line.connection.close("for the test")
    world.call_with_pins(new_pair(world, "other"))
    world.loop.until(lambda: owner.lost is not None)
    world.loop.until(lambda: not world.insides["inside-1"].registry.open)


def test_a_session_inside_ends_with_the_key_that_it_came_with_though_the_line_has_the_newer_one(world):
    newer = new_pair(world, "newer")
    world.call_with_pins(world.keys["outside"], newer)
    _, owner = signed_in(world)
    # The outside takes its newer key, and the line comes up again with it.
    settings = replace(world.host.settings, identity=newer)
    world.host.configure(settings, Keyring(newer, settings.agents, outside_context, server_side=True))
    world.host._agents["inside-1"].line.close("for the test")
    world.ready()
    _, later = signed_in(world)
    world.call_with_pins(newer)
    world.loop.until(lambda: owner.lost is not None)
    assert later.lost is None
    world.ready()


@pytest.mark.parametrize("whole", [True, False])
def test_sessions_inside_end_with_the_outside_that_is_called_no_more(world, whole):
    _, owner = signed_in(world)
    inside = world.insides["inside-1"]
    caller = inside.caller
    if whole:
        inside.link.stop()
    else:
        world.call(inside)
    world.loop.until(lambda: owner.lost is not None)
    world.loop.until(lambda: not inside.registry.open)
    assert caller.room.taken == 0


@pytest.mark.parametrize("how", ["replaced", "renewed", "gone", "empty", "no link"])
def test_sessions_of_an_address_that_is_left_go_on_until_their_key_is_taken_away(world, how):
    link, owner = signed_in(world)
    links = world.links()
    pin = world.directory / "inside-1-there.pem"
    pin.write_bytes(world.keys["inside-1"].certificate.read_bytes())
    elsewhere = replace(world.host.settings, host="127.0.0.2", agents={"inside-1": pin})
    world.reload(links, elsewhere)
    world.loop.until(lambda: not world.insides["inside-1"].up)
    assert len(world.ask(link, owner, search(), start=2)) == 3
    assert owner.lost is None
    other = new_pair(world, "other")
    if how == "replaced":
        world.reload(links, replace(elsewhere, agents={"inside-1": other.certificate}))
    elif how == "renewed":
        pin.write_bytes(other.certificate.read_bytes())
        links.renew_pins(elsewhere, None)
    elif how == "gone":
        pin.unlink()
        links.renew_pins(elsewhere, None)
    elif how == "empty":
        pin.write_bytes(b"")
        with pytest.raises(ValueError, match=r"inside-1 is shut out: .*no certificate in PEM"):
            links.renew_pins(elsewhere, None)
    else:
        world.reload(links)
    world.loop.until(lambda: owner.lost is not None)
    links.drain()


def test_an_agent_whose_file_is_gone_is_cut_off_and_comes_back_with_it(tmp_path, server, told):
    with world_of(tmp_path, server, ("inside-1", "inside-2")) as world:
        links, pin = world.links(), world.keys["inside-1"].certificate
        octets = pin.read_bytes()
        link, owner = world.open()
        while link.server.url != "link://inside/inside-1":
            link, owner = world.open()
        pin.unlink()
        assert links.renew_pins(world.host.settings, None) == "whoever is not pinned any more is cut off"
        world.loop.until(lambda: owner.lost is not None)
        world.loop.until(lambda: world.host.agents_for("mimecast") == ["inside-2"])
        assert any(each.get("name") == "inside-1" and "{name} is shut out" in each["log_format"] for each in told)
        assert f"agent inside-1 is shut out: {pin}: cannot be read" in world.host.why_none("mimecast")
        signed_in(world)
        pin.write_bytes(octets)
        links.renew_pins(world.host.settings, None)
        world.ready()


def test_an_outside_whose_file_is_gone_is_called_again_once_it_is_there(world):
    inside = world.insides["inside-1"]
    links = Links(inside.registry, world.loop)
    links._insides["dmz"] = inside.link
    pin = world.keys["outside"].certificate
    octets = pin.read_bytes()
    settings = InsideSettings("dmz", (world.called(world.host),), world.keys["inside-1"])
    serving = SimpleNamespace(link_state=lambda name: inside.state)
    _, owner = world.open()
    pin.unlink()
    links.renew_pins(settings, serving)
    world.loop.until(lambda: owner.lost is not None and not world.host.agents_for(None))
    assert not inside.up
    assert not inside.link._callers
    pin.write_bytes(octets)
    links.renew_pins(settings, serving)
    world.ready()


# Addresses.


def test_an_address_that_one_of_its_own_is_at_needs_a_restart(world):
    port = world.host.gate.port
    kept = world.host.settings = replace(world.host.settings, port=port)
    for name, host in (("inside", "0.0.0.0"), ("other", "127.0.0.1")):
        links = world.links()
        prepared = links.prepare(SimpleNamespace(links=[replace(kept, name=name, host=host)]))
        with pytest.raises(StartError) as caught:
            links.open(prepared, [])
        in_force = "the link inside in force has this port: such a change needs a restart"
        assert str(caught.value) == f"link {name}, address {host}:{port}: {in_force}"
        links._hosts.clear()
        with pytest.raises(StartError, match=f"the listener 127.0.0.1:{port} in force has this port"):
            links.open(prepared, [(f"listener 127.0.0.1:{port}", "127.0.0.1", port)])
    assert world.host.agents_for("mimecast") == ["inside-1"]


# What each end may have.


def test_an_outside_cannot_use_up_what_another_one_of_the_link_may_have(world):
    """Two outsides of one link of 8 connections: one takes all that it gets."""
    second = world.outside(replace(world.host.settings, identity=new_pair(world, "second")))
    world.call(world.insides["inside-1"], world.called(world.host), world.called(second), connections=8)
    try:
        sessions = [world.open() for _ in range(4)]
        world.connector = world.connector_of(world.host, patience=0.5)
        with pytest.raises(NoServer, match="link://inside/inside-1: no connection of agent inside-1 came in time"):
            world.open()
        world.loop.until(lambda: len(second._agents["inside-1"].berths) == 4)
        # A place that gets free is the first one's again.
        sessions[0][0].close()
        world.loop.until(lambda: world.parked)
    finally:
        second.stop()


# A way that swallows packets.

OPTIONS = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)


def test_the_kernel_finds_out_that_the_way_is_gone(world):
    link, _ = signed_in(world)
    inside = world.insides["inside-1"]
    (driver,) = inside.registry.open
    streams = {
        "line outside": world.host._agents["inside-1"].line._stream,
        "line inside": inside.caller._line.connection._stream,
        "berth inside": next(iter(inside.caller._berths.parked))._stream,
        "session outside": link.transport,
        "session inside": driver._client.transport,
    }
    for name, stream in streams.items():
        found = [stream._socket.getsockopt(socket.IPPROTO_TCP, option) for option in OPTIONS]
        # A client outside may read nothing for longer than 30 s.
        assert found == [15, 5, 3, 0 if name == "session inside" else 30_000], name
