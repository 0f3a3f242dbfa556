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

from typing import Any, Final

from OpenSSL import SSL
from twisted.internet import ssl

MINIMUM: Final = ssl.TLSVersion.TLSv1_2
CIPHERS: Final = ssl.AcceptableCiphers.fromOpenSSLCipherString("ECDHE+AESGCM:ECDHE+CHACHA20")


def tls_options() -> dict[str, Any]:
    """For CertificateOptions, of either side; sessions and tickets are off by default there as well."""
    return {
        "raiseMinimumTo": MINIMUM,
        "acceptableCiphers": CIPHERS,
        "enableSessions": False,
        "enableSessionTickets": False,
    }


def refuse_renegotiation(options: ssl.CertificateOptions) -> None:
    """For a listener. A server that renegotiates is verified anew by the same rules."""
    options.getContext().set_options(SSL.OP_NO_RENEGOTIATION)
