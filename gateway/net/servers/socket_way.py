"""The way to the copy of a tenant: the unix socket of the process that serves it on this host."""

from __future__ import annotations

from errno import EACCES, EAGAIN, ECONNREFUSED, ENOENT, EPERM
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.python.failure import Failure

from gateway.net.servers.connecting import connect
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.settings import ServerSettings
from gateway.net.servers.way import Whom
from gateway.net.transport.failures import FailureCause, ToldFailure
from gateway.net.transport.reactor import Reactor
from gateway.net.transport.stream import Stream

_NOBODY: Final = "is `ldap-gateway entra run` running?"
# What the system says of a connection that does not come about: what that means, and its kind.
_MEANINGS: Final = {
    ENOENT: (f"there is no such socket: {_NOBODY}", FailureCause.refused),
    ECONNREFUSED: (f"nobody listens there: {_NOBODY}", FailureCause.refused),
    EAGAIN: ("its process takes no more connections now: is it stopped or overloaded?", FailureCause.other),
    EACCES: ("this process may not use it: its account has to be in the socket's group", FailureCause.other),
    EPERM: ("this process may not use it: its account has to be in the socket's group", FailureCause.other),
}


class SocketWay:
    """The net/servers/way.Way of a directory that is the copy of a tenant. Nothing is verified but who may use the
    socket, which the system does, and the token, which the session's bind shows."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor

    @property
    def opens_ahead(self) -> bool:
        return True

    @property
    def fingerprint(self) -> str:
        return ""

    def open(self, server: ServerSettings, whom: Whom | None, patience: float) -> Deferred[ServerLink]:
        """whom: not told to the copy. Otherwise as net/servers/way.Way has it."""

        def linked(stream: Stream) -> ServerLink:
            return ServerLink(server, stream, self._reactor)

        def told(failure: Failure) -> Failure:
            return _told(server.host, failure)

        return connect(server, patience, self._reactor).addCallbacks(linked, told)

    def renew(self) -> None:
        """There are no certificates."""


def _told(path: str, failure: Failure) -> Failure:
    error = failure.value
    known = _MEANINGS.get(error.osError) if isinstance(error, ConnectError) else None
    return failure if known is None else Failure(ToldFailure(f"{path}: {known[0]}", known[1]))
