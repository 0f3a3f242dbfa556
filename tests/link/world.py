"""Both ends of a link over real sockets in one process: an outside, agents, a server behind them."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_response
from gateway.ldap.encoding import encode
from gateway.link.berth_way import AgentCandidates, BerthWay
from gateway.link.caller import LinkCaller
from gateway.link.connection import LinkConnection
from gateway.link.host import LinkHost
from gateway.link.inside import LinkInside
from gateway.link.keyring import Keyring
from gateway.link.keys import PairFiles, write_pair
from gateway.link.observer import LinkEvent
from gateway.link.receiving import LinkedClient, LinkState
from gateway.link.settings import CalledHost, InsideSettings, OutsideSettings
from gateway.link.tls import inside_context, outside_context
from gateway.net.listeners.listener import SessionRegistry
from gateway.net.observer import Observer
from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.servers.way import Whom
from gateway.net.sessions.secret_verifier import SecretVerifier
from gateway.net.sessions.services import SessionServices
from gateway.net.sessions.settings import ConnectionLimits
from gateway.net.sessions.turns import Turns
from gateway.observe.links import LinkLedger
from gateway.policy.policy import Policy
from gateway.relay.audit import AuditRecord
from gateway.relay.paging import ServerFacts
from gateway.relay.settings import SessionLimits
from gateway.serve.links import Links
from gateway.state.attempts import AttemptsInMemory
from gateway.state.sizes import SizesInMemory
from tests.net.loop import Loop
from tests.policy.policies import policy
from tests.relay.harness import done, entry, split
from tests.servers.stub_server import StubServer, accept_binds

T = TypeVar("T")

SYNC = "svc-sync@corp.example"
JANE = "CN=jane,OU=Staff,DC=corp,DC=example"


def answers(request: m.Operation) -> list[m.Operation]:
    """A server with one person."""
    if isinstance(request, m.SearchRequest):
        return [entry(JANE, "mail"), done()]
    return accept_binds(request)


class Owner:
    """A session outside, as far as its server's connection knows it."""

    def __init__(self) -> None:
        self.octets = b""
        self.lost: str | None = None

    def link_data(self, data: bytes) -> None:
        self.octets += data

    def link_lost(self, detail: str) -> None:
        self.lost = detail

    def messages(self) -> list[m.Operation]:
        return [each.operation for each in split(self.octets, decode_response)]


class Inside:
    """An agent: its end of the link, and what stands behind that."""

    def __init__(self, name: str, link: LinkInside, registry: SessionRegistry, verifier: SecretVerifier) -> None:
        self.name = name
        self.link = link
        self.registry = registry
        self._verifier = verifier

    @property
    def caller(self) -> LinkCaller:
        """The only one."""
        (found,) = self.link._callers.values()
        return found

    @property
    def up(self) -> bool:
        return self.link.up > 0

    @property
    def state(self) -> LinkState:
        return self.link._receiving.state

    @state.setter
    def state(self, state: LinkState) -> None:
        self.link._receiving.state = state

    def end(self) -> None:
        self.link.stop()
        self._verifier.stop()


class World:
    """Both ends on one event loop. agents: whose keys there are, and who call."""

    def __init__(self, directory: Path, server: StubServer, agents: tuple[str, ...] = ("inside-1",)) -> None:
        self.loop = Loop()
        self.directory = directory
        self._server = server
        now = datetime.now(UTC)
        self.keys = {name: write_pair(directory, name, now) for name in ("outside", *agents)}
        pins = {name: self.keys[name].certificate for name in agents}
        self.seen = LinkLedger()
        self.events: list[LinkEvent] = []
        self.seen.tell = self.events.append
        self.host = self.outside(OutsideSettings("inside", "127.0.0.1", 0, (), self.keys["outside"], pins))
        self.records: list[AuditRecord] = []
        self.insides = {name: self.inside(name) for name in agents}
        self.candidates = AgentCandidates(self.host)
        self.connector = self.connector_of(self.host)

    def outside(self, settings: OutsideSettings) -> LinkHost:
        """One more, which is called from now on."""
        keyring = Keyring(settings.identity, settings.agents, outside_context, server_side=True)
        host = LinkHost(settings, keyring, "1.0", self.loop, self.seen)
        host.gate.open()
        return host

    def connector_of(self, host: LinkHost, patience: float = 5) -> ServerConnector:
        directory = DirectorySettings("corp", (), None, connect_timeout=patience)
        return ServerConnector(directory, self.loop, way=BerthWay(host), candidates=AgentCandidates(host))

    def inside(self, name: str) -> Inside:
        """One more process with the key of this agent."""
        attempts, verifier = AttemptsInMemory(monotonic), SecretVerifier(self.loop)
        services = SessionServices(
            self.records.append, SizesInMemory(), attempts, verifier, Turns(self.loop), self.loop
        )
        registry = SessionRegistry(services, Observer())
        settings = ServerSettings("127.0.0.1", self._server.port, "localhost")
        directory = DirectorySettings("corp", (settings,), self._server.ca_file)
        facts = ServerFacts()
        facts.is_active_directory[settings.url] = False
        client = LinkedClient(Policy(policy()), ServerConnector(directory, self.loop), facts)
        state = LinkState({"mimecast": client}, SessionLimits(refusal_floor=0), ConnectionLimits(sessions=100))
        inside = Inside(name, LinkInside("dmz", state, registry, "1.0", self.loop, self.seen), registry, verifier)
        self.call(inside, self.called(self.host))
        return inside

    def called(self, host: LinkHost) -> CalledHost:
        return CalledHost("127.0.0.1", host.gate.port, host.settings.identity.certificate)

    def call(self, inside: Inside, *hosts: CalledHost, connections: int = 500) -> InsideSettings:
        """The inside reads its keys, and calls these from now on."""
        keys = self.keys[inside.name]
        keyrings = {
            host.address: Keyring(keys, {host.address: host.certificate}, inside_context, server_side=False)
            for host in hosts
        }
        settings = InsideSettings("dmz", hosts, keys, connections)
        inside.link.configure(settings, keyrings, inside.state)
        return settings

    def call_with_pins(self, *outsides: PairFiles) -> None:
        """The inside pins its outside by these: one certificate, or two while that changes its key."""
        file = self.directory / "pinned.pem"
        file.write_bytes(b"".join(each.certificate.read_bytes() for each in outsides))
        self.call(self.insides["inside-1"], replace(self.called(self.host), certificate=file))

    def links(self) -> Links:
        """A gateway's links, of which the outside is one."""
        links = Links(self.insides["inside-1"].registry, self.loop)
        links._hosts["inside"] = self.host
        return links

    def reload(self, links: Links, *settings: OutsideSettings) -> None:
        configuration: Any = SimpleNamespace(links=settings)
        serving: Any = SimpleNamespace(asked=lambda link: {})
        prepared = links.prepare(configuration)
        links.open(prepared, [])
        links.apply(prepared, serving)

    @property
    def parked(self) -> deque[LinkConnection]:
        return self.host._agents["inside-1"].berths

    def ready(self) -> None:
        self.loop.until(lambda: len(self.host.agents_for("mimecast")) == len(self.insides))

    def open(self, client: str = "mimecast") -> tuple[ServerLink, Owner]:
        """A connection for a session, and its owner."""
        opening = self.connector.connect(Whom(client, "s7", "198.51.100.7"))
        self.loop.until(lambda: opening.called)
        link = result(opening)
        owner = Owner()
        link.attach(owner)
        return link, owner

    def ask(self, link: ServerLink, owner: Owner, *requests: m.Operation, start: int = 1) -> list[m.Operation]:
        """Sends them, and returns once so many final answers have come."""
        wanted = len(_final(owner)) + len(requests)
        link.transport.write(b"".join(encode(m.LDAPMessage(start + i, each)) for i, each in enumerate(requests)))
        self.loop.until(lambda: len(_final(owner)) >= wanted)
        return owner.messages()

    def close(self) -> None:
        for inside in self.insides.values():
            inside.end()
        self.host.stop()
        self.loop.settle()


@contextlib.contextmanager
def world_of(directory: Path, server: StubServer, agents: Iterable[str] = ("inside-1",)) -> Iterator[World]:
    """Ready, and closed at the end."""
    made = World(directory, server, tuple(agents))
    try:
        made.ready()
        yield made
    finally:
        made.close()


def _final(owner: Owner) -> list[m.Operation]:
    return [each for each in owner.messages() if isinstance(each, m.FinalResponse)]


def result(opening: Deferred[T]) -> T:
    """What has come of it already."""
    found: list[T | Failure] = []
    opening.addBoth(found.append)
    if isinstance(found[0], Failure):
        found[0].raiseException()
        raise TypeError
    return found[0]
