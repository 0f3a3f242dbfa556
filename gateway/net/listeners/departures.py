"""Sessions of clients that have left the configuration: a reload lets them work for a while, then they end.

It is called once for each reload, behind the listeners' new states.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from twisted.logger import Logger

from gateway.net.listeners.listener import ListenerState, SessionRegistry
from gateway.net.sessions.driver import SessionDriver
from gateway.net.transport.reactor import Reactor, Timer
from gateway.policy.reasons import Reason

log = Logger(__name__)


class Departures:
    """The sessions that have to end because their client has left the configuration."""

    def __init__(self, registry: SessionRegistry, reactor: Reactor) -> None:
        self._registry = registry
        self._reactor = reactor
        self._timers: dict[SessionDriver, Timer] = {}

    def apply(self, is_served: Callable[[str, str], bool], patience: float) -> None:
        """Gives each session whose client is not served from its source any more this many seconds.

        is_served: of a client and a source. What a later reload brings back keeps its sessions.
        """
        leaving: Counter[str] = Counter()
        waiting, self._timers = self._timers, {}
        for connection, (client, source) in self._registry.open.items():
            timer = waiting.pop(connection, None)
            if is_served(client, source):
                if timer is not None:
                    timer.cancel()
                continue
            leaving[client] += 1
            self._timers[connection] = timer or self._reactor.callLater(patience, self._end, connection)
        # Of sessions that have ended by themselves.
        _cancel(waiting)
        for client, count in leaving.items():
            log.warn(
                "client {client}: open sessions that the configuration has no place for any more: {count}; they end "
                "within {patience:g} seconds (drain_timeout)",
                client=client,
                count=count,
                patience=patience,
            )

    def stop(self) -> None:
        waiting, self._timers = self._timers, {}
        _cancel(waiting)

    def _end(self, connection: SessionDriver) -> None:
        del self._timers[connection]
        if connection in self._registry.open:
            connection.abort(Reason.client_removed, "this client is no longer served from this address")


def _cancel(timers: dict[SessionDriver, Timer]) -> None:
    for timer in timers.values():
        timer.cancel()


def is_listed(states: Sequence[ListenerState], client: str, source: str) -> bool:
    """Whether the source belongs to the client at one of the listeners with these states."""
    found = (state.clients.find(source) for state in states)
    return any(served is not None and served.policy.settings.name == client for served in found)
