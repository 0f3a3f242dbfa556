"""The LDAP server of a copy: it listens on a unix socket, and answers from what is published."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from gateway.entra.connection import ResponderConnection
from gateway.entra.conversation import Conversation
from gateway.entra.readings import Readings
from gateway.entra.searching import SearchedCopy
from gateway.host.system_errors import system_error
from gateway.ldap.dn import DN
from gateway.net.sessions.turns import Turns
from gateway.net.transport.reactor import Port, Reactor, Timer
from gateway.net.transport.stream import Stream
from gateway.net.transport.twisted_internals import accept_as

log = Logger(__name__)

# Of the socket: the group is the one that the gateway's process is in too.
_MODE: Final = 0o660
_BACKLOG: Final = 1024
# Octets of its path, unix(7).
_LONGEST: Final = 107
# Connections at one time. A further one is closed at once.
_MOST: Final = 2048
# Seconds between two looks for searches that have taken too long.
_LOOK: Final = 15.0


class ListenError(Exception):
    """Nothing can listen at the socket's path. The text names the path and what to do."""


@dataclass(frozen=True, slots=True)
class ResponderSettings:
    """What the responder is given.

    store: the file of the copy. socket: the path that it listens at. token_file: what a bind has to say. base: of the
    copy. refuse_after: seconds after the last complete round from which on every search is answered with `unavailable`.
    """

    store: Path
    socket: Path
    token_file: Path
    base: DN
    refuse_after: float


class Responder:
    """The server, from start to stop. It reads what others publish, and changes nothing."""

    def __init__(self, settings: ResponderSettings, reactor: Reactor) -> None:
        self._settings = settings
        self._reactor = reactor
        self._readings = Readings(settings.store, settings.refuse_after)
        self._copy = SearchedCopy(settings.base, self._readings)
        self._turns = Turns(reactor)
        self._connections: set[ResponderConnection] = set()
        self._port: Port | None = None
        self._timer: Timer | None = None

    def start(self) -> None:
        """Raises ListenError."""
        self._port = self._listen(self._settings.socket)
        accept_as(self._port, self._accepted)
        self._look()
        log.info("the copy is served at {socket}", socket=str(self._settings.socket))

    def stop(self) -> Deferred[None]:
        """Ends all connections at once, and removes the socket; fires when that has been done."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in list(self._connections):
            connection.abort()
        port, self._port = self._port, None
        stopped: Deferred[None] = maybeDeferred(lambda: None) if port is None else maybeDeferred(port.stopListening)
        return stopped.addCallback(lambda _: self._readings.close())

    # An IProtocolFactory.

    def doStart(self) -> None:
        """The port is open."""

    def doStop(self) -> None:
        """It is closed."""

    def buildProtocol(self, addr: Any) -> ResponderConnection | None:
        if len(self._connections) >= _MOST:
            log.warn("a connection was closed: there are {most} already", most=_MOST)
            return None
        conversation = Conversation(self._copy, self._settings.token_file)
        connection = ResponderConnection(conversation, self._turns, self._connections.discard, self._reactor)
        self._connections.add(connection)
        return connection

    def _accepted(self, connection: socket.socket, protocol: ResponderConnection, *_: object) -> Stream:
        return Stream(connection, protocol, self._reactor)

    def _listen(self, path: Path) -> Port:
        """Listens at the path, in place of a process that has left its socket there. Raises ListenError.

        Not by adoptStreamPort: Twisted gives the socket of a port that it adopts the mode 0666."""
        if len(os.fsencode(path)) > _LONGEST:
            raise ListenError(f"{path}: the path of a socket has at most {_LONGEST} octets (unix(7))")
        # Nobody else may connect, not even before the mode is what it is to be.
        mask = os.umask(0o777 & ~_MODE)
        try:
            _make_way(path)
            return self._reactor.listenUNIX(str(path), self, _BACKLOG, _MODE)
        except CannotListenError as error:
            cause = error.socketError
        except OSError as error:
            cause = error
        finally:
            os.umask(mask)
        raise ListenError(f"{path}: nothing can listen there: {system_error(cause)}")

    def _look(self) -> None:
        self._readings.end_old()
        self._timer = self._reactor.callLater(_LOOK, self._look)


def _make_way(path: Path) -> None:
    """Removes a socket that nobody listens at. Raises ListenError, OSError."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"{path}: there is a file that is no socket; choose another path, or remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.settimeout(1.0)
        try:
            other.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise ListenError(f"{path}: another process listens there; is `ldap-gateway entra run` running already?")
