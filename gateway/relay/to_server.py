"""The server's side of a session: one connection at a time, the requests on it, and whose the answers are.

The last part of a request's way and the first of an entry's. Entries that the client may have go on from here without
an event (gateway/relay/entry_relay.py); what ends a step of an operation is an event, which the session gives to
gateway/relay/operations.py.
"""

from __future__ import annotations

from typing import Final

from gateway.ldap import messages
from gateway.ldap.decoding import decode_enveloped, decode_response, read_envelope
from gateway.ldap.encoding import encode
from gateway.ldap.errors import DecodeError, MessageTooLarge
from gateway.ldap.messages import AbandonRequest, BindRequest, BindResponse, LDAPMessage, UnbindRequest
from gateway.ldap.results import ResultCode, result_name
from gateway.policy.decision import Refuse
from gateway.policy.reasons import Reason
from gateway.relay.awaited import Awaited
from gateway.relay.commands import CloseServer, ConnectServer, SendToServer
from gateway.relay.entry_relay import EntryRelay, undecodable
from gateway.relay.operation import Operation
from gateway.relay.output import Output
from gateway.relay.overdue import first_due
from gateway.relay.paging import PagedSearches
from gateway.relay.server_clock import ServerClock
from gateway.relay.server_events import Answered, Gone, ServerEvent, Unusable
from gateway.relay.settings import SessionLimits
from gateway.relay.standing import Standing
from gateway.relay.steps import Answer, Ask, ServerStep, Stream, Streamed
from gateway.relay.upstream import Upstream
from gateway.relay.witness import Witness

_UNREACHABLE: Final = "no server of the directory could be reached"
_LOST: Final = "the connection to the directory was lost"
_CLOSED: Final = "the directory closed the connection"
_SILENT: Final = "the directory did not answer in time"


class ToServer:
    """The server connection of one session, opened when a step needs it.

    open: the session's operations that do not wait, by message ID. paged: searches whose pages this connection has.
    clock: stands still while reading from the server pauses. retries: a bind may be sent once more, to another server.
    """

    def __init__(
        self,
        limits: SessionLimits,
        entries: EntryRelay,
        open: dict[int, Operation],
        paged: PagedSearches,
        output: Output,
        standing: Standing,
    ) -> None:
        self.paged = paged
        self.clock = ServerClock(standing.now)
        self.retries = True
        self._limits = limits
        self._entries = entries
        self._open = open
        self._output = output
        self._standing = standing
        self._witness = Witness(output)
        self._upstream: Upstream[Operation] | None = None
        # What is to be told next, behind an event.
        self._behind: Gone | None = None

    @property
    def url(self) -> str:
        """The URL of the server that the session is connected to; "" for none."""
        return self._upstream.url if self._upstream is not None else ""

    # Clocks.

    def due(self) -> float | None:
        """When an awaited answer is overdue; None for never."""
        return first_due(self._open.values(), self._upstream, self.clock, self._limits)

    def expire(self) -> ServerEvent | None:
        """What follows where an answer is overdue."""
        due = self.due()
        if due is None or due > self._standing.now:
            return None
        # A connection that was kept ready may be a dead one.
        kept = self._upstream is not None and self._upstream.patience is not None
        if kept and self._bind_again(None, _SILENT):
            return None
        return self._gone(Reason.server_silent, _SILENT, "")

    # The connection.

    def connected(self, url: str, patience: float | None, session: str) -> None:
        upstream = self._upstream
        if upstream is not None and not upstream.connected:
            upstream.connected = True
            upstream.url = url
            upstream.session = session
            upstream.patience = patience
            self.clock.heard(self._standing.now)
            for operation in list(self._open.values()):
                if isinstance(operation.step, ServerStep) and operation.awaited is None:
                    self._send(operation, operation.step, upstream)

    def unreachable(self, detail: str) -> ServerEvent | None:
        """No server could be connected to."""
        for operation in self._open.values():
            if operation.first_answer is not None:
                # The bind was to be tried elsewhere, and cannot be: this is what the directory says of it.
                self._upstream = None
                return self._answered(operation, operation.first_answer)
        return self._gone(Reason.server_unreachable, _UNREACHABLE, detail)

    def lost(self, detail: str, text: str = _LOST) -> ServerEvent | None:
        """The connection ended, and nobody here wanted that."""
        return None if self._bind_again(None, detail) else self._gone(Reason.server_lost, text, detail)

    def drop(self) -> None:
        """Closes the connection, or gives up connecting."""
        upstream, self._upstream = self._upstream, None
        self.clock.release(self._standing.now)
        self.paged.clear()
        if upstream is None:
            return
        if upstream.connected:
            self._output.command(SendToServer(encode(LDAPMessage(upstream.new_id(), UnbindRequest()))))
        self._output.command(CloseServer())

    def _gone(self, reason: Reason, text: str, detail: str) -> Gone | None:
        """Because of the server."""
        if self._upstream is None:
            return None
        self._witness.gone(reason, self._open.values(), self._upstream, self._standing.now)
        self.drop()
        return Gone(reason, text, detail)

    def _bind_again(self, answer: BindResponse | None, why: str) -> bool:
        """Sends a bind once more, rather to another server. answer: that of this one, None where there was none. False
        where that may not be: a server that has said anything of the password may have counted it, and one that was
        silent too; one more attempt is all that a client's single one may cost. Octets without an answer may be the
        beginning of one; behind an answer they are of no bind, and go with their connection."""
        upstream = self._upstream
        # While a bind runs nothing else is open.
        operation = next(iter(self._open.values()), None)
        if not self.retries or operation is None or operation.sent_again or operation.awaited is None:
            return False
        step = operation.step
        if not isinstance(step, Ask) or not isinstance(step.request, BindRequest):
            return False
        if upstream is None or (answer is None and upstream.framer.buffered()):
            return False
        operation.sent_again = True
        operation.first_answer = answer
        operation.record.detail = f"{upstream.url}: {why}; sent once more"
        self._witness.sent_again(answer)
        self.end_step(operation)
        self.drop()
        self._upstream = Upstream(self._limits.response_message)
        self._output.command(ConnectServer(upstream.url, others_only=answer is not None))
        return True

    # Requests.

    def ask(self, operation: Operation, step: ServerStep) -> None:
        """Sends the operation's step, as soon as there is a connection."""
        if self._upstream is None:
            self._upstream = Upstream(self._limits.response_message)
            self._output.command(ConnectServer())
        elif self._upstream.connected:
            self._send(operation, step, self._upstream)

    def _send(self, operation: Operation, step: ServerStep, upstream: Upstream[Operation]) -> None:
        now = self._standing.now
        if all(each.awaited is None for each in self._open.values()):
            self.clock.heard(now)
        operation.record.server = upstream.url
        operation.record.server_session = upstream.session
        upstream_id = upstream.register(operation)
        operation.awaited = awaited = Awaited(upstream_id, now, self.clock.time(now))
        self._witness.asked(operation)
        if isinstance(step, Stream):
            operation.record.pages += 1
            awaited.stream = upstream.streams[upstream_id] = self._entries.stream(operation, step)
        self._output.command(SendToServer(encode(LDAPMessage(upstream_id, step.request, step.controls))))

    def give_up(self, operation: Operation, reason: Reason | None = None) -> None:
        """Tells the server that an answer is no longer wanted; what still comes is dropped. reason: why the operation
        fails; None where it does not."""
        if reason is not None:
            self._witness.failed(reason)
        upstream, awaited = self._upstream, operation.awaited
        if upstream is None or awaited is None:
            return
        upstream.release(awaited.upstream_id)
        if isinstance(operation.step, ServerStep) and not isinstance(operation.step.request, BindRequest):
            abandoned = AbandonRequest(awaited.upstream_id)
            self._output.command(SendToServer(encode(LDAPMessage(upstream.new_id(), abandoned))))

    def end_step(self, operation: Operation) -> None:
        """Nothing more of the server is awaited for the operation's step."""
        awaited = operation.awaited
        if awaited is None:
            return
        self._witness.ended(operation)
        awaited.note(operation.record, self.clock.time(self._standing.now))
        if self._upstream is not None:
            self._upstream.release(awaited.upstream_id)
        operation.awaited = None

    # Answers.

    def feed(self, data: bytes) -> None:
        """Octets of the server; next says what they mean."""
        self.clock.heard(self._standing.now)
        upstream = self._upstream
        if upstream is not None:
            upstream.patience = None
            upstream.framer.feed(data)

    def next(self) -> ServerEvent | None:
        """What follows from the octets that have come; None where more must come first."""
        behind, self._behind = self._behind, None
        if behind is not None:
            return behind
        upstream = self._upstream
        # What is said of one message may end the connection that it came on.
        while upstream is not None and upstream is self._upstream:
            try:
                message = self._entries.filter.relay(upstream.framer, upstream.streams, self._output.pieces)
                if message is None:
                    return None
                event = self._read(upstream, message)
            except MessageTooLarge as too_large:
                if too_large.message_id is None:
                    return None
                return self._too_large(upstream.owner(too_large.message_id), str(too_large))
            except DecodeError as error:
                return self._gone(Reason.server_undecodable, "the directory sent what is not LDAP", str(error))
            if event is not None:
                return event
        return None

    def _read(self, upstream: Upstream[Operation], data: bytes) -> ServerEvent | None:
        """What one message means. Raises DecodeError where it is none."""
        envelope = read_envelope(data)
        if envelope.message_id == 0:
            notice = decode_response(data).operation
            # RFC 4511 4.4: of the unsolicited notifications only the notice of disconnection means anything.
            if not isinstance(notice, messages.ExtendedResponse) or notice.oid != messages.NOTICE_OF_DISCONNECTION:
                return None
            return self.lost(f"notice of disconnection, result code {notice.result.code}", _CLOSED)
        operation = upstream.owner(envelope.message_id)
        if operation is None or operation.awaited is None:
            return None
        step, stream = operation.step, operation.awaited.stream
        if envelope.tag == messages.SEARCH_ENTRY and isinstance(step, Stream) and stream is not None:
            found = self._entries.relay(step, stream, data, envelope)
            if isinstance(found, Streamed):
                self.give_up(operation)
                return self._answered(operation, found)
            return None if found is None else Unusable(operation, found)
        try:
            response = decode_enveloped(data, envelope)
            answer = operation.answer(response)
        except DecodeError as error:
            answer = undecodable(error)
        else:
            if isinstance(step, Stream) and isinstance(response.operation, messages.SearchResultReference):
                self._entries.refer(operation, step, response.operation)
        if answer is None:
            return None
        if isinstance(answer, Refuse):
            # An error of its own for the look-up behind an accepted bind would show that the password was right.
            instead = operation.look_up_failed()
            return Unusable(operation, answer) if instead is None else self._answered(operation, instead)
        self._witness.answered(operation, answer, upstream, self._standing.now)
        return None if self._says_nothing(answer) else self._answered(operation, answer)

    def _says_nothing(self, answer: Answer) -> bool:
        """Whether a bind was answered with what says nothing of it, so that another server is asked."""
        if not isinstance(answer, BindResponse) or answer.result.code not in (ResultCode.busy, ResultCode.unavailable):
            return False
        return self._bind_again(answer, f"answered {result_name(answer.result.code)}")

    def _answered(self, operation: Operation, answer: Answer) -> Answered:
        self.end_step(operation)
        return Answered(operation, answer)

    def _too_large(self, operation: Operation | None, detail: str) -> ServerEvent:
        """One response is larger than may be held; behind it the server's stream cannot be read."""
        text = f"one response of the directory has more than {self._limits.response_message} octets"
        self.drop()
        gone = Gone(Reason.server_lost, f"the connection to the directory was given up: {text}", detail)
        if operation is None:
            return gone
        self._behind = gone
        return Unusable(operation, Refuse(Reason.response_too_large, ResultCode.adminLimitExceeded, text, detail))
