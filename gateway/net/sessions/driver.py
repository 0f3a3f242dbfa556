"""One session at its two sockets: events to the state machine, its commands to the transports."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.host.system_errors import system_error
from gateway.net.servers.connector import NoServer, ServerConnector
from gateway.net.servers.server_link import ServerLink
from gateway.net.sessions.admission import Place
from gateway.net.sessions.answering import SessionAnswers
from gateway.net.sessions.client_tls import ListenerTls
from gateway.net.sessions.required_certificate import RequiredCertificate
from gateway.net.sessions.services import SessionServices
from gateway.net.sessions.turns import Turn
from gateway.net.transport.failures import explain_failure, tls_failure
from gateway.net.transport.flow import Watch, WriteWindow
from gateway.net.transport.reactor import Timer, Transport
from gateway.net.transport.tls_layer import TlsLayer
from gateway.policy.reasons import REASONS, Reason
from gateway.relay.audit import AuditRecord
from gateway.relay.commands import (
    Audit,
    CloseClient,
    CloseServer,
    Command,
    ConnectServer,
    PoseQuestion,
    SendToClient,
    SendToServer,
    StartTls,
)
from gateway.relay.questions import Reply
from gateway.relay.session import Session
from gateway.relay.standing import Standing

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """tls: None where there never is any. certificate: which one the client must show. tls_first: TLS begins with the
    first octet, and the session behind it. tls_handshake: seconds for TLS to come up. write_stall: seconds that a peer
    may take nothing of what waits for it. closing: seconds for all that waits once the session has ended. write_window:
    octets that may wait for one peer before reading from the other pauses."""

    tls: ListenerTls | None
    certificate: RequiredCertificate | None
    tls_first: bool
    tls_handshake: float
    write_stall: float
    closing: float
    write_window: int


class ClientConnection:
    """A session's two connections, and the state machine between them.

    session: makes the session, which asks what it is given whether it may handle one more request now. place: among
    all connections; it learns how TLS and binds go. refused: is told why the connection was closed before it had a
    session, or without one that had bound. ended: called once, at the end.
    """

    transport: Transport

    def __init__(
        self,
        session: Callable[[Callable[[], bool]], Session],
        connector: ServerConnector,
        settings: ConnectionSettings,
        services: SessionServices,
        refused: Callable[[Reason, str], None],
        place: Place,
        ended: Callable[[ClientConnection], None],
        label: str,
    ) -> None:
        self._new_session = session
        self._turn = Turn(services.turns, self._go_on)
        self._connector = connector
        self._settings = settings
        self._audit = services.audit
        self._answers = SessionAnswers(services, connector.heard)
        self._refused = refused
        self._place = place
        place.displace = self._displaced
        # What the place has been told of.
        self._binding = False
        self._has_bound = False
        self._ended = ended
        self._reactor = services.reactor
        self._label = label
        self._session: Session | None = None
        # The client's connection is. A bind that a server has been sent goes on without it.
        self._lost = False
        self._to_client: WriteWindow | None = None
        self._link: ServerLink | None = None
        self._to_server: WriteWindow | None = None
        self._connecting: Deferred[None] | None = None
        # Of the session; due on its clock, in seconds.
        self._timer: Timer | None = None
        self._timer_due = 0.0
        self._closing: Watch | None = None
        self._handshake_timer: Timer | None = None
        # At its end the session had written what its client was slow to take.
        self._leaves_octets = False
        self._client_held = False
        self._server_held = False
        # What the session's events have taken since its last audit record, and from when on the current one counts.
        self._worked = 0.0
        self._working_since = 0.0

    # From the client's transport.

    def makeConnection(self, transport: Transport) -> None:
        self.transport = transport
        if self._settings.tls_first:
            self._await_handshake()
        else:
            self._to_client = self._window(self.transport)
            self._begin()

    def handshakeCompleted(self, layer: TlsLayer) -> None:
        """TLS is up: from the beginning, or after StartTLS. A failure is told by connectionLost."""
        self._stop_handshake_timer()
        settings = self._settings
        # Nothing that may have come with the end of the handshake is delivered where it is refused.
        if settings.tls is None or not settings.tls.established(layer):
            self._refused(Reason.tls_failed, "its TLS resumed a session, which is never offered")
            self.transport.abortConnection()
            return
        rule = settings.certificate
        refusal = None if rule is None else rule.refusal(layer.peer_certificate)
        if refusal is not None:
            self._refused(Reason.client_certificate_not_listed, refusal)
            self.transport.abortConnection()
            return
        self._place.established()
        if self._session is None:
            self._begin()

    def dataReceived(self, data: bytes) -> None:
        if self._session is not None:
            self._run(self._session.client_data(data, self._event()))
        elif self._to_client is None:
            # OpenSSL's part of a connection is some 50 kB: whoever never speaks does not get it.
            self._begin_tls(data)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        explanation = tls_failure(reason)
        if explanation is not None:
            self._refused(Reason.tls_failed, explanation)
        elif self._handshake_timer is None and self._session is not None and self._session.client.awaits_first_request:
            # Many clients look at the name in the certificate only once TLS is up.
            self._refused(Reason.left_without_request, REASONS[Reason.left_without_request].meaning)
        self._stop_handshake_timer()
        self._answers.client_gone()
        # The transport may be gone already, TLS and all: what the session still says of it is not passed on.
        to_client, self._to_client = self._to_client, None
        if to_client is not None:
            to_client.stopProducing()
        if self._closing is not None:
            self._closing.end()
        self._lost = True
        if self._session is not None:
            self._run(self._session.client_lost(self._event()))
        else:
            self._end()

    def _end(self) -> None:
        """The client has gone, and nothing of the session is under way any more."""
        self._session = None
        self._answers.end()
        self._close_server()
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        self._place.leave()
        self._ended(self)

    # From the server's link.

    def link_data(self, data: bytes) -> None:
        if self._session is not None:
            self._run(self._session.server_data(data, self._event()))

    def link_lost(self, detail: str) -> None:
        self._forget_link()
        if self._session is not None:
            self._run(self._session.server_lost(detail, self._event()))

    # From the service.

    @property
    def answered(self) -> bool:
        """Nothing that the client waits for is still to come; at most it has not closed its side yet."""
        return self._session is None or (self._session.closed and not self._leaves_octets)

    @property
    def busy_client(self) -> str | None:
        """The name of the client, while an operation of it is open."""
        session = self._session
        return session.policy.settings.name if session is not None and session.busy else None

    def drain(self) -> None:
        """Open operations may finish; then the session ends."""
        if self._session is not None:
            self._run(self._session.stop(self._event()))
        else:
            self.transport.abortConnection()

    def abort(self, reason: Reason, text: str) -> None:
        """The session ends now, its open operations with an error."""
        if self._session is not None:
            self._run(self._session.abort(reason, text, self._event()))
        else:
            self.transport.abortConnection()

    # The beginning.

    def _begin(self) -> None:
        self._session = self._new_session(self._turn.goes_on)
        self._arm()

    def _begin_tls(self, received: bytes = b"") -> None:
        """received: octets of it that have come already."""
        tls = self._settings.tls
        if tls is None:
            self.transport.abortConnection()
            return
        if self._to_client is not None:
            self._to_client.close()
        self._to_client = self._window(self.transport)
        try:
            layer = tls.layer()
        except OSError as error:
            self._refused(Reason.tls_failed, system_error(error))
            self.transport.abortConnection()
            return
        self.transport.start_tls(layer, received)

    def _await_handshake(self) -> None:
        self._handshake_timer = self._reactor.callLater(self._settings.tls_handshake, self._handshake_late)

    def _stop_handshake_timer(self) -> None:
        timer, self._handshake_timer = self._handshake_timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _handshake_late(self) -> None:
        self._refused(
            Reason.tls_handshake_timeout, f"TLS was not established within {self._settings.tls_handshake:g} seconds"
        )
        self.transport.abortConnection()

    def _displaced(self, limit: str) -> None:
        """Another connection has got the place. What this one is told has to be taken at once or not at all."""
        self._refused(Reason.displaced, f"no bind has succeeded on it, and limits.{limit} was reached")
        self._stop_handshake_timer()
        self.abort(Reason.displaced, REASONS[Reason.displaced].meaning)
        self.transport.abortConnection()

    # Commands.

    def _go_on(self) -> None:
        """The session's turn has come again."""
        if self._session is not None:
            self._run(self._session.turn_comes(self._event()))

    def _event(self) -> float:
        """The time of an event that the session is now told of."""
        self._turn.begin()
        self._working_since = monotonic()
        return self._working_since

    def _count_work(self) -> None:
        now = monotonic()
        self._worked += now - self._working_since
        self._working_since = now

    def _run(self, commands: list[Command]) -> None:
        self._execute(commands)
        self._count_work()
        self._turn.end(self._working_since, 0 if self._session is None else self._session.client.waits_for_turn())
        if self._session is not None:
            if self._lost and not self._session.busy:
                self._end()
                return
            if not self._has_bound:
                self._tell_place(self._session.standing)
            self._arm()
            self._apply_flow(self._session)

    def _tell_place(self, standing: Standing) -> None:
        binding, has_bound = standing.binding is not None, standing.has_bound
        if has_bound or not binding:
            if self._binding or has_bound:
                self._place.bind_ended(has_bound, monotonic())
        else:
            self._place.bind_begun(standing.binds, monotonic())
        self._binding, self._has_bound = binding, has_bound

    def _execute(self, commands: list[Command]) -> None:
        # A command may be answered at once; what follows from the answer comes behind what was to be done before.
        waiting = deque(commands)
        # Each peer gets what an event has for it in one piece, but before any command that may do more than it says.
        to_client: list[bytes] = []
        to_server: list[bytes] = []
        records: list[AuditRecord] = []
        while waiting:
            command = waiting.popleft()
            if isinstance(command, SendToClient):
                to_client.append(command.data)
                continue
            if isinstance(command, SendToServer):
                to_server.append(command.data)
                continue
            if isinstance(command, Audit):
                records.append(command.record)
                continue
            if isinstance(command, PoseQuestion):
                waiting.extend(self._pose(command))
                continue
            self._pass_on(to_client, to_server, records)
            if isinstance(command, ConnectServer):
                self._connect_server(command)
            elif isinstance(command, CloseServer):
                self._close_server()
            elif isinstance(command, StartTls):
                self._await_handshake()
                self._begin_tls()
            elif isinstance(command, CloseClient):
                self._close_client()
            else:
                self._answers.tell(command)
        self._pass_on(to_client, to_server, records)

    def _pass_on(self, to_client: list[bytes], to_server: list[bytes], records: list[AuditRecord]) -> None:
        """Octets are dropped where there is no connection. They go first: somebody waits for them."""
        if to_server and self._to_server is not None and self._link is not None:
            self._to_server.write(b"".join(to_server))
            self._link.reading.asked()
        if to_client and self._to_client is not None:
            self._to_client.write(b"".join(to_client))
        to_client.clear()
        to_server.clear()
        for record in records:
            self._audited(record)
        records.clear()

    def _pose(self, posed: PoseQuestion) -> list[Command]:
        """What follows where the reply comes at once. It is for the caller to execute: a client may send hundreds of
        binds in one piece, each of which is refused at once and makes room for the next one."""
        asking, at_once = True, list[Command]()

        def answered(reply: Reply) -> None:
            session = self._session
            if session is None:
                return
            if asking:
                at_once.extend(session.answered(posed.key, reply, monotonic()))
            else:
                self._run(session.answered(posed.key, reply, self._event()))

        self._answers.pose(posed.question, answered)
        asking = False
        return at_once

    def _audited(self, record: AuditRecord) -> None:
        self._count_work()
        record.own_seconds, self._worked = self._worked, 0.0
        self._audit(record)

    def _connect_server(self, wanted: ConnectServer) -> None:
        opening = self._connector.connect(wanted.instead_of, wanted.others_only)
        connecting: Deferred[None] = opening.addCallbacks(self._connected, self._not_connected)
        if self._link is None and not connecting.called:
            self._connecting = connecting

    def _connected(self, link: ServerLink) -> None:
        self._connecting = None
        if self._session is None or self._session.closed:
            link.close()
            return
        self._link = link
        self._to_server = self._window(link.transport)
        link.attach(self)
        # One that was kept ready is only as good as a new one once it has answered, so it has no longer for that.
        patience = self._connector.directory.connect_timeout if link.kept else None
        self._run(self._session.server_connected(link.server.url, self._event(), patience))

    def _not_connected(self, failure: Failure) -> None:
        self._connecting = None
        if failure.check(CancelledError) is None and self._session is not None:
            detail = str(failure.value) if failure.check(NoServer) else explain_failure(failure)
            self._run(self._session.server_failed(detail, self._event()))

    def _close_server(self) -> None:
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
        link, to_server = self._link, self._to_server
        self._forget_link()
        if link is not None and to_server is not None:
            to_server.close()
            link.close()

    def _forget_link(self) -> None:
        self._link = self._to_server = None
        self._server_held = False

    def _close_client(self) -> None:
        to_client, self._to_client = self._to_client, None
        if to_client is None:
            return
        self._leaves_octets = not to_client.drained
        to_client.close()
        # A paused socket would not notice that the other side closes as well.
        self.transport.resumeProducing()
        self.transport.loseConnection()
        settings = self._settings
        abort = self.transport.abortConnection
        self._closing = Watch(self.transport, settings.write_stall, abort, self._reactor, settings.closing)
        self._closing.begin()

    # Flow and clocks.

    def _window(self, transport: Transport) -> WriteWindow:
        settings = self._settings
        return WriteWindow(
            transport, settings.write_window, self._flow_changed, settings.write_stall, self._stalled, self._reactor
        )

    def _flow_changed(self) -> None:
        if self._session is not None:
            self._apply_flow(self._session)

    def _apply_flow(self, session: Session) -> None:
        """Reads from each side only while the other can take it, and from the client while the session wants it."""
        if session.closed:
            return
        client_full = self._to_client is not None and self._to_client.full
        server_full = self._to_server is not None and self._to_server.full
        hold_client = client_full or server_full or not session.client.reads
        if hold_client != self._client_held:
            self._hold_client(session, hold_client)
        if client_full != self._server_held and self._link is not None:
            self._hold_server(session, self._link, client_full)

    def _hold_client(self, session: Session, hold: bool) -> None:
        self._client_held = hold
        if hold:
            self.transport.pauseProducing()
            session.client.clocks.hold(monotonic())
        else:
            self.transport.resumeProducing()
            session.client.clocks.release(monotonic())
            self._arm()

    def _hold_server(self, session: Session, link: ServerLink, hold: bool) -> None:
        self._server_held = hold
        if hold:
            link.reading.hold()
            session.server.clock.hold(monotonic())
        else:
            link.reading.release()
            session.server.clock.release(monotonic())
            self._arm()

    def _stalled(self) -> None:
        session = self._session
        if session is None:
            return
        log.warn("{label}: a peer takes none of what waits for it; session ended", label=self._label)
        self._execute(session.abort(Reason.write_stalled, "a peer takes none of what waits for it", self._event()))
        # What was just written waits behind what the peer does not take.
        self.transport.abortConnection()

    def _arm(self) -> None:
        """One timer, moved only forward in time: a later deadline is noticed when the earlier one fires."""
        session = self._session
        due = session.deadline() if session is not None else None
        if due is None:
            return
        if self._timer is not None:
            if self._timer_due <= due:
                return
            # To move it would have Twisted look through the timers of all sessions.
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._reactor.callLater(max(0.0, due - monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._session is not None:
            self._run(self._session.tick(self._event()))
