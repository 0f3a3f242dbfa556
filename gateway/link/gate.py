"""Where agents call in: the listening socket of a link, and those who have not shown a key yet."""

from __future__ import annotations

import socket
from typing import Any, Final

from gateway.link.connection import ConnectionOwner, LinkConnection
from gateway.link.keyring import Keyring
from gateway.link.settings import OutsideSettings
from gateway.link.telling import Telling
from gateway.net.sessions.sources import SourceTable
from gateway.net.transport.reactor import Port, Reactor
from gateway.net.transport.stream import Stream
from gateway.net.transport.twisted_internals import accept_as

# Connections that have not shown a pinned key yet: agents call a few at once. One more takes the place of the oldest.
MOST_HANDSHAKES: Final = 100
_BACKLOG: Final = 256


class Gate:
    """The address of a link at the end that waits. owner: has each connection once it is accepted. A factory of
    connections for Twisted (IProtocolFactory)."""

    def __init__(
        self, settings: OutsideSettings, keyring: Keyring, owner: ConnectionOwner, telling: Telling, reactor: Reactor
    ) -> None:
        self._owner = owner
        self._telling = telling
        self._reactor = reactor
        # In the order in which they came.
        self._handshaking: dict[LinkConnection, None] = {}
        self._port: Port | None = None
        self.configure(settings, keyring)

    def configure(self, settings: OutsideSettings, keyring: Keyring) -> None:
        """Later connections are judged by these. The address must be the same."""
        self._settings = settings
        self._keyring = keyring
        self._sources = SourceTable((network, True) for network in settings.sources)

    def open(self) -> None:
        """Agents may call from now on. Raises CannotListenError."""
        port = self._reactor.listenTCP(self._settings.port, self, _BACKLOG, self._settings.host)
        accept_as(port, self._accepted)
        self._port = port

    def close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.stopListening()

    @property
    def port(self) -> int:
        """The port that was really bound; 0 while it is closed."""
        return 0 if self._port is None else int(self._port.getHost().port)

    def passed(self, connection: LinkConnection) -> None:
        """It has shown the key of an agent."""
        self._handshaking.pop(connection, None)

    def turned_away(self, connection: LinkConnection, said: str) -> None:
        """It has ended without having passed. said: why."""
        self._handshaking.pop(connection, None)
        self._telling.stranger(said)

    # From the port.

    def doStart(self) -> None:
        """The port is open."""

    def doStop(self) -> None:
        """It is closed."""

    def buildProtocol(self, addr: Any) -> LinkConnection | None:
        """None closes the connection before an octet of it is read."""
        if self._settings.sources and self._sources.find(addr.host) is None:
            self._telling.stranger(f"{addr.host} is none of its sources")
            return None
        if len(self._handshaking) >= MOST_HANDSHAKES:
            # An agent shows its key within a round trip or two; whoever shows none waits for as long as he may.
            next(iter(self._handshaking)).abort(f"it showed no key, and {MOST_HANDSHAKES} others wanted its place")
        connection = LinkConnection(self._keyring.layer(), self._owner, self._reactor)
        self._handshaking[connection] = None
        return connection

    def _accepted(self, connection: socket.socket, protocol: LinkConnection, *_: object) -> Stream:
        return Stream(connection, protocol, self._reactor)
