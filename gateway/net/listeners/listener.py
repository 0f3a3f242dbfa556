"""A listener: judges where a connection comes from, then makes the session's connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from itertools import count
from time import monotonic
from typing import Any

from twisted.logger import Logger

from gateway.net.listeners.proxied import ProxiedConnection
from gateway.net.listeners.refusals import Refusals
from gateway.net.listeners.shared_addresses import SharedSources, shared_addresses
from gateway.net.observer import Observer
from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.way import Whom
from gateway.net.sessions.admission import Admission, Place
from gateway.net.sessions.client_tls import ListenerTls
from gateway.net.sessions.connection_settings import ConnectionSettings
from gateway.net.sessions.driver import SessionDriver
from gateway.net.sessions.rates import RequestRates, SessionRates
from gateway.net.sessions.required_certificate import RequiredCertificate
from gateway.net.sessions.services import SessionServices
from gateway.net.sessions.settings import ConnectionLimits, ListenerSettings, StartTls
from gateway.net.sessions.sources import SourceTable, parse_source
from gateway.net.transport.certificates import certificate_expiry
from gateway.net.transport.reactor import Reactor
from gateway.net.transport.stream import Served
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.relay.load import GatewayLoad
from gateway.relay.paging import ServerFacts
from gateway.relay.session import Session
from gateway.relay.settings import SessionLimits
from gateway.relay.standing import Peer

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class ServedClient:
    """A client as a listener needs it: what it may do, the way to its directory, and its TLS, which
    demands a certificate where it must show one. The source says which client it is, so that is known before TLS."""

    policy: Policy
    connector: ServerConnector
    facts: ServerFacts
    tls: ListenerTls
    certificate: RequiredCertificate | None


@dataclass(frozen=True, slots=True)
class ListenerState:
    """What a configuration load makes of a listener. A reload replaces it whole; sessions keep the one that
    they began with. tls: of the listener itself, for the clients that need no certificate."""

    settings: ListenerSettings
    tls: ListenerTls
    clients: SourceTable[ServedClient]
    proxies: SourceTable[bool]
    limits: SessionLimits
    connections: ConnectionLimits

    @property
    def certificate_expires(self) -> float:
        """When the first certificate of its chain does, in seconds since the epoch."""
        return certificate_expiry(*self.tls.certificates)


class SessionRegistry:
    """The sessions that are under way, the IDs that they have in the logs, and what outlives them.

    services: to all sessions. open: of each the name of its client and its source. load: of all sessions. admission,
    refusals, rates: of all listeners. closed: no further session begins.
    """

    def __init__(self, services: SessionServices, observer: Observer) -> None:
        self.services = services
        self.observer = observer
        self.open: dict[SessionDriver, tuple[str, str]] = {}
        self.load = GatewayLoad()
        self.admission = Admission()
        self.refusals = Refusals(observer)
        self.rates = RequestRates()
        self.shared = SharedSources(shared_addresses())
        self.closed = False
        self.ended_sessions = 0
        self._numbers = count(1)

    def next_id(self) -> str:
        return f"s{next(self._numbers)}"

    def begun(self, client: str, source: str, connection: SessionDriver) -> None:
        self.open[connection] = client, source
        self.observer.session_opened(client)

    def ended(self, client: str, connection: SessionDriver) -> None:
        self.open.pop(connection, None)
        self.ended_sessions += 1
        self.observer.session_ended(client)


class ListenerFactory:
    """Accepts connections for one listener. state may be replaced at any time and holds for later sessions. closed: the
    listener is gone, and nothing comes of connections that have not told yet whom they are for.

    An IProtocolFactory: a class of Twisted's cannot be the base of a compiled one, see setup.py.
    """

    def __init__(self, state: ListenerState, registry: SessionRegistry, reactor: Reactor) -> None:
        self.state = state
        self.closed = False
        self._registry = registry
        self._reactor = reactor

    def doStart(self) -> None:
        """The listener is open."""

    def doStop(self) -> None:
        """It is closed."""

    def buildProtocol(self, addr: Any) -> Served | None:
        """None closes the connection before a byte of it is read."""
        state = self.state
        peer = parse_source(addr.host)
        proxied = state.proxies.find(addr.host) is not None
        if not proxied and state.clients.find(addr.host) is None:
            self._refuse(Reason.source_not_listed, peer, None)
            return None
        place = self._registry.admission.enter(
            str(peer), state.connections, state.limits.bind, monotonic(), proxied=proxied
        )
        if isinstance(place, Reason):
            self._refuse(place, peer, None)
            return None
        if not proxied:
            protocol = self._serve(place, None, peer)
            if protocol is None:
                place.leave()
            return protocol
        return ProxiedConnection(
            partial(self._serve, place, peer),
            place,
            state.connections.proxy_header,
            lambda reason, detail: self._refuse(reason, peer, None, detail),
            self._reactor,
        )

    def _serve(
        self,
        place: Place,
        proxy: IPv4Address | IPv6Address | None,
        named: IPv4Address | IPv6Address,
    ) -> SessionDriver | None:
        """proxy: who connected for the source, None where the source itself did."""
        # A reload may have come since a proxy connected.
        state = self.state
        source = parse_source(str(named))
        host = str(source)
        client = state.clients.find(host)
        trusted = proxy is None or state.proxies.find(str(proxy)) is not None
        # A proxy is never its own client: its address stands for whoever comes through it.
        if client is None or not trusted or state.proxies.find(host) is not None:
            self._refuse(Reason.source_not_listed, source, proxy)
            return None
        reason = place.claim(host, state.connections, monotonic())
        if reason is not None:
            self._refuse(reason, source, proxy)
            return None
        if self._registry.closed or self.closed:
            return None
        if proxy is None:
            self._warn_if_shared(source)
        connection = self._connection(state, place, client, host)
        self._registry.begun(client.policy.settings.name, host, connection)
        return connection

    def _connection(self, state: ListenerState, place: Place, client: ServedClient, source: str) -> SessionDriver:
        session_id = self._registry.next_id()
        encrypted = state.settings.starttls is StartTls.off
        name = client.policy.settings.name
        rates = SessionRates(self._registry.rates, state.connections, name, source)

        def session(goes_on: Callable[[], bool]) -> Session:
            return Session(
                Peer(session_id, source, tls=encrypted, needs_tls=not encrypted),
                client.policy,
                state.limits,
                client.facts,
                monotonic(),
                rates=rates,
                goes_on=goes_on,
                in_all=self._registry.load,
            )

        def refused(reason: Reason, detail: str) -> None:
            self._registry.refusals.note(reason, source, f"{whom}: {detail}", monotonic(), name)

        def ended(connection: SessionDriver) -> None:
            self._registry.ended(name, connection)

        whom = Whom(name, session_id, source)
        return SessionDriver(
            session,
            client.connector,
            ConnectionSettings(
                client.tls,
                client.certificate,
                encrypted,
                state.connections.tls_handshake,
                state.limits.write_stall,
                state.limits.search,
                state.limits.write_window,
            ),
            self._registry.services,
            refused,
            place,
            ended,
            whom,
        )

    def _warn_if_shared(self, source: IPv4Address | IPv6Address) -> None:
        warning = self._registry.shared.seen(source)
        if warning is not None:
            log.warn("a client connects, and {warning}", warning=warning)

    def _refuse(
        self,
        reason: Reason,
        source: IPv4Address | IPv6Address,
        proxy: IPv4Address | IPv6Address | None,
        detail: str = "",
    ) -> None:
        through = f" through {proxy}" if proxy is not None else ""
        what = f"a connection from {source}{through} to {self.state.settings.address}"
        self._registry.refusals.note(reason, str(source), f"{what}: {detail}" if detail else what, monotonic())
