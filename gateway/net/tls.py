"""The TLS of a configuration load: a listener's, and that towards a directory's servers."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.net.failures import openssl_reason
from gateway.net.required_certificate import RequiredCertificate
from gateway.net.resumption import ServerTls
from gateway.net.settings import ClientCertificate, DirectorySettings, ListenerSettings, ServerSettings
from gateway.net.tls_layer import TlsLayer
from gateway.net.tls_policy import client_context, server_context
from gateway.system_errors import system_error

# What this process has open, by number.
_DESCRIPTORS: Final = "/proc/self/fd"


class ListenerTls:
    """What the sessions of a listener get: those of one client, where that must show a certificate.

    OpenSSL remembers sessions of TLS 1.2 that can be resumed by their ID, and Python has no way to forbid it. What one
    context remembers another does not know, so a context that has had such a session serves no further connection; see
    also resumes. certificates: the chain, as it was read. Raises OSError or ValueError for unusable files.
    """

    def __init__(self, settings: ListenerSettings, required: RequiredCertificate | None = None) -> None:
        self.certificates = _certificates(settings.certificate)
        self._pair = _Pair(settings)
        self._authorities = None if required is None else _certificates(required.ca_file)
        self._context = self._new_context()
        self._used = False

    def layer(self) -> TlsLayer:
        """For a new connection. Raises OSError where the process has no descriptor left for a new context."""
        if self._used:
            self._context, self._used = self._new_context(), False
        return TlsLayer(self._context, server_side=True)

    def established(self, layer: TlsLayer) -> bool:
        """The handshake of a layer is over. Whether it may be used: it has resumed no session, which it could only
        with one that began under the same context at the same time."""
        self._used = self._used or layer.version == "TLSv1.2"
        return not layer.resumed

    def _new_context(self) -> ssl.SSLContext:
        context = server_context()
        self._pair.use(context)
        if self._authorities is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=_der(self._authorities))
        return context


class ServerTrust:
    """What a directory's servers are verified with and what is shown to them, read once. fingerprint: of all of it.
    Raises OSError or ValueError for unusable files."""

    def __init__(self, directory: DirectorySettings) -> None:
        self._context = client_context()
        shown = []
        if directory.ca_file is None:
            self._context.load_default_certs()
        else:
            authorities = _certificates(directory.ca_file)
            self._context.load_verify_locations(cadata=_der(authorities))
            shown += authorities
        if directory.client_certificate is not None:
            try:
                _Pair(directory.client_certificate).use(self._context)
            except ValueError as error:
                raise ValueError(f"directory {directory.name}: client_certificate: {error}") from None
            shown += _certificates(directory.client_certificate.certificate)
        digest = sha256()
        for each in shown:
            digest.update(each.fingerprint(SHA256()))
        self.fingerprint = digest.hexdigest()

    def of(self, server: ServerSettings) -> ServerTls:
        return ServerTls(self._context, server.server_name)


class _Pair:
    """A certificate, its intermediate certificates, and its key, as they were when they were read: the files may be
    renewed one after the other. It holds no descriptor, because sessions keep it over any number of reloads. Raises
    OSError."""

    def __init__(self, files: ListenerSettings | ClientCertificate) -> None:
        self._name = files.certificate
        # Each by itself: either file may have something of the other's kind in it.
        self._chain = files.certificate.read_bytes()
        self._key = files.private_key.read_bytes()

    def use(self, context: ssl.SSLContext) -> None:
        """Raises ValueError where OpenSSL does not take it, such as for a key or a signature that is too weak, and
        OSError."""
        try:
            with _as_file(self._chain) as chain, _as_file(self._key) as key:
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


def _certificates(path: Path) -> list[x509.Certificate]:
    found = x509.load_pem_x509_certificates(path.read_bytes())
    if not found:
        raise ValueError(f"{path}: no certificate in it")
    return found


def _der(certificates: list[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(Encoding.DER) for each in certificates)
