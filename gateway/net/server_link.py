"""Connections to the servers of a directory, over verified LDAPS."""

from __future__ import annotations

from typing import Any
from typing import Protocol as Interface

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.net.observer import Observer
from gateway.net.reactor import Reactor, SecureTransport, Timer
from gateway.net.reading import Reading
from gateway.net.settings import DirectorySettings, ServerSettings
from gateway.net.tls import certificate_expiry, explain_failure, failure_cause, server_tls
from gateway.net.tls_transport import TlsFactory

log = Logger()

# How TLS 1.3 servers often refuse a client: the handshake is complete by then, and some send no alert.
CLOSED_AT_ONCE = "closed by the server before its first answer: does it ask for a client_certificate, or for another?"
# What a peer that stopped reading may keep of ours after we closed, in seconds.
LINGER = 5.0


class LinkOwner(Interface):
    """Who a link belongs to: exactly one session."""

    def link_data(self, data: bytes) -> None: ...
    def link_lost(self, detail: str) -> None: ...


class NoServer(Exception):
    """No server of the directory could be reached; the text says why of each."""


@implementer(IHandshakeListener)
class ServerLink(Protocol):
    """One connection to a server. secured fires once TLS is established and the certificate verified. reading: pauses
    what comes from it."""

    transport: SecureTransport  # type: ignore[assignment]
    reading: Reading

    def __init__(self, server: ServerSettings, reactor: Reactor) -> None:
        self.server = server
        self.secured: Deferred[ServerLink] = Deferred()
        self._owner: LinkOwner | None = None
        self._pieces: list[bytes] = []
        self._heard = False
        self._reactor = reactor
        self._linger: Timer | None = None

    @property
    def certificate_expires(self) -> float | None:
        """Seconds since the epoch; known once it is secured."""
        certificate = self.transport.getPeerCertificate()
        return None if certificate is None else certificate_expiry(certificate)

    def attach(self, owner: LinkOwner) -> None:
        self._owner = owner

    def close(self) -> None:
        """Writes what is pending and closes; the owner hears nothing of this link any more."""
        self._owner = None
        self.reading.end()
        self.transport.loseConnection()
        self._linger = self._reactor.callLater(LINGER, self.transport.abortConnection)

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self.reading = Reading(self.transport, self._reactor)

    def handshakeCompleted(self) -> None:
        self.secured.callback(self)

    def dataReceived(self, data: bytes) -> None:
        self._heard = True
        self._pieces.append(data)

    def read_ended(self) -> None:
        if self._pieces:
            data = b"".join(self._pieces)
            self._pieces.clear()
            if self._owner is not None:
                self.reading.read(len(data))
                self._owner.link_data(data)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        # What came last may make the owner close.
        self.read_ended()
        self.reading.lost()
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        if not self.secured.called:
            self.secured.errback(reason)
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.link_lost(self._explain_loss(reason))

    def _explain_loss(self, reason: Failure) -> str:
        if not self._heard and reason.check(ConnectionDone, ConnectionLost):
            return CLOSED_AT_ONCE
        return "closed by the server" if reason.check(ConnectionDone) else explain_failure(reason)


class _LinkFactory(Factory):
    noisy = False

    def __init__(self, server: ServerSettings, reactor: Reactor) -> None:
        self._server = server
        self._reactor = reactor

    def buildProtocol(self, addr: object) -> ServerLink:
        return ServerLink(self._server, self._reactor)


class ServerConnector:
    """Opens links to a directory's servers, in their order. Raises OSError or ValueError for unusable
    certificate files."""

    def __init__(self, directory: DirectorySettings, reactor: Reactor, observer: Observer | None = None) -> None:
        self._directory = directory
        self._reactor = reactor
        self._observer = observer or Observer()
        self.renew_tls()

    def renew_tls(self) -> None:
        """Later connections use the CA file and the client certificate as they are now. Raises as the constructor, and
        then nothing changes."""
        self._servers = [(server, server_tls(self._directory, server)) for server in self._directory.servers]

    def connect(self) -> Deferred[ServerLink]:
        """The first server that answers. Fails with NoServer; may be cancelled."""
        return Deferred.fromCoroutine(self._connect())

    async def _connect(self) -> ServerLink:
        failures: list[str] = []
        for server, tls in self._servers:
            try:
                link = await self._connect_one(server, tls)
                self._observer.server_connected(self._directory, server, link.certificate_expires)
                return link
            except CancelledError:
                raise
            except Exception:  # noqa: BLE001 - whatever broke this server, the next one is tried
                failure = Failure()
                self._observer.server_failed(self._directory, server, failure_cause(failure))
                detail = f"{server.url}: {explain_failure(failure)}"
                log.warn("directory {name}: {detail}", name=self._directory.name, detail=detail)
                failures.append(detail)
        self._observer.directory_failed(self._directory)
        raise NoServer("; ".join(failures))

    async def _connect_one(self, server: ServerSettings, tls: IOpenSSLClientConnectionCreator) -> ServerLink:
        patience = self._directory.connect_timeout
        started = self._reactor.seconds()
        reactor: Any = self._reactor
        endpoint: Any = HostnameEndpoint(reactor, server.host, server.port, timeout=patience)
        links: Any = _LinkFactory(server, self._reactor)
        factory: Any = TlsFactory(tls, True, links)
        secure = await endpoint.connect(factory).addTimeout(patience, reactor)
        link: ServerLink = secure.wrappedProtocol
        try:
            left = max(0.0, patience - (self._reactor.seconds() - started))
            return await link.secured.addTimeout(left, reactor)
        except BaseException:
            link.transport.abortConnection()
            raise
