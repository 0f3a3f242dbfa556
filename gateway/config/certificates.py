"""Certificates, keys and CA bundles, checked before anything is served with them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.host.file_errors import unreadable


class CertificateProblem(ValueError):
    """A fault of a certificate's file.

    path: of the file that is wrong. The text names it and what is wrong with it.
    """

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path


class PairMismatch(CertificateProblem):
    """Each of the two files may be right, but they do not belong together."""


def check_pair(certificate: Path, private_key: Path, now: datetime | None = None) -> None:
    """That a side of TLS can show itself with these files. Raises CertificateProblem."""
    chain = read_certificates(certificate)
    octets = _read(private_key)
    try:
        key = load_pem_private_key(octets, password=None)
    except TypeError:
        raise CertificateProblem(private_key, "the key is encrypted; a key without a passphrase is needed") from None
    except ValueError:
        raise CertificateProblem(private_key, "not a private key in PEM") from None
    leaf = chain[0]
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*spki) != leaf.public_key().public_bytes(*spki):
        raise PairMismatch(private_key, f"does not belong to the first certificate of {certificate}")
    for lower, upper in pairwise(chain):
        if lower.issuer != upper.subject:
            raise CertificateProblem(certificate, "each certificate must be issued by the next one, the leaf first")
    when = now or datetime.now(UTC)
    for found in chain:
        if found.not_valid_after_utc < when:
            raise CertificateProblem(certificate, f"expired on {_moment(found.not_valid_after_utc)}; renew it")
        if found.not_valid_before_utc > when:
            raise CertificateProblem(certificate, not_yet_valid(found, when))


def not_yet_valid(certificate: x509.Certificate, now: datetime) -> str:
    """What is to be said of a certificate whose time has not begun."""
    return (
        f"not valid before {_moment(certificate.not_valid_before_utc)}, and this host's clock says {_moment(now)}: is "
        "the clock right (`timedatectl`)?"
    )


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Every certificate of a PEM file, at least one. Raises CertificateProblem."""
    octets = _read(path)
    try:
        return x509.load_pem_x509_certificates(octets)
    except ValueError:
        raise CertificateProblem(path, "no certificate in PEM in it") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateProblem(path, unreadable(path, error)) from None
