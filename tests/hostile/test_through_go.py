"""An outside with a right key that is not itself any more: what it sends through a berth, and in frames.

The inside is real, with its keys, its sessions and the policy of the other hostile cases; a server behind it says what
has reached it. Another outside of another link is served all the time.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.ldap import messages as m
from gateway.link import frames as f
from gateway.link.caller import LinkCaller
from gateway.link.commands import Cause, End, Send
from gateway.link.gate import Gate
from gateway.link.inside import LinkInside
from gateway.link.keyring import Keyring
from gateway.link.keys import write_pair
from gateway.link.settings import CalledHost, InsideSettings
from gateway.link.telling import Telling
from gateway.link.tls import inside_context, outside_context
from gateway.net.servers.connector import NoServer
from tests.hostile import octets as o
from tests.hostile.answers import results
from tests.hostile.promises import check_answered, check_forwarded
from tests.hostile.test_from_clients import CASES
from tests.link.world import World, world_of
from tests.relay.harness import OK, bind, done, entry
from tests.servers.stub_server import StubServer

WRONG = "CN=guessed,OU=Staff,DC=corp,DC=example"


def kind(request):
    """Answers like a server of these entries; the password of one person is never right."""
    if isinstance(request, m.SearchRequest):
        return [entry(request.base, "mail"), done()]
    if isinstance(request, m.BindRequest):
        return [m.BindResponse(replace(OK, code=49) if "guessed" in request.name else OK)]
    return []


@pytest.fixture(scope="module")
def server(server_certificates):
    with StubServer(server_certificates, kind) as running:
        yield running


@pytest.fixture(scope="module")
def world(tmp_path_factory, server):
    with world_of(tmp_path_factory.mktemp("world"), server) as made:
        yield made


def answers(owner):
    """What has come, checked."""
    return check_answered(owner.octets)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_what_clients_send_gets_no_further_through_a_berth(world, server, case):
    octets, verdict = case.values
    link, owner = world.open()
    link.transport.write(o.bind(id=1))
    world.loop.until(lambda: results(answers(owner)) == ((1, 0),))
    before, owner.octets = len(server.received), b""
    link.transport.write(octets)
    wanted = verdict.results + (() if verdict.notice is None else ((0, verdict.notice),))
    world.loop.until(lambda: len(results(answers(owner))) >= len(wanted) or owner.lost is not None)
    assert results(answers(owner)) == wanted
    if verdict.end == "open":
        link.transport.write(o.bind(id=1000) + o.search(id=1001))
        world.loop.until(lambda: len(results(answers(owner))) == len(wanted) + 2)
        assert results(answers(owner))[-2:] == ((1000, 0), (1001, 0))
    elif verdict.end == "waits":
        world.loop.settle()
        assert owner.lost is None
    else:
        world.loop.until(lambda: owner.lost is not None)
    link.close()
    world.loop.until(lambda: not world.insides["inside-1"].registry.open)
    check_forwarded(bytes(server.received[before:]))


def test_guesses_end_in_the_guard_of_the_inside(world, server):
    before = len(server.requests)
    for number in range(6):
        link, owner = world.open()
        world.ask(link, owner, bind(WRONG, b"guess %d" % number))
        link.close()
    guesses = [each for each in server.requests[before:] if isinstance(each, m.BindRequest) and each.name == WRONG]
    assert 0 < len(guesses) <= 3


def test_a_storm_of_sessions_leaves_nothing_behind(world):
    """More at once than there may be connections, and each of them is dropped."""
    inside = world.insides["inside-1"]
    host = world.called(world.host)
    world.call(inside, host, connections=20)
    for _ in range(15):
        opened = []
        for _ in range(20):
            try:
                opened.append(world.open())
            except NoServer:
                break
        assert len(inside.registry.open) <= 20
        for link, _ in opened:
            link.transport.abortConnection()
        world.loop.until(lambda: not inside.registry.open)
    world.loop.until(lambda: world.parked)
    world.loop.until(
        lambda: inside.caller.room.taken == len(inside.caller._berths.parked) + inside.caller._berths.dialling
    )
    world.call(inside, host)


# Frames.

INSTANCE, TOKEN = "0" * 32, "1" * 32


def raw(kind, body):
    """A frame whose body nobody has looked at."""
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return bytes([kind]) + len(octets).to_bytes(3, "big") + octets


WELCOME = f.encode(f.Welcome("1.0", INSTANCE, TOKEN, 4, 0, 0))
GO = f.encode(f.Go("mimecast", "s1", "192.0.2.1"))
ON_A_LINE = {
    "WANT of 2^31": raw(f.FrameType.WANT, {"parked": 2**31}),
    "WANT of -1": raw(f.FrameType.WANT, {"parked": -1}),
    "WANT of more than there may be": raw(f.FrameType.WANT, {"parked": f.MOST_PARKED + 1}),
    "a frame of 4,097 octets": raw(f.FrameType.WANT, b'{"parked": 4}'.ljust(4_097)),
    "a frame of 16 MB announced": bytes([f.FrameType.WANT]) + b"\xff\xff\xff",
    "nested arrays": raw(f.FrameType.WANT, b"[" * 4_000),
    "nested objects": raw(f.FrameType.WANT, b'{"a":' * 800),
    "a number of 4,000 digits": raw(f.FrameType.WANT, b'{"parked":' + b"9" * 4_000 + b"}"),
    "the same key twice": raw(f.FrameType.WANT, b'{"parked":1,"parked":2}'),
    "a frame that does not exist": raw(99, {}),
    "GO on a line": GO,
    "LDAP on a line": o.search(),
    "a storm of PINGs": b"".join(f.encode(f.Ping(n)) for n in range(3_000)),
    "states of 501 clients": b"".join(f.encode(f.State(f"c{n}", True, "", {})) for n in range(501)),
}
ON_A_BERTH = {
    "an unknown client": f.encode(f.Go("nobody", "s1", "192.0.2.1")),
    "a client of another link": f.encode(f.Go("elsewhere", "s1", "192.0.2.1")),
    "GO twice": GO + GO,
    "LDAP behind GO": GO + o.bind(),
    "LDAP and no GO": o.bind() + o.search(),
    "ACCEPT": f.encode(f.Accept("s1")),
    "a GO of 4,097 octets": raw(f.FrameType.GO, b'{"client": "mimecast"}'.ljust(4_097)),
    "a GO with a client of 256 octets": raw(f.FrameType.GO, {"client": "x" * 256, "session": "s", "source": "s"}),
    "a storm of PINGs": b"".join(f.encode(f.Ping(n)) for n in range(300)),
}


class HostileOutside:
    """Says so on each line behind its welcome, and so on each berth, and reads everything."""

    def __init__(self, world: World, on_lines: bytes, on_berths: bytes) -> None:
        self._on_lines, self._on_berths = on_lines, on_berths
        pair = write_pair(world.directory, f"hostile-{len(list(world.directory.iterdir()))}", datetime.now(UTC))
        settings = replace(world.host.settings, identity=pair)
        keyring = Keyring(pair, settings.agents, outside_context, server_side=True)
        self.gate = Gate(settings, keyring, self, Telling("hostile", world.seen), world.loop)
        self.gate.open()
        self.host = CalledHost("127.0.0.1", self.gate.port, pair.certificate)
        self.lines = self.berths = 0
        self.ended = []

    def link_secured(self, connection, layer):
        self.gate.passed(connection)
        connection.speak(_Says(self), [])

    def link_said(self, connection, command):
        raise AssertionError(command)

    def link_ended(self, connection, end):
        self.ended.append(connection)

    def says(self, hello):
        if isinstance(hello, f.LineHello):
            self.lines += 1
            return WELCOME + self._on_lines
        self.berths += 1
        return self._on_berths


class _Says:
    """The machine of one of its connections."""

    due = float("inf")

    def __init__(self, outside):
        self._outside, self._reader, self._said = outside, f.FrameReader(), False

    def received(self, octets, now):
        if self._said:
            return []
        self._reader.feed(octets)
        hello = self._reader.next()
        self._said = hello is not None
        return [Send(self._outside.says(hello))] if self._said else []

    def tick(self, now):
        return []

    def lost(self, now):
        return [End(Cause.closed, "it has ended")]


@pytest.mark.parametrize(
    ("on_lines", "on_berths"),
    [pytest.param(octets, b"", id=f"on a line: {name}") for name, octets in ON_A_LINE.items()]
    + [pytest.param(b"", octets, id=f"on a berth: {name}") for name, octets in ON_A_BERTH.items()],
)
def test_frames_of_an_outside_harm_no_other_link(world, server, on_lines, on_berths):
    hostile = HostileOutside(world, on_lines, on_berths)
    honest = world.insides["inside-1"]
    keys = world.keys["inside-1"]
    keyring = Keyring(keys, {hostile.host.address: hostile.host.certificate}, inside_context, server_side=False)
    link = LinkInside("hostile", honest.state, honest.registry, "1.0", world.loop, world.seen)
    before = len(server.requests)
    link.configure(InsideSettings("hostile", (hostile.host,), keys), {hostile.host.address: keyring}, honest.state)
    (caller,) = link._callers.values()
    try:
        world.loop.until(lambda: hostile.ended)
        check_no_more_than_a_pause_allows(caller, hostile, world)
        # Nothing of it came to the server, and no session of it is left.
        assert len(server.requests) == before
        session, owner = world.open()
        world.ask(session, owner, bind(o.SYNC))
        session.close()
        world.loop.until(lambda: not honest.registry.open)
    finally:
        link.stop()
        hostile.gate.close()
        world.loop.settle()


def check_no_more_than_a_pause_allows(caller: LinkCaller, hostile: HostileOutside, world: World) -> None:
    """It dials again after a pause, and a few berths at once, whatever was asked for."""
    for _ in range(30):
        world.loop.iterate(0.01)
    assert hostile.lines <= 3
    assert hostile.berths <= 3 * 64
    assert caller.room.taken <= 64
