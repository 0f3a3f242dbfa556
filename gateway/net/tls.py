"""TLS on both sides, and its failures in words."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from service_identity import VerificationError
from twisted.internet import defer, ssl
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionRefusedError,
    DNSLookupError,
    TimeoutError,
)
from twisted.python.failure import Failure

from gateway.net.observer import FailureCause
from gateway.net.required_certificate import RequiredCertificate
from gateway.net.resumption import ResumableTls
from gateway.net.settings import ClientCertificate, DirectorySettings, ListenerSettings, ServerSettings
from gateway.net.tls_policy import refuse_renegotiation, tls_options

# OpenSSL's reason strings (lower case) and what they mean to an administrator.
_MEANINGS = (
    ("unknown ca", "the peer does not trust our issuer: send the intermediate certificate with ours"),
    ("certificate unknown", "the peer does not accept our certificate: see its chain and its name"),
    ("certificate required", "the server asks for a client certificate: see client_certificate"),
    ("bad certificate", "the peer does not accept our certificate: see its chain and its name"),
    ("certificate expired", "the peer says that our certificate has expired: renew it"),
    ("certificate revoked", "the peer says that our certificate is revoked: replace it"),
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


def listener_tls(settings: ListenerSettings, required: RequiredCertificate | None = None) -> ssl.CertificateOptions:
    """The context that a listener's sessions get: those of one client, where that must show a certificate.

    Raises OSError or ValueError for unusable files.
    """
    trust = None if required is None else _trust_root(_certificates(required.ca_file))
    options = ssl.CertificateOptions(**_own_certificate(settings), trustRoot=trust, **tls_options())
    try:
        refuse_renegotiation(options)
    except SSL.Error as error:
        # OpenSSL takes no certificate whose key or signature is too weak.
        raise ValueError(f"{settings.certificate}: {_openssl_reasons(error)}") from None
    return options


class ServerTrust:
    """What a directory's servers are verified with and what is shown to them, read once. fingerprint: of all of it.
    Raises OSError or ValueError for unusable files."""

    def __init__(self, directory: DirectorySettings) -> None:
        self._name = directory.name
        self._trust: Any = ssl.platformTrust()
        self._own: dict[str, Any] = {}
        shown = []
        if directory.ca_file is not None:
            authorities = _certificates(directory.ca_file)
            self._trust = _trust_root(authorities)
            shown += authorities
        if directory.client_certificate is not None:
            self._own = _own_certificate(directory.client_certificate)
            shown += _certificates(directory.client_certificate.certificate)
        digest = sha256()
        for each in shown:
            digest.update(each.fingerprint(SHA256()))
        self.fingerprint = digest.hexdigest()

    def of(self, server: ServerSettings) -> ResumableTls:
        """Verifies chain and name (RFC 4513 3.1.3), sends the name as SNI, and shows the directory's client certificate
        to a server that asks for one. Raises ValueError for a certificate that OpenSSL does not take."""
        try:
            whole = ssl.optionsForClientTLS(
                server.server_name, trustRoot=self._trust, extraCertificateOptions={**self._own, **tls_options()}
            )
        except SSL.Error as error:
            # As above; the authorities of a CA file are taken as they are.
            raise ValueError(f"directory {self._name}: client_certificate: {_openssl_reasons(error)}") from None
        return ResumableTls(whole)


def _trust_root(authorities: list[x509.Certificate]) -> Any:
    """Trusts these and no other."""
    return ssl.trustRootFromCertificates([ssl.Certificate(X509.from_cryptography(found)) for found in authorities])


def _own_certificate(pair: ListenerSettings | ClientCertificate) -> dict[str, Any]:
    """The arguments of CertificateOptions that say who we are, intermediate certificates included."""
    key = load_pem_private_key(pair.private_key.read_bytes(), password=None)
    chain = [X509.from_cryptography(c) for c in _certificates(pair.certificate)]
    return {
        "privateKey": PKey.from_cryptography_key(key),  # type: ignore[arg-type]
        "certificate": chain[0],
        "extraCertChain": chain[1:],
    }


def _certificates(path: Path) -> list[x509.Certificate]:
    found = x509.load_pem_x509_certificates(path.read_bytes())
    if not found:
        raise ValueError(f"{path}: no certificate in it")
    return found


def explain_failure(failure: Failure) -> str:
    """Why a connection or its TLS handshake failed, in words that name what to do where that is known."""
    error = failure.value
    if isinstance(error, VerificationError):
        return "its certificate does not carry the expected name: see server_name"
    if isinstance(error, DNSLookupError):
        return "its name does not resolve"
    # The last one is what an endpoint makes of an attempt that is given up because its time is over.
    if isinstance(error, TimeoutError | defer.TimeoutError | ConnectingCancelledError):
        return "no answer in time: a firewall that drops packets, or a server that hangs?"
    if isinstance(error, SSL.Error):
        return _explain_tls(error)
    if isinstance(error, ConnectError):
        return str(error)
    return type(error).__name__


def failure_cause(failure: Failure) -> FailureCause:
    """The kind of what explain_failure explains."""
    error = failure.value
    if isinstance(error, VerificationError):
        return FailureCause.certificate
    if isinstance(error, DNSLookupError):
        return FailureCause.name_unknown
    if isinstance(error, TimeoutError | defer.TimeoutError | ConnectingCancelledError):
        return FailureCause.timeout
    if isinstance(error, SSL.Error):
        return FailureCause.certificate if "certificate" in _openssl_reasons(error).lower() else FailureCause.tls
    if isinstance(error, ConnectionRefusedError):
        return FailureCause.refused
    return FailureCause.other


def certificate_expiry(*certificates: X509) -> float:
    """When the first of them expires, in seconds since the epoch."""
    return min(each.to_cryptography().not_valid_after_utc.timestamp() for each in certificates)


def tls_failure(failure: Failure) -> str | None:
    """The explanation, where it was TLS that failed; None for any other end of a connection."""
    if isinstance(failure.value, SSL.Error) and not isinstance(failure.value, SSL.ZeroReturnError):
        return _explain_tls(failure.value)
    return None


def _explain_tls(error: SSL.Error) -> str:
    said = _openssl_reasons(error)
    for reason, meaning in _MEANINGS:
        if reason in said.lower():
            return f"TLS: {said}: {meaning}"
    return f"TLS: {said}"


def _openssl_reasons(error: SSL.Error) -> str:
    if isinstance(error, SSL.SysCallError):
        return str(error.args[1]).lower() if len(error.args) > 1 else "connection broken"
    stack = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(str(entry[2]) for entry in stack if entry[2]) or "handshake failed"
