"""The way to a directory: which of its servers a session gets, and what is learned from trying."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.net.observer import Observer, Trouble
from gateway.net.servers.candidates import Candidates, ListedCandidates, NoCandidates
from gateway.net.servers.choosing import in_order
from gateway.net.servers.discovered import DiscoveredCandidates
from gateway.net.servers.doubt import Doubt, Finding, trouble
from gateway.net.servers.ldaps import LdapsWay
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.server_state import SLOW_ATTEMPT, DirectoryState, ServerState, Trial
from gateway.net.servers.settings import Candidate, DirectorySettings, ServerSettings
from gateway.net.servers.spares import SpareLinks
from gateway.net.servers.way import Way, Whom
from gateway.net.transport.failures import FailureCause, explain_failure, failure_cause
from gateway.net.transport.reactor import Reactor
from gateway.relay.questions import ServerAsked, ServerBehaved

log = Logger(__name__)

T = TypeVar("T")

_SAID: Final = {
    Trouble.bind_unanswered: "it can be connected to and does not answer binds",
    Trouble.bind_failed: "it can be connected to and ends or refuses to handle binds",
    Trouble.unanswered: "it accepts binds and answers nothing behind them",
    Trouble.failed: "it accepts binds and fails behind them",
}


class NoServer(Exception):
    """No server of the directory could be reached; the text says why of each."""


class OtherFailed(Exception):
    """The attempt that was waited for failed."""


class ServerConnector:
    """Opens links to a directory's servers. state: what is known of these; one of its own where nobody else uses it.
    way: how they are reached; by LDAPS where it is None. candidates: where they come from; as the directory says where
    it is None.

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
        self.observer = observer or Observer()
        self._state = state or DirectoryState(reactor.seconds)
        self.way: Way = way or LdapsWay(directory, reactor)
        self.candidates = candidates or candidates_of(directory, self._state, self.observer, reactor)
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
        return self._known(None)

    def _known(self, whom: Whom | None) -> list[tuple[Candidate, ServerState]]:
        return [(candidate, self.state_of(candidate.server)) for candidate in self.candidates.known(whom)]

    def keys(self) -> set[tuple[ServerSettings, str]]:
        """The keys under which the states of its servers are kept."""
        return {(candidate.server, self.way.fingerprint) for candidate in self.candidates.known(None)}

    def state_of(self, server: ServerSettings) -> ServerState:
        return self._state.server(server, self.way.fingerprint)

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
        for candidate, state in in_order(self._known(whom), self.directory.order, instead_of):
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
        if not others_only and any(self._state.is_current(state) for _, state in self.servers):
            self.observer.directory_failed(self.directory)
        raise NoServer("; ".join(failures) or "the directory has no other server")

    async def _wait(self, whom: Whom | None) -> None:
        try:
            await self.candidates.wait(whom, self.directory.connect_patience)
        except NoCandidates as error:
            if self.in_force:
                self.observer.directory_failed(self.directory)
            raise NoServer(str(error)) from None

    async def _session_link(self, whom: Whom | None, state: ServerState, patience: float) -> ServerLink:
        state.load.sessions += 1
        try:
            link = await self.alone(state, lambda: self._tried(whom, state, patience), patience)
        except BaseException:
            state.load.sessions -= 1
            raise
        link.when_ended(partial(_leave, state))
        return link

    def open_spare(self, state: ServerState) -> Deferred[ServerLink]:
        """A link that no session has; the state learns of how it went."""
        return Deferred.fromCoroutine(self._tried(None, state, self.directory.connect_timeout))

    async def alone(self, state: ServerState, attempt: Callable[[], Coroutine[Any, Any, T]], patience: float) -> T:
        """Makes the attempt; where the server is down and somebody tries it already, only if that one does not fail.
        patience: seconds to wait for that. Raises OtherFailed, and what the attempt does."""
        until = self._reactor.seconds() + patience
        untyped: Any = self._reactor
        trial = state.trial
        while state.down is not None and trial is not None:
            try:
                await trial.wait().addTimeout(max(0.0, until - self._reactor.seconds()), untyped)
            except TimeoutError:
                raise OtherFailed from None
            if trial.failed:
                raise OtherFailed
            trial = state.trial
        if state.down is None:
            return await attempt()
        trial = state.trial = Trial()
        try:
            return await attempt()
        except CancelledError:
            raise
        except Exception:
            trial.failed = True
            raise
        finally:
            state.trial = None
            trial.end()

    async def _tried(self, whom: Whom | None, state: ServerState, patience: float) -> ServerLink:
        """A link; the state learns of how that went."""
        began = state.attempt_began()
        try:
            link = await self.open(state.server, whom, patience)
        except CancelledError:
            # Whoever asked has left, perhaps because it took so long.
            if self._reactor.seconds() - began > SLOW_ATTEMPT:
                state.suspect()
            raise
        except Exception:
            failure = Failure()
            cause = failure_cause(failure)
            if cause is FailureCause.timeout and patience < self.directory.connect_timeout:
                # It had less time than it should have.
                state.suspect()
            elif state.failed(cause, explain_failure(failure)):
                self.tell_down(state)
            raise
        finally:
            state.attempt_ended(began)
        if state.connected():
            self.tell_up(state)
        return link

    async def open(self, server: ServerSettings, whom: Whom | None, patience: float) -> ServerLink:
        """A link to this very server, counted and nothing else. Raises as the way does."""
        try:
            link = await self.way.open(server, whom, patience)
        except CancelledError:
            raise
        except Exception:
            self.observer.server_failed(self.directory, server, failure_cause(Failure()))
            raise
        self.observer.server_connected(self.directory, server, link.certificate_expires)
        return link

    def heard(self, news: ServerAsked | ServerBehaved) -> None:
        """What a session has seen of a server behind its connection."""
        known = [each for _, each in self.servers if each.server.url == news.server]
        if not known:
            # DNS does not name it any more.
            return
        state = known[0]
        doubts = state.doubts
        if isinstance(news, ServerAsked):
            doubts.asked(news.duty, news.since)
            return
        finding = doubts.behaved(news.duty, news.since, news.conduct)
        if finding is Finding.nothing:
            return
        if finding is Finding.trusted:
            self.tell_trusted(state, "it has served a session")
            return
        if self._state.is_current(state):
            self.observer.session_broken(self.directory, state.server, trouble(news.duty, news.conduct))
        state.suspect()
        if doubts.doubt is not None:
            pass_over = self._weigh()
            if finding is Finding.doubtful:
                self._begin_doubt(state, doubts.doubt, pass_over)

    def _weigh(self) -> bool:
        """Where all servers that are up are doubtful, none is better than another, and none is passed over: the next
        one that breaks a session is. True where there are others."""
        up = [each for _, each in self.servers if each.down is None]
        if not all(each.doubts.weighs for each in up):
            return True
        for state in up:
            state.doubts.take_no_account()
        return False

    def _begin_doubt(self, state: ServerState, doubt: Doubt, pass_over: bool) -> None:
        doubt.timer = self._reactor.callLater(doubt.seconds, self._look_at_doubt, state, doubt)
        if not self._state.is_current(state):
            return
        self.observer.server_doubted(self.directory, state.server, doubt.trouble)
        others = f"for {doubt.seconds:g} seconds sign-ins go to the others first"
        log.warn(
            "directory {name}: {url} is doubtful: {said}; {so}",
            name=self.directory.name,
            url=state.server.url,
            said=_SAID[doubt.trouble],
            so=others if pass_over else "no server of the directory is up and free of doubt, so none is passed over",
        )

    def _look_at_doubt(self, state: ServerState, doubt: Doubt) -> None:
        """Its time may have passed."""
        if state.doubts.doubt is not doubt:
            return
        left = state.doubts.time_passed()
        if left is not None:
            doubt.timer = self._reactor.callLater(left, self._look_at_doubt, state, doubt)
        else:
            self.tell_trusted(state, "its time has passed, and the next sign-ins show whether it works")

    def tell_trusted(self, state: ServerState, why: str) -> None:
        """Tells observers and log that a server is not doubtful any more."""
        if not self._state.is_current(state):
            return
        self.observer.server_trusted(self.directory, state.server)
        log.info(
            "directory {name}: {url} is not doubtful any more: {why}",
            name=self.directory.name,
            url=state.server.url,
            why=why,
        )

    def tell_down(self, state: ServerState) -> None:
        """Tells observers and log that a server is down, once for each change."""
        down = state.down
        if down is None or not self._state.is_current(state):
            return
        self.observer.server_fell(self.directory, state.server, down.cause)
        others = any(other.down is None for _, other in self.servers)
        log.warn(
            "directory {name}: {url} is down: {detail}; {so}",
            name=self.directory.name,
            url=state.server.url,
            detail=down.detail,
            so="sessions go to the others" if others else "no server of the directory is up",
        )

    def tell_forgotten(self) -> None:
        """Tells the observers to forget what was bad of the servers of which nothing bad is known any more."""
        for candidate, state in self.servers:
            if state.down is None:
                self.observer.server_forgotten(self.directory, candidate.server)
            if state.doubts.doubt is None:
                self.observer.server_trusted(self.directory, candidate.server)

    def tell_up(self, state: ServerState) -> None:
        """Tells observers and log that a server is up again."""
        if not self._state.is_current(state):
            return
        self.observer.server_rose(self.directory, state.server)
        log.info("directory {name}: {url} is up again", name=self.directory.name, url=state.server.url)


def candidates_of(
    directory: DirectorySettings, state: DirectoryState, observer: Observer, reactor: Reactor
) -> Candidates:
    """Those that the configuration lists, or that DNS names."""
    if directory.discover is None:
        return ListedCandidates(directory)
    return DiscoveredCandidates(directory, directory.discover, state, observer, reactor)


def _leave(state: ServerState) -> None:
    state.load.sessions -= 1
