"""The way to servers by LDAPS from here: TLS from the first octet, chain and name verified."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from gateway.net.servers.connecting import connect
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.servers.trust import ServerTrust
from gateway.net.servers.way import Whom
from gateway.net.transport.certificates import certificate_expiry
from gateway.net.transport.reactor import Reactor
from gateway.net.transport.resumption import ServerTls
from gateway.net.transport.stream import Stream
from gateway.net.transport.tls_layer import TlsLayer

# How TLS 1.3 servers often refuse a client: the handshake is complete by then, and some send no alert.
CLOSED_AT_ONCE = "closed by the server before its first answer: does it ask for a client_certificate, or for another?"


class LdapsLink(ServerLink):
    """A connection to a server by LDAPS. secured: fires once TLS is established and the certificate verified;
    cancelled, it is the end of the connection."""

    def __init__(self, server: ServerSettings, tls: ServerTls, stream: Stream, reactor: Reactor) -> None:
        """Takes the stream over, and begins TLS. Raises ValueError for a server name that is none."""
        layer = tls.layer()
        super().__init__(server, stream, reactor)
        self._tls = tls
        self._layer = layer
        self.secured: Deferred[ServerLink] = Deferred(lambda _: stream.abortConnection())
        stream.start_tls(layer)

    @property
    def certificate_expires(self) -> float | None:
        """Known once it is secured."""
        verified = self._layer.verified
        return None if verified is None else certificate_expiry(verified.certificate)

    def handshakeCompleted(self, layer: TlsLayer) -> None:
        self._tls.established(self._layer)
        self.secured.callback(self)

    def first_heard(self) -> None:
        self._tls.keep(self._layer)

    def explain_loss(self, reason: Failure) -> str:
        if not self.heard and reason.check(ConnectionDone, ConnectionLost):
            return CLOSED_AT_ONCE
        return super().explain_loss(reason)

    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)
        if not self.secured.called:
            self.secured.errback(reason)


class LdapsWay:
    """The net/servers/way.Way by LDAPS. Raises OSError or ValueError for certificate files that cannot be used."""

    def __init__(self, directory: DirectorySettings, reactor: Reactor) -> None:
        self._directory = directory
        self._reactor = reactor
        self._trust = ServerTrust(directory)
        # Of each server that was connected to, for it keeps what a later connection may resume.
        self._tls: dict[ServerSettings, ServerTls] = {}

    @property
    def opens_ahead(self) -> bool:
        return True

    @property
    def fingerprint(self) -> str:
        return self._trust.fingerprint

    def renew(self) -> None:
        self._trust = ServerTrust(self._directory)
        self._tls = {}

    def open(self, server: ServerSettings, whom: Whom | None, patience: float) -> Deferred[ServerLink]:
        """whom: not told to the server. Otherwise as net/servers/way.Way has it."""
        until = self._reactor.seconds() + patience
        tls = self._tls_of(server)

        def secure(stream: Stream) -> Deferred[ServerLink]:
            try:
                link = LdapsLink(server, tls, stream, self._reactor)
            except BaseException:
                stream.abortConnection()
                raise
            untyped: Any = self._reactor
            return link.secured.addTimeout(max(0.0, until - self._reactor.seconds()), untyped)

        return connect(server, patience, self._reactor).addCallback(secure)

    def _tls_of(self, server: ServerSettings) -> ServerTls:
        tls = self._tls.get(server)
        if tls is None:
            tls = self._tls[server] = self._trust.of(server)
        return tls
