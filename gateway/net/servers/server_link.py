"""One connection to one server, over verified LDAPS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from gateway.net.servers.settings import ServerSettings
from gateway.net.transport.certificates import certificate_expiry
from gateway.net.transport.failures import explain_failure
from gateway.net.transport.reactor import Reactor, Timer
from gateway.net.transport.reading import Reading
from gateway.net.transport.resumption import ServerTls
from gateway.net.transport.stream import Stream
from gateway.net.transport.tls_layer import TlsLayer

# How TLS 1.3 servers often refuse a client: the handshake is complete by then, and some send no alert.
CLOSED_AT_ONCE = "closed by the server before its first answer: does it ask for a client_certificate, or for another?"
# What a peer that stopped reading may keep of ours after we closed, in seconds.
LINGER = 5.0


class LinkOwner(Protocol):
    """Who a link belongs to: exactly one session."""

    def link_data(self, data: bytes) -> None: ...
    def link_lost(self, detail: str) -> None: ...


class ServerLink:
    """One connection to a server. secured fires once TLS is established and the certificate verified; cancelled, it is
    the end of the connection. kept: it was opened before it was needed, and may have broken since. reading: pauses what
    comes from it."""

    def __init__(self, server: ServerSettings, tls: ServerTls, stream: Stream, reactor: Reactor) -> None:
        """Takes the stream over, and begins TLS. Raises ValueError for a server name that is none."""
        self.server = server
        self.transport = stream
        self.reading = Reading(stream, reactor)
        self._tls = tls
        self.kept = False
        self.secured: Deferred[ServerLink] = Deferred(lambda _: stream.abortConnection())
        self._owner: LinkOwner | None = None
        self._heard = False
        self._closed = False
        self._reactor = reactor
        self._linger: Timer | None = None
        self._ended: Callable[[], None] | None = None
        self._layer = tls.layer()
        stream.protocol = self
        stream.start_tls(self._layer)

    @property
    def certificate_expires(self) -> float | None:
        """Seconds since the epoch; known once it is secured."""
        verified = self._layer.verified
        return None if verified is None else certificate_expiry(verified.certificate)

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

    # From the stream.

    def handshakeCompleted(self, layer: TlsLayer) -> None:
        self._tls.established(self._layer)
        self.secured.callback(self)

    def dataReceived(self, data: bytes) -> None:
        if not self._heard:
            self._heard = True
            self._tls.keep(self._layer)
        if self._owner is not None:
            self.reading.read(len(data))
            self._owner.link_data(data)

    def connectionLost(self, reason: Failure) -> None:
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
