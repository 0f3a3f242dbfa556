"""One side of a TLS connection without its socket: octets of one side in, octets of the other out.

A stream has one from where TLS begins, so every octet of a session passes two of them: that of the client's connection
and that of the server's.

By the standard library's ssl: a call costs a fraction of what it costs through a foreign function interface, and
OpenLDAP makes a record, and so a call, of each entry.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from functools import lru_cache
from typing import Final

from cryptography import x509

from gateway.net.transport.failures import UNREADABLE_CERTIFICATE

# A read gives one record, which is never longer (RFC 8446 5.1).
_RECORD: Final = 16_384

HANDSHAKE_CUT_OFF: Final = "the peer closed the connection during the handshake"


@lru_cache(64)
def _parsed(certificate: bytes) -> x509.Certificate:
    """A directory has a few servers and shows the same certificates again and again."""
    return x509.load_der_x509_certificate(certificate)


class TlsLayer:
    """TLS of one connection, between the octets of the socket and those of LDAP.

    established: the handshake is over, chain and name verified where the context asks for that. ended: the peer has
    said that nothing more comes (close_notify). failure: why there is no TLS any more; nothing can be sent or received
    then, but outgoing may hold an alert for the peer.
    """

    __slots__ = ("_early", "_incoming", "_outgoing", "_tls", "ended", "established", "failure")

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        """server_name, session: of the client's side; whom to expect and what to resume. Raises ValueError for a name
        that is none."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side, server_name, session)
        # What was to be sent before TLS was up, or while a server of TLS 1.2 renegotiates.
        self._early: list[bytes] = []
        self.established = False
        self.ended = False
        self.failure: ssl.SSLError | None = None

    def begin(self) -> bytes:
        """The first octets for the peer; none where that begins."""
        self._shake_hands()
        return self._outgoing.read()

    def receive(self, octets: bytes) -> bytes:
        """What the peer's octets mean. They may make something to send: see outgoing."""
        if self.failure is not None or self.ended:
            return b""
        self._incoming.write(octets)
        if not self.established:
            self._shake_hands()
            if not self.established:
                return b""
        read, incoming = self._tls.read, self._incoming
        pieces = []
        try:
            while incoming.pending:
                piece = read(_RECORD)
                if not piece:
                    self.ended = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            self.failure = error
        if self._early:
            self._write_early()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def send(self, data: bytes) -> bytes:
        """The octets that carry it to the peer; what is written before TLS is up follows when it is."""
        if not self.established or self._early:
            self._early.append(data)
            return b""
        if not self._write(data):
            self._early.append(data)
        return self._outgoing.read()

    def outgoing(self) -> bytes:
        """What is to be sent to the peer by now."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def close(self) -> bytes:
        """The octets that tell the peer that nothing more comes."""
        if self.established and self.failure is None:
            # It wants to read the peer's own end, which nobody waits for here.
            with suppress(ssl.SSLError):
                self._tls.unwrap()
        return self._outgoing.read()

    def cut_off(self) -> ssl.SSLError | None:
        """The connection has ended below; during a handshake that is a failure of TLS. The failure, if there is one."""
        if not self.established and self.failure is None:
            self.failure = ssl.SSLEOFError(ssl.SSLErrorNumber.SSL_ERROR_EOF, HANDSHAKE_CUT_OFF)
        return self.failure

    # What is known once it is established.

    @property
    def peer_certificate(self) -> x509.Certificate | None:
        """None where the peer showed none. Raises ssl.SSLError for one that only OpenSSL can read, and once TLS has
        failed."""
        if self.failure is not None:
            raise self.failure
        shown = self._tls.getpeercert(binary_form=True)
        try:
            return None if shown is None else _parsed(shown)
        # Not all that it raises is a ValueError.
        except Exception:  # noqa: BLE001
            failure = ssl.SSLError(ssl.SSLErrorNumber.SSL_ERROR_SSL, UNREADABLE_CERTIFICATE)
            failure.reason = UNREADABLE_CERTIFICATE
            raise failure from None

    @property
    def version(self) -> str | None:
        return self._tls.version()

    @property
    def application_protocol(self) -> str | None:
        """What both sides agreed on by ALPN (RFC 7301); None for nothing."""
        return self._tls.selected_alpn_protocol()

    @property
    def session(self) -> ssl.SSLSession | None:
        """What a later connection of the client's side may resume. Some versions of Python leak it at each reading: see
        resumption."""
        return self._tls.session

    @property
    def resumed(self) -> bool:
        return bool(self._tls.session_reused)

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            self.failure = error
            return
        self.established = True
        self._write_early()

    def _write_early(self) -> None:
        while self._early and self._write(self._early[0]):
            del self._early[0]

    def _write(self, data: bytes) -> bool:
        """Whether that is done with, for better or worse; otherwise it is to be written again, and first."""
        if self.failure is not None or not data:
            return True
        try:
            self._tls.write(data)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            self.failure = error
        return True
