"""Certificates and their keys, as they are in files.

Listeners and directories read them here when a configuration is loaded or a file is renewed, and never for a single
connection.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.host.system_errors import system_error
from gateway.net.transport.failures import openssl_reason

# What this process has open, by number.
_DESCRIPTORS: Final = "/proc/self/fd"


class CertificateFiles(Protocol):
    """The two files of a certificate: its chain, leaf first, and its key, both in PEM."""

    @property
    def certificate(self) -> Path: ...
    @property
    def private_key(self) -> Path: ...


class CertificatePair:
    """A certificate, its intermediate certificates, and its key, as they were when they were read: the files may be
    renewed one after the other. It holds no descriptor, because sessions keep it over any number of reloads. chain,
    key: the octets of the two files. Raises OSError."""

    def __init__(self, files: CertificateFiles) -> None:
        self._name = files.certificate
        # Each by itself: either file may have something of the other's kind in it.
        self.chain = files.certificate.read_bytes()
        self.key = files.private_key.read_bytes()

    def use(self, context: ssl.SSLContext) -> None:
        """Raises ValueError where OpenSSL does not take it, such as for a key or a signature that is too weak, and
        OSError."""
        try:
            with _as_file(self.chain) as chain, _as_file(self.key) as key:
                # Without a password it would ask for that of a key that has one on the terminal.
                context.load_cert_chain(chain, key, password="")
        except ssl.SSLError as error:
            raise ValueError(f"{self._name}: {openssl_reason(error)}") from None
        except OSError as trouble:
            # Python does not say of which file.
            raise OSError(f"{self._name}: {system_error(trouble)}; a file in memory is needed (memfd_create)") from None


@contextmanager
def _as_file(octets: bytes) -> Iterator[str]:
    """The path of a file in memory that this process alone has: OpenSSL reads chains from files alone. Raises
    OSError."""
    descriptor = os.memfd_create("certificate")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(octets)
        yield f"{_DESCRIPTORS}/{descriptor}"
    finally:
        os.close(descriptor)


def certificate_expiry(*certificates: x509.Certificate) -> float:
    """When the first of them expires, in seconds since the epoch."""
    return min(each.not_valid_after_utc.timestamp() for each in certificates)


def read_certificates(path: Path) -> list[x509.Certificate]:
    found = x509.load_pem_x509_certificates(path.read_bytes())
    if not found:
        raise ValueError(f"{path}: no certificate in it")
    return found


def der(certificates: list[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(Encoding.DER) for each in certificates)
