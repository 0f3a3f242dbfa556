"""One connection of a link at its socket: TLS comes up, then octets go to the machine on it and come from it, until it
ends or a session takes it over."""

from __future__ import annotations

import ssl
from socket import TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_USER_TIMEOUT
from time import monotonic
from typing import Final, Protocol

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from gateway.link.commands import Cause, Command, End, Send
from gateway.link.tls import explain_handshake
from gateway.net.transport.deadline import Deadline
from gateway.net.transport.failures import explain_failure
from gateway.net.transport.reactor import Reactor, Timer
from gateway.net.transport.stream import Stream, set_option
from gateway.net.transport.tls_layer import TlsLayer

# Seconds for the handshake: what a listener gives its clients.
HANDSHAKE: Final = 10.0
# Seconds that a peer which has stopped reading may keep what was sent last.
_LINGER: Final = 5.0
# Of tcp(7): a way that swallows packets tells nobody of it. The peer's system is asked whether it is there after 15 s
# in which nothing came, and given up 15 s later. It has 30 s (in milliseconds) to take what was sent.
_OPTIONS: Final = {TCP_KEEPIDLE: 15, TCP_KEEPINTVL: 5, TCP_KEEPCNT: 3, TCP_USER_TIMEOUT: 30_000}


class Machine(Protocol):
    """What is spoken on a connection: an arrival, a line or a berth, at either end."""

    @property
    def due(self) -> float: ...
    def received(self, octets: bytes, now: float) -> list[Command]: ...
    def tick(self, now: float) -> list[Command]: ...
    def lost(self, now: float) -> list[Command]: ...


class ConnectionOwner(Protocol):
    """Whoever holds the connections of one end of a link."""

    def link_secured(self, connection: LinkConnection, layer: TlsLayer) -> None:
        """TLS is up. The owner puts a machine on the connection, or ends it."""

    def link_said(self, connection: LinkConnection, command: Command) -> None:
        """Neither Send nor End."""

    def link_ended(self, connection: LinkConnection, end: End) -> None:
        """Once, unless the connection was handed over."""


class LinkConnection:
    """One TLS connection between the two ends of a link, from its beginning. layer: its TLS. machine: None until it
    is up."""

    def __init__(self, layer: TlsLayer, owner: ConnectionOwner, reactor: Reactor) -> None:
        self.machine: Machine | None = None
        self.layer = layer
        self._owner = owner
        self._reactor = reactor
        self._ended = False
        self._stream: Stream
        self._deadline = Deadline(reactor, self._tick)
        self._handshake: Timer | None = None
        self._linger: Timer | None = None

    def makeConnection(self, stream: Stream) -> None:
        """Takes the stream over, and begins TLS."""
        self._stream = stream
        for option, value in _OPTIONS.items():
            set_option(stream, option, value)
        self._handshake = self._reactor.callLater(HANDSHAKE, self._late)
        stream.protocol = self
        stream.start_tls(self.layer)

    def speak(self, machine: Machine, commands: list[Command]) -> None:
        """Puts a machine on the connection, and does what it says at its beginning."""
        self.machine = machine
        self.run(commands)

    def run(self, commands: list[Command]) -> None:
        """Does what the machine says."""
        for command in commands:
            if isinstance(command, Send):
                if not self._ended:
                    self._stream.write(command.octets)
            elif isinstance(command, End):
                self._end(command)
            else:
                self._owner.link_said(self, command)
        if not self._ended and self.machine is not None:
            self._deadline.set(self.machine.due)

    def close(self, said: str) -> None:
        """This end has no use for it any more. said: as End has it."""
        self._end(End(Cause.dropped, said))

    def abort(self, said: str) -> None:
        """Closes it at once, whatever the other end was still to be told. said: as End has it."""
        if not self._ended:
            self._finish()
            self._stream.abortConnection()
            self._owner.link_ended(self, End(Cause.dropped, said))

    def hand_over(self) -> Stream:
        """The stream, for whoever takes the connection over: from here on this one has nothing to do with it."""
        self._ended = True
        self._deadline.end()
        return self._stream

    def _end(self, end: End) -> None:
        if self._ended:
            return
        self._finish()
        self._stream.loseConnection()
        self._linger = self._reactor.callLater(_LINGER, self._stream.abortConnection)
        self._owner.link_ended(self, end)

    def _finish(self) -> None:
        self._ended = True
        self._deadline.end()
        self._stop_handshake()

    def _stop_handshake(self) -> None:
        timer, self._handshake = self._handshake, None
        if timer is not None and timer.active():
            timer.cancel()

    def _late(self) -> None:
        self._end(End(Cause.unwelcome, f"TLS was not established within {HANDSHAKE:g} seconds"))

    def _tick(self) -> None:
        if self.machine is not None and not self._ended:
            self.run(self.machine.tick(monotonic()))

    # From the stream.

    def handshakeCompleted(self, layer: TlsLayer) -> None:
        self._stop_handshake()
        if not self._ended:
            self._owner.link_secured(self, layer)

    def dataReceived(self, data: bytes) -> None:
        if self.machine is not None and not self._ended:
            self.run(self.machine.received(data, monotonic()))

    def connectionLost(self, reason: Failure) -> None:
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        if self._ended:
            return
        if self.machine is not None:
            # It has an end for this.
            self.run(self.machine.lost(monotonic()))
            return
        self._finish()
        error = reason.value
        if isinstance(error, ssl.SSLError):
            said = explain_handshake(error)
        elif reason.check(ConnectionDone):
            said = "the other end closed the connection before TLS was up"
        else:
            said = explain_failure(reason)
        self._owner.link_ended(self, End(Cause.unwelcome, said))
