"""The TLS towards a directory's servers."""

from __future__ import annotations

from hashlib import sha256

from cryptography.hazmat.primitives.hashes import SHA256

from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.transport.certificates import CertificatePair, der, read_certificates
from gateway.net.transport.resumption import ServerTls
from gateway.net.transport.tls_policy import client_context


class ServerTrust:
    """What a directory's servers are verified with and what is shown to them, read once. fingerprint: of all of it.
    Raises OSError or ValueError for unusable files."""

    def __init__(self, directory: DirectorySettings) -> None:
        self._context = client_context()
        shown = []
        if directory.ca_file is None:
            self._context.load_default_certs()
        else:
            authorities = read_certificates(directory.ca_file)
            self._context.load_verify_locations(cadata=der(authorities))
            shown += authorities
        if directory.client_certificate is not None:
            try:
                CertificatePair(directory.client_certificate).use(self._context)
            except ValueError as error:
                raise ValueError(f"directory {directory.name}: client_certificate: {error}") from None
            shown += read_certificates(directory.client_certificate.certificate)
        digest = sha256()
        for each in shown:
            digest.update(each.fingerprint(SHA256()))
        self.fingerprint = digest.hexdigest()

    def of(self, server: ServerSettings) -> ServerTls:
        return ServerTls(self._context, server.server_name)
