"""Why a connection or its TLS came to nothing, in words that say what to do.

Whoever has to report a failed connection, of a client or of a server, gets the words here. The texts of Twisted and
OpenSSL go no further.
"""

from __future__ import annotations

import builtins
import ssl
from enum import StrEnum
from typing import Final

from twisted.internet import defer
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionClosed,
    ConnectionDone,
    ConnectionRefusedError,
    DNSLookupError,
    TimeoutError,
)
from twisted.python.failure import Failure

from gateway.host.system_errors import REFUSED, errno_meaning, system_error

# A reason of our own for a certificate that OpenSSL takes and nobody else can read.
UNREADABLE_CERTIFICATE: Final = "the peer's certificate cannot be read: it is not made as RFC 5280 says"


class FailureCause(StrEnum):
    """Why a connection to a server or a check of it failed: one closed set of words, for metrics. What to do is in the
    log's text."""

    name_unknown = "name-unknown"
    refused = "refused"
    timeout = "timeout"
    certificate = "certificate"
    tls = "tls"
    no_answer = "no-answer"
    other = "other"


class ToldFailure(Exception):
    """A failure whose text is for people: what to say of it is known where it happened. cause: its kind."""

    def __init__(self, said: str, cause: FailureCause = FailureCause.other) -> None:
        super().__init__(said)
        self.cause = cause


# What is shown to a client, and to a server.
_TO_CLIENTS: Final = "the listener's certificate"
_TO_SERVERS: Final = "client_certificate"

# OpenSSL's reason strings (lower case) and what they mean to an administrator. ours: what the peer was shown.
_MEANINGS = (
    ("unknown ca", "the peer does not trust the issuer of {ours}: are its intermediate certificates sent with it?"),
    ("certificate unknown", "the peer does not accept {ours}: see its chain and its name"),
    ("certificate required", "the server asks for a client certificate: see client_certificate"),
    ("bad certificate", "the peer does not accept {ours}: see its chain and its name"),
    ("certificate expired", "the peer says that {ours} has expired: renew it"),
    ("certificate revoked", "the peer says that {ours} is revoked: replace it"),
    ("did not return a certificate", "the client must show one: see required_certificate"),
    ("certificate verify failed", "its certificate is not accepted: compare it with ca_file"),
    ("unsupported protocol", "the peer speaks no TLS version from 1.2 on"),
    ("protocol version", "the two sides have no TLS version in common; 1.2 is the lowest here"),
    ("no shared cipher", "the two sides have no cipher in common"),
    ("handshake failure", "the two sides have no cipher or parameters in common"),
    ("wrong version number", "the peer does not speak TLS on this port: plain LDAP on an LDAPS port?"),
    ("http request", "the peer speaks HTTP"),
    ("unexpected eof", "the peer closed the connection during the handshake"),
    ("record layer failure", "the peer does not speak TLS on this port: plain LDAP on an LDAPS port?"),
    ("packet length too long", "the peer does not speak TLS on this port: plain LDAP on an LDAPS port?"),
)

# What OpenSSL's verification finds, by the numbers of its x509_vfy.h (X509_V_ERR_...).
_UNTRUSTED: Final = (
    "its certificate is not issued by a CA in ca_file, or an intermediate certificate is not sent with it"
)
_WRONG_NAME: Final = "its certificate does not carry the expected name: see server_name"
_VERIFICATION: Final = {
    2: _UNTRUSTED,
    9: "its certificate is not valid yet: are the clocks of both hosts right?",
    10: "its certificate has expired: have it renewed (or is this host's clock wrong?)",
    18: "its certificate is self-signed, and not in ca_file",
    19: "its certificate is issued by a CA that is not in ca_file",
    20: _UNTRUSTED,
    21: _UNTRUSTED,
    62: _WRONG_NAME,
    64: _WRONG_NAME,
}


def explain_failure(failure: Failure) -> str:
    """Why a connection to a server or its TLS handshake failed, in words that name what to do where that is known."""
    return "the connection broke" if failure.value is None else explain_error(failure.value)


def explain_error(error: BaseException) -> str:
    """The words of explain_failure, also for connections that are Python's own and not Twisted's."""
    if isinstance(error, ssl.SSLError):
        return _explain_tls(error, _TO_SERVERS)
    if isinstance(error, ToldFailure):
        return str(error)
    if isinstance(error, DNSLookupError):
        return "its name does not resolve"
    # The last one is what an endpoint makes of an attempt that is given up because its time is over.
    if isinstance(error, TimeoutError | builtins.TimeoutError | defer.TimeoutError | ConnectingCancelledError):
        return "no answer in time: a firewall that drops packets, or a server that hangs?"
    if isinstance(error, ConnectionRefusedError):
        return REFUSED
    if isinstance(error, ConnectError) and isinstance(error.osError, int):
        return errno_meaning(error.osError)
    if isinstance(error, ConnectionDone):
        return "the other side closed the connection"
    if isinstance(error, ConnectError | ConnectionClosed):
        return "the connection broke"
    if isinstance(error, OSError):
        return system_error(error)
    # A fault of the gateway itself: whatever its text is, it is written for programmers, and may hold a secret.
    return f"the gateway failed at it ({type(error).__name__}): please report it"


def failure_cause(failure: Failure) -> FailureCause:
    """The kind of what explain_failure explains."""
    error = failure.value
    if isinstance(error, ssl.SSLError):
        return FailureCause.certificate if "certificate" in openssl_reason(error) else FailureCause.tls
    if isinstance(error, ToldFailure):
        return error.cause
    if isinstance(error, DNSLookupError):
        return FailureCause.name_unknown
    if isinstance(error, TimeoutError | defer.TimeoutError | ConnectingCancelledError):
        return FailureCause.timeout
    if isinstance(error, ConnectionRefusedError):
        return FailureCause.refused
    return FailureCause.other


def tls_failure(failure: Failure) -> str | None:
    """The explanation, where it was TLS with a client that failed; None for any other end of a connection."""
    return _explain_tls(failure.value, _TO_CLIENTS) if isinstance(failure.value, ssl.SSLError) else None


def explain_reason(said: str, ours: str = _TO_SERVERS) -> str:
    """said: OpenSSL's reason string, or UNREADABLE_CERTIFICATE. ours: what the peer was shown."""
    if said == UNREADABLE_CERTIFICATE.lower():
        return f"TLS: {UNREADABLE_CERTIFICATE}; have it issued anew"
    for reason, meaning in _MEANINGS:
        if reason in said.lower():
            return f"TLS: {meaning.format(ours=ours)} (OpenSSL: {said})"
    return f"TLS: the handshake failed (OpenSSL: {said})"


def openssl_reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason string."""
    if isinstance(error, ssl.SSLEOFError):
        return "unexpected eof"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed ({error.verify_message})"
    if error.reason:
        return error.reason.lower().replace("_", " ")
    return error.strerror or "handshake failed"


def _explain_tls(error: ssl.SSLError, ours: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _VERIFICATION:
        return _VERIFICATION[error.verify_code]
    return explain_reason(openssl_reason(error), ours)
