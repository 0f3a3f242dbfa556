"""One connection to one server, over verified LDAPS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol as Interface

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IHandshakeListener,
    IHostResolution,
    IReactorPluggableNameResolver,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.net.reactor import Reactor, SecureTransport, Timer
from gateway.net.reading import Reading
from gateway.net.resumption import ResumableTls
from gateway.net.settings import ServerSettings
from gateway.net.tls import certificate_expiry, explain_failure
from gateway.net.tls_transport import TlsFactory

# How TLS 1.3 servers often refuse a client: the handshake is complete by then, and some send no alert.
CLOSED_AT_ONCE = "closed by the server before its first answer: does it ask for a client_certificate, or for another?"
# What a peer that stopped reading may keep of ours after we closed, in seconds.
LINGER = 5.0
# Seconds after which the next address of a name is tried as well (RFC 8305 5: 0.01 to 2).
NEXT_ADDRESS = 0.1


class LinkOwner(Interface):
    """Who a link belongs to: exactly one session."""

    def link_data(self, data: bytes) -> None: ...
    def link_lost(self, detail: str) -> None: ...


@implementer(IHandshakeListener)
class ServerLink(Protocol):
    """One connection to a server. secured fires once TLS is established and the certificate verified. kept: it was
    opened before it was needed, and may have broken since. reading: pauses what comes from it."""

    transport: SecureTransport  # type: ignore[assignment]
    reading: Reading

    def __init__(self, server: ServerSettings, tls: ResumableTls, reactor: Reactor) -> None:
        self.server = server
        self._tls = tls
        self.kept = False
        self.secured: Deferred[ServerLink] = Deferred()
        self._owner: LinkOwner | None = None
        self._pieces: list[bytes] = []
        self._heard = False
        self._closed = False
        self._reactor = reactor
        self._linger: Timer | None = None
        self._ended: Callable[[], None] | None = None

    @property
    def certificate_expires(self) -> float | None:
        """Seconds since the epoch; known once it is secured."""
        certificate = self.transport.getPeerCertificate()
        return None if certificate is None else certificate_expiry(certificate)

    def attach(self, owner: LinkOwner) -> None:
        self._owner = owner

    def when_ended(self, ended: Callable[[], None]) -> None:
        """ended: called once, when it is closed or lost."""
        self._ended = ended

    def close(self) -> None:
        """Writes what is pending and closes; the owner hears nothing of this link any more. May be called again."""
        self._owner = None
        if self._closed:
            return
        self._closed = True
        self._end()
        self.reading.end()
        self.transport.loseConnection()
        self._linger = self._reactor.callLater(LINGER, self.transport.abortConnection)

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self.reading = Reading(self.transport, self._reactor)

    def handshakeCompleted(self) -> None:
        self._tls.established(self.transport.getHandle())
        self.secured.callback(self)

    def dataReceived(self, data: bytes) -> None:
        if not self._heard:
            self._heard = True
            self._tls.keep(self.transport.getHandle())
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
        self._closed = True
        if not self.secured.called:
            self.secured.errback(reason)
        self._end()
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.link_lost(self._explain_loss(reason))

    def _end(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()

    def _explain_loss(self, reason: Failure) -> str:
        if not self._heard and reason.check(ConnectionDone, ConnectionLost):
            return CLOSED_AT_ONCE
        return "closed by the server" if reason.check(ConnectionDone) else explain_failure(reason)


class _LinkFactory(Factory):
    noisy = False

    def __init__(self, server: ServerSettings, tls: ResumableTls, reactor: Reactor) -> None:
        self._server = server
        self._tls = tls
        self._reactor = reactor

    def buildProtocol(self, addr: object) -> ServerLink:
        return ServerLink(self._server, self._tls, self._reactor)


@implementer(IReactorPluggableNameResolver, IHostResolution)
class _Resolved:
    """The reactor, with every name known already."""

    def __init__(self, reactor: Reactor, addresses: tuple[str, ...]) -> None:
        self._reactor = reactor
        self._addresses = addresses
        self.nameResolver = self
        self.name = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def resolveHostName(self, receiver: Any, hostName: str, portNumber: int = 0, *_: Any, **__: Any) -> _Resolved:
        self.name = hostName
        receiver.resolutionBegan(self)
        for each in self._addresses:
            kind: Any = IPv6Address if ":" in each else IPv4Address
            receiver.addressResolved(kind("TCP", each, portNumber))
        receiver.resolutionComplete()
        return self


async def open_link(server: ServerSettings, tls: ResumableTls, patience: float, reactor: Reactor) -> ServerLink:
    """A link whose TLS is up and verified. patience: seconds. Raises what Twisted and OpenSSL do, see
    tls.explain_failure; may be cancelled."""
    untyped: Any = reactor
    started = reactor.seconds()
    endpoint = server_endpoint(server, patience, reactor)
    links: Any = _LinkFactory(server, tls, reactor)
    creator: Any = tls
    factory: Any = TlsFactory(creator, True, links)
    secure = await endpoint.connect(factory).addTimeout(patience, untyped)
    link: ServerLink = secure.wrappedProtocol
    try:
        left = max(0.0, patience - (reactor.seconds() - started))
        return await link.secured.addTimeout(left, untyped)
    except BaseException:
        link.transport.abortConnection()
        raise


def server_endpoint(server: ServerSettings, patience: float, reactor: Reactor) -> Any:
    """Where open_link connects to."""
    untyped: Any = reactor
    known = server.addresses or (server.host,)
    if len(known) == 1:
        # Nothing is to be resolved, or to be tried side by side; that of names tells of a refusal only when it would
        # try the next address.
        if isIPAddress(known[0]):
            return TCP4ClientEndpoint(untyped, known[0], server.port, timeout=patience)
        if isIPv6Address(known[0]):
            return TCP6ClientEndpoint(untyped, known[0], server.port, timeout=patience)
    resolving: Any = _Resolved(reactor, server.addresses) if server.addresses else reactor
    return HostnameEndpoint(resolving, server.host, server.port, timeout=patience, attemptDelay=NEXT_ADDRESS)
