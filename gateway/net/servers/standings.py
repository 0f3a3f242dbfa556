"""How the servers of one directory stand, as its sessions and checks have found, and who is told when that changes."""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from gateway.net.observer import Observer, Trouble
from gateway.net.servers.candidates import Candidates
from gateway.net.servers.doubt import Doubt, Finding, trouble
from gateway.net.servers.server_state import DirectoryState, ServerState
from gateway.net.servers.settings import Candidate, DirectorySettings, ServerSettings
from gateway.net.servers.way import Way, Whom
from gateway.net.transport.reactor import Reactor
from gateway.relay.questions import ServerAsked, ServerBehaved

log = Logger(__name__)

_SAID: Final = {
    Trouble.bind_unanswered: "it can be connected to and does not answer binds",
    Trouble.bind_failed: "it can be connected to and ends or refuses to handle binds",
    Trouble.unanswered: "it accepts binds and answers nothing behind them",
    Trouble.failed: "it accepts binds and fails behind them",
}


class Standings:
    """The standing of each server of a directory. state: what is known of the servers, over reloads. observer: is told
    of each change, as is the log; of a server that only sessions of before a reload get, nobody is told."""

    def __init__(
        self,
        directory: DirectorySettings,
        candidates: Candidates,
        way: Way,
        state: DirectoryState,
        observer: Observer,
        reactor: Reactor,
    ) -> None:
        self.directory = directory
        self.observer = observer
        self._candidates = candidates
        self._way = way
        self._state = state
        self._reactor = reactor

    def of(self, whom: Whom | None) -> list[tuple[Candidate, ServerState]]:
        """The servers that this session may get, and how each stands. whom: None for all servers."""
        trust = self._way.fingerprint
        return [(each, self._state.server(each.server, trust)) for each in self._candidates.known(whom)]

    def keys(self) -> set[tuple[ServerSettings, str]]:
        """The keys under which the states of its servers are kept."""
        return {(candidate.server, self._way.fingerprint) for candidate in self._candidates.known(None)}

    def is_current(self, state: ServerState) -> bool:
        """Whether this state of a server is the one in force, as net/servers/server_state.DirectoryState has it."""
        return self._state.is_current(state)

    def heard(self, state: ServerState, news: ServerAsked | ServerBehaved) -> None:
        """What a session has seen of this server behind its connection."""
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
        up = [each for _, each in self.of(None) if each.down is None]
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
        others = any(other.down is None for _, other in self.of(None))
        log.warn(
            "directory {name}: {url} is down: {detail}; {so}",
            name=self.directory.name,
            url=state.server.url,
            detail=down.detail,
            so="sessions go to the others" if others else "no server of the directory is up",
        )

    def tell_forgotten(self) -> None:
        """Tells the observers to forget what was bad of the servers of which nothing bad is known any more."""
        for candidate, state in self.of(None):
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
