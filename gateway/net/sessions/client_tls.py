"""The TLS towards the clients of a listener."""

from __future__ import annotations

import ssl

from gateway.net.sessions.required_certificate import RequiredCertificate
from gateway.net.sessions.settings import ListenerSettings
from gateway.net.transport.certificates import CertificatePair, der, read_certificates
from gateway.net.transport.tls_layer import TlsLayer
from gateway.net.transport.tls_policy import server_context


class ListenerTls:
    """What the sessions of a listener get: those of one client, where that must show a certificate.

    OpenSSL remembers sessions of TLS 1.2 that can be resumed by their ID, and Python has no way to forbid it. What one
    context remembers another does not know, so a context that has had such a session serves no further connection; see
    also resumes. certificates: the chain, as it was read. Raises OSError or ValueError for unusable files.
    """

    def __init__(self, settings: ListenerSettings, required: RequiredCertificate | None = None) -> None:
        self.certificates = read_certificates(settings.certificate)
        self._pair = CertificatePair(settings)
        self._authorities = None if required is None else read_certificates(required.ca_file)
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
            context.load_verify_locations(cadata=der(self._authorities))
        return context
