"""The client's connection of one session: its TLS, what is written to it, and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from twisted.python.failure import Failure

from gateway.host.system_errors import system_error
from gateway.net.sessions.connection_settings import ConnectionSettings
from gateway.net.transport.failures import tls_failure
from gateway.net.transport.flow import Watch, WriteWindow
from gateway.net.transport.reactor import Reactor, Timer, Transport
from gateway.net.transport.tls_layer import TlsLayer
from gateway.policy.reasons import REASONS, Reason

NewWindow: TypeAlias = Callable[[Transport], WriteWindow]


class ClientSide:
    """The connection to the client, as the session's driver uses it.

    refused: is told why the connection was closed before it had a session, or without one that had bound. new_window:
    makes the window of what is written. lost: the connection is gone. held: reading from it pauses.
    """

    transport: Transport

    def __init__(
        self,
        settings: ConnectionSettings,
        refused: Callable[[Reason, str], None],
        new_window: NewWindow,
        reactor: Reactor,
    ) -> None:
        self.refused = refused
        self.lost = False
        self.held = False
        self._settings = settings
        self._new_window = new_window
        self._reactor = reactor
        self._window: WriteWindow | None = None
        self._handshake_timer: Timer | None = None
        self._closing: Watch | None = None
        # At its end the session had written what its client was slow to take.
        self._leaves_octets = False

    # TLS.

    def begin(self, transport: Transport) -> bool:
        """The connection is there. Whether LDAP begins at once; otherwise TLS comes first."""
        self.transport = transport
        if self._settings.tls_first:
            self.await_handshake()
            return False
        self._window = self._new_window(transport)
        return True

    @property
    def awaits_tls(self) -> bool:
        """Whether the next octets begin TLS."""
        return self._window is None

    def await_handshake(self) -> None:
        """TLS is to come up in time from now on."""
        self._handshake_timer = self._reactor.callLater(self._settings.tls_handshake, self._handshake_late)

    def begin_tls(self, received: bytes = b"") -> None:
        """received: octets of it that have come already."""
        tls = self._settings.tls
        if tls is None:
            self.transport.abortConnection()
            return
        if self._window is not None:
            self._window.close()
        self._window = self._new_window(self.transport)
        try:
            layer = tls.layer()
        except OSError as error:
            self.refused(Reason.tls_failed, system_error(error))
            self.transport.abortConnection()
            return
        self.transport.start_tls(layer, received)

    def established(self, layer: TlsLayer) -> bool:
        """TLS is up: from the beginning, or after StartTLS. Whether the client may go on; otherwise this was its end,
        and nothing is delivered that may have come with the end of the handshake."""
        self.stop_handshake_timer()
        tls, rule = self._settings.tls, self._settings.certificate
        if tls is None or not tls.established(layer):
            self.refused(Reason.tls_failed, "its TLS resumed a session, which is never offered")
            self.transport.abortConnection()
            return False
        refusal = None if rule is None else rule.refusal(layer.peer_certificate)
        if refusal is not None:
            self.refused(Reason.client_certificate_not_listed, refusal)
            self.transport.abortConnection()
            return False
        return True

    def stop_handshake_timer(self) -> None:
        timer, self._handshake_timer = self._handshake_timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _handshake_late(self) -> None:
        patience = self._settings.tls_handshake
        self.refused(Reason.tls_handshake_timeout, f"TLS was not established within {patience:g} seconds")
        self.transport.abortConnection()

    # Octets.

    @property
    def full(self) -> bool:
        """Whether the client is slow to take what waits for it."""
        return self._window is not None and self._window.full

    def write(self, data: bytes) -> None:
        """The octets are dropped where there is no connection any more."""
        if self._window is not None:
            self._window.write(data)

    def hold(self, hold: bool) -> None:
        """Pauses reading, or goes on with it."""
        self.held = hold
        if hold:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()

    # The end.

    @property
    def leaves_octets(self) -> bool:
        return self._leaves_octets

    def close(self) -> None:
        """Once everything sent is written. Nothing more is written behind it."""
        window, self._window = self._window, None
        if window is None:
            return
        self._leaves_octets = not window.drained
        window.close()
        # A paused socket would not notice that the other side closes as well.
        self.transport.resumeProducing()
        self.transport.loseConnection()
        settings, abort = self._settings, self.transport.abortConnection
        self._closing = Watch(self.transport, settings.write_stall, abort, self._reactor, settings.closing)
        self._closing.begin()

    def displaced(self, abort: Callable[[Reason, str], None], limit: str) -> None:
        """Another connection has got its place, because limits.<limit> was reached. abort: ends the session. What the
        client is told has to be taken at once or not at all."""
        self.refused(Reason.displaced, f"no bind has succeeded on it, and limits.{limit} was reached")
        self.stop_handshake_timer()
        abort(Reason.displaced, REASONS[Reason.displaced].meaning)
        self.transport.abortConnection()

    def connection_lost(self, reason: Failure, *, awaits_first_request: bool) -> None:
        """awaits_first_request: of the session, behind TLS."""
        explanation = tls_failure(reason)
        if explanation is not None:
            self.refused(Reason.tls_failed, explanation)
        elif self._handshake_timer is None and awaits_first_request:
            # Many clients look at the name in the certificate only once TLS is up.
            self.refused(Reason.left_without_request, REASONS[Reason.left_without_request].meaning)
        self.stop_handshake_timer()
        # The transport may be gone already, TLS and all: what the session still says of it is not passed on.
        window, self._window = self._window, None
        if window is not None:
            window.stopProducing()
        if self._closing is not None:
            self._closing.end()
        self.lost = True
