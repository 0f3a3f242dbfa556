"""The outside's end of a link: it waits for agents, knows who is here, and gives their berths to sessions."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from random import uniform
from secrets import token_hex
from time import monotonic
from typing import Final

from twisted.internet.defer import Deferred, fail

from gateway.link.agent import Agent
from gateway.link.arrival import Arrival
from gateway.link.berth import OutsideBerth
from gateway.link.berths import Berths, NoBerth
from gateway.link.commands import Arrived, Cause, Command, Draining, End, Proven, Taken, Told
from gateway.link.connection import LinkConnection
from gateway.link.frames import BerthHello, Go, Hello, LineHello, LookHello, NotWelcome, State
from gateway.link.gate import Gate
from gateway.link.keyring import Keyring
from gateway.link.keys import fingerprint
from gateway.link.line import OutsideLine, Who
from gateway.link.observer import LinkObserver
from gateway.link.parity import Clients, Digests, Parity
from gateway.link.settings import OutsideSettings
from gateway.link.standing import LinkStanding, Side
from gateway.link.telling import Telling
from gateway.link.tls import Stranger
from gateway.link.wanted import Demand
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.settings import ServerSettings
from gateway.net.transport.reactor import Reactor
from gateway.net.transport.tls_layer import TlsLayer

# Connections that an agent may have besides those for sessions: its line, above all, which must be able to come back
# while it has as many sessions as it may have; whoever would be its line; and those who only look.
_BESIDE_BERTHS: Final = 8
_UNWATCHED: Final = LinkObserver()


class LinkHost:
    """Who is here on one link. version: of this gateway's software. observer: is told what happens on it. keyring:
    judges whoever comes. gate: where agents call in. watchers: called when agents come and go, or say that they are
    ready for other clients."""

    def __init__(
        self,
        settings: OutsideSettings,
        keyring: Keyring,
        version: str,
        reactor: Reactor,
        observer: LinkObserver = _UNWATCHED,
    ) -> None:
        self.settings = settings
        self._telling = Telling(settings.name, observer)
        self.gate = Gate(settings, keyring, self, self._telling, reactor)
        self.watchers: list[Callable[[], None]] = []
        self.keyring = keyring
        self._stopped = False
        self._who = Who(version, token_hex(16))
        # What sessions are asked for, by the client's name.
        self._asked: Clients = {}
        self._reactor = reactor
        self._agents = {name: self._agent(name) for name in settings.agents}
        # Whose each connection is, until a session has taken it.
        self._names: dict[LinkConnection, Agent] = {}
        self._berths = Berths(lambda: self._agents.values(), self._telling.waited, reactor)

    def configure(self, settings: OutsideSettings, keyring: Keyring) -> None:
        """Judges by these from now on, also those who are here. Whoever is not pinned any more goes at once, with the
        sessions on that agent's connections. The address must be the same."""
        self._telling.own_key_read(self.keyring, keyring)
        self._telling.pins_read(self.keyring.pinned, keyring.pinned)
        self.settings, self.keyring = settings, keyring
        self.gate.configure(settings, keyring)
        for name in settings.agents:
            self._agents[name] = self._agents.get(name) or self._agent(name)
        for agent in self._agents.values():
            agent.demand = Demand(settings.parked)
        self.judge(keyring)
        for agent in self._agents.values():
            self._berths.want(agent)
        for name in self._agents.keys() - settings.agents.keys():
            del self._agents[name]
        self._changed()

    def ask_for(self, clients: Clients) -> None:
        """Asks for sessions of these clients from now on, and compares their policies with those of the agents."""
        self._asked = clients
        for agent in self._agents.values():
            agent.parity.use(clients)
            if agent.line is not None and agent.machine is not None:
                agent.line.run(agent.machine.tell_all(_states(clients, agent.parity.of), monotonic()))

    def judge(self, keyring: Keyring | None) -> None:
        """Cuts off whoever is not pinned there, with the sessions on that agent's connections. keyring: None where
        nobody is."""
        for agent in self._agents.values():
            for link in list(agent.sessions):
                if keyring is None or not keyring.knows(link.layer, agent.name):
                    link.transport.abortConnection()
        for connection, agent in list(self._names.items()):
            if keyring is None or not keyring.knows(connection.layer, agent.name):
                connection.close(f"the key of agent {agent.name} is not pinned any more")

    @property
    def sessions(self) -> int:
        """How many have a connection of an agent."""
        return sum(len(agent.sessions) for agent in self._agents.values())

    def stop(self) -> None:
        """No agent and no session may come any more; sessions that have a berth go on."""
        self._stopped = True
        self.gate.close()
        for agent in self._agents.values():
            newcomers, agent.newcomers = agent.newcomers, []
            for connection, _ in newcomers:
                connection.close("this gateway is stopping")
            if agent.line is not None and agent.machine is not None:
                agent.line.run(agent.machine.drain(monotonic()))
                agent.line.close("this gateway is stopping")

    # For sessions.

    def agents_for(self, client: str | None) -> list[str]:
        """The agents that would take a session of this client now; None for any client."""
        return [name for name, agent in self._agents.items() if agent.takes(client)]

    def why_none(self, client: str) -> str:
        """Why no agent would take a session of this client."""
        said = "; ".join(_shut(self.keyring, name) or agent.why_not(client) for name, agent in self._agents.items())
        return f"no gateway inside is ready on link {self.settings.name}: {said}"

    def standing(self) -> LinkStanding:
        """How the link stands."""
        pinned = self.keyring.pinned
        peers = tuple(
            self._agents[name].standing(
                self._asked, pinned[name].expires if name in pinned else None, _shut(self.keyring, name)
            )
            for name in self.settings.agents
            if name in self._agents
        )
        return LinkStanding(self.settings.name, Side.outside, self.settings.address, self.keyring.expires, peers)

    def open(self, server: ServerSettings, go: Go, patience: float) -> Deferred[ServerLink]:
        """A connection for a session, at the latest after so many seconds. Fails with NoBerth; may be cancelled.
        server: an agent in the place of one."""
        agent = self._agents.get(server.server_name)
        if agent is None:
            return fail(NoBerth(f"agent {server.server_name} is none of link {self.settings.name} any more"))
        return self._berths.open(agent, server, go, patience)

    # From the connections.

    def link_secured(self, connection: LinkConnection, layer: TlsLayer) -> None:
        try:
            agent = self._agents[self.keyring.peer(layer)]
        except (Stranger, ssl.SSLError) as error:
            connection.close(str(error))
            return
        self.gate.passed(connection)
        self._names[connection] = agent
        agent.connections += 1
        arrival = Arrival(agent.name, monotonic())
        full = agent.connections > self.settings.connections + _BESIDE_BERTHS
        connection.speak(arrival, arrival.refuse(NotWelcome.too_many) if full else [])

    def link_said(self, connection: LinkConnection, command: Command) -> None:
        agent = self._names[connection]
        if isinstance(command, Arrived):
            self._arrived(connection, agent, command.hello)
        elif isinstance(command, Taken):
            del self._names[connection]
            self._berths.taken(connection, agent, command)
        elif isinstance(command, Proven):
            self._refuse_newcomers(agent)
        elif isinstance(command, Told | Draining):
            agent.parity.news()
            self._berths.look_elsewhere(agent)
            self._changed()

    def link_ended(self, connection: LinkConnection, end: End) -> None:
        agent = self._names.pop(connection, None)
        if agent is None:
            self.gate.turned_away(connection, end.said)
            return
        agent.connections -= 1
        if connection is agent.line:
            self._fell(agent, end)
        else:
            self._telling.connection_ended(agent.name, end)
            agent.newcomers = [each for each in agent.newcomers if each[0] is not connection]
            self._berths.ended(connection, agent, end)

    def _changed(self) -> None:
        for watcher in list(self.watchers):
            watcher()

    # Lines.

    def _agent(self, name: str) -> Agent:
        parity = Parity(self._asked, partial(self._telling.agent_differs, name), self._reactor)
        return Agent(name, self.settings.parked, parity)

    def _arrived(self, connection: LinkConnection, agent: Agent, hello: Hello) -> None:
        now = monotonic()
        arrival = connection.machine
        if not isinstance(arrival, Arrival):
            raise TypeError("a connection arrived twice")
        if self._stopped:
            connection.run(arrival.refuse(NotWelcome.stopping))
        elif isinstance(hello, BerthHello):
            if not agent.token or hello.line != agent.token:
                connection.run(arrival.refuse(NotWelcome.unknown_line))
                return
            # The line is one of them, and none of those that the inside counts.
            if agent.connections - 1 > self.settings.connections:
                connection.run(arrival.refuse(NotWelcome.too_many))
                return
            connection.speak(OutsideBerth(agent.name, now, uniform), [])
            self._berths.park(connection, agent)
        elif isinstance(hello, LookHello):
            self._welcome(OutsideLine(hello, agent.name, now), connection, token_hex(16), agent)
        elif agent.line is None or agent.machine is None:
            self._rise(connection, agent, hello)
        elif isinstance(agent.machine.hello, LineHello) and agent.machine.hello.instance == hello.instance:
            agent.newcomers.insert(0, (connection, hello))
            agent.line.run(agent.machine.end(Cause.dropped, f"agent {agent.name} has called anew"))
        else:
            agent.newcomers.append((connection, hello))
            agent.line.run(agent.machine.challenge(now))

    def _rise(self, connection: LinkConnection, agent: Agent, hello: LineHello) -> None:
        machine = OutsideLine(hello, agent.name, monotonic())
        agent.rise(connection, machine)
        self._telling.agent_came(agent.name, hello.version)
        self._welcome(machine, connection, agent.token, agent)
        self._changed()

    def _welcome(self, machine: OutsideLine, connection: LinkConnection, token: str, agent: Agent) -> None:
        parked = self._berths.wanted(agent)
        shown = connection.layer.peer_certificate
        ends = self.keyring.fingerprint, "" if shown is None else fingerprint(shown)
        if isinstance(machine.hello, LineHello):
            agent.parity.begin(*ends, machine.states)
            digests = agent.parity.of
        else:
            digests = Digests(self._asked, *ends).of
        states = _states(self._asked, digests)
        welcome = machine.welcome(self._who, token, parked, states, time.time(), monotonic())
        connection.speak(machine, welcome)

    def _fell(self, agent: Agent, end: End) -> None:
        self._telling.agent_left(agent.name, end)
        agent.parity.end()
        for berth in agent.fall(end.said):
            berth.close(f"the line of agent {agent.name} has ended")
        if end.cause is Cause.silent:
            self._berths.end_silent(agent)
        if agent.newcomers:
            connection, hello = agent.newcomers.pop(0)
            self._rise(connection, agent, hello)
            self._refuse_newcomers(agent)
        else:
            self._berths.look_elsewhere(agent)
            self._changed()

    def _refuse_newcomers(self, agent: Agent) -> None:
        """The agent is here, and others have come with its key."""
        newcomers, agent.newcomers = agent.newcomers, []
        for connection, _ in newcomers:
            if isinstance(connection.machine, Arrival):
                connection.run(connection.machine.refuse(NotWelcome.already_here))


def _shut(keyring: Keyring, agent: str) -> str:
    """Why an agent is shut out; "" where it is not."""
    problem = keyring.shut_out.get(agent)
    return "" if problem is None else f"agent {agent} is shut out: {problem}"


def _states(clients: Clients, digests: Callable[[str], Mapping[str, str]]) -> Iterator[State]:
    """What the agents are told of the clients that sessions are asked for."""
    for name in clients:
        yield State(name, True, "", digests(name))
