"""Certificates for clients of TLS, as a private authority issues them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KINDS: dict[str, Callable[[str], x509.GeneralName]] = {
    "DNS": x509.DNSName,
    "email": x509.RFC822Name,
    "URI": x509.UniformResourceIdentifier,
    "IP": lambda text: x509.IPAddress(ip_address(text)),
}
# An extension, and whether it is critical.
Extension = tuple[x509.ExtensionType, bool]


@dataclass(frozen=True)
class ClientFiles:
    certificate: Path
    private_key: Path


def name_of(common_name: str, organisation: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation is not None:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(attributes)


class Authority:
    """ca_file: its certificate."""

    def __init__(self, directory: Path, stem: str) -> None:
        self._directory = directory
        self._key = generate_private_key(SECP256R1())
        self._name = name_of(f"{stem} CA")
        certificate = self._sign(
            self._name, self._key, [(x509.BasicConstraints(ca=True, path_length=0), True)], timedelta(days=1)
        )
        self.ca_file = directory / f"{stem}-ca.pem"
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        stem: str,
        subject: x509.Name,
        alt_names: Iterable[str] = (),
        *,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        valid: timedelta = timedelta(days=1),
    ) -> ClientFiles:
        key = generate_private_key(SECP256R1())
        extensions: list[Extension] = [(x509.ExtendedKeyUsage([usage]), False)]
        if alt_names:
            names = [KINDS[kind](value) for kind, _, value in (name.partition(":") for name in alt_names)]
            extensions.append((x509.SubjectAlternativeName(names), False))
        certificate = self._sign(subject, key, extensions, valid)
        files = ClientFiles(self._directory / f"{stem}.pem", self._directory / f"{stem}.key")
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files.private_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _sign(
        self, subject: x509.Name, key: EllipticCurvePrivateKey, extensions: Iterable[Extension], valid: timedelta
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + valid)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256())
