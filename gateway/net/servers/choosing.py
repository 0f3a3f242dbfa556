"""In which order the servers of a directory are tried for a session."""

from __future__ import annotations

from collections.abc import Iterable
from random import expovariate

from gateway.net.servers.server_state import ServerState
from gateway.net.servers.settings import Candidate, Order, ServerSettings
from gateway.net.transport.failures import FailureCause

# RFC 2782: a weight of 0 has a very small chance beside others.
_NO_WEIGHT = 0.01


def listed(servers: Iterable[ServerSettings], order: Order) -> tuple[Candidate, ...]:
    """The candidates that somebody listed: in this order, or all alike."""
    return tuple(Candidate(server, i if order is Order.priority else 0) for i, server in enumerate(servers))


def in_order(
    candidates: Iterable[tuple[Candidate, ServerState]],
    order: Order,
    instead_of: str = "",
    *,
    spares_count: bool = False,
) -> list[tuple[Candidate, ServerState]]:
    """Those that are up first, then the doubtful, then those that are down; of each the better priority first.

    instead_of: the URL of a server that has just failed; of its equals it is the last. spares_count: as sessions, where
    the next spare is to go; a session rather goes where there is one.
    """

    def rank(pair: tuple[Candidate, ServerState]) -> tuple[float, ...]:
        candidate, state = pair
        weight = candidate.weight or _NO_WEIGHT
        return (
            _standing(state),
            candidate.server.url == instead_of,
            candidate.priority,
            _load(state, spares_count) / weight if order is Order.least_sessions else 0,
            not spares_count and not state.spares,
            # The least of such numbers is each one's in the share of its weight.
            expovariate(weight),
        )

    found = list(candidates)
    if len(found) > 1:
        found.sort(key=rank)
    return found


def _load(state: ServerState, spares_count: bool) -> int:
    return state.load.sessions + (len(state.spares) if spares_count else 0)


def _standing(state: ServerState) -> int:
    if state.down is None:
        return int(state.doubtful)
    # One that swallows packets costs its whole time limit, so where all are down it comes last.
    return 3 if state.down.cause is FailureCause.timeout else 2
