"""Why a connection or its TLS came to nothing, in words that say what to do."""

from __future__ import annotations

import ssl
from typing import Final

from twisted.internet import defer
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionRefusedError,
    DNSLookupError,
    TimeoutError,
)
from twisted.python.failure import Failure

from gateway.net.observer import FailureCause

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
    ("certificate verify failed", "its certificate is not issued by a CA in ca_file, or has expired"),
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

# X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h.
_WRONG_NAME = (62, 64)


def explain_failure(failure: Failure) -> str:
    """Why a connection to a server or its TLS handshake failed, in words that name what to do where that is known."""
    error = failure.value
    if isinstance(error, ssl.SSLError):
        return _explain_tls(error, _TO_SERVERS)
    if isinstance(error, DNSLookupError):
        return "its name does not resolve"
    # The last one is what an endpoint makes of an attempt that is given up because its time is over.
    if isinstance(error, TimeoutError | defer.TimeoutError | ConnectingCancelledError):
        return "no answer in time: a firewall that drops packets, or a server that hangs?"
    if isinstance(error, ConnectError):
        return str(error)
    return type(error).__name__


def failure_cause(failure: Failure) -> FailureCause:
    """The kind of what explain_failure explains."""
    error = failure.value
    if isinstance(error, ssl.SSLError):
        return FailureCause.certificate if "certificate" in openssl_reason(error) else FailureCause.tls
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
    """said: OpenSSL's reason string. ours: what the peer was shown."""
    for reason, meaning in _MEANINGS:
        if reason in said.lower():
            return f"TLS: {said}: {meaning.format(ours=ours)}"
    return f"TLS: {said}"


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
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _WRONG_NAME:
        return "its certificate does not carry the expected name: see server_name"
    return explain_reason(openssl_reason(error), ours)
