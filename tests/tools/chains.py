"""Certificates as servers really have them: good chains, and those with one flaw each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.demo.certificates import CertificateFiles

# After every certificate that a run of the tests makes has become valid.
NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)


Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Authority:
    """issuer: None for a root."""

    certificate: x509.Certificate
    key: Key
    issuer: Authority | None = None

    @classmethod
    def make(cls, text: str, issuer: Authority | None = None, days: int = 365) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        built = _builder(name(text), issuer.certificate.subject if issuer else name(text), key, days)
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        built = built.add_extension(
            x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True
        )
        built = _identified(built, key, issuer.key if issuer else key)
        return cls(built.sign(issuer.key if issuer else key, hashes.SHA256()), key, issuer)

    def issue(
        self,
        *names: str,
        days: int = 90,
        key: Key | None = None,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
        identified: bool = True,
    ) -> tuple[x509.Certificate, Key]:
        """A server's certificate and key; the first name is also the common name, and the only one if it begins
        with CN=."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        common = names[0].removeprefix("CN=")
        built = _builder(name(common), self.certificate.subject, key, days)
        if names[0] == common:
            built = built.add_extension(_alternative(names), critical=False)
        built = built.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if identified:
            built = _identified(built, key, self.key)
        return built.sign(self.key, hashes.SHA256()), key


def self_signed(*names: str, days: int = 90) -> tuple[x509.Certificate, Key]:
    key = ec.generate_private_key(ec.SECP256R1())
    built = _builder(name(names[0]), name(names[0]), key, days).add_extension(_alternative(names), critical=False)
    return built.sign(key, hashes.SHA256()), key


def weak_key() -> Key:
    return rsa.generate_private_key(65537, 1024)


def write(
    directory: Path, chain: Iterable[x509.Certificate], key: Key, *authorities: x509.Certificate
) -> CertificateFiles:
    """The files of a server that sends this chain, to be verified by these authorities."""
    files = CertificateFiles(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    files.ca_file.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in authorities))
    files.certificate.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in chain))
    files.private_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _builder(subject: x509.Name, issuer: x509.Name, key: Key, days: int) -> x509.CertificateBuilder:
    begins = min(NOW - timedelta(days=400), NOW + timedelta(days=days - 30))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(NOW + timedelta(days=days, minutes=5))
    )


def _identified(built: x509.CertificateBuilder, key: Key, issuer_key: Key) -> x509.CertificateBuilder:
    """With the identifiers of its own key and of its issuer's."""
    return built.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    ).add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)


def _alternative(names: Iterable[str]) -> x509.SubjectAlternativeName:
    found: list[x509.GeneralName] = []
    for each in names:
        try:
            found.append(x509.IPAddress(ip_address(each)))
        except ValueError:
            found.append(x509.DNSName(each))
    return x509.SubjectAlternativeName(found)
