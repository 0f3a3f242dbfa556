"""Whether a peer's certificate would be accepted, and if not, what exactly is wrong with it."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL.crypto import X509, X509Store, X509StoreContext, X509StoreContextError, X509StoreFlags
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet.abstract import isIPAddress, isIPv6Address

# Who renews by hand needs some weeks' notice.
EXPIRES_SOON: Final = timedelta(days=30)

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_SELF_SIGNED: Final = 18
_UNKNOWN_ROOT: Final = 19
_NO_ISSUER: Final = (2, 20, 21)


class Flaw(Enum):
    """What can be wrong with a certificate of a chain."""

    not_yet_valid = "not yet valid"
    expired = "expired"
    self_signed = "self-signed"
    unknown_root = "unknown root"
    no_issuer = "no issuer"
    other = "other"


@dataclass(frozen=True, slots=True)
class ChainProblem:
    """A flaw of a certificate chain, as OpenSSL sees it.

    certificate: the one that the flaw is in. text: OpenSSL's words for it.
    """

    flaw: Flaw
    certificate: x509.Certificate
    text: str


def trust_store(authorities: Sequence[x509.Certificate] | None) -> X509Store:
    """authorities: None for the system's."""
    store = X509Store()
    if authorities is None:
        paths = ssl.get_default_verify_paths()
        if paths.cafile or paths.capath:
            store.load_locations(paths.cafile, paths.capath)
        return store
    for authority in authorities:
        store.add_cert(X509.from_cryptography(authority))
    return store


def chain_problem(
    chain: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate] | None,
    now: datetime,
    *,
    strict: bool = False,
) -> ChainProblem | None:
    """What a verifier that trusts these authorities says of a chain, leaf first; None where it accepts it.

    strict: by RFC 5280 to the letter (X509_V_FLAG_X509_STRICT), as Python 3.13 and other recent clients verify.
    """
    store = trust_store(authorities)
    store.set_time(now)
    if strict:
        store.set_flags(X509StoreFlags.X509_STRICT)
    leaf, *others = [X509.from_cryptography(each) for each in chain]
    try:
        X509StoreContext(store, leaf, others).verify_certificate()
    except X509StoreContextError as error:
        return ChainProblem(_flaw(error.errors[0]), error.certificate.to_cryptography(), str(error.errors[2]))
    return None


def _flaw(code: int) -> Flaw:
    if code in _NO_ISSUER:
        return Flaw.no_issuer
    known = {
        _NOT_YET_VALID: Flaw.not_yet_valid,
        _EXPIRED: Flaw.expired,
        _SELF_SIGNED: Flaw.self_signed,
        _UNKNOWN_ROOT: Flaw.unknown_root,
    }
    return known.get(code, Flaw.other)


def carries_name(certificate: x509.Certificate, name: str) -> bool:
    """Whether it is a certificate for this DNS name or IP address (RFC 9525; the common name does not count)."""
    try:
        if isIPAddress(name) or isIPv6Address(name):
            verify_certificate_ip_address(certificate, name)
        else:
            verify_certificate_hostname(certificate, name)
    except (VerificationError, CertificateError):
        return False
    return True


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Its DNS names and IP addresses."""
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = alternative.get_values_for_type(x509.IPAddress)
    return (*alternative.get_values_for_type(x509.DNSName), *(str(address) for address in addresses))


def shown(name: x509.Name) -> str:
    """The common name where there is one, else the whole name."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()


def weaknesses(certificate: x509.Certificate) -> tuple[str, ...]:
    """What a strict client refuses in a server's own certificate besides its chain and its name."""
    found: list[str] = []
    if not names(certificate):
        found.append("it has no subjectAltName, and the common name counts no longer (RFC 9525)")
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        found.append(f"its RSA key has {key.key_size} bits; 2048 are the least")
    digest = certificate.signature_hash_algorithm
    if digest is not None and digest.name in ("md5", "sha1"):
        found.append(f"it is signed with {digest.name.upper()}")
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        pass
    else:
        if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usages):
            found.append("its extended key usage does not have serverAuth")
    return tuple(found)


def read_authorities(path: Path | None) -> tuple[x509.Certificate, ...] | None:
    """None for the system's. Raises OSError or ValueError."""
    return None if path is None else tuple(x509.load_pem_x509_certificates(path.read_bytes()))
