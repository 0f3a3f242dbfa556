"""A connection to a server: its name resolved, its addresses tried, a stream to the first that answers; or a stream to
a unix socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from errno import EINPROGRESS, EINVAL
from functools import lru_cache
from typing import Any, Final

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectionDone, TimeoutError, UserError, getConnectError
from twisted.internet.interfaces import IHostResolution, IReactorPluggableNameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.net.servers.settings import ENTRA, ServerSettings
from gateway.net.transport.reactor import Reactor, Timer
from gateway.net.transport.stream import Stream

# Seconds after which the next address of a name is tried as well (RFC 8305 5: 0.01 to 2).
NEXT_ADDRESS: Final = 0.1

# Has a stream until somebody takes that over.
_NOBODY: Any = Protocol()


def connect(server: ServerSettings, patience: float, reactor: Reactor) -> Deferred[Stream]:
    """A stream that is nobody's yet. patience: seconds. Fails with what Twisted does, see failures; may be
    cancelled."""
    if server.scheme == ENTRA:
        return _to_address(server.host, 0, patience, reactor)
    address = only_address(server)
    if address is not None:
        return _to_address(address, server.port, patience, reactor)
    untyped: Any = reactor
    dialler: Any = _Dialler(reactor, server.addresses)
    # Their protocols hold a stream until somebody takes it over.
    connections: Any = Factory.forProtocol(Protocol)
    connections.noisy = False
    named = HostnameEndpoint(dialler, server.host, server.port, timeout=patience, attemptDelay=NEXT_ADDRESS)
    connected: Deferred[Any] = named.connect(connections).addTimeout(patience, untyped)
    return connected.addCallback(lambda protocol: protocol.transport)


def only_address(server: ServerSettings) -> str | None:
    """Where nothing is to be resolved, or to be tried side by side. What does that for names tells of a refusal only
    when it would try the next address."""
    known = server.addresses or (server.host,)
    return known[0] if len(known) == 1 and _is_address(known[0]) else None


@lru_cache(64)
def _is_address(host: str) -> bool:
    return isIPAddress(host) or isIPv6Address(host)


def _to_address(address: str, port: int, patience: float, reactor: Reactor) -> Deferred[Stream]:
    opening: Deferred[Stream] = Deferred(lambda _: attempt.fail(CancelledError()))
    # Its type is said for where Twisted, and with it the lambda's, is unknown: see setup.py.
    attempt: _Attempt = _Attempt(address, port, patience, opening.callback, opening.errback, reactor)
    return opening


class _Attempt:
    """One address, or the path of a unix socket, which begins with a slash. connected: takes its stream, which is
    nobody's yet. failed: takes why there is none. One of them is called, once, and not before the reactor's next
    turn."""

    def __init__(
        self,
        address: str,
        port: int,
        patience: float,
        connected: Callable[[Stream], None],
        failed: Callable[[BaseException], None],
        reactor: Reactor,
    ) -> None:
        self._connected = connected
        self._failed = failed
        self._reactor = reactor
        self._timer: Timer | None = reactor.callLater(patience, self.fail, TimeoutError())
        self._socket: socket.socket | None = None
        try:
            if address.startswith("/"):
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._socket.setblocking(False)
                code = self._socket.connect_ex(address)
            else:
                self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
                self._socket.setblocking(False)
                code = self._socket.connect_ex((address, port))
        except OSError as error:
            code = error.errno or EINVAL
        if code in (0, EINPROGRESS):
            reactor.addWriter(self)
        else:
            reactor.callLater(0, self.fail, getConnectError((code, os.strerror(code))))

    def fail(self, error: BaseException) -> None:
        """Nothing more comes of it. Nothing, where it is over already."""
        if self._timer is None:
            return
        connection = self._socket
        self._leave()
        if connection is not None:
            connection.close()
        self._failed(error)

    # For the reactor.

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        return "-"

    def doRead(self) -> None:
        """It is only written."""

    def doWrite(self) -> None:
        connection = self._socket
        if connection is None:
            return
        code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self.fail(getConnectError((code, os.strerror(code))))
            return
        self._leave()
        try:
            stream = Stream(connection, _NOBODY, self._reactor)
        except OSError as error:
            connection.close()
            self._failed(error)
            return
        self._connected(stream)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """The reactor's word for an address that refuses."""
        self.doWrite()
        if reason.value is not None:
            self.fail(reason.value)

    def _leave(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        if self._socket is not None:
            self._reactor.removeWriter(self)
            self._socket = None


@implementer(IReactorPluggableNameResolver, IHostResolution)
class _Dialler:
    """The reactor as an endpoint sees it: connections become streams, and names have the addresses that are known of
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

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float, **_: Any) -> _Connector:
        """IReactorTCP, as an endpoint calls it. host: an address."""
        return _Connector(host, port, factory, timeout, self._reactor)


class _Connector:
    """An attempt as an IConnector. factory: is told of the outcome, IClientFactory."""

    def __init__(self, host: str, port: int, factory: Any, timeout: float, reactor: Reactor) -> None:
        kind: Any = IPv6Address if ":" in host else IPv4Address
        self._address = kind("TCP", host, port)
        self._factory = factory
        self._attempt = _Attempt(host, port, timeout, self._connected, self._failed, reactor)
        factory.doStart()
        factory.startedConnecting(self)

    def stopConnecting(self) -> None:
        self._attempt.fail(UserError())

    def disconnect(self) -> None:
        self._attempt.fail(UserError())

    def getDestination(self) -> Any:
        return self._address

    def _connected(self, stream: Stream) -> None:
        protocol = self._factory.buildProtocol(self._address)
        if protocol is None:
            stream.abortConnection()
            return
        stream.protocol = protocol
        protocol.makeConnection(stream)

    def _failed(self, error: BaseException) -> None:
        self._factory.clientConnectionFailed(self, Failure(error))
        self._factory.doStop()
