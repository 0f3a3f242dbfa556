"""A look over a link, by the gateway's own way: whether the outside would have this agent, and what it asks for. It
takes no line and no berth there."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from importlib.metadata import version
from secrets import token_hex
from time import monotonic
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.link.commands import Command, End, Told, Welcomed
from gateway.link.connection import LinkConnection
from gateway.link.frames import LookHello, State, Welcome
from gateway.link.keyring import Keyring
from gateway.link.keys import fingerprint
from gateway.link.line import InsideLine
from gateway.link.settings import CalledHost
from gateway.link.tls import Stranger
from gateway.net.servers.connecting import connect
from gateway.net.servers.settings import ServerSettings
from gateway.net.transport.failures import explain_failure
from gateway.net.transport.reactor import Reactor
from gateway.net.transport.stream import Stream
from gateway.net.transport.tls_layer import TlsLayer

# Seconds for a TCP connection.
PATIENCE: Final = 10.0


class Reached(IntEnum):
    """How far a look came: to nothing, to a connection, to TLS with the pinned key."""

    nothing = 0
    connected = 1
    secured = 2


class NoWelcome(Exception):
    """The text says why, and reached how far it came."""

    def __init__(self, said: str, reached: Reached) -> None:
        super().__init__(said)
        self.reached = reached


@dataclass(frozen=True, slots=True)
class Looked:
    """What an outside says to an agent that it knows. states: of each client that it would ask for. outside, inside:
    the fingerprints of the keys that were shown. connecting, securing, welcoming: seconds."""

    welcome: Welcome
    states: Mapping[str, State]
    outside: str
    inside: str
    connecting: float
    securing: float
    welcoming: float


async def look_over_link(host: CalledHost, keyring: Keyring, reactor: Reactor) -> Looked:
    """keyring: pins the key of this outside. Raises NoWelcome."""
    began = monotonic()
    try:
        stream = await connect(ServerSettings(host.host, host.port, host.host), PATIENCE, reactor)
    except Exception as error:  # noqa: BLE001 - whatever Twisted fails with
        raise NoWelcome(explain_failure(Failure(error)), Reached.nothing) from None
    look = _Look(host, keyring, began)
    look.begin(stream, reactor)
    return await look.done


class _Look:
    """Whoever holds the connection of a look (gateway/link/connection.py, ConnectionOwner). began: when it was dialled,
    on the monotonic clock."""

    def __init__(self, host: CalledHost, keyring: Keyring, began: float) -> None:
        self.done: Deferred[Looked] = Deferred()
        self._host = host
        self._keyring = keyring
        self._machine: InsideLine | None = None
        self._welcome: Welcome | None = None
        self._shown = ""
        self._times = [began]

    def begin(self, stream: Stream, reactor: Reactor) -> None:
        self._times.append(monotonic())
        LinkConnection(self._keyring.layer(), self, reactor).makeConnection(stream)

    def link_secured(self, connection: LinkConnection, layer: TlsLayer) -> None:
        self._times.append(monotonic())
        try:
            self._keyring.peer(layer)
        except (Stranger, ssl.SSLError) as error:
            connection.close(str(error))
            return
        shown = layer.peer_certificate
        self._shown = "" if shown is None else fingerprint(shown)
        hello = LookHello(version("ldap-gateway"), token_hex(16))
        self._machine = InsideLine(hello, self._host.address, monotonic())
        connection.speak(self._machine, self._machine.begin(monotonic()))

    def link_said(self, connection: LinkConnection, command: Command) -> None:
        if isinstance(command, Welcomed):
            self._welcome = command.welcome
            self._times.append(monotonic())
        elif not isinstance(command, Told):
            return
        machine, welcome = self._machine, self._welcome
        if machine is None or welcome is None or not machine.told_all or self.done.called:
            return
        began, connected, secured, welcomed = self._times
        looked = Looked(
            welcome,
            dict(machine.states),
            self._shown,
            self._keyring.fingerprint,
            connected - began,
            secured - connected,
            welcomed - secured,
        )
        connection.close("all is known")
        self.done.callback(looked)

    def link_ended(self, connection: LinkConnection, end: End) -> None:
        if self._welcome is None or not (self._machine and self._machine.told_all):
            reached = Reached.connected if self._machine is None else Reached.secured
            self.done.errback(NoWelcome(end.said, reached))
