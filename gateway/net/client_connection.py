"""One session at its two sockets: events to the state machine, its commands to the transports."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic

from cryptography import x509
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.net.flow import WriteGauge
from gateway.net.reactor import Reactor, Timer, Transport
from gateway.net.required_certificate import RequiredCertificate
from gateway.net.server_link import ServerConnector, ServerLink
from gateway.net.tls import tls_failure
from gateway.policy.lockout import GuardedAccount, Verdict
from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord
from gateway.relay.commands import (
    AdmitAttempt,
    AttemptEnded,
    Audit,
    CloseClient,
    CloseServer,
    Command,
    ConnectServer,
    RecallSizes,
    SendToClient,
    SendToServer,
    StartTls,
    StoreSizes,
)
from gateway.relay.session import Session
from gateway.state.attempts import Attempts
from gateway.state.sizes import SizeMemory

log = Logger()


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """tls: the context that TLS begins with. certificate: which one the client must show. tls_first: TLS begins with
    the connection, and the session behind it. tls_handshake: seconds for TLS to come up. write_stall: seconds that a
    peer may leave its full buffer untouched."""

    tls: CertificateOptions
    certificate: RequiredCertificate | None
    tls_first: bool
    tls_handshake: float
    write_stall: float


@implementer(IHandshakeListener)
class ClientConnection(Protocol):
    """refused: is told why TLS did not come up. established: called once it has. ended: called once, at the end."""

    transport: Transport  # type: ignore[assignment]

    def __init__(
        self,
        session: Callable[[], Session],
        connector: ServerConnector,
        settings: ConnectionSettings,
        audit: Callable[[AuditRecord], None],
        sizes: SizeMemory,
        attempts: Attempts,
        refused: Callable[[Reason, str], None],
        established: Callable[[], None],
        ended: Callable[[ClientConnection], None],
        reactor: Reactor,
        label: str,
    ) -> None:
        self._new_session = session
        self._connector = connector
        self._settings = settings
        self._audit = audit
        self._sizes = sizes
        self._attempts = attempts
        self._refused = refused
        self._established = established
        self._ended = ended
        self._reactor = reactor
        self._label = label
        self._session: Session | None = None
        self._gauge = WriteGauge(self._flow_changed)
        self._link: ServerLink | None = None
        self._connecting: Deferred[None] | None = None
        self._timer: Timer | None = None
        self._stall_timer: Timer | None = None
        self._handshake_timer: Timer | None = None
        self._client_held = False
        self._server_held = False
        # What the session's events have taken since its last audit record, and from when on the current one counts.
        self._worked = 0.0
        self._working_since = 0.0

    # From the client's transport.

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self.transport.registerProducer(self._gauge, True)
        if self._settings.tls_first:
            self._await_handshake()
        else:
            self._begin()

    def handshakeCompleted(self) -> None:
        """TLS is up: from the beginning, or after StartTLS. A failure is told by connectionLost."""
        self._stop_handshake_timer()
        rule = self._settings.certificate
        refusal = None if rule is None else rule.refusal(self._peer_certificate())
        if refusal is not None:
            self._refused(Reason.client_certificate_not_listed, refusal)
            # Twisted delivers nothing that may have come with the end of the handshake.
            self.transport.abortConnection()
            return
        self._established()
        if self._session is None:
            self._begin()

    def dataReceived(self, data: bytes) -> None:
        if self._session is not None:
            self._run(self._session.client_data(data, self._event()))

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        explanation = tls_failure(reason)
        if explanation is not None:
            self._refused(Reason.tls_failed, explanation)
        self._stop_handshake_timer()
        session, self._session = self._session, None
        if session is not None:
            self._execute(session.client_lost(self._event()))
        self._close_server()
        for timer in (self._timer, self._stall_timer):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._stall_timer = None
        self._ended(self)

    # From the server's link.

    def link_data(self, data: bytes) -> None:
        if self._session is not None:
            self._run(self._session.server_data(data, self._event()))

    def link_lost(self, detail: str) -> None:
        self._link = None
        if self._session is not None:
            self._run(self._session.server_lost(detail, self._event()))

    def link_gauge_changed(self) -> None:
        self._flow_changed()

    # From the service.

    @property
    def answered(self) -> bool:
        """Nothing that the client waits for is still to come; at most it has not closed its side yet."""
        return self._session is None or (self._session.closed and not self._gauge.full)

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
        self._session = self._new_session()
        self._arm()

    def _peer_certificate(self) -> x509.Certificate | None:
        shown = self.transport.getPeerCertificate()
        return None if shown is None else shown.to_cryptography()

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

    # Commands.

    def _event(self) -> float:
        """The time of an event that the session is now told of."""
        self._working_since = monotonic()
        return self._working_since

    def _count_work(self) -> None:
        now = monotonic()
        self._worked += now - self._working_since
        self._working_since = now

    def _run(self, commands: list[Command]) -> None:
        self._execute(commands)
        self._count_work()
        if self._session is not None:
            self._arm()
            self._apply_flow(self._session)

    def _execute(self, commands: list[Command]) -> None:
        # A command may be answered at once; what follows from the answer comes behind what was to be done before.
        waiting = deque(commands)
        while waiting:
            command = waiting.popleft()
            if isinstance(command, SendToClient):
                self.transport.write(command.data)
            elif isinstance(command, SendToServer):
                if self._link is not None:
                    self._link.transport.write(command.data)
            elif isinstance(command, Audit):
                self._audited(command.record)
            elif isinstance(command, ConnectServer):
                self._connect_server()
            elif isinstance(command, CloseServer):
                self._close_server()
            elif isinstance(command, StartTls):
                self._await_handshake()
                self.transport.startTLS(self._settings.tls)
            elif isinstance(command, CloseClient):
                self._close_client()
            elif isinstance(command, StoreSizes):
                self._sizes.store(command.shape, command.sizes)
            elif isinstance(command, RecallSizes):
                if self._session is not None:
                    remembered = self._sizes.read(command.shape)
                    waiting.extend(self._session.sizes_recalled(command.shape, remembered, monotonic()))
            elif isinstance(command, AdmitAttempt):
                self._attempts.begin(command.account, command.settings, partial(self._admitted, command.account))
            elif isinstance(command, AttemptEnded):
                self._attempts.end(command.account, command.verdict)
            else:
                self._attempts.join(command.alias, command.account)

    def _admitted(self, account: GuardedAccount, admitted: bool) -> None:
        if self._session is not None:
            self._run(self._session.attempt_admitted(account, admitted, self._event()))
        elif admitted:
            self._attempts.end(account, Verdict.neither)

    def _audited(self, record: AuditRecord) -> None:
        self._count_work()
        record.own_seconds, self._worked = self._worked, 0.0
        self._audit(record)
        if record.sync_bind and record.server_meaning:
            # Without this account there is no sync at all; that somebody mistypes a password is in the audit only.
            log.warn(
                "{label}: the sync account {account} cannot sign in at {server}: {meaning}",
                label=self._label,
                account=record.account,
                server=record.server,
                meaning=record.server_meaning,
            )

    def _connect_server(self) -> None:
        connecting: Deferred[None] = self._connector.connect().addCallbacks(self._connected, self._not_connected)
        if self._link is None and not connecting.called:
            self._connecting = connecting

    def _connected(self, link: ServerLink) -> None:
        self._connecting = None
        if self._session is None or self._session.closed:
            link.close()
            return
        self._link = link
        link.attach(self)
        self._run(self._session.server_connected(link.server.url, self._event()))

    def _not_connected(self, failure: Failure) -> None:
        self._connecting = None
        if failure.check(CancelledError) is None and self._session is not None:
            self._run(self._session.server_failed(failure.getErrorMessage(), self._event()))

    def _close_server(self) -> None:
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _close_client(self) -> None:
        if self._session is None:
            return
        self.transport.unregisterProducer()
        # A paused socket would not notice that the other side closes as well.
        self.transport.resumeProducing()
        self.transport.loseConnection()
        if self._stall_timer is None:
            self._stall_timer = self._reactor.callLater(self._settings.write_stall, self.transport.abortConnection)

    # Flow and clocks.

    def _flow_changed(self) -> None:
        if self._session is not None:
            self._apply_flow(self._session)

    def _apply_flow(self, session: Session) -> None:
        """Reads from each side only while the other can take it, and from the client while the session wants it."""
        if session.closed:
            return
        server_full = self._link is not None and self._link.gauge.full
        hold_client = self._gauge.full or server_full or not session.reads_client
        if hold_client:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()
        self._hold_client(session, hold_client)
        self._hold_server(session, self._gauge.full)
        if self._gauge.full or server_full:
            if self._stall_timer is None:
                self._stall_timer = self._reactor.callLater(self._settings.write_stall, self._stalled)
        elif self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _hold_client(self, session: Session, hold: bool) -> None:
        if hold == self._client_held:
            return
        self._client_held = hold
        if hold:
            session.client_held(monotonic())
        else:
            session.client_released(monotonic())
            self._arm()

    def _hold_server(self, session: Session, hold: bool) -> None:
        if hold == self._server_held or (self._link is None and hold):
            return
        self._server_held = hold
        if hold:
            session.server_held(monotonic())
        else:
            session.server_released(monotonic())
            self._arm()
        if self._link is not None:
            if hold:
                self._link.transport.pauseProducing()
            else:
                self._link.transport.resumeProducing()

    def _stalled(self) -> None:
        self._stall_timer = None
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
        delay = max(0.0, due - monotonic())
        if self._timer is None or not self._timer.active():
            self._timer = self._reactor.callLater(delay, self._tick)
        elif self._timer.getTime() > self._reactor.seconds() + delay:
            self._timer.reset(delay)

    def _tick(self) -> None:
        if self._session is not None:
            self._run(self._session.tick(self._event()))
