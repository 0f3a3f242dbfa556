"""The driver of one session at its two sockets: events to the state machine, its commands to the connections.

What comes from the client's transport, from the server's link and from the service is an event of the session. What the
session says to it is carried out in gateway/net/sessions/carrying_out.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.error import ConnectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.way import Whom
from gateway.net.sessions.admission import Place
from gateway.net.sessions.answering import SessionAnswers
from gateway.net.sessions.back_pressure import apply_back_pressure
from gateway.net.sessions.carrying_out import CommandRunner
from gateway.net.sessions.client_side import ClientSide
from gateway.net.sessions.connection_settings import ConnectionSettings
from gateway.net.sessions.place_told import PlaceTold
from gateway.net.sessions.server_side import ServerSide
from gateway.net.sessions.services import SessionServices
from gateway.net.sessions.turns import Turn
from gateway.net.sessions.work import Work
from gateway.net.transport.deadline import Deadline
from gateway.net.transport.flow import WriteWindow
from gateway.net.transport.reactor import Transport
from gateway.net.transport.tls_layer import TlsLayer
from gateway.policy.reasons import Reason
from gateway.relay.commands import Command
from gateway.relay.questions import Reply
from gateway.relay.session import Session

log = Logger(__name__)


class SessionDriver:
    """A session's two connections, and the state machine between them.

    session: makes the session, which asks what it is given whether it may handle one more request now. place: among
    all connections; it learns how TLS and binds go. refused: is told why the connection was closed before it had a
    session, or without one that had bound. ended: called once, at the end. whom: the
    session, as servers and the log know it.
    """

    def __init__(
        self,
        session: Callable[[Callable[[], bool]], Session],
        connector: ServerConnector,
        settings: ConnectionSettings,
        services: SessionServices,
        refused: Callable[[Reason, str], None],
        place: Place,
        ended: Callable[[SessionDriver], None],
        whom: Whom,
    ) -> None:
        reactor = services.reactor

        def new_window(transport: Transport) -> WriteWindow:
            window, stall = settings.write_window, settings.write_stall
            return WriteWindow(transport, window, self._flow_changed, stall, self._stalled, reactor)

        self._session: Session | None = None
        self._turn = Turn(services.turns, self._turn_comes)
        self._new_session = session
        self._work = Work(self._turn)
        self._client = ClientSide(settings, refused, new_window, reactor)
        self._server = ServerSide(connector, whom, new_window, self._server_opened)
        self._answers = answers = SessionAnswers(services, connector.heard)
        self._runner = CommandRunner(self._client, self._server, answers, self._work, services.audit, self._replied)
        self._deadline = Deadline(reactor, self._deadline_comes)
        self._place = PlaceTold(place)
        place.displace = partial(self._client.displaced, self.abort)
        self._ended = ended
        self._whom = whom

    # From the client's transport.

    def makeConnection(self, transport: Transport) -> None:
        if self._client.begin(transport):
            self._begin()

    def handshakeCompleted(self, layer: TlsLayer) -> None:
        """TLS is up. A failure is told by connectionLost."""
        if self._client.established(layer):
            self._place.place.established()
            if self._session is None:
                self._begin()

    def dataReceived(self, data: bytes) -> None:
        if self._session is not None:
            self._run(self._session, self._session.client_data(data, self._work.begin()))
        elif self._client.awaits_tls:
            # OpenSSL's part of a connection is some 50 kB: whoever never speaks does not get it.
            self._client.begin_tls(data)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        session = self._session
        self._client.connection_lost(
            reason, awaits_first_request=session is not None and session.client.awaits_first_request
        )
        self._answers.client_gone()
        if session is not None:
            self._run(session, session.client_lost(self._work.begin()))
        else:
            self._end()

    # From the server's link.

    def link_data(self, data: bytes) -> None:
        if self._session is not None:
            self._run(self._session, self._session.server_data(data, self._work.begin()))

    def link_lost(self, detail: str) -> None:
        self._server.forget()
        if self._session is not None:
            self._run(self._session, self._session.server_lost(detail, self._work.begin()))

    # From the service.

    @property
    def answered(self) -> bool:
        """Nothing that the client waits for is still to come; at most it has not closed its side yet."""
        return self._session is None or (self._session.closed and not self._client.leaves_octets)

    @property
    def busy_client(self) -> str | None:
        """The name of the client, while an operation of it is open."""
        session = self._session
        return session.policy.settings.name if session is not None and session.busy else None

    def drain(self) -> None:
        """Open operations may finish; then the session ends."""
        if self._session is not None:
            self._run(self._session, self._session.stop(self._work.begin()))
        else:
            self._client.transport.abortConnection()

    def abort(self, reason: Reason, text: str) -> None:
        """The session ends now, its open operations with an error."""
        if self._session is not None:
            self._run(self._session, self._session.abort(reason, text, self._work.begin()))
        else:
            self._client.transport.abortConnection()

    # From the session's own turns, clocks and questions.

    def _turn_comes(self) -> None:
        if self._session is not None:
            self._run(self._session, self._session.turn_comes(self._work.begin()))

    def _deadline_comes(self) -> None:
        if self._session is not None:
            self._run(self._session, self._session.tick(self._work.begin()))

    def _replied(self, key: int, reply: Reply) -> None:
        if self._session is not None:
            self._run(self._session, self._session.answered(key, reply, self._work.begin()))

    def _server_opened(self, link: ServerLink | None, detail: str) -> None:
        """link: None where no server could be connected to; detail says why."""
        session = self._session
        if link is None:
            if session is not None:
                self._run(session, session.server_failed(detail, self._work.begin()))
        elif session is None or session.closed:
            link.close()
        else:
            patience = self._server.take(link, self)
            now = self._work.begin()
            self._run(session, session.server_connected(link.server.url, now, patience, link.session))

    def _flow_changed(self) -> None:
        session = self._session
        if session is not None and apply_back_pressure(session, self._client, self._server):
            self._deadline.set(session.deadline())

    def _stalled(self) -> None:
        session = self._session
        if session is None:
            return
        text = "a peer takes none of what waits for it"
        log.warn("{label}: {text}; session ended", label=str(self._whom), text=text)
        self._runner.run(session, session.abort(Reason.write_stalled, text, self._work.begin()))
        # What was just written waits behind what the peer does not take.
        self._client.transport.abortConnection()

    # What follows.

    def _begin(self) -> None:
        self._session = self._new_session(self._turn.goes_on)
        self._deadline.set(self._session.deadline())

    def _run(self, session: Session, commands: list[Command]) -> None:
        self._runner.run(session, commands)
        ended = self._session is None
        self._work.end(0 if ended else session.client.waits_for_turn())
        if ended:
            return
        if self._client.lost and not session.busy:
            self._end()
            return
        if not self._place.for_good:
            self._place.tell(session.standing)
        apply_back_pressure(session, self._client, self._server)
        self._deadline.set(session.deadline())

    def _end(self) -> None:
        """The client has gone, and nothing of the session is under way any more."""
        self._session = None
        self._answers.end()
        self._server.close()
        self._deadline.end()
        self._place.place.leave()
        self._ended(self)
