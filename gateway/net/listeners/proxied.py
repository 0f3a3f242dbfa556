"""A connection from a trusted proxy, until its header has said whom it is for.

It stands in the place of the session between the acceptance and the end of the header. Then the listener judges the
source that the header names, as it judges any other.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from twisted.python.failure import Failure

from gateway.net.listeners.proxy_header import ProxyHeaderError, ProxyHeaderReader
from gateway.net.sessions.admission import Place
from gateway.net.sessions.driver import SessionDriver
from gateway.net.transport.reactor import Reactor, Timer
from gateway.net.transport.stream import Stream
from gateway.net.transport.tls_layer import TlsLayer
from gateway.policy.reasons import Reason

# Takes the source that the header names; None where it may not have a session.
Serve: TypeAlias = Callable[[IPv4Address | IPv6Address], SessionDriver | None]


class ProxiedConnection:
    """Reads the header, then hands the transport to the protocol that serves the source, TLS and all.

    patience: seconds for the header. refused: is told why nothing came of the connection, unless it was a probe.
    """

    transport: Stream

    def __init__(
        self, serve: Serve, place: Place, patience: float, refused: Callable[[Reason, str], None], reactor: Reactor
    ) -> None:
        self._serve = serve
        self._place = place
        place.displace = self._displaced
        self._patience = patience
        self._refused = refused
        self._reactor = reactor
        self._reader = ProxyHeaderReader()
        self._timer: Timer | None = None
        self._done = False

    def makeConnection(self, transport: Stream) -> None:
        self.transport = transport
        self._timer = self._reactor.callLater(self._patience, self._late)

    def dataReceived(self, data: bytes) -> None:
        if self._done:
            return
        try:
            header = self._reader.feed(data)
        except ProxyHeaderError as error:
            self._refuse(Reason.proxy_header_malformed, str(error))
            return
        if header is None:
            return
        protocol = None if header.source is None else self._serve(header.source)
        if protocol is None:
            self._end()
            return
        self._done = True
        self._cancel_timer()
        # From here on the transport knows nothing of this one.
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)
        if header.rest:
            protocol.dataReceived(header.rest)

    def handshakeCompleted(self, layer: TlsLayer) -> None:
        """TLS is a matter of whom it is handed to."""

    def connectionLost(self, reason: Failure) -> None:
        """A proxy that closes without a word has looked whether somebody listens."""
        self._done = True
        self._cancel_timer()
        self._place.leave()

    def _late(self) -> None:
        self._refuse(Reason.proxy_header_timeout, f"no whole PROXY header within {self._patience:g} seconds")

    def _displaced(self, limit: str) -> None:
        """Another connection has got the place."""
        self._refused(Reason.displaced, f"no PROXY header has come on it, and limits.{limit} was reached")
        self._done = True
        self._cancel_timer()
        self.transport.abortConnection()

    def _refuse(self, reason: Reason, detail: str) -> None:
        self._refused(reason, detail)
        self._end()

    def _end(self) -> None:
        self._done = True
        self._cancel_timer()
        self.transport.loseConnection()

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
