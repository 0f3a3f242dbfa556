"""One connection to one server, whatever the way that it came about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from gateway.net.servers.settings import ServerSettings
from gateway.net.transport.failures import explain_failure
from gateway.net.transport.reactor import Reactor, Timer
from gateway.net.transport.reading import Reading
from gateway.net.transport.stream import Stream
from gateway.net.transport.tls_layer import TlsLayer

# What a peer that stopped reading may keep of ours after we closed, in seconds.
LINGER = 5.0


class LinkOwner(Protocol):
    """Who a link belongs to: exactly one session."""

    def link_data(self, data: bytes) -> None: ...
    def link_lost(self, detail: str) -> None: ...


class ServerLink:
    """A connection to a server that belongs to one owner at a time, and to one session for good.

    session: what the server calls the session that it serves over it; "" where it has no name for it, as a directory
    has none. kept: it was opened before it was needed, and may have broken since. reading: pauses what comes from it.
    certificate_expires: when the server's certificate does, in seconds since the epoch; None where that cannot be told.
    """

    def __init__(self, server: ServerSettings, stream: Stream, reactor: Reactor) -> None:
        """Takes the stream over."""
        self.server = server
        self.transport = stream
        self.reading = Reading(stream, reactor)
        self.session = ""
        self.kept = False
        # Whether anything has come over it.
        self.heard = False
        self._owner: LinkOwner | None = None
        self._closed = False
        self._reactor = reactor
        self._linger: Timer | None = None
        self._ended: Callable[[], None] | None = None
        stream.protocol = self

    @property
    def certificate_expires(self) -> float | None:
        return None

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

    # For the ways, each of which has its own beginning and its own words for the end.

    def first_heard(self) -> None:
        """The first octets have come, and are delivered next."""

    def explain_loss(self, reason: Failure) -> str:
        return "closed by the server" if reason.check(ConnectionDone) else explain_failure(reason)

    # From the stream.

    def handshakeCompleted(self, layer: TlsLayer) -> None:
        """TLS is up, where it was not when the stream was taken over."""

    def dataReceived(self, data: bytes) -> None:
        if not self.heard:
            self.heard = True
            self.first_heard()
        if self._owner is not None:
            self.reading.read(len(data))
            self._owner.link_data(data)

    def connectionLost(self, reason: Failure) -> None:
        self.reading.lost()
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        self._closed = True
        self._end()
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.link_lost(self.explain_loss(reason))

    def _end(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()
