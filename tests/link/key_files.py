"""Pairs and certificates for the tests of keys: those that the gateway makes, and such as somebody else might."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.link.keys import Identity, PairFiles, write_pair
from gateway.link.pins import Pin, Pins, read_pins
from tests.net.client_certificates import name_of

NOW = datetime.now(UTC)


def made(directory: Path, name: str, now: datetime = NOW) -> PairFiles:
    """A pair as the command makes it, in a directory of its own."""
    directory.mkdir(exist_ok=True)
    return write_pair(directory, name, now)


def identity(files: PairFiles) -> Identity:
    return Identity(files)


def pinned(**files: PairFiles) -> Pins:
    return Pins({name.replace("_", "-"): read_pins(each.certificate) for name, each in files.items()})


def unread_pins(files: PairFiles) -> Pins:
    """A pin that no reader has looked at."""
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    return Pins({"unread": [Pin(certificate, files.certificate)]})


def write(
    directory: Path,
    subject: str,
    *,
    key: Any = None,
    ca: bool | None = False,
    issuer: EllipticCurvePrivateKey | None = None,
    begun: timedelta = timedelta(days=1),
    left: timedelta = timedelta(days=1),
) -> PairFiles:
    """A pair of somebody else's making. ca: of its basic constraints; None for none."""
    directory.mkdir(exist_ok=True)
    own = key or generate_private_key(SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(subject))
        .issuer_name(name_of(subject if issuer is None else "issuer"))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - begun)
        .not_valid_after(NOW + left)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    certificate = builder.sign(issuer or own, hashes.SHA256())
    files = PairFiles(directory / f"{subject}.pem", directory / f"{subject}.key")
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    files.private_key.touch(0o600)
    files.private_key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files
