"""The way to a server: its name resolved, its addresses tried, a stream to the first that answers."""

from __future__ import annotations

import os
import socket
from errno import EINPROGRESS
from typing import Any, Final

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectionDone, TimeoutError, UserError, getConnectError
from twisted.internet.interfaces import IHostResolution, IReactorPluggableNameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.net.reactor import Reactor, Timer
from gateway.net.resumption import ServerTls
from gateway.net.server_link import ServerLink
from gateway.net.settings import ServerSettings
from gateway.net.stream import Stream

# Seconds after which the next address of a name is tried as well (RFC 8305 5: 0.01 to 2).
NEXT_ADDRESS: Final = 0.1


async def open_link(server: ServerSettings, tls: ServerTls, patience: float, reactor: Reactor) -> ServerLink:
    """A link whose TLS is up and verified. patience: seconds. Raises what failures explains; may be cancelled."""
    untyped: Any = reactor
    started = reactor.seconds()
    stream = await connect(server, patience, reactor)
    try:
        link = ServerLink(server, tls, stream, reactor)
        left = max(0.0, patience - (reactor.seconds() - started))
        return await link.secured.addTimeout(left, untyped)
    except BaseException:
        stream.abortConnection()
        raise


async def connect(server: ServerSettings, patience: float, reactor: Reactor) -> Stream:
    """A stream that is nobody's yet. patience: seconds. Raises what Twisted does, see failures; may be cancelled."""
    untyped: Any = reactor
    factory: Any = _Connections()
    connected = await server_endpoint(server, patience, reactor).connect(factory).addTimeout(patience, untyped)
    stream: Stream = connected.transport
    return stream


def server_endpoint(server: ServerSettings, patience: float, reactor: Reactor) -> Any:
    """What connect connects to."""
    known = server.addresses or (server.host,)
    dialler: Any = _Dialler(reactor, server.addresses)
    if len(known) == 1:
        # Nothing is to be resolved, or to be tried side by side; that of names tells of a refusal only when it would
        # try the next address.
        if isIPAddress(known[0]):
            return TCP4ClientEndpoint(dialler, known[0], server.port, timeout=patience)
        if isIPv6Address(known[0]):
            return TCP6ClientEndpoint(dialler, known[0], server.port, timeout=patience)
    return HostnameEndpoint(dialler, server.host, server.port, timeout=patience, attemptDelay=NEXT_ADDRESS)


class _Connections(Factory):
    """Of protocols that hold a stream until somebody takes it over."""

    noisy = False
    protocol = Protocol


@implementer(IReactorPluggableNameResolver, IHostResolution)
class _Dialler:
    """The reactor as endpoints see it: connections become streams, and names have the addresses that are known of
    them, if any are."""

    def __init__(self, reactor: Reactor, addresses: tuple[str, ...]) -> None:
        self._reactor = reactor
        self._addresses = addresses
        self.name = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    @property
    def nameResolver(self) -> Any:
        untyped: Any = self._reactor
        return self if self._addresses else untyped.nameResolver

    def resolveHostName(self, receiver: Any, hostName: str, portNumber: int = 0, *_: Any, **__: Any) -> _Dialler:
        self.name = hostName
        receiver.resolutionBegan(self)
        for each in self._addresses:
            kind: Any = IPv6Address if ":" in each else IPv4Address
            receiver.addressResolved(kind("TCP", each, portNumber))
        receiver.resolutionComplete()
        return self

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None) -> _Attempt:
        """IReactorTCP. host: an address. bindAddress: not used."""
        return _Attempt(host, port, factory, timeout, self._reactor)


class _Attempt:
    """One address, as an IConnector. factory: is told of the outcome, IClientFactory."""

    def __init__(self, host: str, port: int, factory: Any, timeout: float, reactor: Reactor) -> None:
        kind: Any
        family, kind = (socket.AF_INET6, IPv6Address) if isIPv6Address(host) else (socket.AF_INET, IPv4Address)
        self._address = kind("TCP", host, port)
        self._factory = factory
        self._reactor = reactor
        self._timer: Timer | None = reactor.callLater(timeout, self._fail, TimeoutError())
        self._socket: socket.socket | None = None
        factory.doStart()
        factory.startedConnecting(self)
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            self._socket.setblocking(False)
            code = self._socket.connect_ex((host, port))
        except OSError as error:
            code = error.errno or EINPROGRESS
        if code in (0, EINPROGRESS):
            reactor.addReader(self)
            reactor.addWriter(self)
        else:
            self._fail_later(code)

    # IConnector.

    def stopConnecting(self) -> None:
        self._fail(UserError())

    def disconnect(self) -> None:
        self._fail(UserError())

    def getDestination(self) -> Any:
        return self._address

    # For the reactor.

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        return "-"

    def doRead(self) -> None:
        connection = self._socket
        if connection is None:
            return
        code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._fail(getConnectError((code, os.strerror(code))))
            return
        self._leave()
        protocol = self._factory.buildProtocol(self._address)
        if protocol is None:
            connection.close()
            return
        protocol.makeConnection(Stream(connection, protocol, self._reactor))

    doWrite = doRead

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """The reactor's word for an address that refuses."""
        self.doRead()
        self._fail(reason.value)

    def _fail_later(self, code: int) -> None:
        self._reactor.callLater(0, self._fail, getConnectError((code, os.strerror(code))))

    def _fail(self, error: BaseException | None) -> None:
        if self._timer is None:
            return
        connection = self._socket
        self._leave()
        if connection is not None:
            connection.close()
        self._factory.clientConnectionFailed(self, Failure(error))
        self._factory.doStop()

    def _leave(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            self._socket = None
