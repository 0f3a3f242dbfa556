"""The link over real sockets in one process: an outside, an agent, a server behind it, and sessions through both."""

import socket
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from types import SimpleNamespace

import pytest
from twisted.internet.defer import CancelledError
from twisted.logger import eventAsText, globalLogPublisher

from gateway.demo.certificates import make_certificates
from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_response
from gateway.ldap.encoding import encode
from gateway.link import gate as gate_module
from gateway.link import line as line_module
from gateway.link import parity as parity_module
from gateway.link import wanted as wanted_module
from gateway.link.agreed import agreed
from gateway.link.berth_way import AgentCandidates, BerthWay, agent_server
from gateway.link.commands import Cause
from gateway.link.frames import Go, NotWelcome
from gateway.link.host import LinkHost
from gateway.link.inside import LinkInside
from gateway.link.keyring import Keyring
from gateway.link.keys import write_pair
from gateway.link.observer import LinkEventKind
from gateway.link.receiving import LinkedClient, LinkState
from gateway.link.settings import CalledHost, InsideSettings, OutsideSettings
from gateway.link.tls import inside_context, outside_context
from gateway.net.listeners.listener import SessionRegistry
from gateway.net.observer import Observer
from gateway.net.servers.connecting import connect
from gateway.net.servers.connector import NoServer, ServerConnector
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.servers.way import Whom
from gateway.net.sessions.secret_verifier import SecretVerifier
from gateway.net.sessions.services import SessionServices
from gateway.net.sessions.turns import Turns
from gateway.net.transport.failures import FailureCause
from gateway.observe.links import LinkLedger
from gateway.policy.policy import Policy
from gateway.policy.settings import Mode
from gateway.relay.audit import CameBy
from gateway.relay.paging import ServerFacts
from gateway.relay.settings import SessionLimits
from gateway.serve.links import Links
from gateway.state.attempts import AttemptsInMemory
from gateway.state.sizes import SizesInMemory
from tests.net.loop import Loop
from tests.policy.policies import policy
from tests.relay.harness import OK, bind, done, entry, search, split
from tests.servers.stub_server import StubServer, accept_binds

SYNC = "svc-sync@corp.example"
JANE = "CN=jane,OU=Staff,DC=corp,DC=example"


class Owner:
    """A session outside, as far as its server's connection knows it."""

    def __init__(self):
        self.octets = b""
        self.lost = None

    def link_data(self, data):
        self.octets += data

    def link_lost(self, detail):
        self.lost = detail

    def messages(self):
        return [each.operation for each in split(self.octets, decode_response)]


class World:
    """Both ends on one event loop."""

    def __init__(self, tmp_path, server, agents=("inside-1",), known=None):
        self.loop = Loop()
        self.tmp_path = tmp_path
        now = datetime.now(UTC)
        self.keys = {name: write_pair(tmp_path, name, now) for name in ("outside", *agents)}
        pins = {name: self.keys[name].certificate for name in (known or agents)}
        settings = OutsideSettings("inside", "127.0.0.1", 0, (), self.keys["outside"], pins)
        keyring = Keyring(settings.identity, settings.agents, outside_context, server_side=True)
        self.seen = LinkLedger()
        self.events = []
        self.seen.tell = self.events.append
        self.host = LinkHost(settings, keyring, "1.0", self.loop, self.seen)
        self.host.gate.open()
        self.records = []
        self.insides = {name: self.inside(name, server) for name in agents}
        directory = DirectorySettings("corp", (), None, connect_timeout=5)
        self.candidates = AgentCandidates(self.host)
        self.connector = ServerConnector(directory, self.loop, way=BerthWay(self.host), candidates=self.candidates)

    def inside(self, name, server):
        attempts, verifier = AttemptsInMemory(monotonic), SecretVerifier(self.loop)
        services = SessionServices(
            self.records.append, SizesInMemory(), attempts, verifier, Turns(self.loop), self.loop
        )
        registry = SessionRegistry(services, Observer())
        settings = ServerSettings("127.0.0.1", server.port, "localhost")
        directory = DirectorySettings("corp", (settings,), server.ca_file)
        facts = ServerFacts()
        facts.is_active_directory[settings.url] = False
        client = LinkedClient(Policy(policy()), ServerConnector(directory, self.loop), facts)
        state = LinkState({"mimecast": client}, SessionLimits(refusal_floor=0), 100)
        host = CalledHost("127.0.0.1", self.host.gate.port, self.keys["outside"].certificate)
        keyring = Keyring(self.keys[name], {host.address: host.certificate}, inside_context, server_side=False)
        link = InsideSettings("dmz", (host,), self.keys[name])
        inside = LinkInside("dmz", state, registry, "1.0", self.loop, self.seen)
        inside.configure(link, {host.address: keyring}, state)
        inside.registry, inside.verifier = registry, verifier
        # What it was configured with, for a reload.
        inside.given = link, {host.address: keyring}, state
        return inside

    def ready(self):
        self.loop.until(lambda: len(self.host.agents_for("mimecast")) == len(self.insides))

    def open(self, client="mimecast"):
        """A connection for a session, and its owner."""
        opening = self.connector.connect(Whom(client, "s7", "198.51.100.7"))
        self.loop.until(lambda: opening.called)
        link = self.result(opening)
        owner = Owner()
        link.attach(owner)
        return link, owner

    def result(self, deferred):
        found = []
        deferred.addBoth(found.append)
        if isinstance(found[0], Exception):
            raise found[0]
        if hasattr(found[0], "raiseException"):
            found[0].raiseException()
        return found[0]

    def ask(self, link, owner, *requests, start=1):
        """Sends them, and returns once so many final answers have come."""
        wanted = len([each for each in owner.messages() if isinstance(each, m.FinalResponse)]) + len(requests)
        link.transport.write(b"".join(encode(m.LDAPMessage(start + i, each)) for i, each in enumerate(requests)))
        self.loop.until(lambda: len([each for each in owner.messages() if isinstance(each, m.FinalResponse)]) >= wanted)
        return owner.messages()

    def close(self):
        for inside in self.insides.values():
            inside.stop()
            inside.verifier.stop()
        self.host.stop()
        self.loop.settle()


def answers(request):
    """A server with one person."""
    if isinstance(request, m.SearchRequest):
        return [entry(JANE, "mail"), done()]
    return accept_binds(request)


@pytest.fixture(scope="module")
def server_certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"), "server", ("localhost",))


@pytest.fixture
def server(server_certificates):
    with StubServer(server_certificates, answers) as running:
        yield running


@pytest.fixture
def world(tmp_path, server):
    made = World(tmp_path, server)
    yield made
    made.close()


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


def parked(world, agent="inside-1"):
    return world.host._agents[agent].berths


# Nobody there, nobody wanted.


def test_without_an_agent_a_session_is_told_why_at_once(tmp_path, server, world):
    world.ready()
    world.insides["inside-1"].stop()
    world.loop.until(lambda: not world.host.agents_for(None))
    with pytest.raises(NoServer, match="no gateway inside is ready on link inside: agent inside-1 is not here"):
        world.open()


def test_a_client_that_the_inside_does_not_list_gets_no_session(world):
    world.ready()
    with pytest.raises(NoServer, match="agent inside-1 has no client other on this link"):
        world.open("other")


def test_an_inside_without_a_server_is_not_ready_and_says_so(world, server):
    world.ready()
    client = world.insides["inside-1"]._receiving.state.clients["mimecast"]
    for _, state in client.connector.servers:
        state.failed(FailureCause.refused, "refused")
    world.loop.until(lambda: not world.host.agents_for("mimecast"))
    with pytest.raises(NoServer, match="agent inside-1: no server of its directory is up"):
        world.open()


def test_an_agent_whose_key_is_not_pinned_gets_no_line(tmp_path, server):
    now = datetime.now(UTC)
    other = write_pair(tmp_path, "other", now)
    made = World(tmp_path, server)
    try:
        made.ready()
        pins = {"inside-1": other.certificate}
        settings = replace(made.host.settings, agents=pins)
        _, owner = made.open()
        made.host.configure(settings, Keyring(settings.identity, pins, outside_context, server_side=True))
        # The line, the berths and the session end; and it is not let in again.
        made.loop.until(lambda: owner.lost is not None and not made.host.agents_for(None))
        made.loop.until(lambda: made.host._agents["inside-1"].connections == 0)
        assert not parked(made)
    finally:
        made.close()


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


# Berths.


def test_more_sessions_than_berths_wait_and_get_theirs(world):
    world.ready()
    links = [world.open() for _ in range(20)]
    for number, (link, owner) in enumerate(links):
        assert world.ask(link, owner, bind(SYNC), start=number + 1) == [m.BindResponse(OK)]
    assert len(world.insides["inside-1"].registry.open) == 20
    # More are parked now than at the beginning.
    world.loop.until(lambda: len(parked(world)) > 4)
    for link, _ in links:
        link.close()
    world.loop.until(lambda: not world.insides["inside-1"].registry.open)
    # The berths that are parked, and the line.
    world.loop.until(lambda: world.host._agents["inside-1"].connections == len(parked(world)) + 1)


def test_a_berth_that_breaks_before_it_is_accepted_is_replaced_by_another(world):
    world.ready()
    world.loop.until(lambda: len(parked(world)) == 4)
    # The inside's end goes, and the outside does not know it yet.
    for caller in world.insides["inside-1"]._callers.values():
        for berth in list(caller._berths.parked):
            berth.hand_over().abortConnection()
            caller._berths.parked.discard(berth)
            caller._room.taken -= 1
    link, owner = world.open()
    assert world.ask(link, owner, bind(SYNC)) == [m.BindResponse(OK)]


def test_a_session_that_leaves_while_it_waits_takes_no_berth(world):
    world.ready()
    world.loop.until(lambda: len(parked(world)) == 4)
    for berth in list(parked(world)):
        berth.close("for the test")
    waiting = world.connector.connect(Whom("mimecast", "s8", "198.51.100.7"))
    waiting.addErrback(lambda failure: failure.trap(CancelledError))
    waiting.cancel()
    world.loop.until(lambda: len(parked(world)) == 4)
    assert not world.insides["inside-1"].registry.open


# Ends.


def test_sessions_go_on_when_the_line_is_lost_and_new_ones_wait_for_it(world):
    world.ready()
    link, owner = world.open()
    world.ask(link, owner, bind(SYNC))
    world.host._agents["inside-1"].line.hand_over().abortConnection()
    (caller,) = world.insides["inside-1"]._callers.values()
    world.loop.until(lambda: not caller.up)
    world.host._agents["inside-1"].fall("for the test")
    assert len(world.ask(link, owner, search(), start=2)) == 3
    world.ready()
    other, other_owner = world.open()
    assert world.ask(other, other_owner, bind(SYNC)) == [m.BindResponse(OK)]


def test_a_session_inside_that_ends_ends_the_one_outside(world, server):
    world.ready()
    link, owner = world.open()
    world.ask(link, owner, bind(SYNC))
    world.insides["inside-1"]._receiving.judge(f"127.0.0.1:{world.host.gate.port}", None)
    world.loop.until(lambda: owner.lost is not None)
    (notice,) = [each for each in owner.messages() if isinstance(each, m.ExtendedResponse)]
    assert "client-removed" in notice.result.diagnostic


def test_of_two_agents_the_one_that_is_left_serves(tmp_path, server):
    made = World(tmp_path, server, agents=("inside-1", "inside-2"))
    try:
        made.ready()
        made.insides["inside-1"].drain()
        made.loop.until(lambda: made.host.agents_for("mimecast") == ["inside-2"])
        for _ in range(5):
            link, owner = made.open()
            assert link.server.url == "link://inside/inside-2"
            made.ask(link, owner, bind(SYNC))
        # The first one has no session, and its line says that it is stopping.
        assert not made.insides["inside-1"].registry.open
    finally:
        made.close()


def test_a_second_process_with_the_same_key_is_refused_while_the_first_answers(tmp_path, server, world):
    world.ready()
    first = world.host._agents["inside-1"].line
    twin = world.inside("inside-1", server)
    try:
        (caller,) = twin._callers.values()
        world.loop.until(lambda: caller._line.calling._ends > 0)
        assert world.host._agents["inside-1"].line is first
        assert not twin.up
    finally:
        twin.stop()
        twin.verifier.stop()


def test_an_outside_that_comes_back_is_called_again(world):
    world.ready()
    port = world.host.gate.port
    world.host.stop()
    (caller,) = world.insides["inside-1"]._callers.values()
    world.loop.until(lambda: not caller.up)
    settings = replace(world.host.settings, port=port)
    world.host = LinkHost(settings, world.host._keyring, "1.0", world.loop)
    world.host.gate.open()
    world.ready()


def test_an_outside_that_closes_each_berth_is_not_dialled_without_a_pause(world):
    world.ready()
    (caller,) = world.insides["inside-1"]._callers.values()
    secured = []
    caller.link_secured, as_before = lambda *of: (secured.append(of), as_before(*of)), caller.link_secured
    until = monotonic() + 1.5
    while monotonic() < until:
        for berth in list(parked(world)):
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


# What is told of all that.


def told_of(world, kind):
    return [event for event in world.events if event.kind is kind]


def test_a_line_that_comes_and_goes_is_told_at_both_ends(world):
    world.ready()
    world.loop.until(lambda: len(told_of(world, LinkEventKind.risen)) == 2)
    world.host._agents["inside-1"].line.close("for the test")
    world.loop.until(lambda: len(told_of(world, LinkEventKind.fallen)) == 2)
    assert {(event.link, event.peer, event.why) for event in told_of(world, LinkEventKind.fallen)} == {
        ("inside", "inside-1", "dropped"),
        ("dmz", address(world), "closed"),
    }
    assert (
        world.seen.lost["inside", "inside-1", Cause.dropped]
        == world.seen.lost["dmz", address(world), Cause.closed]
        == 1
    )


def test_a_line_that_comes_and_goes_without_end_is_told_some_times_a_minute(world, told):
    world.ready()
    for count in range(2, 15):
        world.host._agents["inside-1"].line.close("for the test")
        (caller,) = world.insides["inside-1"]._callers.values()
        world.loop.until(lambda caller=caller: not caller.up)
        # Not after the pause that grows from call to call.
        caller._timer.cancel()
        caller.begin()
        world.loop.until(lambda count=count: world.seen.calls["dmz", address(world)] == count)
    for kind in (LinkEventKind.risen, LinkEventKind.fallen):
        assert len([event for event in told_of(world, kind) if event.link == "inside"]) == 10
    assert len([each for each in told if "is not here any more" in each["log_format"]]) == 10
    assert world.seen.lost["inside", "inside-1", Cause.dropped] == 13


def test_whoever_is_refused_with_a_right_key_is_counted_each_time_and_told_once_a_minute(world, told):
    world.ready()
    agent = world.host._agents["inside-1"]
    world.loop.until(lambda: len(parked(world)) == 4)
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
    layer = keyring_of(world, world.keys["outside"]).layer()
    opening = connect(ServerSettings("127.0.0.1", world.host.gate.port, "localhost"), 5, world.loop)
    world.loop.until(lambda: opening.called)
    stream = world.result(opening)
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
    link, owner = world.result(opening), Owner()
    link.attach(owner)
    assert link.session == "s1"
    world.ask(link, owner, bind(SYNC))
    (recorded,) = world.records
    assert recorded.came_by == CameBy("dmz", "s" * 64 + "\N{HORIZONTAL ELLIPSIS}", "x" * 64 + "\N{HORIZONTAL ELLIPSIS}")


def test_keys_that_are_added_changed_and_removed_are_told(world):
    world.ready()
    other = write_pair(world.tmp_path, "other", datetime.now(UTC))

    def configure(pins, identity=None):
        settings = replace(world.host.settings, agents=pins, identity=identity or world.host.settings.identity)
        world.host.configure(settings, Keyring(settings.identity, pins, outside_context, server_side=True))

    first = world.keys["inside-1"].certificate
    configure({"inside-1": first, "inside-2": other.certificate})
    configure({"inside-2": first})
    newer = write_pair(world.tmp_path, "newer", datetime.now(UTC))
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
    world.loop.until(lambda: len(parked(world)) == 4)
    asked = ("mimecast", "second")
    world.host.ask_for({name: agreed(policy(name=name), SessionLimits(), outside=True) for name in asked})
    link, owner = world.open()
    world.ask(link, owner, bind(SYNC))
    world.loop.until(lambda: "clients.second" in (world.host.standing().peers[0].differs or ()))
    (agent,) = world.host.standing().peers
    assert (agent.name, agent.up, agent.version, agent.sessions) == ("inside-1", True, "1.0", 1)
    assert agent.ready == ("mimecast",)
    assert agent.clients[1].why == "agent inside-1 has no client second on this link"
    (host,) = world.insides["inside-1"].standing().peers
    assert (host.name, host.up, host.version, host.sessions) == (address(world), True, "1.0", 1)
    world.insides["inside-1"].stop()
    world.loop.until(lambda: not world.host.agents_for(None))
    (agent,) = world.host.standing().peers
    assert (agent.up, agent.ready, agent.version) == (False, (), "")
    assert agent.why


# Keys that are not pinned any more.


def keyring_of(world, *outsides):
    """What an inside pins its outside by: one certificate, or two while that changes its key."""
    file = world.tmp_path / "pinned.pem"
    file.write_bytes(b"".join(each.certificate.read_bytes() for each in outsides))
    return Keyring(world.keys["inside-1"], {address(world): file}, inside_context, server_side=False)


def address(world):
    return f"127.0.0.1:{world.host.gate.port}"


def renew(world, keyring):
    """The inside takes its keys up."""
    inside = world.insides["inside-1"]
    host = CalledHost("127.0.0.1", world.host.gate.port, world.keys["outside"].certificate)
    settings = InsideSettings("dmz", (host,), world.keys["inside-1"])
    inside.configure(settings, {host.address: keyring}, inside._receiving.state)


def test_a_session_inside_ends_with_the_outsides_key_also_while_there_is_no_line(world):
    world.ready()
    link, owner = world.open()
    world.ask(link, owner, bind(SYNC))
    (caller,) = world.insides["inside-1"]._callers.values()
    caller._line.connection.close("for the test")
    renew(world, keyring_of(world, write_pair(world.tmp_path, "other", datetime.now(UTC))))
    world.loop.until(lambda: owner.lost is not None)
    world.loop.until(lambda: not world.insides["inside-1"].registry.open)


def test_a_session_inside_ends_with_the_key_that_it_came_with_though_the_line_has_the_newer_one(world):
    world.ready()
    newer = write_pair(world.tmp_path, "newer", datetime.now(UTC))
    renew(world, keyring_of(world, world.keys["outside"], newer))
    link, owner = world.open()
    world.ask(link, owner, bind(SYNC))
    # The outside takes its newer key, and the line comes up again with it.
    settings = replace(world.host.settings, identity=newer)
    world.host.configure(settings, Keyring(newer, settings.agents, outside_context, server_side=True))
    line = world.host._agents["inside-1"].line
    line.close("for the test")
    world.ready()
    link, later = world.open()
    world.ask(link, later, bind(SYNC))
    renew(world, keyring_of(world, newer))
    world.loop.until(lambda: owner.lost is not None)
    assert later.lost is None
    world.ready()


@pytest.mark.parametrize("whole", [True, False])
def test_sessions_inside_end_with_the_outside_that_is_called_no_more(world, whole):
    world.ready()
    link, owner = world.open()
    world.ask(link, owner, bind(SYNC))
    inside = world.insides["inside-1"]
    if whole:
        inside.stop()
    else:
        inside.configure(InsideSettings("dmz", (), world.keys["inside-1"]), {}, inside._receiving.state)
    world.loop.until(lambda: owner.lost is not None)
    world.loop.until(lambda: not inside.registry.open)
    assert inside._room.taken == 0


@pytest.mark.parametrize("how", ["replaced", "renewed", "no link"])
def test_sessions_of_an_address_that_is_left_go_on_until_their_key_is_taken_away(world, how):
    world.ready()
    link, owner = world.open()
    world.ask(link, owner, bind(SYNC))
    links = Links(world.insides["inside-1"].registry, world.loop)
    links._hosts["inside"] = world.host
    pin = world.tmp_path / "inside-1-there.pem"
    pin.write_bytes(world.keys["inside-1"].certificate.read_bytes())

    def reload(*settings):
        prepared = links.prepare(SimpleNamespace(links=settings))
        links.open(prepared)
        links.apply(prepared, SimpleNamespace(asked=lambda link: {}))

    elsewhere = replace(world.host.settings, host="127.0.0.2", agents={"inside-1": pin})
    reload(elsewhere)
    world.loop.until(lambda: not world.insides["inside-1"].up)
    assert len(world.ask(link, owner, search(), start=2)) == 3
    assert owner.lost is None
    other = write_pair(world.tmp_path, "other", datetime.now(UTC))
    if how == "replaced":
        reload(replace(elsewhere, agents={"inside-1": other.certificate}))
    elif how == "renewed":
        pin.write_bytes(other.certificate.read_bytes())
        links.renew(elsewhere, None)
    else:
        reload()
    world.loop.until(lambda: owner.lost is not None)
    links.drain()


# An outside that has stopped.


def test_an_outside_that_has_stopped_refuses_whoever_was_on_the_way(world, told):
    world.ready()
    stop_first(world, "link_secured")
    (caller,) = world.insides["inside-1"]._callers.values()
    caller._line.connection.close("for the test")
    world.loop.until(lambda: any("is stopping" in each.get("said", "") for each in told))
    assert not caller.up
    assert not world.host.agents_for(None)


def stop_first(world, event):
    as_before = getattr(world.host, event)
    setattr(world.host, event, lambda *of: (world.host.stop(), as_before(*of)))


def test_an_outside_that_stops_puts_no_second_process_in_the_place_of_the_first(world, server):
    world.ready()
    twin = world.inside("inside-1", server)
    agent = world.host._agents["inside-1"]
    try:
        world.loop.until(lambda: agent.newcomers)
        world.host.stop()
        world.loop.until(lambda: not agent.connections)
        assert not twin.up
    finally:
        twin.stop()
        twin.verifier.stop()


def test_an_agent_with_all_the_sessions_that_it_may_have_gets_its_line_back(world):
    host = world.host
    host.configure(replace(host.settings, connections=2), host._keyring)
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
    receiving = world.insides["inside-1"]._receiving
    receiving.state = replace(receiving.state, clients={})
    world.loop.until(lambda: not world.host.agents_for("mimecast"))
    with pytest.raises(NoServer, match="agent inside-1: it is no client of this link any more"):
        world.open()


def test_an_inside_that_has_told_of_all_clients_that_a_line_may_calls_anew(world, monkeypatch):
    monkeypatch.setattr(line_module, "MOST_CLIENTS", 2)
    world.ready()
    first = world.host._agents["inside-1"].line
    receiving = world.insides["inside-1"]._receiving
    (client,) = receiving.state.clients.values()
    receiving.state = replace(receiving.state, clients={"mimecast": client, "one": client})
    world.loop.until(lambda: world.host.agents_for("one"))
    assert world.host._agents["inside-1"].line is first
    receiving.state = replace(receiving.state, clients={"mimecast": client, "two": client})
    world.loop.until(lambda: world.host.agents_for("two"))
    assert world.host._agents["inside-1"].line is not first


def test_an_inside_that_stops_while_its_line_comes_up_has_none(world):
    (caller,) = world.insides["inside-1"]._callers.values()
    world.loop.until(lambda: caller._line.connection is not None)
    caller.drain()
    world.loop.until(lambda: world.seen.strangers["inside"])
    world.loop.settle()
    assert not world.host.agents_for(None)


def test_an_inside_that_stops_parks_nothing_that_was_being_dialled(world):
    world.ready()
    (caller,) = world.insides["inside-1"]._callers.values()
    world.loop.until(lambda: caller._berths.opening)
    caller.drain()
    agent = world.host._agents["inside-1"]
    world.loop.until(lambda: not parked(world) and agent.connections == 1)
    assert (caller._berths.dialling, caller._room.taken) == (0, 0)


# Whether the policies of both ends are the same.

LIMITS = SessionLimits(refusal_floor=0)


def asks_for(world, *policies):
    """The outside asks for sessions of these clients from now on."""
    world.host.ask_for({each.name: agreed(each, LIMITS, outside=True) for each in policies})


def serves(world, **policies):
    """The inside serves these clients from now on."""
    inside = world.insides["inside-1"]
    link, keyrings, state = inside.given
    (one,) = state.clients.values()
    clients = {name: replace(one, policy=Policy(each)) for name, each in policies.items()}
    inside.configure(link, keyrings, replace(state, clients=clients))


def known(world):
    """The keys that differ, as each end has them."""
    (agent,), (host,) = world.host.standing().peers, world.insides["inside-1"].standing().peers
    return agent.differs, host.differs


@pytest.fixture
def heard(monkeypatch):
    """What the log has of the policies."""
    monkeypatch.setattr(parity_module, "QUIET", 0.0)
    found = []

    def hear(event):
        if "agree" in (event.get("log_format") or ""):
            found.append(eventAsText(event, includeTimestamp=False, includeSystem=False))

    globalLogPublisher.addObserver(hear)
    yield found
    globalLogPublisher.removeObserver(hear)


def test_both_ends_name_the_keys_that_differ_and_say_so_when_that_changes(world, heard):
    asks_for(world, policy(attributes=("mail",), mode=Mode.report))
    assert known(world) == (None, None)
    world.ready()
    differ = ("clients.mimecast.attributes", "clients.mimecast.mode")
    world.loop.until(lambda: known(world) == (differ, differ))
    address = world.insides["inside-1"].given[0].call[0].address
    assert sorted(heard) == [
        "link dmz: the gateway at " + address + " has not the same as this one in clients.mimecast.attributes, "
        "clients.mimecast.mode: what is listed there and not here is refused here; `ldap-gateway link export` at the "
        "outside prints what agrees with it",
        "link inside: agent inside-1 has not the same as this gateway in clients.mimecast.attributes, "
        "clients.mimecast.mode: what is listed here and not there is refused there; `ldap-gateway link export` prints "
        "what agrees with this gateway",
    ]
    heard.clear()
    asks_for(world, policy())
    world.loop.until(lambda: known(world) == ((), ()))
    assert sorted(heard) == [
        f"link dmz: the policies here and at the gateway at {address} agree",
        "link inside: the policies here and at agent inside-1 agree",
    ]
    heard.clear()
    world.host._agents["inside-1"].line.close("for the test")
    assert known(world)[0] is None
    world.ready()
    world.loop.until(lambda: known(world) == ((), ()))
    serves(world, mimecast=policy(attributes=("mail",)))
    world.loop.until(lambda: known(world) == (differ[:1], differ[:1]))
    # That they agreed still when the line came back is no news.
    assert len(heard) == 2


def test_a_client_of_one_end_alone_is_named_by_both(world, heard):
    asks_for(world, policy(), policy(name="other"))
    world.ready()
    world.loop.until(lambda: known(world) == (("clients.other",), ("clients.other",)))
    asks_for(world, policy())
    serves(world, mimecast=policy(), more=policy(name="more"))
    world.loop.until(lambda: known(world) == (("clients.more",), ("clients.more",)))


# What strangers hold, and how many berths are wanted.


def test_strangers_who_show_no_key_keep_no_agent_out(world, monkeypatch):
    monkeypatch.setattr(gate_module, "MOST_HANDSHAKES", 3)
    world.ready()
    world.loop.until(lambda: len(parked(world)) == 4)
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
    world.loop.until(lambda: len(parked(world)) == 4)
    world.host.configure(replace(world.host.settings, parked=7), world.host._keyring)
    world.loop.until(lambda: len(parked(world)) == 7)


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
    made = World(tmp_path, server, agents=("inside-1", "inside-2"))
    try:
        made.ready()
        made.loop.until(lambda: len(parked(made)) == 4)
        inside = made.insides["inside-1"]
        (caller,) = inside._callers.values()
        # It dials none for now.
        caller._berths.rests = True
        for berth in list(parked(made)):
            berth.close("for the test")
        failed = []
        waiting = made.host.open(agent_server("inside", "inside-1"), Go("mimecast", "s1", "192.0.2.1"), 25)
        waiting.addErrback(failed.append)
        made.loop.settle()
        assert not failed
        if how == "stops":
            inside.drain()
        else:
            made.host._agents["inside-1"].line.close("for the test")
        made.loop.until(lambda: failed)
        assert failed[0].getErrorMessage() == f"agent inside-1 is {'stopping' if how == 'stops' else 'not here'}"
    finally:
        made.close()
