"""Certificates for tests, made in a moment."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def write_pair(directory: Path, name: str = "gateway", days: int = 2) -> None:
    """NAME.pem, self-signed for localhost, and NAME.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject("localhost")
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = _builder(subject, subject, key, days).add_extension(names, False).sign(key, hashes.SHA256())
    _write(directory, name, [certificate], key)


def write_chain(directory: Path, name: str = "gateway") -> Path:
    """NAME.pem, a certificate and the intermediate one that issued it, and NAME.key; returns the root's file."""
    root_key, middle_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root_name, middle_name = _subject("root"), _subject("intermediate")
    authority = x509.BasicConstraints(ca=True, path_length=None)
    root = _builder(root_name, root_name, root_key).add_extension(authority, True).sign(root_key, hashes.SHA256())
    middle = _builder(middle_name, root_name, middle_key).add_extension(authority, True)
    leaf = _builder(_subject(name), middle_name, key).sign(middle_key, hashes.SHA256())
    _write(directory, name, [leaf, middle.sign(root_key, hashes.SHA256())], key)
    root_file = directory / f"{name}-root.pem"
    root_file.write_bytes(root.public_bytes(Encoding.PEM))
    return root_file


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 2
) -> x509.CertificateBuilder:
    end = datetime.now(UTC) + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - timedelta(days=10))
        .not_valid_after(end)
    )


def _write(directory: Path, name: str, chain: Iterable[x509.Certificate], key: ec.EllipticCurvePrivateKey) -> None:
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
    (directory / f"{name}.pem").write_bytes(pem)
    (directory / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
