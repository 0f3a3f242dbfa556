"""The choice of a server for a session: the best one of its directory that can be connected to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from gateway.net.observer import Observer
from gateway.net.servers.attempts import Attempts, OtherFailed
from gateway.net.servers.candidates import Candidates, ListedCandidates, NoCandidates
from gateway.net.servers.choosing import in_order
from gateway.net.servers.discovered import DiscoveredCandidates
from gateway.net.servers.ldaps import LdapsWay
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.server_state import DirectoryState, ServerState
from gateway.net.servers.settings import Candidate, DirectorySettings
from gateway.net.servers.socket_way import SocketWay
from gateway.net.servers.spares import SpareLinks
from gateway.net.servers.standings import Standings
from gateway.net.servers.way import Way, Whom
from gateway.net.transport.failures import explain_failure
from gateway.net.transport.reactor import Reactor
from gateway.relay.questions import ServerAsked, ServerBehaved


class NoServer(Exception):
    """No server of the directory could be reached; the text says why of each."""


class ServerConnector:
    """The way of sessions to one directory, and what belongs to it: candidates, their standings, attempts, spares.

    state: what is known of the servers; one of its own where nobody else uses it. way, candidates: how they are
    reached, and where they come from; as the directory says where it is None. in_force, spares and changed are for
    whoever looks after the directory (net/servers/upkeep).

    Raises OSError or ValueError for unusable certificate files.
    """

    def __init__(
        self,
        directory: DirectorySettings,
        reactor: Reactor,
        observer: Observer | None = None,
        state: DirectoryState | None = None,
        way: Way | None = None,
        candidates: Candidates | None = None,
    ) -> None:
        self.directory = directory
        self._reactor = reactor
        self._observer = observer or Observer()
        state = state or DirectoryState(reactor.seconds)
        self.way: Way = way or way_to(directory, reactor)
        self.candidates = candidates or candidates_of(directory, state, self._observer, reactor)
        self.standings = Standings(directory, self.candidates, self.way, state, self._observer, reactor)
        self.attempts = Attempts(self.standings, self.way, reactor)
        # False after a reload: whoever still uses it tells nobody of a directory that cannot be reached.
        self.in_force = True
        self.spares: SpareLinks | None = None
        self.changed: Callable[[], None] = lambda: None

    def renew_tls(self) -> None:
        """Later connections use the CA file and the client certificate as they are now. Raises as the constructor, and
        then nothing changes."""
        self.way.renew()
        self.changed()

    @property
    def servers(self) -> list[tuple[Candidate, ServerState]]:
        """All servers of the directory, and how each stands."""
        return self.standings.of(None)

    def connect(
        self, whom: Whom | None = None, instead_of: str = "", others_only: bool = False
    ) -> Deferred[ServerLink]:
        """A link to the best server that can be had. Fails with NoServer; may be cancelled.

        whom: the session that it is for; None for that of a tool, which is no client's. instead_of: the URL of a server
        that failed behind a connection; it is tried last of its equals, or, with others_only, not at all.
        """
        return Deferred.fromCoroutine(self._connect(whom, instead_of, others_only))

    async def _connect(self, whom: Whom | None, instead_of: str, others_only: bool) -> ServerLink:
        link = await self._best(whom, instead_of, others_only)
        if self.spares is not None:
            self.spares.used()
        return link

    async def _best(self, whom: Whom | None, instead_of: str, others_only: bool) -> ServerLink:
        until = self._reactor.seconds() + self.directory.connect_patience
        failures: list[str] = []
        if not self.candidates.known(whom):
            await self._wait(whom)
        for candidate, state in in_order(self.standings.of(whom), self.directory.order, instead_of):
            server = candidate.server
            if server.url == instead_of:
                state.suspect()
                if others_only:
                    continue
            spare = None if self.spares is None or instead_of else self.spares.take(state)
            if spare is not None:
                state.load.sessions += 1
                spare.when_ended(partial(_leave, state))
                return spare
            left = until - self._reactor.seconds()
            if left <= 0:
                failures.append(f"{server.url}: not tried, the others took connect_patience")
                continue
            try:
                return await self._session_link(whom, state, min(left, self.directory.connect_timeout))
            except CancelledError:
                raise
            except OtherFailed:
                failures.append(f"{server.url}: {state.down.detail if state.down is not None else 'no answer in time'}")
            except Exception:  # noqa: BLE001 - whatever broke this server, the next one is tried
                failures.append(f"{server.url}: {explain_failure(Failure())}")
        if not others_only and any(self.standings.is_current(state) for _, state in self.servers):
            self._observer.directory_failed(self.directory)
        raise NoServer("; ".join(failures) or "the directory has no other server")

    async def _wait(self, whom: Whom | None) -> None:
        try:
            await self.candidates.wait(whom, self.directory.connect_patience)
        except NoCandidates as error:
            if self.in_force:
                self._observer.directory_failed(self.directory)
            raise NoServer(str(error)) from None

    async def _session_link(self, whom: Whom | None, state: ServerState, patience: float) -> ServerLink:
        state.load.sessions += 1
        try:
            link = await self.attempts.alone(state, lambda: self.attempts.tried(state, whom, patience), patience)
        except BaseException:
            state.load.sessions -= 1
            raise
        link.when_ended(partial(_leave, state))
        return link

    def open_spare(self, state: ServerState) -> Deferred[ServerLink]:
        """A link that no session has; the state learns of how it went."""
        return Deferred.fromCoroutine(self.attempts.tried(state, None, self.directory.connect_timeout))

    def heard(self, news: ServerAsked | ServerBehaved) -> None:
        """What a session has seen of a server behind its connection."""
        state = next((each for _, each in self.servers if each.server.url == news.server), None)
        # It may be none of the directory's any more.
        if state is not None:
            self.standings.heard(state, news)


def way_to(directory: DirectorySettings, reactor: Reactor) -> Way:
    """By the unix socket of a copy, or else by LDAPS."""
    return SocketWay(reactor) if directory.is_copy else LdapsWay(directory, reactor)


def candidates_of(
    directory: DirectorySettings, state: DirectoryState, observer: Observer, reactor: Reactor
) -> Candidates:
    """Those that the configuration lists, or that DNS names."""
    if directory.discover is None:
        return ListedCandidates(directory)
    return DiscoveredCandidates(directory, directory.discover, state, observer, reactor)


def _leave(state: ServerState) -> None:
    state.load.sessions -= 1
