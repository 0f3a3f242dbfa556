"""The server connection of one session: opened, written to, and closed."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from gateway.net.servers.connector import NoServer, ServerConnector
from gateway.net.servers.server_link import LinkOwner, ServerLink
from gateway.net.servers.way import Whom
from gateway.net.sessions.client_side import NewWindow
from gateway.net.transport.failures import explain_failure
from gateway.net.transport.flow import WriteWindow
from gateway.relay.commands import ConnectServer


class ServerSide:
    """The connection to a server, as the session's driver uses it: at most one at a time.

    whom: the session. opened: is given a connection that connect asked for, or None and why there is none, for the
    audit. held: reading from it pauses.
    """

    def __init__(
        self,
        connector: ServerConnector,
        whom: Whom,
        new_window: NewWindow,
        opened: Callable[[ServerLink | None, str], None],
    ) -> None:
        self.held = False
        self._connector = connector
        self._whom = whom
        self._new_window = new_window
        self._opened = opened
        self._link: ServerLink | None = None
        self._window: WriteWindow | None = None
        self._connecting: Deferred[None] | None = None

    def connect(self, wanted: ConnectServer) -> None:
        """Calls opened, once, at once or later; not where close comes first."""
        opening = self._connector.connect(self._whom, wanted.instead_of, wanted.others_only)
        connecting: Deferred[None] = opening.addCallbacks(self._connected, self._not_connected)
        if self._link is None and not connecting.called:
            self._connecting = connecting

    def _connected(self, link: ServerLink) -> None:
        self._connecting = None
        self._opened(link, "")

    def _not_connected(self, failure: Failure) -> None:
        self._connecting = None
        if failure.check(CancelledError) is None:
            self._opened(None, str(failure.value) if failure.check(NoServer) else explain_failure(failure))

    def take(self, link: ServerLink, owner: LinkOwner) -> float | None:
        """Takes an opened connection into use. Seconds that it has for its first answer, None for as long as any: one
        that was kept ready is only as good as a new one once it has answered."""
        self._link = link
        self._window = self._new_window(link.transport)
        link.attach(owner)
        return self._connector.directory.connect_timeout if link.kept else None

    @property
    def full(self) -> bool:
        """Whether the server is slow to take what waits for it."""
        return self._window is not None and self._window.full

    @property
    def connected(self) -> bool:
        return self._link is not None

    def write(self, data: bytes) -> None:
        """The octets are dropped where there is no connection."""
        if self._window is not None and self._link is not None:
            self._window.write(data)
            self._link.reading.asked()

    def hold(self, hold: bool) -> None:
        """Pauses reading, or goes on with it."""
        if self._link is not None:
            self.held = hold
            if hold:
                self._link.reading.hold()
            else:
                self._link.reading.release()

    def forget(self) -> None:
        """The connection is gone."""
        self._link = self._window = None
        self.held = False

    def close(self) -> None:
        """Closes it, or gives up connecting."""
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
        link, window = self._link, self._window
        self.forget()
        if link is not None and window is not None:
            window.close()
            link.close()
