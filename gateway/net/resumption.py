"""TLS sessions towards a server, resumed: a new connection saves both sides the certificate's part of the handshake.

Only in TLS 1.3, where a resumed connection has a key exchange of its own, so that forward secrecy stays (RFC 8446 2.2:
OpenSSL offers psk_dhe_ke alone). A session is offered once (RFC 8446 C.4), only to the server that it came from, under
the context that verified it, and for an hour at most after a handshake that verified everything.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from cryptography import x509

from gateway.net.tls_layer import TlsLayer

# Seconds after which a server is verified anew, as it would be without resumption.
LONGEST: Final = 3600.0

# Seconds in which a server that gave no ticket is not expected to give one. To look for it has Python write the whole
# session down and read it again, certificate and all, at a tenth of the price of a connection.
NO_TICKETS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Verified:
    """certificate: what a whole handshake verified. at: when, on the clock, in seconds."""

    certificate: x509.Certificate
    at: float


class ServerLayer(TlsLayer):
    """verified: of the handshake; of a resumed session the one that it began with."""

    __slots__ = ("verified",)

    verified: Verified | None


class ServerTls:
    """The TLS of one server. context: verifies everything. server_name: whom the certificate must name; sent as SNI."""

    def __init__(self, context: ssl.SSLContext, server_name: str, clock: Callable[[], float] = monotonic) -> None:
        self._context = context
        self._server_name = server_name
        self._clock = clock
        self._kept: tuple[ssl.SSLSession, Verified] | None = None
        self._no_tickets_until = 0.0

    def layer(self) -> ServerLayer:
        """For a new connection. Raises ValueError for a server name that is none."""
        kept, self._kept = self._kept, None
        if kept is not None and not self._holds(kept[1]):
            kept = None
        session, verified = kept or (None, None)
        layer = ServerLayer(self._context, server_side=False, server_name=self._server_name, session=session)
        layer.verified = verified
        return layer

    def established(self, layer: ServerLayer) -> None:
        """The handshake is over, so chain and name have been verified: now, or when the session that was resumed
        began."""
        if not layer.resumed:
            certificate = layer.peer_certificate
            layer.verified = None if certificate is None else Verified(certificate, self._clock())

    def keep(self, layer: ServerLayer) -> None:
        """Something of the server has come, and with it the ticket of a session, if it gives any."""
        now = self._clock()
        if now < self._no_tickets_until or layer.verified is None or layer.version != "TLSv1.3":
            return
        session = layer.session
        if session is not None and session.has_ticket:
            self._kept = session, layer.verified
        else:
            self._no_tickets_until = now + NO_TICKETS

    def _holds(self, verified: Verified) -> bool:
        expired = verified.certificate.not_valid_after_utc < datetime.now(UTC)
        return not expired and self._clock() - verified.at < LONGEST
