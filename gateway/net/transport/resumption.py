"""TLS sessions towards a server, resumed: a new connection saves both sides the certificate's part of the handshake.

Only in TLS 1.3, where a resumed connection has a key exchange of its own, so that forward secrecy stays (RFC 8446 2.2:
OpenSSL offers psk_dhe_ke alone). A session is offered only to the server that it came from, under the context that
verified it, and for an hour at most after a handshake that verified everything. Within that hour one session serves
every connection: RFC 8446 C.4 advises clients to use a ticket once, so that nobody on the line sees that two
connections are of one client, which the gateway's address tells about each of its connections anyway.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from cryptography import x509

from gateway.net.transport.tls_layer import TlsLayer

# Seconds after which a server is verified anew, as it would be without resumption.
LONGEST: Final = 3600.0

# Python 3.10 to 3.12.7 and 3.13.0 leak the session, 3 to 6 kB, each time that a program reads SSLObject.session
# (python/cpython issue 116810; 3.12.8 and 3.13.1 are the first good versions, 3.11 will have none).
READING_LEAKS: Final = sys.version_info < (3, 12, 8) or (3, 13) <= sys.version_info < (3, 13, 1)

# Seconds between two readings of one server's sessions, so that the leak stays below 50 MB a year and server.
READ_EVERY: Final = LONGEST if READING_LEAKS else 0.0


@dataclass(frozen=True, slots=True)
class Verified:
    """What a whole handshake verified. at: when, on the clock, in seconds."""

    certificate: x509.Certificate
    at: float


class ServerLayer(TlsLayer):
    """The gateway's side of a TLS connection to a server. verified: of the handshake; of a resumed session the one that
    it began with. offered: the session that the handshake offers; None once it is over."""

    __slots__ = ("offered", "verified")

    offered: ssl.SSLSession | None
    verified: Verified | None


class ServerTls:
    """The TLS of one server. context: verifies everything. server_name: whom the certificate must name; sent as SNI.
    read_every: seconds between two readings of a session."""

    def __init__(
        self,
        context: ssl.SSLContext,
        server_name: str,
        clock: Callable[[], float] = monotonic,
        read_every: float = READ_EVERY,
    ) -> None:
        self._context = context
        self._server_name = server_name
        self._clock = clock
        self._read_every = read_every
        self._kept: tuple[ssl.SSLSession, Verified] | None = None
        self._read_from = 0.0

    def layer(self) -> ServerLayer:
        """For a new connection. Raises ValueError for a server name that is none."""
        # The session is kept again once the server has taken it up: one that breaks a handshake breaks no second one.
        kept, self._kept = self._kept, None
        if kept is not None and not self._holds(kept[1]):
            kept = None
        session, verified = kept or (None, None)
        layer = ServerLayer(self._context, server_side=False, server_name=self._server_name, session=session)
        layer.offered, layer.verified = session, verified
        return layer

    def established(self, layer: ServerLayer) -> None:
        """The handshake is over, so chain and name have been verified: now, or when the session that was resumed
        began."""
        offered, layer.offered = layer.offered, None
        if layer.resumed:
            if offered is not None and layer.verified is not None and self._kept is None:
                self._kept = offered, layer.verified
        else:
            certificate = layer.peer_certificate
            layer.verified = None if certificate is None else Verified(certificate, self._clock())

    def keep(self, layer: ServerLayer) -> None:
        """Something of the server has come, and with it the ticket of a session, if it gives any. A session that is
        kept and young needs no other."""
        now = self._clock()
        if layer.verified is None or layer.version != "TLSv1.3" or now < self._read_from:
            return
        if self._kept is not None and self._holds(self._kept[1]):
            return
        self._read_from = now + self._read_every
        session = layer.session
        if session is not None and session.has_ticket:
            self._kept = session, layer.verified

    def _holds(self, verified: Verified) -> bool:
        expired = verified.certificate.not_valid_after_utc < datetime.now(UTC)
        return not expired and self._clock() - verified.at < LONGEST
