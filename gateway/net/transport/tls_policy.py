"""What TLS has to be, towards clients and towards servers alike; the only place that says so.

Versions: 1.3 wherever the other side has it, 1.2 as the floor (RFC 8996 retires everything older).
Ciphers: only authenticated encryption with an ephemeral key exchange (RFC 9325 4.2), in the order of this side. Those
of 1.3 are all like that.
Sessions of clients: never resumed, by ticket or by ID. The key of the tickets would undo forward secrecy for as long as
a process runs, and a resumed session would carry a client certificate past the moment when its CA or its name was taken
off the list. The few connections of a mail service do not need the millisecond. Towards servers: see resumption.
Renegotiation: refused (1.3 has none).
"""

from __future__ import annotations

import ssl
from typing import Final

MINIMUM: Final = ssl.TLSVersion.TLSv1_2
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


def client_context() -> ssl.SSLContext:
    """Towards servers: chain and name are verified (RFC 4513 3.1.3), the name by subject alternative names alone. A
    server that renegotiates is verified anew by the same rules."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    return context


def server_context() -> ssl.SSLContext:
    """For a listener. A session by ID (1.2) is remembered all the same: see tls.ListenerTls."""
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = MINIMUM
    context.set_ciphers(CIPHERS)
    return context
