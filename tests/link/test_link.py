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
from gateway.link.frames import Go
from gateway.link.host import LinkHost
from gateway.link.inside import LinkInside
from gateway.link.keyring import Keyring
from gateway.link.keys import write_pair
from gateway.link.receiving import LinkedClient, LinkState
from gateway.link.settings import CalledHost, InsideSettings, OutsideSettings
from gateway.link.tls import inside_context, outside_context
from gateway.net.listeners.listener import SessionRegistry
from gateway.net.observer import Observer
from gateway.net.servers.connector import NoServer, ServerConnector
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.servers.way import Whom
from gateway.net.sessions.secret_verifier import SecretVerifier
from gateway.net.sessions.services import SessionServices
from gateway.net.sessions.turns import Turns
from gateway.net.transport.failures import FailureCause
from gateway.policy.policy import Policy
from gateway.policy.settings import Mode
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
        self.host = LinkHost(settings, keyring, "1.0", self.loop)
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
        inside = LinkInside("dmz", state, registry, "1.0", self.loop)
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
    world.host._agents["inside-1"].fall()
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
    world.loop.until(lambda: world.host.gate._strangers or world.host.gate._said_at > 0)
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
    (at_inside,) = world.insides["inside-1"].parities.values()
    return world.host.differing("inside-1"), at_inside.differing


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
