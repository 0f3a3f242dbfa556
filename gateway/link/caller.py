"""The inside's end of a link towards one outside: it calls, keeps the line, and parks as many berths as are wanted."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from random import uniform
from socket import TCP_USER_TIMEOUT
from time import monotonic
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from gateway.link.berth import InsideBerth
from gateway.link.calling import Calling
from gateway.link.commands import Asked, Cause, Command, Draining, End, Told, Wanted, Welcomed
from gateway.link.connection import LinkConnection
from gateway.link.frames import BerthHello, Go, LineHello, NoSession, State
from gateway.link.keyring import Keyring
from gateway.link.keys import fingerprint
from gateway.link.line import InsideLine, Who
from gateway.link.parity import Parity
from gateway.link.settings import CalledHost
from gateway.link.standing import ClientStanding, PeerStanding
from gateway.link.telling import Telling
from gateway.link.tls import Stranger
from gateway.link.wanted import to_dial
from gateway.net.servers.connecting import connect
from gateway.net.servers.settings import ServerSettings
from gateway.net.transport.failures import explain_failure
from gateway.net.transport.reactor import Reactor, Timer
from gateway.net.transport.stream import Stream, set_option
from gateway.net.transport.tls_layer import TlsLayer

# Seconds for a TCP connection.
_CONNECT: Final = 10.0
# Seconds that a berth is missing before it is dialled, where there are others.
_PAUSE: Final = 0.05

# Takes what an outside asks for, and the TLS that it has asked by: why there is no session of it, or its name here and
# what takes the stream over.
Receive = Callable[[Go, TlsLayer], "NoSession | tuple[str, Callable[[Stream], None]]"]


class Room:
    """The connections that one caller may have for sessions, those that sessions have taken included. most: how many;
    taken: that there are."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    @property
    def left(self) -> int:
        return self.most - self.taken

    def leave(self) -> None:
        """A session has ended."""
        self.taken -= 1


class Serves:
    """What this end has to say to one outside of the clients of the link. known: gives that, asked anew each time, but
    for the digests of their policies."""

    def __init__(self, known: Callable[[], Iterable[State]], parity: Parity) -> None:
        self.parity = parity
        self._known = known

    def begin(self, own: str, layer: TlsLayer, machine: InsideLine) -> None:
        """TLS of a line is up. own: the fingerprint of what this end has shown."""
        shown = layer.peer_certificate
        if shown is not None:
            self.parity.begin(fingerprint(shown), own, machine.states)

    def states(self) -> Iterator[State]:
        for state in self._known():
            yield replace(state, policy=self.parity.of(state.client))


class LinkCaller:
    """One outside that this agent calls.

    telling: of the link. room: of this caller alone. receive: makes the sessions that the outside asks for. serves:
    what this end has to say of the clients of the link. keyring: pins this outside alone.
    """

    def __init__(
        self,
        telling: Telling,
        host: CalledHost,
        keyring: Keyring,
        who: Who,
        room: Room,
        receive: Receive,
        serves: Serves,
        reactor: Reactor,
    ) -> None:
        self._telling = telling
        self._host = host
        self._keyring = keyring
        self._who = who
        self.room = room
        self._receive = receive
        self._serves = serves
        self._reactor = reactor
        self._line = _Line()
        self._berths = _Berths()
        self._timer: Timer | None = None
        self._stopped = False

    @property
    def up(self) -> bool:
        """Whether the line is."""
        return self._line.token != ""

    def standing(self, clients: tuple[ClientStanding, ...], sessions: int) -> PeerStanding:
        """clients: of the link. sessions: that have come by this outside."""
        line, address = self._line, self._host.address
        machine = line.machine
        return PeerStanding(
            address,
            self.up,
            "" if self.up else line.ended or "it is being called",
            line.version,
            machine.round_trip if self.up and machine is not None else None,
            len(self._berths.parked),
            sessions,
            self._keyring.pinned[address].expires,
            clients,
            self._serves.parity.differing,
        )

    def begin(self) -> None:
        """Calls, and from then on again and again."""
        self._dial(self._line_called, self._line_ended)

    def use(self, keyring: Keyring) -> None:
        """Later calls use these keys. What was called with a key of the outside that is not pinned any more ends: the
        line, with all berths, or a berth."""
        self._keyring = keyring
        line = self._line
        # Where TLS is not up yet, these keys judge it.
        secured = [] if line.connection is None or line.machine is None else [line.connection]
        for connection in [*secured, *self._berths.parked]:
            if not keyring.knows(connection.layer, self._host.address):
                connection.close("its key is not pinned any more")

    def look(self) -> None:
        """Tells the outside what is new of this end's clients, and parks what is wanted."""
        self._line.tell(self._serves.states())
        self._park()

    def drain(self) -> None:
        """No session any more; those that are open go on."""
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        line = self._line
        if line.connection is not None and line.machine is not None:
            line.connection.run(line.machine.drain(monotonic()))
        elif line.connection is not None:
            line.connection.close("this gateway is stopping")
        for berth in [*self._berths.parked, *self._berths.opening]:
            berth.close("this gateway is stopping")

    def stop(self) -> None:
        self.drain()
        if self._line.connection is not None:
            self._line.connection.close("this gateway is stopping")

    # Calls.

    def _dial(self, called: Callable[[Stream], None], failed: Callable[[End], None]) -> None:
        opening: Deferred[Stream] = connect(
            ServerSettings(self._host.host, self._host.port, self._host.host), _CONNECT, self._reactor
        )

        def not_called(failure: Failure) -> None:
            if failure.check(CancelledError) is None:
                failed(End(Cause.closed, explain_failure(failure)))

        opening.addCallbacks(called, not_called)

    def _line_called(self, stream: Stream) -> None:
        if self._stopped:
            stream.abortConnection()
            return
        connection = self._line.connection = LinkConnection(self._keyring.layer(), self, self._reactor)
        connection.makeConnection(stream)

    def _berth_called(self, stream: Stream) -> None:
        if not self.up or self._stopped:
            stream.abortConnection()
            self._berth_ended()
            return
        connection = LinkConnection(self._keyring.layer(), self, self._reactor)
        self._berths.opening.add(connection)
        connection.makeConnection(stream)

    # From the connections.

    def link_secured(self, connection: LinkConnection, layer: TlsLayer) -> None:
        try:
            self._keyring.peer(layer)
        except (Stranger, ssl.SSLError) as error:
            connection.run([End(Cause.unwelcome, str(error))])
            return
        now = monotonic()
        who = self._who
        if connection is self._line.connection:
            machine = InsideLine(LineHello(who.version, who.instance, self.room.most), self._host.address, now)
            self._line.machine = machine
            self._serves.begin(self._keyring.fingerprint, layer, machine)
            machine.tell_all(self._serves.states(), now)
            connection.speak(machine, machine.begin(now))
            return
        berth = InsideBerth(BerthHello(who.version, who.instance, self._line.token), self._host.address, now, uniform)
        self._berths.opening.discard(connection)
        self._berths.parked.add(connection)
        self._berths.dialling -= 1
        self._berths.calling.worked()
        connection.speak(berth, berth.begin())

    def link_said(self, connection: LinkConnection, command: Command) -> None:
        if isinstance(command, Welcomed):
            self._line.token, self._line.version = command.welcome.token, command.welcome.version
            self._berths.wanted = command.welcome.parked
            self._line.calling.rose(monotonic())
            self._telling.line_came(self._host.address, command.welcome.version)
            self._park()
        elif isinstance(command, Wanted):
            self._berths.wanted = command.parked
            self._park()
        elif isinstance(command, Asked):
            self._asked(connection, command.go)
        elif isinstance(command, Told):
            self._serves.parity.news()
        elif isinstance(command, Draining):
            self._berths.wanted = 0

    def _asked(self, connection: LinkConnection, go: Go) -> None:
        machine = connection.machine
        if not isinstance(machine, InsideBerth):
            raise TypeError("a session was asked for on something else than a berth")
        found = NoSession.draining if self._stopped else self._receive(go, connection.layer)
        if isinstance(found, NoSession):
            self._telling.session_refused(self._host.address, go.client, found)
            connection.run(machine.refuse(found))
            return
        session, take = found
        self._berths.parked.discard(connection)
        connection.run(machine.accept(session))
        stream = connection.hand_over()
        # The client outside may read nothing for longer (limits.write_stall), and the kernel makes no difference
        # between a peer that takes nothing and one that is gone.
        set_option(stream, TCP_USER_TIMEOUT, 0)
        take(stream)
        self._park()

    def link_ended(self, connection: LinkConnection, end: End) -> None:
        if connection is self._line.connection:
            self._line_ended(end)
            return
        if connection in self._berths.opening:
            self._berths.opening.discard(connection)
            self._berth_ended(end)
        elif connection in self._berths.parked:
            self._berths.parked.discard(connection)
            self.room.taken -= 1
            # An outside that closes each at once must not have it dialled anew at once.
            self._rest(end)

    def _line_ended(self, end: End) -> None:
        was_up = self.up
        self._line.fall(end.said)
        self._serves.parity.end()
        for berth in [*self._berths.parked, *self._berths.opening]:
            berth.close("the line has ended")
        if self._stopped:
            return
        wait = self._line.calling.ended(end, monotonic())
        self._telling.line_ended(self._host.address, end, was_up=was_up, wait=wait)
        self._timer = self._reactor.callLater(wait, self.begin)

    # Berths.

    def _park(self, waited: bool = False) -> None:
        """Dials as many berths as are wanted and missing. Where most of them are there, nobody waits for one, and the
        session that has just taken one goes first: a handshake takes a millisecond or two of either end. waited: it
        has."""
        berths = self._berths
        if waited:
            berths.pauses = False
        elif berths.most_are_there:
            if not berths.pauses:
                berths.pauses = True
                self._reactor.callLater(_PAUSE, self._park, True)
            return
        if not self.up or self._stopped or berths.rests:
            return
        for _ in range(to_dial(berths.wanted, len(berths.parked), berths.dialling, self.room.left)):
            berths.dialling += 1
            self.room.taken += 1
            self._dial(self._berth_called, self._berth_ended)

    def _berth_ended(self, end: End | None = None) -> None:
        """A berth that was being dialled came to nothing. end: None where nothing was wrong with the way."""
        berths = self._berths
        berths.dialling -= 1
        self.room.taken -= 1
        if end is None or self._stopped or berths.rests:
            return
        self._telling.berth_failed(self._host.address, end)
        self._rest(end)

    def _rest(self, end: End) -> None:
        """No berth is dialled for a while. end: why."""
        berths = self._berths
        if not self._stopped and not berths.rests:
            berths.rests = True
            self._reactor.callLater(berths.calling.ended(end, monotonic()), self._rested)

    def _rested(self) -> None:
        self._berths.rests = False
        self._park()


class _Line:
    """The line of a caller. token, version: as the outside said, "" while it is not up. ended: why the last line or
    call did, "" before one has."""

    def __init__(self) -> None:
        self.calling = Calling(uniform)
        self.connection: LinkConnection | None = None
        self.machine: InsideLine | None = None
        self.token = self.version = self.ended = ""

    def tell(self, states: Iterable[State]) -> None:
        """Says what is new of these clients, and that no others are served any more."""
        if self.connection is not None and self.machine is not None:
            self.connection.run(self.machine.tell_all(states, monotonic()))

    def fall(self, said: str) -> None:
        self.connection = self.machine = None
        self.token = self.version = ""
        self.ended = said


class _Berths:
    """The berths of a caller. wanted: the outside's last word. dialling: how many are under way, those whose TLS is not
    up included, which are in opening. rests: after an end, until it is time to dial again. pauses: until the
    session that took one is under way."""

    def __init__(self) -> None:
        self.calling = Calling(uniform)
        self.parked: set[LinkConnection] = set()
        self.opening: set[LinkConnection] = set()
        self.wanted = 0
        self.dialling = 0
        self.rests = False
        self.pauses = False

    @property
    def most_are_there(self) -> bool:
        """Whether more than half of those that are wanted are parked, or will be soon."""
        return 2 * (len(self.parked) + self.dialling) > self.wanted
