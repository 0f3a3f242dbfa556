"""The listening sockets over a configuration's life: opened, kept, closed, or everything as before.

The way of a connection begins here: a socket accepts it on a stream of ours and asks its listener (listener.py).
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from errno import EACCES, EADDRINUSE
from ipaddress import ip_address
from typing import Any, Final, TypeAlias

from twisted.internet.error import CannotListenError

from gateway.host.system_errors import system_error
from gateway.net.listeners.inherited import InheritedSocket
from gateway.net.listeners.listener import ListenerFactory, ListenerState, SessionRegistry
from gateway.net.listeners.port_holder import port_in_use
from gateway.net.sessions.settings import ListenerSettings
from gateway.net.transport.reactor import Port, Reactor
from gateway.net.transport.stream import Stream
from gateway.net.transport.twisted_internals import accept_as

# Host, port, and which one of this address it is: several may have port 0, any free one.
Key: TypeAlias = tuple[str, int, int]

# A socket that is open: how a text names it, its host and its port.
Bound: TypeAlias = tuple[str, str, int]

# Connections that wait to be accepted. Where there is no room for one more, the system drops it, and whoever it is
# tries again a second later at the earliest: a flood of strangers must not do that to the service.
BACKLOG: Final = 4096


class StartError(Exception):
    """The gateway cannot serve this configuration on this machine; the text says which address or file."""


class Listeners:
    """Those of the configuration in force. inherited: sockets that are open already; each must be that of a listener,
    for nobody else would answer there."""

    def __init__(self, registry: SessionRegistry, reactor: Reactor, inherited: Sequence[InheritedSocket] = ()) -> None:
        self._registry = registry
        self._reactor = reactor
        self._inherited = {(found.host, found.port, 0): found for found in inherited}
        self._open: dict[Key, tuple[Port, ListenerFactory]] = {}

    @property
    def ports(self) -> list[int]:
        """The bound port of each, in the order of the configuration."""
        return [int(port.getHost().port) for port, _ in self._open.values()]

    @property
    def states(self) -> list[ListenerState]:
        """In the order of the configuration."""
        return [factory.state for _, factory in self._open.values()]

    @property
    def bound(self) -> list[Bound]:
        return [
            (f"listener {factory.state.settings.address}", key[0], key[1]) for key, (_, factory) in self._open.items()
        ]

    def apply(self, states: Sequence[ListenerState], others: Sequence[Bound] = ()) -> None:
        """Opens what is new, then replaces the state of what stays, then closes what is gone. others: that the gateway
        has open besides. Raises StartError, and then everything is as before."""
        wanted = dict(zip(_keys([state.settings for state in states]), states, strict=True))
        self._check_inherited(wanted)
        opened: dict[Key, tuple[Port, ListenerFactory]] = {}
        for key, state in wanted.items():
            if key in self._open:
                continue
            factory = ListenerFactory(state, self._registry, self._reactor)
            try:
                port = self._listen(key, factory)
            except CannotListenError as error:
                _close(opened)
                why = in_the_way(error, key[0], key[1], (*self.bound, *others)) or listen_failure(error, *key[:2])
                raise StartError(f"listener {state.settings.address}: {why}") from None
            opened[key] = port, factory
        # Nothing can fail from here on.
        gone = {key: open_ for key, open_ in self._open.items() if key not in wanted}
        self._open = {key: opened.get(key) or self._open[key] for key in wanted}
        for key, state in wanted.items():
            self._open[key][1].state = state
        _close(gone)

    def replace(self, index: int, state: ListenerState) -> None:
        """Later connections to the listener of this index get this state."""
        list(self._open.values())[index][1].state = state

    def close(self) -> None:
        _close(self._open)
        self._open = {}

    def _check_inherited(self, wanted: Mapping[Key, ListenerState]) -> None:
        for key, inherited in self._inherited.items():
            if key not in wanted:
                listed = ", ".join(state.settings.address for state in wanted.values())
                name = inherited.name or "a socket unit"
                raise StartError(
                    f"{name}: systemd listens on {inherited.address} for the gateway, and no listener has this "
                    f"address; there are: {listed}"
                )

    def _listen(self, key: Key, factory: ListenerFactory) -> Port:
        inherited = self._inherited.get(key)
        if inherited is None:
            port = self._reactor.listenTCP(key[1], factory, backlog=BACKLOG, interface=key[0])
        else:
            port = self._reactor.adoptStreamPort(inherited.descriptor, inherited.family, factory)
        accept_as(port, self._accepted)
        return port

    def _accepted(self, connection: socket.socket, protocol: Any, *_: object) -> Stream:
        return Stream(connection, protocol, self._reactor)


def in_the_way(error: CannotListenError, host: str, port: int, bound: Sequence[Bound]) -> str:
    """What is to be said where it is a socket of our own that is bound, at this address, at all of them or at one of
    them; "" otherwise."""
    if getattr(error.socketError, "errno", None) != EADDRINUSE:
        return ""
    for mine, its_host, its_port in bound:
        if its_port == port and (its_host == host or any(ip_address(x).is_unspecified for x in (its_host, host))):
            return f"the {mine} in force has this port: such a change needs a restart"
    return ""


def listen_failure(error: CannotListenError, host: str, port: int) -> str:
    """Why the system lets nobody listen at this address, in words."""
    cause = error.socketError
    number = getattr(cause, "errno", None)
    if number == EACCES:
        return (
            "this account may not listen there: low ports need CAP_NET_BIND_SERVICE or the sysctl "
            "net.ipv4.ip_unprivileged_port_start"
        )
    if number == EADDRINUSE:
        return f"{port_in_use(host, port)}; end that program, or choose another port"
    return system_error(cause) if isinstance(cause, OSError) else "the system lets nobody listen there"


def _keys(listeners: Sequence[ListenerSettings]) -> list[Key]:
    seen: Counter[tuple[str, int]] = Counter()
    keys = []
    for listener in listeners:
        address = listener.host, listener.port
        keys.append((*address, seen[address]))
        seen[address] += 1
    return keys


def _close(listening: dict[Key, tuple[Port, ListenerFactory]]) -> None:
    for port, factory in listening.values():
        factory.closed = True
        port.stopListening()
