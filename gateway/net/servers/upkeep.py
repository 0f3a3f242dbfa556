"""What the gateway does for its directories besides sessions, while a configuration is in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.health import HealthChecks, Question
from gateway.net.servers.pardons import Pardons
from gateway.net.servers.server_state import DirectoryState
from gateway.net.servers.settings import HealthSettings
from gateway.net.servers.spares import SpareLinks
from gateway.net.transport.reactor import Reactor


class Upkeep:
    """The upkeep of all directories: health checks, spare connections, discovery.

    question: makes what a health check asks a server.
    """

    def __init__(self, question: Callable[[HealthSettings, Reactor], Question], reactor: Reactor) -> None:
        self._question = question
        self._reactor = reactor
        self._states: dict[str, DirectoryState] = {}
        self._kept: list[_Directory] = []

    def state(self, directory: str) -> DirectoryState:
        """What is known of the directory of this name, over reloads."""
        return self._states.setdefault(directory, DirectoryState(self._reactor.seconds))

    def apply(self, connectors: Mapping[str, ServerConnector]) -> None:
        """Looks after these directories, by name, and no other any more."""
        self.stop()
        self._states = {name: self.state(name) for name in connectors}
        for name, connector in connectors.items():
            health = connector.directory.health
            question = None if health is None else self._question(health, self._reactor)
            self._kept.append(_Directory(connector, self._states[name], question, self._reactor))

    def stop(self) -> None:
        for each in self._kept:
            each.stop()
        self._kept.clear()


class _Directory:
    """The upkeep of one directory: its candidates as they change, and where its way permits, checks and spares; pardons
    otherwise."""

    def __init__(
        self, connector: ServerConnector, state: DirectoryState, question: Question | None, reactor: Reactor
    ) -> None:
        self._connector = connector
        self._state = state
        self._checks: HealthChecks | None = None
        self._spares: SpareLinks | None = None
        self._pardons: Pardons | None = None
        if connector.way.opens_ahead:
            self._checks = HealthChecks(connector.standings, connector.attempts, question, reactor)
            self._spares = connector.spares = SpareLinks(connector, state, reactor)
        else:
            self._pardons = Pardons(connector.standings, reactor)
        connector.changed = self._changed
        self._look()
        if self._spares is not None:
            self._spares.begin()
        connector.candidates.begin(self._changed)

    def stop(self) -> None:
        self._connector.candidates.stop()
        # Sessions of the old configuration may still use it.
        self._connector.in_force = False
        self._connector.spares = None
        self._connector.changed = _nothing
        if self._checks is not None:
            self._checks.stop()
        if self._spares is not None:
            self._spares.stop()
        if self._pardons is not None:
            self._pardons.stop()

    def _changed(self) -> None:
        """Its servers are others, or what they are trusted by."""
        if self._spares is not None:
            self._spares.drop()
        self._look()

    def _look(self) -> None:
        self._state.keep(self._connector.standings.keys())
        self._connector.standings.tell_forgotten()
        if self._checks is not None:
            self._checks.look()
        if self._pardons is not None:
            self._pardons.look()


def _nothing() -> None:
    """Nobody looks after the servers of a configuration that is not in force any more."""
