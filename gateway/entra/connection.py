"""One connection of the gateway with the responder, at its socket."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.entra.conversation import Conversation
from gateway.net.sessions.turns import Turn, Turns
from gateway.net.transport.flow import WriteWindow
from gateway.net.transport.reactor import Reactor
from gateway.net.transport.stream import Stream
from gateway.net.transport.tls_layer import TlsLayer

log = Logger(__name__)

# Octets of answers that may wait for a peer before no more are made.
_WINDOW: Final = 262_144
# Seconds that a peer may take nothing of what waits for it: the gateway ends its own slow clients much sooner.
_PATIENCE: Final = 600.0
# Seconds that a peer which has stopped reading may keep what was said last.
_LINGER: Final = 5.0


class ResponderConnection:
    """A connection, from being accepted to its end. gone: called once it has ended."""

    def __init__(
        self, conversation: Conversation, turns: Turns, gone: Callable[[ResponderConnection], None], reactor: Reactor
    ) -> None:
        self._conversation = conversation
        self._turn = Turn(turns, self._work)
        self._gone = gone
        self._reactor = reactor
        self._held = False
        self._closing = False
        self._lost = False
        self._stream: Stream
        self._window: WriteWindow

    def makeConnection(self, stream: Stream) -> None:
        """Takes the stream over."""
        self._stream = stream
        self._window = WriteWindow(stream, _WINDOW, self._work, _PATIENCE, self.abort, self._reactor)
        stream.protocol = self

    def abort(self) -> None:
        """Ends it at once, whatever is on its way."""
        self._stream.abortConnection()

    # From the stream.

    def dataReceived(self, data: bytes) -> None:
        self._conversation.received(data)
        self._work()

    def handshakeCompleted(self, layer: TlsLayer) -> None:
        """There is no TLS here."""

    def connectionLost(self, reason: Failure) -> None:
        self._lost = True
        self._conversation.end()
        self._window.stopProducing()
        self._gone(self)

    def _work(self) -> None:
        """Answers what there is to answer, as long as it is this connection's turn and the peer takes it."""
        if self._lost or self._closing:
            return
        conversation, window = self._conversation, self._window
        self._turn.begin()
        try:
            while conversation.has_work and not window.full and self._turn.goes_on():
                octets = conversation.work()
                if octets:
                    window.write(octets)
        # Whatever it was, the other connections go on, and this one has no answer that looks whole.
        except Exception:  # noqa: BLE001
            log.failure("a request was not answered")
            self.abort()
            return
        self._turn.end(monotonic(), int(conversation.has_work and not window.full))
        if conversation.ended and not conversation.has_work:
            self._close()
            return
        held = conversation.full or window.full
        if held != self._held:
            self._held = held
            if held:
                self._stream.pauseProducing()
            else:
                self._stream.resumeProducing()

    def _close(self) -> None:
        self._closing = True
        self._window.close()
        self._stream.loseConnection()
        self._reactor.callLater(_LINGER, self._stream.abortConnection)
