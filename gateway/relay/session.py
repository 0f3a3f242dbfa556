"""One session as a sans-I/O state machine: bytes and events in, commands out.

A session is one client connection and at most one server connection at a time, opened when a bind needs it.
Every method that reports an event takes the time of a monotonic clock in seconds and returns the commands
that follow from it, in order. The session never raises for anything that a peer does.
"""

from __future__ import annotations

from typing import cast

from gateway.ldap import messages
from gateway.ldap.controls import Control
from gateway.ldap.entries import HELD_BACK, RANGED
from gateway.ldap.errors import DecodeError
from gateway.ldap.framing import Framer
from gateway.ldap.messages import (
    AbandonRequest,
    BindRequest,
    LDAPMessage,
    Request,
    SearchRequest,
    UnbindRequest,
)
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.decision import AccountKind, AncestorPlan, Refuse, RootDsePlan, SearchPlan
from gateway.policy.operations import decide_operation
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.policy.shrink import Remembered, Shape
from gateway.relay.aside import Room
from gateway.relay.audit import AuditRecord, describe
from gateway.relay.binding import bind_steps
from gateway.relay.commands import (
    Audit,
    CloseClient,
    CloseServer,
    Command,
    ConnectServer,
    RecallSizes,
    SendToServer,
    StartTls,
    StoreSizes,
)
from gateway.relay.operation import Operation
from gateway.relay.output import Output
from gateway.relay.paging import PagedSearches, ServerFacts
from gateway.relay.searching import SearchContext, ancestor_steps, search_steps
from gateway.relay.settings import SessionLimits
from gateway.relay.steps import (
    Account,
    Answer,
    AwaitTurn,
    Deliver,
    Outcome,
    ReadSizes,
    Ready,
    ServerStep,
    Steps,
    Stream,
    Streamed,
)
from gateway.relay.upstream import Upstream

# What may wait in the client's framer while a bind runs before reading from the client pauses, in octets.
PIPELINED_OCTETS = 65_536


class Session:
    """session_id, source: for the audit records. facts: of the directory's servers, shared by its sessions.
    tls: the connection is encrypted already. needs_tls: nothing is served before StartTLS."""

    def __init__(
        self,
        session_id: str,
        source: str,
        policy: Policy,
        limits: SessionLimits,
        facts: ServerFacts,
        now: float,
        *,
        tls: bool,
        needs_tls: bool = False,
    ) -> None:
        self.session_id = session_id
        self.policy = policy
        self._source = source
        self._limits = limits
        self._facts = facts
        self._now = now
        self._tls = tls
        self._needs_tls = needs_tls
        self._client = Framer(limits.message_before_bind)
        self._upstream: Upstream[Operation] | None = None
        self._open: dict[int, Operation] = {}
        self._binding: Operation | None = None
        self._account: Account | None = None
        self._paged = PagedSearches()
        self._room = Room(limits.expanded_entry)
        # Operations that want the turn: the first one has it.
        self._turns: list[Operation] = []
        self._output = Output()
        self._closed = False
        self._draining = False
        self._first_request_by: float | None = now + limits.first_request
        self._last_request = now
        self._last_server_octet = now
        self._held_since: float | None = None

    # What the holder of the connections may ask.

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def reads_client(self) -> bool:
        """Whether more from the client is wanted now: not while a bind runs and enough waits behind it."""
        return self._binding is None or self._client.buffered() < PIPELINED_OCTETS

    def deadline(self) -> float | None:
        """When tick must be called, unless an event comes earlier; None for never."""
        if self._closed:
            return None
        if self._first_request_by is not None:
            return self._first_request_by
        if not self._open:
            return self._last_request + self._limits.idle
        waits = [until for until in map(self._answer_due, self._open.values()) if until is not None]
        return min(waits) if waits else None

    # Events.

    def client_data(self, data: bytes, now: float) -> list[Command]:
        self._now = now
        if not self._closed:
            self._client.feed(data)
            self._pull()
        return self._flush()

    def client_lost(self, now: float) -> list[Command]:
        """The client connection is gone, whoever ended it."""
        self._now = now
        if not self._closed:
            self._end_silently(Reason.client_gone)
        return self._flush()

    def server_connected(self, url: str, now: float) -> list[Command]:
        """The server connection is open and its TLS verified."""
        self._now = now
        upstream = self._upstream
        if upstream is not None and not upstream.connected:
            upstream.connected = True
            upstream.url = url
            self._last_server_octet = now
            for operation in list(self._open.values()):
                if isinstance(operation.step, ServerStep) and operation.upstream_id is None:
                    self._send_step(operation, operation.step, upstream)
        return self._flush()

    def server_failed(self, detail: str, now: float) -> list[Command]:
        """No server of the directory could be reached."""
        self._now = now
        self._server_gone(Reason.server_unreachable, "no server of the directory could be reached", detail)
        self._pull()
        return self._flush()

    def server_data(self, data: bytes, now: float) -> list[Command]:
        self._now = self._last_server_octet = now
        upstream = self._upstream
        if upstream is not None:
            upstream.framer.feed(data)
        # An answer may end the connection that it came on, so it is looked at anew each time.
        while upstream is not None and upstream is self._upstream:
            try:
                message = upstream.framer.next_message()
                if message is None:
                    break
                self._from_server(upstream, message)
            except DecodeError as error:
                self._server_gone(Reason.server_undecodable, "the directory sent what is not LDAP", str(error))
        self._pull()
        return self._flush()

    def server_lost(self, detail: str, now: float) -> list[Command]:
        """The server connection is gone, and the session had not asked for that."""
        self._now = now
        self._server_gone(Reason.server_lost, "the connection to the directory was lost", detail)
        self._pull()
        return self._flush()

    def server_held(self, now: float) -> list[Command]:
        """Reading from the server pauses because the client cannot keep up; its silence is not its fault."""
        if self._held_since is None:
            self._held_since = now
        return []

    def server_released(self, now: float) -> list[Command]:
        """Reading from the server goes on."""
        if self._held_since is not None:
            self._last_server_octet += now - self._held_since
            self._held_since = None
        return []

    def sizes_recalled(self, shape: Shape, remembered: Remembered, now: float) -> list[Command]:
        """What RecallSizes asked for."""
        self._now = now
        for operation in list(self._open.values()):
            if isinstance(operation.step, ReadSizes) and operation.step.shape is shape:
                self._proceed(operation, operation.resume(remembered))
        self._pull()
        return self._flush()

    def tick(self, now: float) -> list[Command]:
        """The deadline has come."""
        self._now = now
        due = self.deadline()
        if due is None or due > now:
            return []
        if self._first_request_by is not None:
            self._disconnect(ResultCode.unavailable, Reason.first_request_timeout, "no request came in time")
        elif not self._open:
            self._disconnect(ResultCode.unavailable, Reason.idle, "no request for a long time")
        else:
            self._server_gone(Reason.server_silent, "the directory did not answer in time", "")
        return self._flush()

    def stop(self, now: float) -> list[Command]:
        """No new requests from here on; the session closes itself once the open operations are answered."""
        self._now = now
        if not self._closed:
            self._draining = True
            self._close_if_drained()
        return self._flush()

    def abort(self, reason: Reason, text: str, now: float) -> list[Command]:
        """Ends every open operation with an error, and the session with it."""
        self._now = now
        if not self._closed:
            self._disconnect(ResultCode.unavailable, reason, text)
        return self._flush()

    # The client's side.

    def _pull(self) -> None:
        """Handles what the client has sent, until more must arrive or a bind must end first (RFC 4511 4.2.1)."""
        while not self._closed and self._binding is None:
            try:
                data = self._client.next_message()
                if data is None:
                    return
                message = messages.decode_request(data, self._limits.request)
            except DecodeError as error:
                self._malformed(str(error))
                return
            self._first_request_by = None
            self._last_request = self._now
            self._from_client(message)

    def _malformed(self, detail: str) -> None:
        record = self._record("malformed", 0)
        record.detail = detail
        self._audit(record, "refuse", Reason.message_malformed, ResultCode.protocolError)
        self._disconnect(ResultCode.protocolError, Reason.message_malformed, detail)

    def _from_client(self, message: LDAPMessage) -> None:
        request = cast(Request, message.operation)  # decode_request gives nothing else
        if message.message_id == 0 or message.message_id in self._open:
            self._malformed("a message ID that is 0 or still in use")
            return
        if isinstance(request, UnbindRequest):
            self._audit(self._record("unbind", message.message_id), "", None, None)
            self._end_silently(Reason.client_gone)
            return
        if isinstance(request, AbandonRequest):
            self._abandon(message.message_id, request)
            return
        if isinstance(request, BindRequest):
            # RFC 4511 4.2.1: what is open ends first, and the session is anonymous until the bind succeeds.
            self._supersede()
            self._paged.clear()
            self._account = None
        operation = Operation(message.message_id, request, describe(self._record("", message.message_id), request))
        refusal = self._decide_operation(request, message.controls)
        if refusal is not None:
            self._refuse(operation, refusal)
        elif isinstance(request, BindRequest):
            self._bind(operation, request)
        elif isinstance(request, SearchRequest):
            self._search(operation, request, message.controls)
        else:
            self._start_tls(operation)

    def _decide_operation(self, request: Request, controls: tuple[Control, ...]) -> Refuse | None:
        if self._draining:
            return Refuse(Reason.stopping, ResultCode.unavailable, f"{Reason.stopping}: the gateway is stopping")
        bound_as = self._account.kind if self._account is not None else None
        refusal = decide_operation(request, controls, bound_as, self._needs_tls and not self._tls)
        if refusal is None and len(self._open) >= self._limits.operations:
            text = f"{Reason.too_many_operations}: {self._limits.operations} operations of this session are open"
            return Refuse(Reason.too_many_operations, ResultCode.busy, text)
        return refusal

    def _bind(self, operation: Operation, request: BindRequest) -> None:
        decision = self.policy.bind.decide(request)
        if isinstance(decision, Refuse):
            self._refuse(operation, decision)
            return
        operation.record.account = decision.request.name
        operation.record.sync_bind = decision.kind is AccountKind.sync
        self._binding = operation
        self._begin(operation, bind_steps(self.policy, decision))

    def _search(self, operation: Operation, request: SearchRequest, controls: tuple[Control, ...]) -> None:
        decision = self.policy.search.decide(request, controls)
        if isinstance(decision, Refuse):
            self._refuse(operation, decision)
            return
        operation.record.held_back = decision.held_back
        if isinstance(decision, RootDsePlan):
            self._answer_root_dse(operation, decision)
        elif isinstance(decision, AncestorPlan):
            operation.record.forwarded = decision.request.attributes
            self._begin(operation, ancestor_steps(self.policy, decision))
        else:
            self._forward_search(operation, decision)

    def _forward_search(self, operation: Operation, plan: SearchPlan) -> None:
        operation.record.forwarded = plan.parts[0].attributes
        operation.record.reported = tuple(plan.reported)
        if plan.narrowed:
            operation.record.narrowed_to = tuple(part.base for part in plan.parts)
        server = self._upstream.url if self._upstream is not None else ""
        context = SearchContext(self._paged, self._room, self._facts, server)
        self._begin(operation, search_steps(self.policy, plan, context))

    def _answer_root_dse(self, operation: Operation, plan: RootDsePlan) -> None:
        if plan.entry is not None:
            operation.record.sent = 1
            self._send_client(operation, messages.encode(LDAPMessage(operation.message_id, plan.entry)))
        self._finish(operation, Outcome(LDAPResult(ResultCode.success)))

    def _start_tls(self, operation: Operation) -> None:
        """RFC 4511 4.14: only on a connection without TLS, with nothing open and nothing sent behind it."""
        if self._tls or self._open:
            text = f"{Reason.starttls_out_of_order}: TLS is established already, or operations are open"
            self._refuse(operation, Refuse(Reason.starttls_out_of_order, ResultCode.operationsError, text))
            return
        if self._client.buffered():
            # It would be read as if it had come through TLS.
            self._malformed("plain data behind a StartTLS request")
            return
        result = messages.ExtendedResponse(LDAPResult(ResultCode.success), messages.START_TLS)
        self._send_client(operation, messages.encode(LDAPMessage(operation.message_id, result)))
        self._audit(operation.record, "permit", None, ResultCode.success)
        self._tls = True
        self._first_request_by = self._now + self._limits.first_request
        self._output.command(StartTls())

    def _abandon(self, message_id: int, request: AbandonRequest) -> None:
        self._audit(self._record("abandon", message_id), "", None, None)
        operation = self._open.get(request.message_id)
        if operation is not None:
            self._give_up(operation)
            self._close_operation(operation, Reason.abandoned, None)

    def _refuse(self, operation: Operation, refusal: Refuse) -> None:
        if isinstance(operation.request, BindRequest):
            # The server connection may carry the identity of an earlier bind, which this session has lost.
            self._drop_server()
        record = operation.record
        record.decision = "refuse"
        self._finish(
            operation,
            Outcome(LDAPResult(refusal.code, "", refusal.text), reason=refusal.reason, detail=refusal.detail),
        )

    # Operations.

    def _begin(self, operation: Operation, steps: Steps) -> None:
        operation.record.decision = "permit"
        self._open[operation.message_id] = operation
        outcome = operation.begin(steps)
        self._proceed(operation, outcome)

    def _proceed(self, operation: Operation, outcome: Outcome | None) -> None:
        """Takes the operation's next steps, up to one that must wait for its answer, or to its outcome."""
        while outcome is None:
            step = operation.step
            if isinstance(step, Deliver):
                operation.record.sent += 1
                self._send_client(operation, messages.encode(LDAPMessage(operation.message_id, step.entry)))
                outcome = operation.resume(Ready())
                continue
            if isinstance(step, AwaitTurn):
                self._turns.append(operation)
            elif isinstance(step, ReadSizes):
                self._output.command(RecallSizes(step.shape))
            elif step is not None:
                self._ask_server(operation, step)
            return
        self._finish(operation, outcome)

    def _give_turn(self) -> None:
        """Not as soon as an operation ends: others may be about to end with it."""
        while self._turns and isinstance(self._turns[0].step, AwaitTurn):
            self._proceed(self._turns[0], self._turns[0].resume(Ready()))

    def _ask_server(self, operation: Operation, step: ServerStep) -> None:
        if self._upstream is None:
            self._upstream = Upstream(self._limits.response_message)
            self._output.command(ConnectServer())
        elif self._upstream.connected:
            self._send_step(operation, step, self._upstream)

    def _send_step(self, operation: Operation, step: ServerStep, upstream: Upstream[Operation]) -> None:
        if not self._waits_for_server():
            self._last_server_octet = self._now
        operation.record.server = upstream.url
        operation.upstream_id = upstream.register(operation)
        operation.asked_at = self._now
        controls = step.controls if isinstance(step, Stream) else ()
        if isinstance(step, Stream):
            operation.record.pages += 1
        data = messages.encode(LDAPMessage(operation.upstream_id, step.request, controls))
        self._output.command(SendToServer(data))

    def _finish(self, operation: Operation, outcome: Outcome) -> None:
        """Gives the operation's one final answer."""
        if operation is self._binding:
            self._account = outcome.account
            self._client.limit = self._limits.message_after_bind
            if outcome.account is None:
                self._client.limit = self._limits.message_before_bind
            if outcome.server_bound:
                self._drop_server()
        operation.record.detail = operation.record.detail or outcome.detail
        operation.record.reported = (*operation.record.reported, *outcome.reported)
        if outcome.sizes is not None:
            self._output.command(StoreSizes(*outcome.sizes))
        response = messages.final_response(operation.request, outcome.result)
        if response is not None:
            data = messages.encode(LDAPMessage(operation.message_id, response, outcome.controls))
            self._send_client(operation, data)
        self._close_operation(operation, outcome.reason, outcome.result.code)

    def _close_operation(self, operation: Operation, reason: Reason | None, code: int | None) -> None:
        operation.end()
        if self._upstream is not None and operation.upstream_id is not None:
            self._upstream.release(operation.upstream_id)
        self._open.pop(operation.message_id, None)
        if operation is self._binding:
            self._binding = None
        if operation in self._turns:
            self._turns.remove(operation)
        self._last_request = self._now
        self._audit(operation.record, operation.record.decision, reason, code)
        self._close_if_drained()

    def _fail(self, operation: Operation, reason: Reason, code: int, text: str, detail: str) -> None:
        """Ends an operation with an error of the gateway's own; never with a short success."""
        self._give_up(operation)
        result = LDAPResult(code, "", f"{reason}: {text}; the result is not complete")
        self._finish(operation, Outcome(result, reason=reason, detail=detail, server_bound=True))

    def _give_up(self, operation: Operation) -> None:
        """Tells the server that an answer is no longer wanted; what still comes is dropped."""
        upstream = self._upstream
        if upstream is None or operation.upstream_id is None:
            return
        upstream.release(operation.upstream_id)
        if isinstance(operation.step, ServerStep) and not isinstance(operation.step.request, BindRequest):
            abandoned = AbandonRequest(operation.upstream_id)
            self._output.command(SendToServer(messages.encode(LDAPMessage(upstream.new_id(), abandoned))))

    def _supersede(self) -> None:
        text = f"{Reason.superseded_by_bind}: a bind on this connection ended the operation; its result is not complete"
        for operation in list(self._open.values()):
            self._give_up(operation)
            result = LDAPResult(ResultCode.operationsError, "", text)
            self._finish(operation, Outcome(result, reason=Reason.superseded_by_bind))

    # The server's side.

    def _from_server(self, upstream: Upstream[Operation], data: bytes) -> None:
        envelope = messages.read_envelope(data)
        if envelope.message_id == 0:
            self._notified(data)
            return
        operation = upstream.owner(envelope.message_id)
        if operation is None:
            return
        step = operation.step
        if envelope.tag == messages.SEARCH_ENTRY and isinstance(step, Stream):
            self._relay_entry(operation, step, data, envelope)
            return
        try:
            response = messages.decode_response(data)
            answer = operation.answer(response)
        except DecodeError as error:
            self._undecodable(operation, error)
            return
        if isinstance(step, Stream) and isinstance(response.operation, messages.SearchResultReference):
            self._relay_reference(operation, response.operation)
        elif isinstance(answer, Refuse):
            self._fail(operation, answer.reason, answer.code, answer.text, answer.detail)
        elif answer is not None:
            self._step_answered(operation, answer)

    def _step_answered(self, operation: Operation, answer: Answer) -> None:
        if self._upstream is not None and operation.upstream_id is not None:
            self._upstream.release(operation.upstream_id)
        operation.upstream_id = None
        self._proceed(operation, operation.resume(answer))

    def _relay_entry(self, operation: Operation, step: Stream, data: bytes, envelope: messages.Envelope) -> None:
        operation.record.received += 1
        operation.received += 1
        try:
            rewritten = self.policy.entry_filter.rewrite(
                data, envelope, operation.message_id, step.tally, ranges=step.aside is None
            )
        except DecodeError as error:
            self._undecodable(operation, error)
            return
        if rewritten == HELD_BACK:
            return
        if step.most is not None and operation.passed >= step.most:
            self._give_up(operation)
            result = LDAPResult(ResultCode.sizeLimitExceeded)
            self._step_answered(operation, Streamed(result, over_limit=True))
            return
        operation.passed += 1
        if rewritten != RANGED:
            operation.record.sent += 1
            self._send_client(operation, rewritten)
        elif step.aside is not None and not step.aside.add(data):
            text = f"entries with ranged attributes need more than {self._limits.expanded_entry} octets"
            self._fail(operation, Reason.expanded_entry_too_large, ResultCode.adminLimitExceeded, text, "")

    def _relay_reference(self, operation: Operation, reference: messages.SearchResultReference) -> None:
        uris = self.policy.entries.keep_references(reference.uris)
        if not uris:
            operation.record.references_dropped += 1
            return
        passed = messages.SearchResultReference(uris)
        self._send_client(operation, messages.encode(LDAPMessage(operation.message_id, passed)))

    def _undecodable(self, operation: Operation, error: DecodeError) -> None:
        text = "the directory sent an answer that cannot be read"
        self._fail(operation, Reason.server_undecodable, ResultCode.unavailable, text, str(error))

    def _notified(self, data: bytes) -> None:
        """RFC 4511 4.4: of the unsolicited notifications only the notice of disconnection means anything."""
        response = messages.decode_response(data).operation
        if isinstance(response, messages.ExtendedResponse) and response.oid == messages.NOTICE_OF_DISCONNECTION:
            detail = f"notice of disconnection, result code {response.result.code}"
            self._server_gone(Reason.server_lost, "the directory closed the connection", detail)

    def _server_gone(self, reason: Reason, text: str, detail: str) -> None:
        """RFC 4511 4.4.1: every open operation is answered, then the client is told and disconnected."""
        if self._closed or self._upstream is None:
            return
        self._drop_server()
        for operation in list(self._open.values()):
            self._fail(operation, reason, ResultCode.unavailable, text, detail)
        self._disconnect(ResultCode.unavailable, reason, text)

    def _answer_due(self, operation: Operation) -> float | None:
        """When the server's answer to an operation's step is overdue; None while it is connecting, which has a
        time limit of its own, and while reading from the server pauses."""
        if operation.upstream_id is None:
            return None
        if isinstance(operation.step, Stream):
            return None if self._held_since is not None else self._last_server_octet + self._limits.silence
        return operation.asked_at + self._limits.bind

    def _waits_for_server(self) -> bool:
        return any(operation.upstream_id is not None for operation in self._open.values())

    def _drop_server(self) -> None:
        upstream, self._upstream = self._upstream, None
        self._held_since = None
        self._paged.clear()
        if upstream is None:
            return
        if upstream.connected:
            self._output.command(SendToServer(messages.encode(LDAPMessage(upstream.new_id(), UnbindRequest()))))
        self._output.command(CloseServer())

    # The end.

    def _close_if_drained(self) -> None:
        if self._draining and not self._open and not self._closed:
            self._disconnect(ResultCode.unavailable, Reason.stopping, "the gateway is stopping")

    def _disconnect(self, code: ResultCode, reason: Reason, text: str) -> None:
        """Answers what is open, sends the notice of disconnection (RFC 4511 4.4.1) and closes both sides."""
        if self._closed:
            return
        self._closed = True
        for operation in list(self._open.values()):
            self._fail(operation, reason, ResultCode.unavailable, text, "")
        self._drop_server()
        self._output.send(messages.encode(messages.notice_of_disconnection(code, f"{reason}: {text}")))
        self._output.command(CloseClient())

    def _end_silently(self, reason: Reason) -> None:
        """The client wants no more answers: unbind, or a lost connection."""
        self._closed = True
        for operation in list(self._open.values()):
            self._close_operation(operation, reason, None)
        self._drop_server()
        self._output.command(CloseClient())

    # Output.

    def _send_client(self, operation: Operation, data: bytes) -> None:
        operation.record.octets += len(data)
        self._output.send(data)

    def _flush(self) -> list[Command]:
        self._give_turn()
        return self._output.take()

    def _record(self, operation: str, message_id: int) -> AuditRecord:
        record = AuditRecord(
            session=self.session_id,
            client=self.policy.settings.name,
            source=self._source,
            operation=operation,
            message_id=message_id,
            started=self._now,
        )
        if self._account is not None:
            record.account = self._account.name
        return record

    def _audit(self, record: AuditRecord, decision: str, reason: Reason | None, code: int | None) -> None:
        record.decision = decision
        record.reason = reason.value if reason is not None else ""
        record.code = code
        record.seconds = self._now - record.started
        self._output.command(Audit(record))

