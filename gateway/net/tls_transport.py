"""Twisted's TLS, for those who write and read in large pieces, at a lower price for each read."""

from __future__ import annotations

from typing import Any, Final, Protocol, runtime_checkable

from OpenSSL.SSL import Error, WantReadError, ZeroReturnError
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from gateway.net.tls_records import UNKNOWN, RecordEnds

# More than the octets of any record.
_RECORD: Final = 2**15


@runtime_checkable
class TakesReads(Protocol):
    """A protocol that wants to know where a read from the socket ends: TLS gives it one record at a time, of at most
    16 kB, and OpenLDAP makes a record of each entry."""

    def read_ended(self) -> None:
        """What came in one read was given to dataReceived."""


class TlsTransport(TLSMemoryBIOProtocol):
    """Writes at once: what Twisted keeps for the next turn of the reactor, to join it with what may follow, is joined
    already. Asks OpenSSL for as many records as have come, where Twisted asks until it says that there are no more. A
    protocol inside that TakesReads is told of the ends of reads."""

    def __init__(self, factory: Any, wrappedProtocol: Any, _connectWrapped: bool = True) -> None:
        super().__init__(factory, wrappedProtocol, _connectWrapped)  # type: ignore[no-untyped-call]
        self._tells_ends = isinstance(wrappedProtocol, TakesReads)
        self._ends = RecordEnds()
        self._records = UNKNOWN

    def dataReceived(self, bytes: bytes) -> None:
        self._records = self._ends.count(bytes)
        super().dataReceived(bytes)  # type: ignore[no-untyped-call]
        # It may not have come to taking them.
        self._records = UNKNOWN
        if self._tells_ends:
            self.wrappedProtocol.read_ended()

    def _flushReceiveBIO(self) -> None:
        """Twisted's, but that it ends with the last record where that is known.

        Each recv that gives data takes a record. Where as many gave data as there were, all were application data, so
        that nothing is left for OpenSSL to take, to fail at or to answer. Anything else that comes in a record (an
        alert, a ticket, a new key, what cannot be decrypted) makes a recv end otherwise.
        """
        left, self._records = self._records, UNKNOWN
        inside: Any = self.wrappedProtocol
        while left and not self._lostTLSConnection:
            left -= 1
            try:
                data = self._tlsConnection.recv(_RECORD)
            except WantReadError:
                break
            except ZeroReturnError:
                self._shutdownTLS()  # type: ignore[no-untyped-call]
                self._tlsShutdownFinished(None)  # type: ignore[no-untyped-call]
            except Error:
                self._tlsShutdownFinished(Failure())  # type: ignore[no-untyped-call]
            else:
                if not self._aborted:
                    inside.dataReceived(data)
        else:
            return
        self._flushSendBIO()  # type: ignore[no-untyped-call]


class TlsFactory(TLSMemoryBIOFactory):
    """contextFactory: of the server's or the client's side, as isClient says. wrappedFactory: of what is inside."""

    protocol = TlsTransport
    noisy = False


def begin_tls(transport: Any, inside: Any, context: Any) -> TlsTransport:
    """Puts TLS, of the server's side, between a transport and the protocol that it serves; what was written before goes
    out before it. The protocol inside has to write to what is returned from here on. context: CertificateOptions."""
    tls = TlsTransport(TlsFactory(context, False, None), inside, False)  # type: ignore[arg-type]
    transport.protocol = tls
    tls.makeConnection(transport)  # type: ignore[no-untyped-call]
    return tls
