"""How far the two ends of a line have the same policies, as one of them knows it: the keys that differ, and never what
is in them (docs/decisions/0193-link-digests.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from gateway.link.agreed import Agreed
from gateway.link.digests import differing, list_digests
from gateway.link.frames import State
from gateway.net.transport.reactor import Reactor, Timer

# What one end has, by the client's name.
Clients: TypeAlias = Mapping[str, Agreed]

# Seconds from news to the comparison: a line that comes up, and a reload, bring news of each client.
SETTLED: Final = 1.0
# Seconds from a comparison that found something else to the next one: the other end may change its mind as often as it
# likes.
QUIET: Final = 10.0
# Keys that one line of a log names: the other end chooses the names of its clients.
_MOST_NAMED: Final = 20

_NONE: Final[Mapping[str, str]] = {}


class Digests:
    """The digests of one end's clients for one line. outside, inside: the fingerprints of the keys that the ends have
    shown."""

    def __init__(self, clients: Clients, outside: str, inside: str) -> None:
        self._clients = clients
        self._found = {name: list_digests(each.lists, outside, inside) for name, each in clients.items()}

    def of(self, client: str) -> Mapping[str, str]:
        """What the other end is told; nothing of a client that is not there."""
        return self._found.get(client, _NONE)

    def differing(self, states: Mapping[str, State]) -> tuple[str, ...]:
        """The keys of this end's configuration that the other end has otherwise, in order. states: what that has said,
        by the client's name. `clients.NAME` is a client that one end alone has."""
        theirs = {name: state for name, state in states.items() if not state.is_gone}
        found = {f"clients.{name}" for name in self._found.keys() ^ theirs.keys()}
        for name in self._found.keys() & theirs.keys():
            paths = self._clients[name].paths
            found.update(paths[key] for key in differing(self._found[name], theirs[name].policy))
        return tuple(sorted(found))


class Parity:
    """The comparison with one other end, over all lines with it. changed: is called with the keys that differ, where
    they are not those of the last call; for the first time also where there are none."""

    def __init__(self, clients: Clients, changed: Callable[[tuple[str, ...]], None], reactor: Reactor) -> None:
        self._clients = clients
        self._changed = changed
        self._reactor = reactor
        self._ends = ("", "")
        # While a line is up.
        self._digests: Digests | None = None
        self._states: Mapping[str, State] = {}
        self._last: tuple[str, ...] | None = None
        self._not_before = 0.0
        self._timer: Timer | None = None

    @property
    def differing(self) -> tuple[str, ...] | None:
        """The keys of this end's configuration that the other end has otherwise; None while that is not known."""
        return None if self._digests is None else self._last

    def of(self, client: str) -> Mapping[str, str]:
        """The digests of a client that the other end is told."""
        return _NONE if self._digests is None else self._digests.of(client)

    def use(self, clients: Clients) -> None:
        """This end has these from now on."""
        self._clients = clients
        if self._digests is not None:
            self._digests = Digests(clients, *self._ends)
            self.news()

    def begin(self, outside: str, inside: str, states: Mapping[str, State]) -> None:
        """A line is there. outside, inside: the fingerprints of the keys that its ends have shown. states: what the
        other end has said of each client, as it is at any time."""
        self._ends = outside, inside
        self._digests = Digests(self._clients, outside, inside)
        self._states = states
        self.news()

    def news(self) -> None:
        """One of the ends has something new."""
        if self._timer is None and self._digests is not None:
            wait = max(SETTLED, self._not_before - self._reactor.seconds())
            self._timer = self._reactor.callLater(wait, self._compare)

    def end(self) -> None:
        """The line is lost."""
        self._digests, self._states = None, {}
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _compare(self) -> None:
        self._timer = None
        if self._digests is None:
            return
        found = self._digests.differing(self._states)
        if found != self._last:
            self._last = found
            self._not_before = self._reactor.seconds() + QUIET
            self._changed(found)


def named(keys: tuple[str, ...]) -> str:
    """Keys as a line of the log has them."""
    more = len(keys) - _MOST_NAMED
    return ", ".join(keys[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
