"""What tests play around the connector, the checks and the upkeep of a directory: a way to its servers, candidates, an
observer.

A connection that comes up is a real Stream on a pair of sockets, for a compiled link takes no other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from socket import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from gateway.net.observer import Observer
from gateway.net.servers.candidates import NoCandidates
from gateway.net.servers.choosing import listed
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.settings import Candidate, Order, ServerSettings
from gateway.net.servers.way import Whom
from gateway.net.transport.stream import Stream
from tests.net.loop import connected_sockets


class Opening:
    """One connection that was asked for. given_up: whoever asked has left. link: what came of it."""

    def __init__(self, server: ServerSettings, whom: Whom | None, patience: float, reactor: Any) -> None:
        self.server = server
        self.whom = whom
        self.patience = patience
        self.given_up = False
        self.link: ServerLink | None = None
        self._reactor = reactor
        self._peer: socket | None = None
        self.coming: Deferred[ServerLink] = Deferred(self._give_up)
        self.coming.addTimeout(patience, reactor)

    @property
    def closed(self) -> bool:
        """Whether there is no connection, or not any more."""
        return self.link is None or self.link.transport.fileno() == -1

    def succeed(self) -> ServerLink:
        mine, self._peer = connected_sockets()
        nobody: Any = Protocol()
        self.link = ServerLink(self.server, Stream(mine, nobody, self._reactor), self._reactor)
        self.coming.callback(self.link)
        return self.link

    def fail(self, error: Exception) -> None:
        self.coming.errback(error)

    def lose(self, error: Exception | None = None) -> None:
        """The connection is gone, if there is one. error: ConnectionDone where it is None."""
        if self.link is not None:
            self.link.transport.connectionLost(Failure(error or ConnectionDone()))

    def end(self) -> None:
        self.lose()
        if self._peer is not None:
            self._peer.close()

    def _give_up(self, _: object) -> None:
        self.given_up = True


class PlayedWay:
    """A net/servers/way.Way that the test plays. answers: what a server does as soon as it is asked, by its host: None
    for up, or the error. openings: those that were asked for; an answered one stays among them."""

    def __init__(self, reactor: Any, opens_ahead: bool = True) -> None:
        self.opens_ahead = opens_ahead
        self.fingerprint = "trust"
        self.renewals: list[str] = []
        self.answers: dict[str, Exception | None] = {}
        self.openings: list[Opening] = []
        self._reactor = reactor
        self._ended: list[Opening] = []

    def open(self, server: ServerSettings, whom: Whom | None, patience: float) -> Deferred[ServerLink]:
        opening = Opening(server, whom, patience, self._reactor)
        self.openings.append(opening)
        if server.host in self.answers:
            error = self.answers[server.host]
            if error is None:
                opening.succeed()
            else:
                opening.fail(error)
        return opening.coming

    def renew(self) -> None:
        """renewals: the fingerprints that come next; OSError where there is none."""
        if not self.renewals:
            raise FileNotFoundError("ca.pem")
        self.fingerprint = self.renewals.pop(0)

    def forget(self) -> None:
        """Nothing was asked for so far."""
        self._ended += self.openings
        self.openings.clear()

    def end(self) -> None:
        """No socket stays open."""
        self.forget()
        for opening in self._ended:
            opening.end()

    @property
    def hosts(self) -> list[str]:
        """Of each connection that was asked for."""
        return [opening.server.host for opening in self.openings]


class PlayedCandidates:
    """A net/servers/candidates.Candidates that the test changes. changed: None while nobody looks after them."""

    def __init__(self, *servers: ServerSettings) -> None:
        self.servers = servers
        self.changed: Callable[[], None] | None = None

    def known(self, whom: Whom | None) -> tuple[Candidate, ...]:
        return listed(self.servers, Order.priority)

    async def wait(self, whom: Whom | None, patience: float) -> None:
        raise NoCandidates("the test has named no server")

    def begin(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    def stop(self) -> None:
        self.changed = None

    def become(self, *servers: ServerSettings) -> None:
        self.servers = servers
        if self.changed is not None:
            self.changed()


class Told(Observer):
    """An observer that notes what it is told, but for the directory. events: (method, its other arguments)."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        for name in vars(Observer):
            if not name.startswith("_"):
                setattr(self, name, partial(self._note, name))

    def _note(self, name: str, *arguments: object) -> None:
        about_directory = name.startswith(("server", "directory", "discovery", "session_broken"))
        self.events.append((name, *(arguments[1:] if about_directory else arguments)))

    def of(self, *names: str) -> list[tuple[Any, ...]]:
        """What was told by these methods."""
        return [event for event in self.events if event[0] in names]
