"""TLS sessions towards a server, resumed: a new connection saves both sides the certificate's part of the handshake.

Only in TLS 1.3, where a resumed connection has a key exchange of its own, so that forward secrecy stays (RFC 8446 2.2:
OpenSSL offers psk_dhe_ke alone). A session is offered once (RFC 8446 C.4), only to the server that it came from, under
the context that verified it, and for an hour at most after a handshake that verified everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final
from weakref import WeakKeyDictionary

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer

# Seconds after which a server is verified anew, as it would be without resumption.
LONGEST: Final = 3600.0


@dataclass(frozen=True, slots=True)
class _Verified:
    """certificate: what a whole handshake verified. at: when, on the clock, in seconds."""

    certificate: x509.Certificate
    at: float


@implementer(IOpenSSLClientConnectionCreator)
class ResumableTls:
    """The TLS of one server. whole: makes connections that verify everything, all of one context."""

    def __init__(self, whole: Any, clock: Callable[[], float] = monotonic) -> None:
        self._whole = whole
        self._clock = clock
        self._kept: tuple[SSL.Session, _Verified] | None = None
        self._verified: WeakKeyDictionary[SSL.Connection, _Verified] = WeakKeyDictionary()

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection: SSL.Connection = self._whole.clientConnectionForTLS(tlsProtocol)
        kept, self._kept = self._kept, None
        if kept is not None and self._holds(kept[1]):
            session, verified = kept
            connection.set_session(session)
            self._verified[connection] = verified
        return connection

    def established(self, connection: SSL.Connection) -> None:
        """The handshake is over, so chain and name have been verified: now, or when the session that was taken up
        began. Of a resumed session OpenSSL shows the certificate that it remembers, so that another one than the
        verified one means a whole handshake."""
        shown = connection.get_peer_certificate()
        if shown is None:
            return
        certificate = shown.to_cryptography()
        verified = self._verified.get(connection)
        if verified is None or verified.certificate != certificate:
            self._verified[connection] = _Verified(certificate, self._clock())

    def keep(self, connection: SSL.Connection) -> None:
        """Something of the server has come, and with it the ticket of a session, if it gives any."""
        verified = self._verified.get(connection)
        if verified is None or connection.get_protocol_version_name() != "TLSv1.3":
            return
        session = connection.get_session()
        if session is not None:
            self._kept = session, verified

    def _holds(self, verified: _Verified) -> bool:
        expired = verified.certificate.not_valid_after_utc < datetime.now(UTC)
        return not expired and self._clock() - verified.at < LONGEST
