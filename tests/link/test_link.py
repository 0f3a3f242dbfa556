"""The link over real sockets in one process: an outside, an agent, a server behind it, and sessions through both."""

import socket
from dataclasses import replace
from time import monotonic

import pytest
from twisted.internet.defer import CancelledError

from gateway.ldap import messages as m
from gateway.link import caller as caller_module
from gateway.link import gate as gate_module
from gateway.link import line as line_module
from gateway.link import wanted as wanted_module
from gateway.link.berth_way import agent_server
from gateway.link.frames import Go
from gateway.link.host import LinkHost
from gateway.net.servers import pardons as pardons_module
from gateway.net.servers.connector import NoServer
from gateway.net.servers.upkeep import Upkeep
from gateway.net.servers.way import Whom
from gateway.net.sessions.settings import ConnectionLimits
from gateway.net.transport.failures import FailureCause
from tests.link.world import SYNC, world_of
from tests.relay.harness import OK, bind, search


def test_a_session_goes_through_both_ends(world):
    world.ready()
    link, owner = world.open()
    assert link.server.url == "link://inside/inside-1"
    assert world.ask(link, owner, bind(SYNC)) == [m.BindResponse(OK)]
    assert [type(each).__name__ for each in world.ask(link, owner, search(), start=2)[1:]] == [
        "SearchResultEntry",
        "SearchResultDone",
    ]
    link.close()
    world.loop.until(lambda: not world.insides["inside-1"].registry.open)
    assert [(each.operation, each.session, each.source) for each in world.records][:2] == [
        ("bind", "s1", "link dmz"),
        ("search", "s1", "link dmz"),
    ]


@pytest.mark.parametrize(
    "limits, reason",
    [
        (ConnectionLimits(requests_per_source=2), "too-many-requests-of-source"),
        (ConnectionLimits(requests_per_account=2), "too-many-requests-of-account"),
    ],
)
def test_requests_that_come_by_a_link_are_limited_as_those_of_one_source(world, limits, reason):
    """Whoever has taken the outside over can say of each session that it is another source's."""
    world.ready()
    inside = world.insides["inside-1"]
    inside.state = replace(inside.state, connections=limits)
    link, owner = world.open()
    world.ask(link, owner, bind(SYNC))
    world.ask(link, owner, *[search()] * 8, start=2)
    assert {each.reason for each in world.records} == {"", reason}


# Nobody there, nobody wanted.


def test_without_an_agent_a_session_is_told_why_at_once(world):
    world.ready()
    world.insides["inside-1"].link.stop()
    world.loop.until(lambda: not world.host.agents_for(None))
    with pytest.raises(NoServer, match="no gateway inside is ready on link inside: agent inside-1 is not here"):
        world.open()


def test_a_client_that_the_inside_does_not_list_gets_no_session(world):
    world.ready()
    with pytest.raises(NoServer, match="agent inside-1 has no client other on this link"):
        world.open("other")


def test_an_inside_without_a_server_is_not_ready_and_says_so(world):
    world.ready()
    client = world.insides["inside-1"].state.clients["mimecast"]
    for _, state in client.connector.servers:
        state.failed(FailureCause.refused, "refused")
    world.loop.until(lambda: not world.host.agents_for("mimecast"))
    with pytest.raises(NoServer, match="agent inside-1: no server of its directory is up"):
        world.open()


@pytest.mark.parametrize("octets", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + bytes(40), b""])
def test_a_stranger_gets_nothing_and_disturbs_nobody(world, octets):
    world.ready()
    with socket.create_connection(("127.0.0.1", world.host.gate.port)) as stranger:
        stranger.sendall(octets)
        stranger.shutdown(socket.SHUT_WR)
        stranger.settimeout(0)
        got = []

        def ended():
            try:
                data = stranger.recv(65_536)
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True
            got.append(data)
            return not data

        world.loop.until(ended)
    # At most an alert of TLS.
    assert len(b"".join(got)) < 10
    link, owner = world.open()
    assert world.ask(link, owner, bind(SYNC)) == [m.BindResponse(OK)]


def test_a_bad_record_right_behind_an_agents_handshake_is_the_end_of_that_connection(world, told):
    layer = next(iter(world.insides["inside-1"].link.keyrings.values())).layer()
    with socket.create_connection(("127.0.0.1", world.host.gate.port)) as agent:
        agent.sendall(layer.begin())
        agent.settimeout(0)

        def answered():
            try:
                layer.receive(agent.recv(65_536))
            except BlockingIOError:
                return False
            return layer.established

        world.loop.until(answered)
        agent.sendall(layer.outgoing() + b"\x17\x03\x03\0\x20" + bytes(32))
        world.loop.until(lambda: world.seen.strangers["inside"] == 1)
    assert not any("a connection failed" in str(each.get("log_format")) for each in told)
    link, owner = world.open()
    assert world.ask(link, owner, bind(SYNC)) == [m.BindResponse(OK)]


# Berths.


def test_more_sessions_than_berths_wait_and_get_theirs(world):
    world.ready()
    links = [world.open() for _ in range(20)]
    for number, (link, owner) in enumerate(links):
        assert world.ask(link, owner, bind(SYNC), start=number + 1) == [m.BindResponse(OK)]
    assert len(world.insides["inside-1"].registry.open) == 20
    # More are parked now than at the beginning.
    world.loop.until(lambda: len(world.parked) > 4)
    for link, _ in links:
        link.close()
    world.loop.until(lambda: not world.insides["inside-1"].registry.open)
    # The berths that are parked, and the line.
    world.loop.until(lambda: world.host._agents["inside-1"].connections == len(world.parked) + 1)


def test_a_berth_that_breaks_before_it_is_accepted_is_replaced_by_another(world):
    world.ready()
    world.loop.until(lambda: len(world.parked) == 4)
    # The inside's end goes, and the outside does not know it yet.
    caller = world.insides["inside-1"].caller
    for berth in list(caller._berths.parked):
        berth.hand_over().abortConnection()
        caller._berths.parked.discard(berth)
        caller.room.leave()
    link, owner = world.open()
    assert world.ask(link, owner, bind(SYNC)) == [m.BindResponse(OK)]


def test_a_session_that_takes_a_berth_goes_before_the_next_one_unless_few_are_left(world, monkeypatch):
    monkeypatch.setattr(caller_module, "_PAUSE", 3600.0)
    world.ready()
    berths = world.insides["inside-1"].caller._berths
    world.loop.until(lambda: len(world.parked) == len(berths.parked) == 4)
    link, owner = world.open()
    assert world.ask(link, owner, bind(SYNC)) == [m.BindResponse(OK)]
    assert (len(berths.parked), berths.dialling) == (3, 0)
    link, owner = world.open()
    assert world.ask(link, owner, bind(SYNC), start=2) == [m.BindResponse(OK)]
    # Half of them are left, which are too few to wait for anything.
    world.loop.until(lambda: len(berths.parked) == 4)


def test_a_session_that_leaves_while_it_waits_takes_no_berth(world):
    world.ready()
    world.loop.until(lambda: len(world.parked) == 4)
    for berth in list(world.parked):
        berth.close("for the test")
    waiting = world.connector.connect(Whom("mimecast", "s8", "198.51.100.7"))
    waiting.addErrback(lambda failure: failure.trap(CancelledError))
    waiting.cancel()
    world.loop.until(lambda: len(world.parked) == 4)
    assert not world.insides["inside-1"].registry.open


# Ends.


def test_sessions_go_on_when_the_line_is_lost_and_new_ones_wait_for_it(world):
    world.ready()
    link, owner = world.open()
    world.ask(link, owner, bind(SYNC))
    world.host._agents["inside-1"].line.hand_over().abortConnection()
    caller = world.insides["inside-1"].caller
    world.loop.until(lambda: not caller.up)
    world.host._agents["inside-1"].fall("for the test")
    assert len(world.ask(link, owner, search(), start=2)) == 3
    world.ready()
    other, other_owner = world.open()
    assert world.ask(other, other_owner, bind(SYNC)) == [m.BindResponse(OK)]


def test_a_session_inside_that_ends_ends_the_one_outside(world):
    world.ready()
    link, owner = world.open()
    world.ask(link, owner, bind(SYNC))
    world.insides["inside-1"].link._receiving.judge(f"127.0.0.1:{world.host.gate.port}", None)
    world.loop.until(lambda: owner.lost is not None)
    (notice,) = [each for each in owner.messages() if isinstance(each, m.ExtendedResponse)]
    assert "client-removed" in notice.result.diagnostic


def test_of_two_agents_the_one_that_is_left_serves(tmp_path, server):
    with world_of(tmp_path, server, ("inside-1", "inside-2")) as made:
        made.insides["inside-1"].link.drain()
        made.loop.until(lambda: made.host.agents_for("mimecast") == ["inside-2"])
        for _ in range(5):
            link, owner = made.open()
            assert link.server.url == "link://inside/inside-2"
            made.ask(link, owner, bind(SYNC))
        # The first one has no session, and its line says that it is stopping.
        assert not made.insides["inside-1"].registry.open


def test_a_second_process_with_the_same_key_is_refused_while_the_first_answers(world):
    world.ready()
    first = world.host._agents["inside-1"].line
    twin = world.inside("inside-1")
    try:
        caller = twin.caller
        world.loop.until(lambda: caller._line.calling._ends > 0)
        assert world.host._agents["inside-1"].line is first
        assert not twin.up
    finally:
        twin.end()


def test_an_outside_that_comes_back_is_called_again(world):
    world.ready()
    port = world.host.gate.port
    world.host.stop()
    caller = world.insides["inside-1"].caller
    world.loop.until(lambda: not caller.up)
    settings = replace(world.host.settings, port=port)
    world.host = LinkHost(settings, world.host.keyring, "1.0", world.loop)
    world.host.gate.open()
    world.ready()


def test_an_outside_that_closes_each_berth_is_not_dialled_without_a_pause(world):
    world.ready()
    caller = world.insides["inside-1"].caller
    secured = []
    caller.link_secured, as_before = lambda *of: (secured.append(of), as_before(*of)), caller.link_secured
    until = monotonic() + 1.5
    while monotonic() < until:
        for berth in list(world.parked):
            berth.close("a hostile outside")
        world.loop.iterate(0.01)
    # Four at a time, with a pause of up to a second before each.
    assert 0 < len(secured) < 80


def test_sessions_that_are_refused_are_said_once_a_minute(world, told):
    world.ready()
    failed = []
    for number in range(3):
        attempt = world.host.open(agent_server("inside", "inside-1"), Go("nobody", f"s{number}", "192.0.2.1"), 5)
        attempt.addErrback(failed.append)
    world.loop.until(lambda: len(failed) == 3)
    assert all("no client block of that name lists this link" in each.getErrorMessage() for each in failed)
    assert len([each for each in told if "was refused sessions" in each["log_format"]]) == 1


# An outside that has stopped.


def test_an_outside_that_has_stopped_refuses_whoever_was_on_the_way(world, told):
    world.ready()
    stop_first(world, "link_secured")
    caller = world.insides["inside-1"].caller
    caller._line.connection.close("for the test")
    world.loop.until(lambda: any("is stopping" in each.get("said", "") for each in told))
    assert not caller.up
    assert not world.host.agents_for(None)


def stop_first(world, event):
    as_before = getattr(world.host, event)
    setattr(world.host, event, lambda *of: (world.host.stop(), as_before(*of)))


def test_an_outside_that_stops_puts_no_second_process_in_the_place_of_the_first(world):
    world.ready()
    twin = world.inside("inside-1")
    agent = world.host._agents["inside-1"]
    try:
        world.loop.until(lambda: agent.newcomers)
        world.host.stop()
        world.loop.until(lambda: not agent.connections)
        assert not twin.up
    finally:
        twin.end()


def test_an_agent_with_all_the_sessions_that_it_may_have_gets_its_line_back(world):
    host = world.host
    host.configure(replace(host.settings, connections=2), host.keyring)
    world.ready()
    sessions = [world.open() for _ in range(2)]
    for link, owner in sessions:
        world.ask(link, owner, bind(SYNC))
    agent = host._agents["inside-1"]
    world.loop.until(lambda: agent.connections == 3)
    agent.line.close("for the test")
    world.ready()
    assert agent.connections == 3


# An inside that changes.


def test_a_client_that_is_taken_out_inside_is_asked_for_no_more(world):
    world.ready()
    inside = world.insides["inside-1"]
    inside.state = replace(inside.state, clients={})
    world.loop.until(lambda: not world.host.agents_for("mimecast"))
    with pytest.raises(NoServer, match="agent inside-1: it is no client of this link any more"):
        world.open()


def test_an_inside_that_has_told_of_all_clients_that_a_line_may_calls_anew(world, monkeypatch):
    monkeypatch.setattr(line_module, "MOST_CLIENTS", 2)
    world.ready()
    first = world.host._agents["inside-1"].line
    inside = world.insides["inside-1"]
    (client,) = inside.state.clients.values()
    inside.state = replace(inside.state, clients={"mimecast": client, "one": client})
    world.loop.until(lambda: world.host.agents_for("one"))
    assert world.host._agents["inside-1"].line is first
    inside.state = replace(inside.state, clients={"mimecast": client, "two": client})
    world.loop.until(lambda: world.host.agents_for("two"))
    assert world.host._agents["inside-1"].line is not first


def test_an_inside_that_stops_while_its_line_comes_up_has_none(world):
    caller = world.insides["inside-1"].caller
    world.loop.until(lambda: caller._line.connection is not None)
    caller.drain()
    world.loop.until(lambda: world.seen.strangers["inside"])
    world.loop.settle()
    assert not world.host.agents_for(None)


def test_an_inside_that_stops_parks_nothing_that_was_being_dialled(world):
    world.ready()
    caller = world.insides["inside-1"].caller
    world.loop.until(lambda: caller._berths.opening)
    caller.drain()
    agent = world.host._agents["inside-1"]
    world.loop.until(lambda: not world.parked and agent.connections == 1)
    assert (caller._berths.dialling, caller.room.taken) == (0, 0)


# What strangers hold, and how many berths are wanted.


def test_strangers_who_show_no_key_keep_no_agent_out(world, monkeypatch):
    monkeypatch.setattr(gate_module, "MOST_HANDSHAKES", 3)
    world.ready()
    world.loop.until(lambda: len(world.parked) == 4)
    gate, agent = world.host.gate, world.host._agents["inside-1"]
    held = []
    try:
        for _ in range(3):
            held.append(socket.create_connection(("127.0.0.1", gate.port)))
        world.loop.until(lambda: len(gate._handshaking) == 3)
        first = next(iter(gate._handshaking))
        agent.line.close("for the test")
        world.ready()
        assert first not in gate._handshaking
        assert len(gate._handshaking) <= 3
        link, owner = world.open()
        assert world.ask(link, owner, bind(SYNC)) == [m.BindResponse(OK)]
    finally:
        for each in held:
            each.close()


def test_another_number_of_berths_is_wanted_from_a_reload_on(world):
    world.ready()
    world.loop.until(lambda: len(world.parked) == 4)
    world.host.configure(replace(world.host.settings, parked=7), world.host.keyring)
    world.loop.until(lambda: len(world.parked) == 7)


def test_fewer_berths_are_wanted_again_also_by_a_line_that_has_come_back(world, monkeypatch):
    monkeypatch.setattr(wanted_module, "_RECENT", 1.0)
    world.ready()
    agent = world.host._agents["inside-1"]
    for _ in range(9):
        agent.demand.taken(monotonic())
    agent.line.close("for the test")
    world.ready()
    world.loop.until(lambda: agent.machine._parked == 4)


@pytest.mark.parametrize("how", ["stops", "is lost"])
def test_a_session_that_waits_for_an_agent_that_leaves_tries_the_other_one_at_once(tmp_path, server, how):
    with world_of(tmp_path, server, ("inside-1", "inside-2")) as made:
        made.loop.until(lambda: len(made.parked) == 4)
        inside = made.insides["inside-1"]
        caller = inside.caller
        # It dials none for now.
        caller._berths.rests = True
        for berth in list(made.parked):
            berth.close("for the test")
        failed = []
        waiting = made.host.open(agent_server("inside", "inside-1"), Go("mimecast", "s1", "192.0.2.1"), 25)
        waiting.addErrback(failed.append)
        made.loop.settle()
        assert not failed
        if how == "stops":
            inside.link.drain()
        else:
            made.host._agents["inside-1"].line.close("for the test")
        made.loop.until(lambda: failed)
        assert failed[0].getErrorMessage() == f"agent inside-1 is {'stopping' if how == 'stops' else 'not here'}"


def test_an_agent_that_failed_a_session_gets_sessions_again(tmp_path, server, monkeypatch):
    """While another one serves nobody would try it, and nobody checks it but its line."""
    monkeypatch.setattr(pardons_module, "FORGOTTEN", 0.2)
    with world_of(tmp_path, server, ("inside-1", "inside-2")) as made:
        upkeep = Upkeep(lambda health, reactor: None, made.loop)
        upkeep.apply({"corp": made.connector})
        try:
            states = {state.server.server_name: state for _, state in made.connector.servers}
            states["inside-1"].failed(FailureCause.timeout, "no connection of agent inside-1 came in time")
            states["inside-2"].suspect()
            made.open()
            made.loop.until(lambda: states["inside-1"].down is None and not states["inside-2"].suspected)
        finally:
            upkeep.stop()
