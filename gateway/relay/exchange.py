"""The operations of a session, and the server connection that they share.

Knows in which order an operation's steps are taken, which answer of the server belongs to which step, and that every
operation ends in one final answer. What a bind means, and when the session itself ends, is for the session to say.
"""

from __future__ import annotations

from math import inf

from gateway.ldap import messages
from gateway.ldap.errors import DecodeError, MessageTooLarge
from gateway.ldap.messages import AbandonRequest, BindRequest, BindResponse, LDAPMessage, UnbindRequest
from gateway.ldap.results import LDAPResult, ResultCode, result_name
from gateway.policy.decision import AncestorPlan, Refuse, SearchPlan
from gateway.policy.lockout import Verdict
from gateway.policy.policy import Policy
from gateway.policy.reasons import REASONS, Reason
from gateway.relay.aside import Room
from gateway.relay.bind_answer import bind_answer
from gateway.relay.commands import CloseServer, ConnectServer, PoseQuestion, SendToServer
from gateway.relay.entry_relay import EntryRelay, undecodable
from gateway.relay.load import SessionLoad, weight_of_plan
from gateway.relay.operation import Operation
from gateway.relay.operations import Operations
from gateway.relay.output import Output
from gateway.relay.owner import Owner
from gateway.relay.paging import PagedSearches, ServerFacts
from gateway.relay.questions import AdmitAttempt, Admitted, AttemptEnded, Notice, Question, Reply, StoreSizes
from gateway.relay.searching import SearchContext, ancestor_steps, search_steps
from gateway.relay.server_clock import ServerClock
from gateway.relay.settings import SessionLimits
from gateway.relay.steps import (
    Answer,
    Ask,
    AwaitTurn,
    Deliver,
    Outcome,
    Ready,
    Resume,
    ServerStep,
    Steps,
    Stream,
    Streamed,
)
from gateway.relay.upstream import Upstream
from gateway.relay.witness import Witness


class Exchange:
    """operations: that have not ended; open: those that do not wait, by message ID. now: seconds, as of the session."""

    def __init__(
        self,
        policy: Policy,
        limits: SessionLimits,
        facts: ServerFacts,
        load: SessionLoad,
        output: Output,
        owner: Owner,
        now: float,
    ) -> None:
        self._search_patience = min(limits.search, policy.settings.time_limit or inf)
        self.operations = Operations(limits.operations, self._search_patience, load)
        self.open = self.operations.open
        self.now = now
        # Why nobody waits for answers any more; None as long as somebody does.
        self._deserted: Reason | None = None
        self._policy = policy
        self._limits = limits
        self._facts = facts
        self._output = output
        self._owner = owner
        self._witness = Witness(output)
        self._upstream: Upstream[Operation] | None = None
        self._paged = PagedSearches(load)
        self._room = Room(limits.expanded_entry)
        self._entries = EntryRelay(policy, limits, facts.bases, output)
        # Operations that want the turn: the first one has it.
        self._turns: list[Operation] = []
        self._clock = ServerClock(now)

    def deadline(self) -> float | None:
        """When an awaited answer is overdue, an operation too late, or a refused bind may be answered; None: never."""
        first, ends_by = self._answers_due(), self.operations.ends_by()
        return ends_by if first is None else first if ends_by is None else min(first, ends_by)

    def expire(self) -> None:
        """The deadline has come."""
        due = self._answers_due()
        if due is not None and due <= self.now:
            silent = "the directory did not answer in time"
            # A connection that was kept ready may be a dead one.
            kept = self._upstream is not None and self._upstream.patience is not None
            if not kept or not self._bind_again(None, silent):
                self.server_gone(Reason.server_silent, silent, "")
        for operation in self.operations.overdue(self.now):
            if operation.withheld is not None:
                self._answer_client(operation, operation.withheld)
                continue
            reason, code = Reason.search_timeout, ResultCode.timeLimitExceeded
            if isinstance(operation.step, Question) and operation.step.late is not None:
                reason, code = operation.step.late, ResultCode.busy
            self._fail(operation, reason, code, REASONS[reason].meaning, "")

    # The server connection.

    def connected(self, url: str, patience: float | None) -> None:
        upstream = self._upstream
        if upstream is not None and not upstream.connected:
            upstream.connected = True
            upstream.url = url
            upstream.patience = patience
            self._clock.heard(self.now)
            for operation in list(self.open.values()):
                if isinstance(operation.step, ServerStep) and operation.upstream_id is None:
                    self._send_step(operation, operation.step, upstream)

    def received(self, data: bytes) -> None:
        self._clock.heard(self.now)
        upstream = self._upstream
        if upstream is not None:
            upstream.patience = None
            upstream.framer.feed(data)
        # An answer may end the connection that it came on, so it is looked at anew each time.
        while upstream is not None and upstream is self._upstream:
            try:
                message = self._entries.filter.relay(upstream.framer, upstream.streams, self._output.pieces)
                if message is None:
                    break
                self._from_server(upstream, message)
            except MessageTooLarge as too_large:
                if too_large.message_id is None:
                    break
                self._too_large(upstream.owner(too_large.message_id), str(too_large))
            except DecodeError as error:
                self.server_gone(Reason.server_undecodable, "the directory sent what is not LDAP", str(error))

    def _too_large(self, operation: Operation | None, detail: str) -> None:
        """One response is larger than may be held; behind it the server's stream cannot be read."""
        text = f"one response of the directory has more than {self._limits.response_message} octets"
        self.drop_server()
        if operation is not None:
            self._fail(operation, Reason.response_too_large, ResultCode.adminLimitExceeded, text, detail)
        self._without_server(Reason.server_lost, f"the connection to the directory was given up: {text}", detail)

    def hold(self) -> None:
        """Reading from the server pauses because the client cannot keep up."""
        self._clock.hold(self.now)

    def release(self) -> None:
        """Reading from the server goes on."""
        self._clock.release(self.now)

    def server_lost(self, text: str, detail: str) -> None:
        """The connection ended, and nobody here wanted that."""
        if not self._bind_again(None, detail):
            self.server_gone(Reason.server_lost, text, detail)

    def unreachable(self, text: str, detail: str) -> None:
        """No server could be connected to."""
        for operation in list(self.open.values()):
            if operation.first_answer is not None:
                # The bind was to be tried elsewhere, and cannot be: this is what the directory says of it.
                self._upstream = None
                self._step_answered(operation, operation.first_answer)
                return
        self.server_gone(Reason.server_unreachable, text, detail)

    def _bind_again(self, answer: BindResponse | None, why: str) -> bool:
        """Sends a bind once more, rather to another server. answer: that of this one, None where there was none. False
        where that may not be: a server that has said anything of the password may have counted it, and one that was
        silent too; one more attempt is all that a client's single one may cost."""
        upstream = self._upstream
        # While a bind runs nothing else is open.
        operation = next(iter(self.open.values()), None)
        if self._deserted is not None or operation is None or operation.sent_again or operation.upstream_id is None:
            return False
        step = operation.step
        if not isinstance(step, Ask) or not isinstance(step.request, BindRequest):
            return False
        if upstream is None or upstream.framer.buffered():
            return False
        operation.sent_again = True
        operation.first_answer = answer
        operation.record.detail = f"{upstream.url}: {why}; sent once more"
        self._witness.sent_again(answer)
        self._end_step(operation)
        self.drop_server()
        self._upstream = Upstream(self._limits.response_message)
        self._output.command(ConnectServer(upstream.url, others_only=answer is not None))
        return True

    def server_gone(self, reason: Reason, text: str, detail: str) -> None:
        """Answers every open operation with an error, then tells the session."""
        if self._upstream is not None:
            self._witness.gone(reason, self.open.values(), self._upstream, self.now)
            self.drop_server()
            self._without_server(reason, text, detail)

    def _without_server(self, reason: Reason, text: str, detail: str) -> None:
        self.fail_all(reason, text, detail)
        self._owner.server_gone(reason, text)

    def drop_server(self) -> None:
        """Closes the connection to the server, or gives up connecting."""
        upstream, self._upstream = self._upstream, None
        self.release()
        self._paged.clear()
        if upstream is None:
            return
        if upstream.connected:
            self._output.command(SendToServer(messages.encode(LDAPMessage(upstream.new_id(), UnbindRequest()))))
        self._output.command(CloseServer())

    # Operations.

    def search(self, operation: Operation, plan: SearchPlan) -> None:
        operation.record.forwarded = plan.parts[0].attributes
        operation.record.reported = tuple(plan.reported)
        operation.record.mended = plan.mended
        operation.record.suspicious = plan.suspicious
        if plan.narrowed:
            operation.record.narrowed_to = tuple(part.base for part in plan.parts)
        operation.weight += weight_of_plan(plan)
        operation.ends_by = self.now + self._search_patience
        self.begin(operation, search_steps(self._policy, plan, self._context(operation)))

    def read_ancestor(self, operation: Operation, plan: AncestorPlan) -> None:
        operation.record.forwarded = plan.request.attributes
        operation.record.mended = plan.mended
        self.begin(operation, ancestor_steps(self._policy, plan, self._context(operation)))

    @property
    def server(self) -> str:
        """The URL of the server that the session is connected to; "" for none."""
        return self._upstream.url if self._upstream is not None else ""

    def _context(self, operation: Operation) -> SearchContext:
        return SearchContext(
            self._paged, self._room, self._facts, self.server, operation.record.account, operation.weight
        )

    def begin(self, operation: Operation, steps: Steps, decision: str = "permit") -> None:
        operation.record.decision = decision
        if self.operations.enter(operation, steps, self.now):
            self._proceed(operation, operation.begin(steps))

    def _proceed(self, operation: Operation, outcome: Outcome | None) -> None:
        """Takes the operation's next steps, up to one that must wait for its answer, or to its outcome."""
        while outcome is None:
            step = operation.step
            if isinstance(step, Deliver):
                if self._ends(operation, self._entries.deliver(operation, step)):
                    return
                outcome = operation.resume(Ready())
                continue
            if isinstance(step, Resume):
                answer = self._entries.resume(operation, step)
                if not isinstance(answer, Streamed):
                    self._ends(operation, answer)
                    return
                outcome = operation.resume(answer)
                continue
            if isinstance(step, ServerStep):
                self._ask_server(operation, step)
            elif isinstance(step, AwaitTurn):
                self._turns.append(operation)
            elif isinstance(step, Notice):
                self._output.command(step)
                if isinstance(step, AttemptEnded):
                    operation.attempts.remove(step.account)
                outcome = operation.resume(Ready())
                continue
            elif step is not None:
                self._pose(operation, step)
            return
        self.finish(operation, outcome)

    def _pose(self, operation: Operation, question: Question) -> None:
        if question.late is not None:
            operation.ends_by = self.now + self._limits.bind
        self._output.command(PoseQuestion(self.operations.pose(operation, question), question))

    def answered(self, key: int, reply: Reply) -> None:
        """The reply to the question of this key."""
        operation, question = self.operations.replied(key)
        if operation.step is question:
            if question.late is not None:
                operation.ends_by = None
            if isinstance(question, AdmitAttempt) and isinstance(reply, Admitted) and reply.refusal is None:
                operation.attempts.append(question.account)
            self._proceed(operation, operation.resume(reply))
        elif (notice := question.unwanted(reply)) is not None:
            self._output.command(notice)

    def go_on(self) -> None:
        """Begins what waits, and gives the turn; not as soon as an operation ends, because others may end with it."""
        while True:
            while (waiting := self.operations.next()) is not None:
                self._proceed(waiting[0], waiting[0].begin(waiting[1]))
            if not self._turns or not isinstance(self._turns[0].step, AwaitTurn):
                return
            self._proceed(self._turns[0], self._turns[0].resume(Ready()))

    def _ask_server(self, operation: Operation, step: ServerStep) -> None:
        if self._upstream is None:
            self._upstream = Upstream(self._limits.response_message)
            self._output.command(ConnectServer())
        elif self._upstream.connected:
            self._send_step(operation, step, self._upstream)

    def _send_step(self, operation: Operation, step: ServerStep, upstream: Upstream[Operation]) -> None:
        if not self._waits_for_server():
            self._clock.heard(self.now)
        operation.record.server = upstream.url
        operation.upstream_id = upstream.register(operation)
        operation.asked_at = self.now
        operation.waits_since = self._clock.time(self.now)
        self._witness.asked(operation)
        if isinstance(step, Stream):
            operation.record.pages += 1
            operation.stream = upstream.streams[operation.upstream_id] = self._entries.stream(operation, step)
        data = messages.encode(LDAPMessage(operation.upstream_id, step.request, step.controls))
        self._output.command(SendToServer(data))

    def finish(self, operation: Operation, outcome: Outcome) -> None:
        """Ends an operation with its one final answer, which is sent at once, or at the floor of a refused bind."""
        if outcome.guarded_for is not None:
            operation.record.decision = "refuse"
            operation.record.guarded_for = outcome.guarded_for
        if self._deserted is not None:
            self._finish_unheard(operation, outcome, self._deserted)
            return
        if isinstance(operation.request, BindRequest) and outcome.account is None:
            # The session is anonymous now (RFC 4511 4.2.1), so the connection must not keep anybody's identity. It goes
            # after a wrong password as well: else the next bind would be faster there, and tell the two apart.
            self.drop_server()
            if outcome.result.code == ResultCode.invalidCredentials and self._withhold(operation, outcome):
                return
        self._answer_client(operation, outcome)

    def _finish_unheard(self, operation: Operation, outcome: Outcome, why: Reason) -> None:
        """Ends an operation of which nobody is told. The audit says how it ended as well as why."""
        operation.record.add_detail(outcome.detail)
        if outcome.reason is not None:
            operation.record.add_detail(REASONS[why].meaning)
        self._close_operation(operation, outcome.reason or why, None)
        if not self.open:
            self.drop_server()

    def _withhold(self, operation: Operation, outcome: Outcome) -> bool:
        """Keeps a refused bind open until its floor, so that nobody learns from the time how far it came. False where
        that has passed already."""
        floor = operation.record.started + self._limits.refusal_floor
        if floor <= self.now:
            return False
        self._end_step(operation)
        operation.withheld = outcome
        operation.ends_by = floor
        self.operations.stay(operation)
        return True

    def _answer_client(self, operation: Operation, outcome: Outcome) -> None:
        self._owner.operation_ends(operation, outcome)
        operation.record.add_detail(outcome.detail)
        if outcome.reported:
            operation.record.reported = (*operation.record.reported, *outcome.reported)
        operation.record.more = outcome.more
        if outcome.sizes is not None:
            self._output.command(StoreSizes(*outcome.sizes))
        response = messages.final_response(operation.request, outcome.result)
        if response is not None:
            controls = (*outcome.controls, *bind_answer(self._policy, operation, outcome))
            data = messages.encode(LDAPMessage(operation.message_id, response, controls))
            self.send(operation, data)
        self._close_operation(operation, outcome.reason, outcome.result.code)

    def _close_operation(self, operation: Operation, reason: Reason | None, code: int | None) -> None:
        sent = operation.upstream_id is not None or (operation.sent_again and operation.first_answer is None)
        operation.end()
        self._end_step(operation)
        withheld = operation.withheld
        if withheld is not None and withheld.reason is not None and withheld.reason is not reason:
            # Why the bind was refused says more than why nobody was told.
            operation.record.add_detail(withheld.detail)
            operation.record.add_detail("" if reason is None else REASONS[reason].meaning)
            reason = withheld.reason
        self.operations.leave(operation)
        if operation in self._turns:
            self._turns.remove(operation)
        if operation.attempts:
            # A stranger who has left may have made the server count a wrong password, though it did not answer in time.
            # A service that leaves because a server is slow must not find its account guarded for it.
            left = sent and self._deserted is not None and not any(one.sync for one in operation.attempts)
            for one in operation.attempts:
                self._output.command(AttemptEnded(one, Verdict.wrong if left else Verdict.neither))
            operation.attempts.clear()
        self._owner.operation_ended(operation, reason, code)

    def _fail(self, operation: Operation, reason: Reason, code: int, text: str, detail: str) -> None:
        """Ends an operation with an error of the gateway's own; never with a short success."""
        self._witness.failed(reason)
        self._give_up(operation)
        result = LDAPResult(code, "", f"{reason}: {text}; the result is not complete")
        self.finish(operation, Outcome(result, reason=reason, detail=detail))

    def _give_up(self, operation: Operation) -> None:
        """Tells the server that an answer is no longer wanted; what still comes is dropped."""
        upstream = self._upstream
        if upstream is None or operation.upstream_id is None:
            return
        upstream.release(operation.upstream_id)
        if isinstance(operation.step, ServerStep) and not isinstance(operation.step.request, BindRequest):
            abandoned = AbandonRequest(operation.upstream_id)
            self._output.command(SendToServer(messages.encode(LDAPMessage(upstream.new_id(), abandoned))))

    def fail_all(self, reason: Reason, text: str, detail: str = "") -> None:
        for operation in self.operations.all():
            self._fail(operation, reason, ResultCode.unavailable, text, detail)

    def abandon(self, operation: Operation, reason: Reason) -> None:
        """Ends it without an answer, which nobody waits for."""
        self._give_up(operation)
        self._close_operation(operation, reason, None)

    def desert(self, why: Reason) -> None:
        """Nobody waits for answers any more: ends everything but a bind that a server has been sent. What that server
        says of the password counts, whoever leaves before it does; else there would be no end of guesses."""
        self._deserted = why
        for operation in self.operations.all():
            if not _tries_password(operation):
                self.abandon(operation, why)
        if not self.open:
            self.drop_server()

    def tries_password(self) -> bool:
        """Whether a server has been sent a bind and not answered it."""
        return any(_tries_password(operation) for operation in self.open.values())

    def supersede(self) -> None:
        """RFC 4511 4.2.1: what is open ends before a bind begins, and pages of the server with it."""
        text = f"{Reason.superseded_by_bind}: a bind on this connection ended the operation; its result is not complete"
        for operation in self.operations.all():
            self._give_up(operation)
            result = LDAPResult(ResultCode.operationsError, "", text)
            self.finish(operation, Outcome(result, reason=Reason.superseded_by_bind))
        self._paged.clear()

    def send(self, operation: Operation, data: bytes) -> None:
        operation.record.octets += len(data)
        self._output.pieces.append(data)

    # The server's answers.

    def _from_server(self, upstream: Upstream[Operation], data: bytes) -> None:
        envelope = messages.read_envelope(data)
        if envelope.message_id == 0:
            self._notified(data)
            return
        operation = upstream.owner(envelope.message_id)
        if operation is None:
            return
        step = operation.step
        if envelope.tag == messages.SEARCH_ENTRY and isinstance(step, Stream) and operation.stream is not None:
            found = self._entries.relay(step, operation.stream, data, envelope)
            if isinstance(found, Streamed):
                self._give_up(operation)
                self._step_answered(operation, found)
            else:
                self._ends(operation, found)
            return
        try:
            response = messages.decode_enveloped(data, envelope)
            answer = operation.answer(response)
        except DecodeError as error:
            if not self._look_up_fails(operation):
                self._ends(operation, undecodable(error))
            return
        if isinstance(step, Stream) and isinstance(response.operation, messages.SearchResultReference):
            self._entries.refer(operation, step, response.operation)
        elif isinstance(answer, Refuse):
            if not self._look_up_fails(operation):
                self._ends(operation, answer)
        elif answer is not None:
            self._witness.answered(operation, answer, upstream, self.now)
            if not self._answered_for_now(answer):
                self._step_answered(operation, answer)

    def _look_up_fails(self, operation: Operation) -> bool:
        """Of a server's answer that cannot be used: whether it was to the look-up behind an accepted bind. That goes on
        without it. To end with an error of its own would show that the password was right."""
        instead = operation.look_up_failed()
        if instead is None:
            return False
        self._step_answered(operation, instead)
        return True

    def _answered_for_now(self, answer: Answer) -> bool:
        """Whether a bind was answered with what says nothing of it, so that another server is asked."""
        if not isinstance(answer, BindResponse) or answer.result.code not in (ResultCode.busy, ResultCode.unavailable):
            return False
        return self._bind_again(answer, f"answered {result_name(answer.result.code)}")

    def _step_answered(self, operation: Operation, answer: Answer) -> None:
        self._end_step(operation)
        self._proceed(operation, operation.resume(answer))

    def _end_step(self, operation: Operation) -> None:
        """Nothing more of the server is awaited for it."""
        if operation.upstream_id is None:
            return
        self._witness.ended(operation)
        record = operation.record
        record.server_seconds += self._clock.time(self.now) - operation.waits_since
        if operation.stream is not None:
            # What is carried is of the operation that sends it.
            record.received += operation.stream.received - operation.stream.carried
            record.sent += operation.stream.sent
            record.octets += operation.stream.octets
        if self._upstream is not None:
            self._upstream.release(operation.upstream_id)
        operation.upstream_id = None

    def _ends(self, operation: Operation, refusal: Refuse | None) -> bool:
        """Ends the operation where there is a reason to; whether there was one."""
        if refusal is None:
            return False
        self._fail(operation, refusal.reason, refusal.code, refusal.text, refusal.detail)
        return True

    def _notified(self, data: bytes) -> None:
        """RFC 4511 4.4: of the unsolicited notifications only the notice of disconnection means anything."""
        response = messages.decode_response(data).operation
        if isinstance(response, messages.ExtendedResponse) and response.oid == messages.NOTICE_OF_DISCONNECTION:
            detail = f"notice of disconnection, result code {response.result.code}"
            self.server_lost("the directory closed the connection", detail)

    def _answers_due(self) -> float | None:
        first: float | None = None
        for operation in self.open.values():
            due = self._answer_due(operation)
            if due is not None and (first is None or due < first):
                first = due
        return first

    def _answer_due(self, operation: Operation) -> float | None:
        """When the server's answer to an operation's step is overdue; None while it is connecting, which has a
        time limit of its own, and while reading from the server pauses."""
        if operation.upstream_id is None:
            return None
        if isinstance(operation.step, Stream):
            return self._clock.silent_at(self._limits.silence)
        patience = self._limits.bind
        if self._upstream is not None and self._upstream.patience is not None:
            patience = min(patience, self._upstream.patience)
        return operation.asked_at + patience

    def _waits_for_server(self) -> bool:
        return any(operation.upstream_id is not None for operation in self.open.values())


def _tries_password(operation: Operation) -> bool:
    return bool(operation.attempts) and operation.upstream_id is not None
