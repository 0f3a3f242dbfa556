"""A connection by TCP or a unix socket as the reactor serves it, and TLS in it from where that has begun.

In place of Twisted's own transports: what is written is sent at once and not in the reactor's next turn, a read is one
read, with all its TLS records together, and no layer lies between the socket and the protocol that is served.
"""

from __future__ import annotations

import socket
import ssl
import struct
import termios
from contextlib import suppress
from fcntl import ioctl
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT
from typing import Any, Final, Protocol

from twisted.internet.error import ConnectionAborted
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.net.transport.reactor import Reactor
from gateway.net.transport.tls_layer import TlsLayer
from gateway.net.transport.unsent import Unsent

log = Logger(__name__)

# Octets of one read.
_READ: Final = 65_536
# SO_LINGER with 0 seconds: the peer is told at once, and what it has not taken is dropped.
_RESET: Final = struct.pack("ii", 1, 0)
# SIOCOUTQ of tcp(7), which is the same number: octets in the kernel's queue that the peer has not acknowledged.
_UNACKNOWLEDGED: Final = termios.TIOCOUTQ


class Served(Protocol):
    """What a stream is for. dataReceived: of one read. handshakeCompleted: TLS is up; may raise ssl.SSLError, as its
    failure. connectionLost: the last call."""

    def dataReceived(self, data: bytes, /) -> None: ...
    def handshakeCompleted(self, layer: TlsLayer, /) -> None: ...
    def connectionLost(self, reason: Failure, /) -> None: ...


class Stream:
    """Reads from the beginning on. protocol: may be another one at any time. tls: None while there is none.

    A transport of net/transport/reactor, and a descriptor of IReadDescriptor and IWriteDescriptor.
    """

    __slots__ = (
        "_aborted",
        "_closing",
        "_descriptor",
        "_farewell",
        "_mute",
        "_reactor",
        "_sent",
        "_socket",
        "_unsent",
        "protocol",
        "tls",
    )

    def __init__(self, connection: socket.socket, protocol: Served, reactor: Reactor) -> None:
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.protocol = protocol
        self.tls: TlsLayer | None = None
        self._socket = connection
        self._descriptor = connection.fileno()
        self._reactor = reactor
        self._unsent = Unsent()
        # Octets that the kernel has taken.
        self._sent = 0
        # Closing: nothing is written or delivered any more. Farewell: the end of our side was sent. Mute: the peer has
        # gone and takes nothing any more. Aborted: the end is a matter of the reactor's next turn.
        self._closing = False
        self._farewell = False
        self._mute = False
        self._aborted = False
        reactor.addReader(self)

    # For the protocol.

    def start_tls(self, layer: TlsLayer, received: bytes = b"") -> None:
        """What was written before goes out before it. received: octets of it that have come already."""
        self.tls = layer
        self._send(layer.begin())
        reason = self._take(layer, received) if received else None
        if reason is not None:
            self._end_soon(reason)

    def write(self, data: bytes) -> None:
        if self._closing:
            return
        tls = self.tls
        if tls is None:
            self._send(data)
            return
        self._send(tls.send(data))
        if tls.failure is not None:
            self._end_soon(tls.failure)

    @property
    def acknowledged(self) -> int:
        """Octets, those of TLS included, that the peer's system has taken so far."""
        if self._descriptor == -1:
            return self._sent
        (waiting,) = struct.unpack("i", ioctl(self._descriptor, _UNACKNOWLEDGED, bytes(4)))
        return self._sent - int(waiting)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """It is paused as long as the kernel takes no more, and never asked for single pieces."""
        self._unsent.register(producer)

    def unregisterProducer(self) -> None:
        self._unsent.unregister()

    def pauseProducing(self) -> None:
        self._reactor.removeReader(self)

    def resumeProducing(self) -> None:
        if self._descriptor != -1 and not self._aborted:
            self._reactor.addReader(self)

    def loseConnection(self) -> None:
        """Once all is written. With TLS the peer is told, and its own end waited for, however long that takes: closing
        with octets of it unread would take back what it has not read of ours."""
        if self._closing:
            return
        self._closing = True
        reason = None if self._unsent.pieces else self._part()
        if reason is not None:
            self._end_soon(reason)

    def abortConnection(self) -> None:
        """At once, whatever is on its way; the protocol is told soon."""
        if not self._aborted and self._descriptor != -1:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._end_soon(ConnectionAborted())

    # For the reactor.

    def fileno(self) -> int:
        return self._descriptor

    def logPrefix(self) -> str:
        return "-"

    def doRead(self) -> BaseException | None:
        """The reason, where it is the end."""
        lost = False
        try:
            octets = self._socket.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            octets, lost = b"", True
        if not octets:
            failure = None if self.tls is None else self.tls.cut_off()
            if failure is not None:
                return failure
            return CONNECTION_LOST if lost else CONNECTION_DONE
        if self.tls is not None:
            return self._take(self.tls, octets)
        if not self._closing:
            self.protocol.dataReceived(octets)
        return None

    def doWrite(self) -> BaseException | None:
        """Writes what waits, as far as the kernel takes it. The reason, where it is the end."""
        unsent = self._unsent
        try:
            self._sent += unsent.send(self._socket)
        except OSError:
            self._fall_mute()
            return None
        if unsent.pieces:
            return None
        self._reactor.removeWriter(self)
        unsent.end_wait()
        if self._closing and not unsent.pieces and not self._aborted:
            return self._part()
        return None

    def connectionLost(self, reason: Failure) -> None:
        if self._descriptor == -1:
            return
        self._aborted = self._closing = True
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._descriptor = -1
        self._unsent.pieces.clear()
        self._socket.close()
        self._unsent.unregister()
        # The one knows the other, and neither is to wait for a search for garbage.
        protocol, self.protocol = self.protocol, _NOBODY
        protocol.connectionLost(reason)

    def _take(self, tls: TlsLayer, octets: bytes) -> BaseException | None:
        began = not tls.established
        data = tls.receive(octets)
        self._send(tls.outgoing())
        if began and tls.failure is not None:
            # Perhaps right behind the handshake: then OpenSSL tells nothing of the peer any more, and nobody is to hear
            # what came between.
            return tls.failure
        if began and tls.established and not self._closing:
            try:
                self.protocol.handshakeCompleted(tls)
            except ssl.SSLError as error:
                return error
        if data and not self._closing:
            self.protocol.dataReceived(data)
        if tls.failure is not None:
            return tls.failure
        if tls.ended:
            self._send(tls.close())
            return CONNECTION_DONE
        return None

    def _send(self, octets: bytes) -> None:
        if not octets or self._mute or self._aborted:
            return
        sent = 0
        if not self._unsent.pieces:
            try:
                sent = self._socket.send(octets)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                self._fall_mute()
                return
            self._sent += sent
            if sent == len(octets):
                return
            self._reactor.addWriter(self)
        self._unsent.add(memoryview(octets)[sent:])

    def _fall_mute(self) -> None:
        """The peer has gone. What it said last, an alert perhaps, is still to be read, and then its end."""
        self._mute = True
        self._unsent.pieces.clear()
        if self._closing:
            self._reactor.removeWriter(self)
            self.resumeProducing()
        else:
            # One that is not read is told of the end by that alone.
            self._reactor.addWriter(self)

    def _part(self) -> BaseException | None:
        """All is written: the end of our side. The reason, where that is the end of the connection."""
        if self.tls is None:
            return CONNECTION_DONE
        if not self._farewell:
            self._farewell = True
            self._send(self.tls.close())
        if self._unsent.pieces or self._aborted:
            return None
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self.resumeProducing()
        return None

    def _end_soon(self, reason: BaseException) -> None:
        """Never from within a call of the protocol's."""
        if not self._aborted:
            self._aborted = self._closing = True
            # The turn may have come to reading before it comes to writing.
            self._unsent.pieces.clear()
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            self._reactor.callLater(0, self.connectionLost, Failure(reason))


def set_option(stream: Stream, option: int, value: int) -> None:
    """Sets one of tcp(7), while the connection is there."""
    if stream.fileno() != -1:
        stream._socket.setsockopt(socket.IPPROTO_TCP, option, value)


def happened(stream: Stream, event: int) -> None:
    """Serves a stream for what epoll has seen of it (epoll_ctl(2)): in place of what Twisted makes of it for all kinds
    of descriptors."""
    reason: BaseException | None = None
    try:
        if event & EPOLLIN:
            reason = stream.doRead()
        elif event & (EPOLLHUP | EPOLLERR):
            # Nobody reads it.
            reason = CONNECTION_LOST
        if reason is None and event & EPOLLOUT and stream.fileno() != -1:
            reason = stream.doWrite()
    except Exception as error:  # noqa: BLE001 - it is the end of this connection, whatever it was
        log.failure("a connection failed")
        reason = error
    if reason is not None:
        stream.connectionLost(Failure(reason))


class _Nobody:
    def dataReceived(self, data: bytes) -> None: ...
    def handshakeCompleted(self, layer: TlsLayer, /) -> None: ...
    def connectionLost(self, reason: Failure, /) -> None: ...


_NOBODY: Final = _Nobody()
