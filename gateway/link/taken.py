"""A berth that a session has taken: its connection to a server, by way of the gateway inside."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from gateway.link.commands import Taken
from gateway.net.servers.server_link import LinkOwner, ServerLink
from gateway.net.servers.settings import ServerSettings
from gateway.net.transport.failures import explain_failure
from gateway.net.transport.reactor import Reactor
from gateway.net.transport.stream import Stream
from gateway.net.transport.tls_layer import TlsLayer


class TakenLink(ServerLink):
    """The connection to a server behind an agent.

    layer: its TLS, which shows whose it is. taken: the inside's answer; octets that came behind it are the session's
    first. left: is called once, with this link, at the end of the connection. heard_at: when octets came last, on the
    monotonic clock, in seconds.
    """

    def __init__(
        self,
        server: ServerSettings,
        stream: Stream,
        layer: TlsLayer,
        taken: Taken,
        left: Callable[[TakenLink], None],
        reactor: Reactor,
    ) -> None:
        super().__init__(server, stream, reactor)
        self.layer = layer
        self.session = taken.session
        self.heard_at = monotonic()
        self._early = taken.octets
        self._left = left
        self._later = reactor

    def attach(self, owner: LinkOwner) -> None:
        super().attach(owner)
        if self._early:
            # The owner is told of the connection first.
            early, self._early = self._early, b""
            self._later.callLater(0, self.dataReceived, early)

    def dataReceived(self, data: bytes) -> None:
        self.heard_at = monotonic()
        super().dataReceived(data)

    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)
        self._left(self)

    def explain_loss(self, reason: Failure) -> str:
        return "the link was closed" if reason.check(ConnectionDone) else f"the link broke: {explain_failure(reason)}"
