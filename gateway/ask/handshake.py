"""A look at a peer's certificate: a TLS handshake that trusts nobody and says nothing.

It only explains why the verified way (net/tls) fails; nothing is ever sent on such a connection but, where that is
asked for, the request to start TLS.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from typing import Protocol as Interface

from cryptography import x509
from OpenSSL import SSL
from twisted.internet import error, ssl
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.ask.client import Client, ExtendedResult
from gateway.ldap.errors import DecodeError
from gateway.ldap.messages import START_TLS
from gateway.ldap.results import ResultCode
from gateway.net.transport.failures import explain_failure, explain_reason
from gateway.net.transport.reactor import Reactor

DROPPED: Final = "a firewall drops it, or the host is down: permit this host to connect to that port"


class NoConnection(Exception):
    """The text says why there is no TCP connection. refused: somebody said so, so the host is there."""

    def __init__(self, text: str, advice: str, refused: bool = False) -> None:
        super().__init__(text)
        self.advice = advice
        self.refused = refused


class NoHandshake(Exception):
    """TCP connects, TLS does not; the text says why. closed: the peer closed without a word."""

    def __init__(self, text: str, advice: str, closed: bool = False) -> None:
        super().__init__(text)
        self.advice = advice
        self.closed = closed


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a TLS handshake that verifies nothing showed of a peer.

    chain: as the peer sent it, its own certificate first. Times in seconds. version: of TLS, as OpenSSL names it:
    `TLSv1.3`.
    """

    chain: tuple[x509.Certificate, ...]
    connecting: float
    securing: float
    version: str


async def look(
    host: str,
    port: int,
    server_name: str,
    patience: float,
    reactor: Reactor,
    *,
    starttls: bool = False,
    unbinds: bool = False,
) -> Handshake:
    """server_name: sent as SNI. patience: seconds for each step. unbinds: the peer is told that nothing follows; a
    gateway takes a client that leaves without a request for one that does not accept its certificate. Raises
    NoConnection and NoHandshake."""
    started = reactor.seconds()
    protocol = await _connect(host, port, patience, reactor)
    connected = reactor.seconds()
    try:
        if starttls:
            await _in_time(protocol.start_tls(), patience, reactor)
        await _in_time(protocol.secure(_Unverified(server_name)), patience, reactor)
        securing = reactor.seconds() - connected
        shake = Handshake(protocol.chain(), connected - started, securing, protocol.version())
        # RFC 8446 6.1: to a peer whose handshake has not ended yet, a connection that breaks is a client's failed TLS.
        await protocol.part(patience, reactor, unbinds)
    finally:
        protocol.transport.abortConnection()
    return shake


async def _connect(host: str, port: int, patience: float, reactor: Reactor) -> _Looking:
    untyped: Any = reactor
    endpoint: Any = HostnameEndpoint(untyped, host, port, timeout=patience)
    factory: Any = Factory.forProtocol(_Looking)
    factory.noisy = False
    try:
        protocol: _Looking = await endpoint.connect(factory)
    except error.ConnectionRefusedError:
        text = "refused: the host is there, and nothing listens on this port"
        raise NoConnection(text, "start the service there, or correct the port", refused=True) from None
    except (error.TimeoutError, TimeoutError):
        raise NoConnection(f"no answer within {patience:g} seconds", DROPPED) from None
    except (error.NoRouteError, error.ConnectError, error.DNSLookupError) as failure:
        raise NoConnection(explain_failure(Failure(failure)), "see routing and firewalls on the way") from None
    return protocol


async def _in_time(waiting: Deferred[Any], patience: float, reactor: Reactor) -> None:
    untyped: Any = reactor
    try:
        await waiting.addTimeout(patience, untyped)
    except (error.TimeoutError, TimeoutError):
        text = f"it connects, and then says nothing within {patience:g} seconds"
        raise NoHandshake(text, "plain LDAP on this port, a hanging server, or a firewall that inspects TLS") from None
    except (error.ConnectionDone, error.ConnectionLost):
        text = "it connects, and is closed before TLS is established"
        advice = "plain LDAP on this port, no certificate on the server (AD needs one for LDAPS), or a firewall between"
        raise NoHandshake(text, advice, closed=True) from None
    except SSL.Error as failure:
        said = explain_reason(_reasons(failure))
        raise NoHandshake(said, _advice(said), closed="unexpected eof" in said) from None


def _advice(said: str) -> str:
    if "plain LDAP" in said:
        return "LDAPS is on 636 (AD: global catalog 3269), plain LDAP on 389: correct the port in the URL"
    return "the peer must offer TLS 1.2 or 1.3 with a certificate"


def _reasons(error: SSL.Error) -> str:
    """OpenSSL's, as pyOpenSSL gives them."""
    if isinstance(error, SSL.SysCallError):
        return str(error.args[1]).lower() if len(error.args) > 1 else "connection broken"
    stack = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(str(entry[2]) for entry in stack if entry[2]) or "handshake failed"


class _Transport(Interface):
    """ITCPTransport and ITLSTransport of twisted.internet.interfaces. The chain that a peer sent is what Python's own
    ssl does not show before 3.13, so that this is Twisted's TLS and not that of net/transport/stream."""

    def write(self, data: bytes, /) -> None: ...
    def startTLS(self, context: Any, /) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...


@implementer(IHandshakeListener)
class _Looking(Protocol):
    transport: _Transport  # type: ignore[assignment]

    def __init__(self) -> None:
        self._client = Client()
        self._waiting: Deferred[None] | None = None

    def start_tls(self) -> Deferred[None]:
        """Fires once the peer permits TLS (RFC 4511 4.14)."""
        self._waiting = Deferred()
        self.transport.write(self._client.extended(START_TLS).data)
        return self._waiting

    def secure(self, context: _Unverified) -> Deferred[None]:
        """Fires once TLS is established."""
        self._waiting = Deferred()
        self.transport.startTLS(context)
        return self._waiting

    async def part(self, patience: float, reactor: Reactor, unbinds: bool) -> None:
        """Ends the connection as TLS has it, and waits for the peer to do so too: not longer than patience, and
        whatever it says instead."""
        untyped: Any = reactor
        self._waiting = Deferred()
        waiting = self._waiting.addTimeout(patience, untyped)
        if unbinds:
            self.transport.write(self._client.unbind())
        self.transport.loseConnection()
        with suppress(error.ConnectionDone, error.ConnectionLost, error.TimeoutError, TimeoutError, SSL.Error):
            await waiting

    def chain(self) -> tuple[x509.Certificate, ...]:
        untyped: Any = self.transport
        connection: SSL.Connection = untyped.getHandle()
        return tuple(each.to_cryptography() for each in connection.get_peer_cert_chain() or ())

    def version(self) -> str:
        untyped: Any = self.transport
        connection: SSL.Connection = untyped.getHandle()
        return connection.get_protocol_version_name()

    def handshakeCompleted(self) -> None:
        self._end(None)

    def dataReceived(self, data: bytes) -> None:
        try:
            answers = self._client.receive(data)
        except DecodeError:
            self._end(NoHandshake("what answers is not LDAP", "another service has this port"))
            return
        if not answers:
            return
        answer = answers[0]
        if isinstance(answer, ExtendedResult) and answer.result.code == ResultCode.success:
            self._end(None)
        else:
            self._end(NoHandshake("it refuses to start TLS", "see its log"))

    def connectionLost(self, reason: Failure = Failure(error.ConnectionDone())) -> None:  # noqa: B008
        self._end(reason)

    def _end(self, how: Failure | NoHandshake | None) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        if how is None:
            waiting.callback(None)
        else:
            waiting.errback(how)


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    def __init__(self, server_name: str) -> None:
        # RFC 6066 3: an address is not sent as SNI.
        self._name = b"" if isIPAddress(server_name) or isIPv6Address(server_name) else server_name.encode("idna")

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        connection = SSL.Connection(ssl.CertificateOptions(raiseMinimumTo=ssl.TLSVersion.TLSv1_2).getContext(), None)
        connection.set_app_data(tlsProtocol)
        if self._name:
            connection.set_tlsext_host_name(self._name)
        return connection
