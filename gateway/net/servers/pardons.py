"""Servers that nobody checks, because their way tells whether they are up: what sessions found wrong is forgotten."""

from __future__ import annotations

from functools import partial
from typing import Final

from gateway.net.servers.server_state import ServerState
from gateway.net.servers.standings import Standings
from gateway.net.transport.reactor import Reactor, Timer

# Seconds. By then a way that has lost the server says so (gateway/link/line.py, SILENCE).
FORGOTTEN: Final = 15.0


class Pardons:
    """The pardons of one directory's servers. One that a session could not reach, or that took long, comes behind the
    others; without a check nothing would ever bring it back while another one serves."""

    def __init__(self, standings: Standings, reactor: Reactor) -> None:
        self._standings = standings
        self._reactor = reactor
        self._timers: dict[ServerState, Timer] = {}

    def look(self) -> None:
        """Begins to look after the directory's servers, as they are now."""
        for _, state in self._standings.of(None):
            state.woken = partial(self._found, state)
            if state.down is not None or state.suspected:
                self._found(state)

    def stop(self) -> None:
        timers, self._timers = self._timers, {}
        for timer in timers.values():
            timer.cancel()

    def _found(self, state: ServerState) -> None:
        """Something is wrong with it."""
        if state not in self._timers:
            self._timers[state] = self._reactor.callLater(FORGOTTEN, self._forget, state)

    def _forget(self, state: ServerState) -> None:
        del self._timers[state]
        if state.check_passed(1):
            self._standings.tell_up(state)
