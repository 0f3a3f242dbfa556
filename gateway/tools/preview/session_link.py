"""A tool's connection through a session of the gateway, both in this process: what the tool gets is what a service
gets, by the very code that serves it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from gateway.ask.connection import Connection
from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.server_link import LinkOwner
from gateway.net.servers.way import Whom
from gateway.net.sessions.admission import Admission
from gateway.net.sessions.connection_settings import ConnectionSettings
from gateway.net.sessions.driver import SessionDriver
from gateway.net.sessions.secret_verifier import SecretVerifier
from gateway.net.sessions.services import SessionServices
from gateway.net.sessions.settings import ClientSettings
from gateway.net.sessions.turns import Turns
from gateway.net.transport.reactor import Reactor, Transport
from gateway.net.transport.tls_layer import TlsLayer
from gateway.policy.policy import Policy
from gateway.relay.audit import AuditRecord
from gateway.relay.paging import ServerFacts
from gateway.relay.session import Session
from gateway.relay.settings import SessionLimits
from gateway.relay.standing import Peer
from gateway.state.attempts import AttemptsInMemory
from gateway.state.sizes import SizesInMemory

# Seconds beyond the session's own limits: its error says more than the tool's.
_LATER: Final = 10.0


def connect_through_policy(
    client: ClientSettings, limits: SessionLimits, reactor: Reactor, audit: Callable[[AuditRecord], None]
) -> Connection:
    """A connection on which this client's policy is in force; its server is connected to at the first bind.

    audit: takes the record of each operation, just before its answer arrives. What the shrink guard and the lockout
    guard of a running gateway remember is neither looked at nor changed. Raises OSError or ValueError for an unusable
    CA file.
    """
    patience = max(limits.silence, limits.bind + client.directory.connect_patience)
    return Connection(_SessionLink(client, limits, reactor, audit), reactor, patience + _LATER)


class _SessionLink:
    """The tool's end; the session sits at the other."""

    def __init__(
        self, client: ClientSettings, limits: SessionLimits, reactor: Reactor, audit: Callable[[AuditRecord], None]
    ) -> None:
        self._owner: LinkOwner | None = None
        self._session = SessionDriver(
            lambda goes_on: Session(
                Peer("preview", "preview"),
                Policy(client.policy),
                limits,
                ServerFacts(),
                monotonic(),
                goes_on=goes_on,
            ),
            ServerConnector(client.directory, reactor),
            # Within the process there is no TLS to wait for.
            ConnectionSettings(None, None, False, *3 * (limits.write_stall,), limits.write_window),
            SessionServices(
                audit,
                SizesInMemory(),
                AttemptsInMemory(monotonic),
                SecretVerifier(reactor),
                Turns(reactor),
                reactor,
            ),
            lambda reason, detail: None,
            # Of no service's connections, so that nobody takes it.
            Admission().admit("preview", limits.bind),
            lambda connection: None,
            Whom(client.policy.name, "preview", "preview"),
        )
        to_session = _End(reactor, self._session.dataReceived, self.close)
        self._to_tool = _End(reactor, self._arrived, self._lost)
        self.transport: Transport = to_session
        untyped: Any = self._session
        untyped.makeConnection(self._to_tool)

    def attach(self, owner: LinkOwner) -> None:
        self._owner = owner

    def close(self) -> None:
        """The owner hears nothing of this link any more."""
        self._owner = None
        self._to_tool.loseConnection()

    def _arrived(self, data: bytes) -> None:
        if self._owner is not None:
            self._owner.link_data(data)

    def _lost(self) -> None:
        self._session.connectionLost()
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.link_lost("closed by the gateway")


class _End:
    """One end of a connection within the process. What is written to it arrives in a later turn of the reactor, so
    that neither side ever runs inside the other; nothing piles up, since the other side takes all that is there.

    arrived: takes what was written. lost: called once, when all of it has arrived and this end was closed.
    """

    def __init__(self, reactor: Reactor, arrived: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self._reactor = reactor
        self._arrived = arrived
        self._lost = lost
        self._waiting: deque[bytes] = deque()
        self._scheduled = False
        self._closing = False

    def write(self, data: bytes, /) -> None:
        if not self._closing:
            self._waiting.append(data)
            self._schedule()

    def loseConnection(self) -> None:
        if not self._closing:
            self._closing = True
            self._schedule()

    def abortConnection(self) -> None:
        self._waiting.clear()
        self.loseConnection()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._reactor.callLater(0, self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        while self._waiting:
            self._arrived(self._waiting.popleft())
        if self._closing and not self._scheduled:
            self._lost()

    # What only a socket has.

    @property
    def acknowledged(self) -> int:
        return 0

    def start_tls(self, layer: TlsLayer, received: bytes = b"", /) -> None: ...

    def registerProducer(self, producer: Any, streaming: bool, /) -> None: ...

    def unregisterProducer(self) -> None: ...

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...
