"""Twisted's TLS, for those who write and read in large pieces."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol


@runtime_checkable
class TakesReads(Protocol):
    """A protocol that wants to know where a read from the socket ends: TLS gives it one record at a time, of at most
    16 kB, and OpenLDAP makes a record of each entry."""

    def read_ended(self) -> None:
        """What came in one read was given to dataReceived."""


class TlsTransport(TLSMemoryBIOProtocol):
    """Writes at once: what Twisted's default keeps for the next turn of the reactor, to join it with what may follow,
    is joined already. A protocol inside that TakesReads is told of their ends."""

    def __init__(self, factory: Any, wrappedProtocol: Any, _connectWrapped: bool = True) -> None:
        super().__init__(factory, wrappedProtocol, _connectWrapped)  # type: ignore[no-untyped-call]
        self._tells_ends = isinstance(wrappedProtocol, TakesReads)

    def dataReceived(self, bytes: bytes) -> None:
        super().dataReceived(bytes)  # type: ignore[no-untyped-call]
        if self._tells_ends:
            self.wrappedProtocol.read_ended()


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
