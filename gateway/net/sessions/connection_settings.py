"""What the two connections of a session are held to."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.net.sessions.client_tls import ListenerTls
from gateway.net.sessions.required_certificate import RequiredCertificate


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """The settings of one session's connections.

    tls: None where there never is any. certificate: which one the client must show. tls_first: TLS begins with the
    first octet, and the session behind it. tls_handshake: seconds for TLS to come up. write_stall: seconds that a peer
    may take nothing of what waits for it. closing: seconds for all that waits once the session has ended. write_window:
    octets that may wait for one peer before reading from the other pauses.
    """

    tls: ListenerTls | None
    certificate: RequiredCertificate | None
    tls_first: bool
    tls_handshake: float
    write_stall: float
    closing: float
    write_window: int
