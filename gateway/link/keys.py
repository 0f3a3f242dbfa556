"""The keys of a link: a pair of an end's own, its self-signed certificate, and its fingerprint.

There is no authority. Each end holds the certificates of those that it talks to (gateway/link/pins.py), and no other
one is good: nothing that stands in the DMZ can make a certificate that somebody believes.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from stat import S_IRWXO
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.host.file_errors import unreadable, unwritable
from gateway.net.transport.certificates import CertificatePair

T = TypeVar("T")

# How long a certificate is good, and since when at its making: the clocks of the two ends may differ, and one from the
# future is refused.
_VALID: Final = timedelta(days=730)
_BEGUN: Final = timedelta(days=1)

# A common name has 64 characters (RFC 5280, ub-common-name). Of the key's digest 32 hexadecimal digits stand in it, and
# a dot before them.
_DIGITS: Final = 32
_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,30}")

_SPKI: Final = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class KeyProblem(ValueError):
    """A file of keys or certificates that cannot be used, or not made. The text names it, and says what is wrong with
    it and what to do."""

    def __init__(self, path: Path, said: str) -> None:
        super().__init__(f"{path}: {said}")
        self.path = path


@dataclass(frozen=True, slots=True)
class PairFiles:
    """The two files of a pair, in PEM."""

    certificate: Path
    private_key: Path


class Identity:
    """What this end shows: its pair, read once, whether its time is now or not (time_trouble). Raises KeyProblem where
    it cannot be used."""

    def __init__(self, files: PairFiles) -> None:
        try:
            self.pair = CertificatePair(files)
            open_to_all = files.private_key.stat().st_mode & S_IRWXO
        except OSError as error:
            path = files.private_key if error.filename == str(files.private_key) else files.certificate
            raise KeyProblem(path, unreadable(path, error)) from None
        found = certificates_in(files.certificate, self.pair.chain)
        if len(found) > 1:
            raise KeyProblem(
                files.certificate, f"{len(found)} certificates in it; an end shows its own one and no more"
            )
        self.certificate = found[0]
        check_kind(self.certificate, files.certificate)
        if _public_key(files.private_key, self.pair.key) != self.certificate.public_key().public_bytes(*_SPKI):
            said = f"this key does not belong to {files.certificate}; name the two files of one pair"
            raise KeyProblem(files.private_key, said)
        if open_to_all:
            raise KeyProblem(
                files.private_key,
                f"every user of this host may read or write this key; `chmod o-rwx {files.private_key}` (in Kubernetes "
                "`defaultMode: 0440`), and make a new one if somebody may have read it",
            )

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate)


def fingerprint(certificate: x509.Certificate) -> str:
    """The SHA-256 of the certificate's public key, as ssh writes such: `SHA256:` and 43 characters of base64."""
    digest = sha256(certificate.public_key().public_bytes(*_SPKI)).digest()
    return f"SHA256:{b64encode(digest).rstrip(b'=').decode()}"


def new_pair(name: str, now: datetime) -> tuple[bytes, bytes]:
    """The certificate and the private key of a new pair, in PEM.

    name: 1 to 31 letters, digits, dots, hyphens and underscores. It stands in the subject, before the key's digest: of
    two pinned certificates with one subject OpenSSL would accept the first only, and no key could be changed. Raises
    ValueError for another name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a name has 1 to 31 letters, digits, dots, hyphens and underscores, and begins with a letter or digit"
        )
    key = generate_private_key(SECP256R1())
    digest = sha256(key.public_key().public_bytes(*_SPKI)).hexdigest()[:_DIGITS]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.{digest}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEGUN)
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNS_HANDSHAKES, critical=True)
        # The same pair may be an outside's and an inside's.
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


def write_pair(directory: Path, name: str, now: datetime) -> PairFiles:
    """Makes a pair in files that were not there, the key readable by its owner alone. Raises KeyProblem where one is
    there or cannot be made, and leaves nothing then; ValueError as new_pair does."""
    certificate, private = new_pair(name, now)
    files = PairFiles(directory / f"{name}.pem", directory / f"{name}.key")
    _write(files.private_key, private, 0o600)
    try:
        _write(files.certificate, certificate, 0o644)
    except KeyProblem:
        with suppress(OSError):
            files.private_key.unlink()
        raise
    return files


def certificates_in(path: Path, octets: bytes) -> list[x509.Certificate]:
    """All of a file in PEM, at least one. octets: what is in it. Raises KeyProblem."""
    found = _known(lambda: x509.load_pem_x509_certificates(octets))
    if not found:
        raise KeyProblem(path, "no certificate in PEM; it must hold what `ldap-gateway link key` wrote as .pem")
    return found


def check_kind(certificate: x509.Certificate, path: Path) -> None:
    """That OpenSSL takes it where it is pinned, and takes nothing else because of it. Raises KeyProblem."""
    if not _is_of_a_link(_known(certificate.public_key)):
        raise KeyProblem(path, f"its key is not ECDSA with P-256, as a link's must be; {_MAKE}")
    if not _signs_itself(certificate):
        raise KeyProblem(path, f"it is not signed by its own key, as a link's certificate must be; {_MAKE}")
    constraints = _known(lambda: certificate.extensions.get_extension_for_class(x509.BasicConstraints).value)
    if constraints is None or constraints.ca:
        raise KeyProblem(path, f"it may issue others (its basicConstraints do not say CA:FALSE); {_MAKE}")


def time_trouble(certificate: x509.Certificate, now: datetime) -> str:
    """Why it is not good now, as every handshake finds by itself; "" where it is."""
    if certificate.not_valid_after_utc < now:
        return f"expired on {_moment(certificate.not_valid_after_utc)}"
    if certificate.not_valid_before_utc > now:
        return (
            f"not valid before {_moment(certificate.not_valid_before_utc)}, and this host's clock says {_moment(now)}: "
            "is the clock right (`timedatectl`)?"
        )
    return ""


def _write(path: Path, octets: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise KeyProblem(path, "it is there already, and is not overwritten; take another name or directory") from None
    except OSError as error:
        raise KeyProblem(path, unwritable(path, error)) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise KeyProblem(path, unwritable(path, error)) from None


def _public_key(path: Path, octets: bytes) -> bytes:
    """The public key of the private key in the file. Raises KeyProblem."""
    try:
        key = load_pem_private_key(octets, password=None)
    except TypeError:
        raise KeyProblem(path, "the key is encrypted; a key without a passphrase is needed") from None
    # Not all that cryptography raises is a ValueError.
    except Exception:  # noqa: BLE001
        raise KeyProblem(
            path, "no private key in PEM; it must hold what `ldap-gateway link key` wrote as .key"
        ) from None
    if not _is_of_a_link(key):
        raise KeyProblem(path, f"its key is not ECDSA with P-256, as a link's must be; {_MAKE}")
    return key.public_key().public_bytes(*_SPKI)


def _known(read: Callable[[], T]) -> T | None:
    """None of what cannot be read."""
    try:
        return read()
    # Not all that cryptography raises is a ValueError.
    except Exception:  # noqa: BLE001
        return None


def _signs_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    # Not all that cryptography raises is a ValueError.
    except Exception:  # noqa: BLE001
        return False
    return True


def _is_of_a_link(key: object) -> bool:
    """Whether that is a public or private key of ECDSA with P-256."""
    return isinstance(key, EllipticCurvePublicKey | EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)


def _moment(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


_MAKE: Final = "make one with `ldap-gateway link key`"
_SIGNS_HANDSHAKES: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
