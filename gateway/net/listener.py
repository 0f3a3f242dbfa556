"""A listener: judges the source address, then makes the session's connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from time import monotonic
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory

from gateway.net.client_connection import ClientConnection
from gateway.net.observer import Observer
from gateway.net.reactor import Reactor
from gateway.net.server_link import ServerConnector
from gateway.net.settings import ListenerSettings, StartTls
from gateway.net.sources import SourceTable, Strangers, parse_source
from gateway.net.tls import certificate_expiry
from gateway.policy.policy import Policy
from gateway.policy.reasons import REASONS, Reason
from gateway.relay.audit import AuditRecord
from gateway.relay.paging import ServerFacts
from gateway.relay.session import Session
from gateway.relay.settings import SessionLimits
from gateway.state.attempts import Attempts
from gateway.state.sizes import SizeMemory

log = Logger()


@dataclass(frozen=True, slots=True)
class ServedClient:
    """A client as a listener needs it: what it may do, and the way to its directory."""

    policy: Policy
    connector: ServerConnector
    facts: ServerFacts


@dataclass(frozen=True, slots=True)
class ListenerState:
    """What a configuration load makes of a listener. A reload replaces it whole; sessions keep the one that
    they began with."""

    settings: ListenerSettings
    tls: CertificateOptions
    clients: SourceTable[ServedClient]
    limits: SessionLimits

    @property
    def certificate_expires(self) -> float:
        """When the first certificate of its chain does, in seconds since the epoch."""
        return certificate_expiry(*filter(None, (self.tls.certificate, *self.tls.extraCertChain)))


class SessionRegistry:
    """The sessions that are under way, the IDs that they have in the logs, and what outlives them."""

    def __init__(
        self, audit: Callable[[AuditRecord], None], sizes: SizeMemory, attempts: Attempts, observer: Observer
    ) -> None:
        self.audit = audit
        self.sizes = sizes
        self.attempts = attempts
        self.observer = observer
        self.open: set[ClientConnection] = set()
        self._numbers = count(1)

    def next_id(self) -> str:
        return f"s{next(self._numbers)}"

    def begun(self, client: str, connection: ClientConnection) -> None:
        self.open.add(connection)
        self.observer.session_opened(client)

    def ended(self, client: str, connection: ClientConnection) -> None:
        self.open.discard(connection)
        self.observer.session_ended(client)


class _Sessions(Factory):
    """Makes the connection of a source that is known to be listed."""

    noisy = False

    def __init__(self, listener: ListenerFactory) -> None:
        self._listener = listener

    def buildProtocol(self, addr: Any) -> Protocol | None:
        return self._listener.new_connection(addr)


class ListenerFactory(Factory):
    """Accepts connections for one listener. state may be replaced at any time and holds for later ones."""

    noisy = False

    def __init__(
        self, state: ListenerState, registry: SessionRegistry, strangers: Strangers, reactor: Reactor
    ) -> None:
        self.state = state
        self._registry = registry
        self._strangers = strangers
        self._reactor = reactor
        self._sessions = _Sessions(self)

    def buildProtocol(self, addr: Any) -> Protocol | None:
        """None closes the connection before a byte of it is read."""
        host: str = addr.host
        if self.state.clients.find(host) is None:
            self._registry.observer.stranger_refused()
            self._log_stranger(host)
            return None
        if self.state.settings.starttls is StartTls.required:
            return self._sessions.buildProtocol(addr)
        context: Any = self.state.tls
        sessions: Any = self._sessions
        tls = TLSMemoryBIOFactory(context, False, sessions)
        tls.noisy = False
        return tls.buildProtocol(addr)

    def new_connection(self, addr: Any) -> ClientConnection | None:
        state = self.state
        source = str(parse_source(addr.host))
        client = state.clients.find(source)
        if client is None:
            return None
        session_id = self._registry.next_id()
        name = client.policy.settings.name
        encrypted = state.settings.starttls is StartTls.off

        def session() -> Session:
            return Session(
                session_id,
                source,
                client.policy,
                state.limits,
                client.facts,
                monotonic(),
                tls=encrypted,
                needs_tls=not encrypted,
            )

        connection = ClientConnection(
            session,
            client.connector,
            state.tls,
            self._registry.audit,
            self._registry.sizes,
            self._registry.attempts,
            partial(self._registry.ended, name),
            state.limits.write_stall,
            self._reactor,
            f"session {session_id} of client {name} from {source}",
        )
        self._registry.begun(name, connection)
        return connection

    def _log_stranger(self, host: str) -> None:
        if self._strangers.worth_logging(host, monotonic()):
            log.warn(
                "{reason}: closed a connection from {host} to {listener}; {setting} would allow it",
                reason=Reason.source_not_listed.value,
                host=host,
                listener=self.state.settings.address,
                setting=REASONS[Reason.source_not_listed].setting,
            )
