"""The operations of a session: how each goes on from step to step, and how it ends in one final answer.

The middle of a request's way. It begins what gateway/relay/requests.py gives it, asks the server through
gateway/relay/to_server.py, and knows of no connection.
"""

from __future__ import annotations

from gateway.ldap import messages
from gateway.ldap.encoding import encode
from gateway.ldap.messages import BindRequest, LDAPMessage
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.lockout import Verdict
from gateway.policy.policy import Policy
from gateway.policy.reasons import REASONS, Reason
from gateway.relay.bind_answer import bind_answer
from gateway.relay.commands import PoseQuestion
from gateway.relay.entry_relay import EntryRelay
from gateway.relay.from_client import FromClient
from gateway.relay.open_operations import OpenOperations
from gateway.relay.operation import Operation
from gateway.relay.output import Output
from gateway.relay.questions import AdmitAttempt, Admitted, AttemptEnded, Notice, Question, Reply, StoreSizes
from gateway.relay.server_events import Answered, Unusable
from gateway.relay.settings import SessionLimits
from gateway.relay.standing import Standing
from gateway.relay.steps import AwaitTurn, Deliver, Outcome, Ready, Resume, ServerStep, Steps, Streamed
from gateway.relay.to_server import ToServer


class Operations:
    """What becomes of the operations that have not ended. places: of those that are open and those that wait."""

    def __init__(
        self,
        policy: Policy,
        limits: SessionLimits,
        places: OpenOperations,
        entries: EntryRelay,
        client: FromClient,
        server: ToServer,
        output: Output,
        standing: Standing,
    ) -> None:
        self.places = places
        self._policy = policy
        self._limits = limits
        self._entries = entries
        self._client = client
        self._server = server
        self._output = output
        self._standing = standing
        # Why nobody waits for answers any more; None as long as somebody does.
        self._deserted: Reason | None = None
        # Operations that want the turn: the first one has it.
        self._turns: list[Operation] = []

    # From step to step.

    def begin(self, operation: Operation, steps: Steps, decision: str = "permit") -> None:
        operation.record.decision = decision
        if self.places.enter(operation, steps, self._standing.now):
            self._proceed(operation, operation.begin(steps))

    def go_on(self) -> None:
        """Begins what waits, and gives the turn; not as soon as an operation ends, because others may end with it."""
        while True:
            while (waiting := self.places.next()) is not None:
                self._proceed(waiting[0], waiting[0].begin(waiting[1]))
            if not self._turns or not isinstance(self._turns[0].step, AwaitTurn):
                return
            self._proceed(self._turns[0], self._turns[0].resume(Ready()))

    def heard(self, event: Answered | Unusable) -> None:
        """The server has said something of an operation."""
        operation = event.operation
        if isinstance(event, Answered):
            self._proceed(operation, operation.resume(event.answer))
        else:
            self._fail(operation, event.why.reason, event.why.code, event.why.text, event.why.detail)

    def answered(self, key: int, reply: Reply) -> None:
        """The reply to the question of this key."""
        operation, question = self.places.replied(key)
        if operation.step is question:
            if question.late is not None:
                operation.ends_by = None
            if isinstance(question, AdmitAttempt) and isinstance(reply, Admitted) and reply.refusal is None:
                operation.attempts.append(question.account)
            self._proceed(operation, operation.resume(reply))
        elif (notice := question.unwanted(reply)) is not None:
            self._output.command(notice)

    def expire(self) -> None:
        """Ends what has to end by now, and answers what was withheld until now."""
        for operation in self.places.overdue(self._standing.now):
            if operation.withheld is not None:
                self._answer_client(operation, operation.withheld)
                continue
            reason, code = Reason.search_timeout, ResultCode.timeLimitExceeded
            if isinstance(operation.step, Question) and operation.step.late is not None:
                reason, code = operation.step.late, ResultCode.busy
            self._fail(operation, reason, code, REASONS[reason].meaning, "")

    def _proceed(self, operation: Operation, outcome: Outcome | None) -> None:
        """Takes the operation's next steps, up to one that must wait for its answer, or to its outcome."""
        while outcome is None:
            step = operation.step
            if isinstance(step, ServerStep):
                self._server.ask(operation, step)
                return
            if isinstance(step, Deliver):
                refusal = self._entries.deliver(operation, step)
                if refusal is not None:
                    self._fail(operation, refusal.reason, refusal.code, refusal.text, refusal.detail)
                    return
                outcome = operation.resume(Ready())
            elif isinstance(step, Resume):
                answer = self._entries.resume(operation, step)
                if not isinstance(answer, Streamed):
                    self._fail(operation, answer.reason, answer.code, answer.text, answer.detail)
                    return
                outcome = operation.resume(answer)
            elif isinstance(step, AwaitTurn):
                self._turns.append(operation)
                return
            elif isinstance(step, Notice):
                if isinstance(step, AttemptEnded):
                    operation.attempts.remove(step.account)
                self._output.command(step)
                outcome = operation.resume(Ready())
            else:
                if step is not None:
                    self._pose(operation, step)
                return
        self.finish(operation, outcome)

    def _pose(self, operation: Operation, question: Question) -> None:
        if question.late is not None:
            operation.ends_by = self._standing.now + self._limits.bind
        self._output.command(PoseQuestion(self.places.pose(operation, question), question))

    # The end of operations.

    def send(self, operation: Operation, data: bytes) -> None:
        operation.record.octets += len(data)
        self._output.pieces.append(data)

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
            self._server.drop()
            if outcome.result.code == ResultCode.invalidCredentials and self._withhold(operation, outcome):
                return
        self._answer_client(operation, outcome)

    def _finish_unheard(self, operation: Operation, outcome: Outcome, why: Reason) -> None:
        """Ends an operation of which nobody is told. The audit says how it ended as well as why."""
        operation.record.add_detail(outcome.detail)
        if outcome.reason is not None:
            operation.record.add_detail(REASONS[why].meaning)
        self._close(operation, outcome.reason or why, None)
        if not self.places.open:
            self._server.drop()

    def _withhold(self, operation: Operation, outcome: Outcome) -> bool:
        """Keeps a refused bind open until its floor, so that nobody learns from the time how far it came. False where
        that has passed already."""
        floor = operation.record.started + self._limits.refusal_floor
        if floor <= self._standing.now:
            return False
        self._server.end_step(operation)
        operation.withheld = outcome
        operation.ends_by = floor
        self.places.stay(operation)
        return True

    def _answer_client(self, operation: Operation, outcome: Outcome) -> None:
        if operation is self._standing.binding:
            self._standing.bound_as(outcome.account)
            self._client.bind_ended(outcome.account is not None)
        operation.record.add_detail(outcome.detail)
        if outcome.reported:
            operation.record.reported = (*operation.record.reported, *outcome.reported)
        operation.record.more = outcome.more
        if outcome.sizes is not None:
            self._output.command(StoreSizes(*outcome.sizes))
        response = messages.final_response(operation.request, outcome.result, outcome.value)
        if response is not None:
            controls = (*outcome.controls, *bind_answer(self._policy, operation, outcome))
            self.send(operation, encode(LDAPMessage(operation.message_id, response, controls)))
        self._close(operation, outcome.reason, outcome.result.code)

    def _close(self, operation: Operation, reason: Reason | None, code: int | None) -> None:
        """It is open no longer. code: what the client was told, None for nothing."""
        sent = operation.awaited is not None or (operation.sent_again and operation.first_answer is None)
        operation.end()
        self._server.end_step(operation)
        withheld = operation.withheld
        if withheld is not None and withheld.reason is not None and withheld.reason is not reason:
            # Why the bind was refused says more than why nobody was told.
            operation.record.add_detail(withheld.detail)
            operation.record.add_detail("" if reason is None else REASONS[reason].meaning)
            reason = withheld.reason
        self.places.leave(operation)
        if operation in self._turns:
            self._turns.remove(operation)
        if operation.attempts:
            # A stranger who has left may have made the server count a wrong password, though it did not answer in time.
            # A service that leaves because a server is slow must not find its account guarded for it.
            left = sent and self._deserted is not None and not any(one.sync for one in operation.attempts)
            for one in operation.attempts:
                self._output.command(AttemptEnded(one, Verdict.wrong if left else Verdict.neither))
            operation.attempts.clear()
        if operation is self._standing.binding:
            self._standing.binding = None
        self._client.clocks.ended(self._standing.now)
        self._output.audit(operation.record, operation.record.decision, reason, code, self._standing.now)

    def _fail(self, operation: Operation, reason: Reason, code: int, text: str, detail: str) -> None:
        """Ends an operation with an error of the gateway's own; never with a short success."""
        self._server.give_up(operation, reason)
        result = LDAPResult(code, "", f"{reason}: {text}; the result is not complete")
        self.finish(operation, Outcome(result, reason=reason, detail=detail))

    def fail_all(self, reason: Reason, text: str, detail: str = "") -> None:
        for operation in self.places.all():
            self._fail(operation, reason, ResultCode.unavailable, text, detail)

    def abandon(self, operation: Operation, reason: Reason) -> None:
        """Ends it without an answer, which nobody waits for."""
        self._server.give_up(operation)
        self._close(operation, reason, None)

    def desert(self, why: Reason) -> None:
        """Nobody waits for answers any more: ends everything but a bind that a server has been sent. What that server
        says of the password counts, whoever leaves before it does; else there would be no end of guesses."""
        self._deserted = why
        self._server.retries = False
        for operation in self.places.all():
            if not operation.tries_password:
                self.abandon(operation, why)
        if not self.places.open:
            self._server.drop()

    def tries_password(self) -> bool:
        """Whether a server has been sent a bind and not answered it."""
        return any(operation.tries_password for operation in self.places.open.values())

    def supersede(self) -> None:
        """RFC 4511 4.2.1: what is open ends before a bind begins, and pages of the server with it; the session is
        anonymous until the bind succeeds."""
        text = f"{Reason.superseded_by_bind}: a bind on this connection ended the operation; its result is not complete"
        for operation in self.places.all():
            self._server.give_up(operation)
            result = LDAPResult(ResultCode.operationsError, "", text)
            self.finish(operation, Outcome(result, reason=Reason.superseded_by_bind))
        self._server.paged.clear()
        self._standing.account = None
