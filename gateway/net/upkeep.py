"""What the gateway does for its directories besides sessions, while a configuration is in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.net.connector import ServerConnector
from gateway.net.health import HealthChecks, Question
from gateway.net.reactor import Reactor
from gateway.net.server_state import DirectoryState
from gateway.net.settings import HealthSettings


class Upkeep:
    """question: makes what a health check asks a server."""

    def __init__(self, question: Callable[[HealthSettings, Reactor], Question], reactor: Reactor) -> None:
        self._question = question
        self._reactor = reactor
        self._states: dict[str, DirectoryState] = {}
        self._checks: list[HealthChecks] = []

    def state(self, directory: str) -> DirectoryState:
        """What is known of the directory of this name, over reloads."""
        return self._states.setdefault(directory, DirectoryState(self._reactor.seconds))

    def apply(self, connectors: Mapping[str, ServerConnector]) -> None:
        """Looks after these directories, by name, and no other any more."""
        self.stop()
        self._states = {name: self.state(name) for name in connectors}
        for connector in connectors.values():
            health = connector.directory.health
            question = None if health is None else self._question(health, self._reactor)
            checks = HealthChecks(connector, question, self._reactor)
            checks.look()
            self._checks.append(checks)

    def stop(self) -> None:
        for checks in self._checks:
            checks.stop()
        self._checks.clear()
