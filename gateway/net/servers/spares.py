"""Spare connections to servers: connected, TLS verified, never bound, ready for the next session.

A connection that has carried a bind never becomes one; each is handed out once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.net.servers.choosing import in_order
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.server_state import DirectoryState, ServerState
from gateway.net.servers.settings import Candidate, DirectorySettings
from gateway.net.transport.reactor import Reactor, Timer

log = Logger(__name__)

# Seconds: spares are kept while there was a session lately, and each for so long; AD closes a connection that has sent
# nothing for 120 s.
LATELY: Final = 600.0
MAXIMUM_AGE: Final = 60.0

# Seconds until the next one is opened where a server closed the last one early: the first wait, and the longest.
FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 60.0


class Opener(Protocol):
    """What the spares need of a net.connector.ServerConnector."""

    @property
    def directory(self) -> DirectorySettings: ...

    @property
    def servers(self) -> Iterable[tuple[Candidate, ServerState]]: ...

    def open_spare(self, state: ServerState) -> Deferred[ServerLink]: ...


class SpareLinks:
    """The spare connections to one directory: directory.spares at most, none to a server that is down or doubtful."""

    def __init__(self, opener: Opener, state: DirectoryState, reactor: Reactor) -> None:
        self._opener = opener
        self._state = state
        self._reactor = reactor
        self._ages: dict[ServerLink, Timer] = {}
        self._opening: Deferred[None] | None = None
        self._timer: Timer | None = None
        self._wait = 0.0
        self._stopped = False

    def begin(self) -> None:
        """Opens the first ones, where there was a session lately."""
        self._plan()

    def used(self) -> None:
        """A session has got a connection, from here or a new one."""
        self._state.last_session = self._reactor.seconds()
        self._plan()

    def take(self, state: ServerState) -> ServerLink | None:
        """One to this server, for good; None where there is none."""
        if not state.spares:
            return None
        link = state.spares.pop(0)
        self._ages.pop(link).cancel()
        self._wait = 0.0
        return link

    def drop(self) -> None:
        """Closes all, and gives up the one that is coming up; others are opened as they are needed."""
        if self._opening is not None:
            self._opening.cancel()
        for link in list(self._ages):
            link.close()

    def stop(self) -> None:
        """Closes all, and opens none any more."""
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self.drop()

    def _plan(self) -> None:
        if self._stopped or self._opening is not None or (self._timer is not None and self._timer.active()):
            return
        last = self._state.last_session
        lately = last is not None and self._reactor.seconds() - last < LATELY
        if lately and len(self._ages) < self._opener.directory.spares:
            self._timer = self._reactor.callLater(self._wait, self._open)

    def _open(self) -> None:
        order = self._opener.directory.order
        best = next(iter(in_order(self._opener.servers, order, spares_count=True)), None)
        if best is None or best[1].doubtful:
            # The next session asks again.
            return
        state = best[1]
        opening: Deferred[None] = self._opener.open_spare(state).addCallbacks(partial(self._opened, state), _ignore)
        self._opening = opening
        opening.addErrback(self._not_kept)
        opening.addBoth(self._done)

    def _opened(self, state: ServerState, link: ServerLink) -> None:
        if self._stopped or state.down is not None:
            link.close()
            return
        link.kept = True
        link.attach(_Silence(link))
        state.spares.append(link)
        self._ages[link] = self._reactor.callLater(MAXIMUM_AGE, link.close)
        link.when_ended(partial(self._ended, state, link))

    def _not_kept(self, failure: Failure) -> None:
        log.failure("a spare connection cannot be kept", failure)
        # The next would not fare better.
        self._wait = LONGEST_WAIT

    def _done(self, _: object) -> None:
        self._opening = None
        self._plan()

    def _ended(self, state: ServerState, link: ServerLink) -> None:
        """It was closed or lost, and not handed out."""
        age = self._ages.pop(link)
        if link in state.spares:
            state.spares.remove(link)
        early = age.active()
        if early:
            age.cancel()
        self._wait = min(max(2 * self._wait, FIRST_WAIT), LONGEST_WAIT) if early else 0.0
        self._plan()


class _Silence:
    """The owner of a spare: nothing is expected of a server that was asked nothing."""

    def __init__(self, link: ServerLink) -> None:
        self._link = link

    def link_data(self, data: bytes) -> None:
        """A notice of disconnection, most likely."""
        self._link.close()

    def link_lost(self, detail: str) -> None:
        """when_ended has told."""


def _ignore(_: object) -> None:
    """The server's state has learned of the failure."""
