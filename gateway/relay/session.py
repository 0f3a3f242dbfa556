"""One session as a sans-I/O state machine: bytes and events in, commands out.

A session is one client connection and at most one server connection at a time, opened when a bind needs it.
Every method that reports an event takes the time of a monotonic clock in seconds and returns the commands
that follow from it, in order. The session never raises for anything that a peer does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from gateway.ldap import messages
from gateway.ldap.controls import Control
from gateway.ldap.errors import DecodeError, RequestFault
from gateway.ldap.framing import Framer
from gateway.ldap.messages import AbandonRequest, BindRequest, LDAPMessage, Request, UnbindRequest
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.asked import Asked
from gateway.policy.bind import offered_secret
from gateway.policy.credentials import SecretCheck
from gateway.policy.decision import (
    AccountKind,
    AncestorPlan,
    BindPlan,
    Decision,
    Refuse,
    RootDsePlan,
    SearchPlan,
    StartTlsPlan,
    SubschemaPlan,
)
from gateway.policy.operations import refuse_fault
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord, describe
from gateway.relay.binding import bind_steps
from gateway.relay.clocks import ClientClocks
from gateway.relay.commands import Audit, CloseClient, Command, StartTls
from gateway.relay.exchange import Exchange
from gateway.relay.load import GatewayLoad, SessionLoad
from gateway.relay.mapped_binding import mapped_bind_steps, refused_bind_steps
from gateway.relay.operation import Operation
from gateway.relay.output import Output
from gateway.relay.own_reads import root_dse_steps, subschema_steps
from gateway.relay.pace import Pace, Rates
from gateway.relay.paging import ServerFacts
from gateway.relay.questions import Reply
from gateway.relay.settings import SessionLimits
from gateway.relay.steps import Account, Outcome

# What may wait in the client's framer while nothing is taken from it before reading from the client pauses, in octets.
PIPELINED_OCTETS = 65_536


class Session:
    """session_id, source: for the audit records. facts: of the directory's servers, shared by its sessions.
    tls: the connection is encrypted already. needs_tls: nothing is served before StartTLS. rates: None for any.
    goes_on: whether one more request of the client may be handled now, asked before each; None for always. load: of the
    gateway that the session is one of.
    """

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
        rates: Rates | None = None,
        goes_on: Callable[[], bool] | None = None,
        load: GatewayLoad | None = None,
    ) -> None:
        self.session_id = session_id
        self.policy = policy
        self._source = source
        self._limits = limits
        self._now = now
        self._tls = tls
        self._needs_tls = needs_tls
        self._client = Framer(limits.message_before_bind)
        self._output = Output()
        self._bases = facts.bases
        self._load = SessionLoad(load or GatewayLoad(), limits, len(policy.entries.attribute_names))
        self._exchange = Exchange(policy, limits, facts, self._load, self._output, self, now)
        self._operations = self._exchange.operations
        self._binding: Operation | None = None
        self._binds = 0
        self._has_bound = False
        self._account: Account | None = None
        self._closed = False
        self._draining = False
        self._clocks = ClientClocks(limits, now)
        self._pace = Pace(self._load, rates)
        self._goes_on = goes_on
        self._waits_for_turn = False

    # What the holder of the connections may ask.

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def busy(self) -> bool:
        """Whether an operation has not ended."""
        return self._operations.busy

    @property
    def awaits_first_request(self) -> bool:
        """Whether TLS is up, the session goes on, and the client has asked for nothing behind that TLS yet."""
        return self._tls and not self._closed and self._clocks.first_awaited

    @property
    def binding(self) -> bool:
        """Whether a bind is under way."""
        return self._binding is not None

    @property
    def binds(self) -> int:
        """How many binds have been under way so far, with that which is."""
        return self._binds

    @property
    def has_bound(self) -> bool:
        """Whether any bind has succeeded so far that needs an account: an anonymous one does not."""
        return self._has_bound

    @property
    def reads_client(self) -> bool:
        """Whether more from the client is wanted now: not while nothing is taken and enough waits."""
        takes = self._takes_requests() and not self._waits_for_turn
        return takes or self._client.buffered() < PIPELINED_OCTETS

    def waits_for_turn(self) -> int:
        """Octets of the client's next request, which go_on is to handle; 0 for none."""
        return self._client.next_size() if self._waits_for_turn and not self._closed else 0

    def deadline(self) -> float | None:
        """When tick must be called, unless an event comes earlier; None for never."""
        if self._closed:
            return self._exchange.deadline()
        clock = self._clocks.next(idle=not self._operations.busy)
        due = self._exchange.deadline()
        if clock is None or (due is not None and due < clock[0]):
            return due
        return clock[0]

    # Events.

    def client_data(self, data: bytes, now: float) -> list[Command]:
        self._at(now)
        if not self._closed:
            self._client.feed(data)
            self._pull()
        return self._flush()

    def go_on(self, now: float) -> list[Command]:
        """More requests of the client may be handled now."""
        self._at(now)
        self._waits_for_turn = False
        self._pull()
        return self._flush()

    def client_lost(self, now: float) -> list[Command]:
        """The client connection is gone, whoever ended it."""
        self._at(now)
        if not self._closed:
            self._end_silently()
        return self._flush()

    def client_held(self, now: float) -> None:
        """Reading from the client pauses; that it finishes no message is not its fault."""
        self._clocks.hold(now)

    def client_released(self, now: float) -> None:
        """Reading from the client goes on."""
        self._clocks.release(now)

    def server_connected(self, url: str, now: float, patience: float | None = None) -> list[Command]:
        """The server connection is open and its TLS verified. patience: seconds for the first answer, where it was
        opened earlier and may have broken since; a bind that gets none is then sent once more."""
        self._at(now)
        self._exchange.connected(url, patience)
        return self._flush()

    def server_failed(self, detail: str, now: float) -> list[Command]:
        """No server of the directory could be reached."""
        self._at(now)
        self._exchange.unreachable("no server of the directory could be reached", detail)
        self._pull()
        return self._flush()

    def server_data(self, data: bytes, now: float) -> list[Command]:
        self._at(now)
        self._exchange.received(data)
        self._pull()
        return self._flush()

    def server_lost(self, detail: str, now: float) -> list[Command]:
        """The server connection is gone, and the session had not asked for that."""
        self._at(now)
        self._exchange.server_lost("the connection to the directory was lost", detail)
        self._pull()
        return self._flush()

    def server_held(self, now: float) -> list[Command]:
        """Reading from the server pauses because the client cannot keep up; its silence is not its fault."""
        self._at(now)
        self._exchange.hold()
        return []

    def server_released(self, now: float) -> list[Command]:
        """Reading from the server goes on."""
        self._at(now)
        self._exchange.release()
        return []

    def answered(self, key: int, reply: Reply, now: float) -> list[Command]:
        """The reply to the question that a PoseQuestion of this key asked."""
        self._at(now)
        self._exchange.answered(key, reply)
        self._pull()
        return self._flush()

    def tick(self, now: float) -> list[Command]:
        """The deadline has come."""
        self._at(now)
        due = self.deadline()
        if due is None or due > now:
            return []
        clock = None if self._closed else self._clocks.next(idle=not self._operations.busy)
        if clock is not None and clock[0] <= now:
            expired = clock[1]
            if expired.reason is not Reason.idle:
                self._audit(self._record("session", 0), "refuse", expired.reason, expired.code)
            self._disconnect(expired.code, expired.reason, expired.text)
        else:
            self._exchange.expire()
            self._pull()
        return self._flush()

    def stop(self, now: float) -> list[Command]:
        """No new requests from here on; the session closes itself once the open operations are answered."""
        self._at(now)
        self._draining = True
        return self._flush()

    def abort(self, reason: Reason, text: str, now: float) -> list[Command]:
        """Ends every open operation with an error, and the session with it. A bind that a server has been sent goes on
        until it is answered, unless the gateway stops: else there would be no end of guesses."""
        self._at(now)
        if not self._closed:
            self._disconnect(ResultCode.unavailable, reason, text)
        elif reason is Reason.stopping:
            self._exchange.fail_all(reason, text)
        return self._flush()

    # The client's side.

    def _pull(self) -> None:
        """Handles what the client has sent, until more must arrive, something else must end first or others are to
        have their turn."""
        while not self._closed and not self._waits_for_turn and self._takes_requests():
            if self._client.buffered() and self._goes_on is not None and not self._goes_on():
                self._waits_for_turn = True
                return
            try:
                data = self._client.next_message()
                if data is None:
                    self._clocks.awaits_rest(self._client.buffered() > 0, self._now)
                    return
                message = messages.decode_request(data, self._limits.request)
            except RequestFault as fault:
                self._clocks.request(self._now)
                self._faulty(fault)
                continue
            except DecodeError as error:
                self._malformed(str(error))
                return
            self._clocks.request(self._now)
            self._from_client(message, len(data))

    def _takes_requests(self) -> bool:
        """Not while a bind runs (RFC 4511 4.2.1), nor while the session holds as much as it may: that falls as its
        operations end."""
        return self._binding is None and not (self._load.full and self._operations.busy)

    def _malformed(self, detail: str) -> None:
        record = self._record("malformed", 0)
        record.detail = detail
        self._audit(record, "refuse", Reason.message_malformed, ResultCode.protocolError)
        self._disconnect(ResultCode.protocolError, Reason.message_malformed, detail)

    def _may_have_id(self, message_id: int) -> bool:
        """False where the session has ended for it."""
        if message_id == 0 or self._operations.find(message_id) is not None:
            self._malformed("a message ID that is 0 or still in use")
            return False
        return True

    def _faulty(self, fault: RequestFault) -> None:
        """RFC 4511 4.1.1: a request with a value that it may not have gets an error, and the others go on."""
        if not self._may_have_id(fault.message_id):
            return
        request = messages.blank_request(fault.tag)
        record = self._record(messages.operation_name(fault.tag), fault.message_id)
        if request is None:
            # An abandon or unbind, which gets no answer.
            record.detail = str(fault)
            self._audit(record, "refuse", refuse_fault(fault).reason, None)
            return
        if isinstance(request, BindRequest):
            self._exchange.supersede()
            self._account = None
        operation = Operation(fault.message_id, request, record)
        decision = self._decide(operation, (), fault)
        if not isinstance(decision, Refuse):
            raise TypeError("a request that cannot be read was permitted")
        self._refuse(operation, decision)

    def _from_client(self, message: LDAPMessage, octets: int) -> None:
        """octets: of the message as it came."""
        request = cast(Request, message.operation)  # decode_request gives nothing else
        if not self._may_have_id(message.message_id):
            return
        if isinstance(request, UnbindRequest):
            self._audit(self._record("unbind", message.message_id), "", None, None)
            self._end_silently()
            return
        if isinstance(request, AbandonRequest):
            self._abandon(message.message_id, request)
            return
        if isinstance(request, BindRequest):
            # RFC 4511 4.2.1: what is open ends first, and the session is anonymous until the bind succeeds.
            self._exchange.supersede()
            self._account = None
        record = describe(self._record("", message.message_id), request)
        operation = Operation(message.message_id, request, record, self._load.weight(octets, request))
        decision = self._decide(operation, message.controls)
        if isinstance(decision, SearchPlan):
            operation.record.held_back = decision.held_back
            self._exchange.search(operation, decision)
        elif isinstance(decision, Refuse):
            self._refuse_request(operation, request, decision)
        elif isinstance(decision, BindPlan):
            self._bind(operation, decision)
        elif isinstance(decision, StartTlsPlan):
            self._start_tls(operation)
        else:
            self._read_one_entry(operation, decision)

    def _decide(
        self, operation: Operation, controls: tuple[Control, ...], fault: RequestFault | None = None
    ) -> Decision:
        account = self._account
        bound_as, name = (None, "") if account is None else (account.kind, account.name)
        # While the gateway drains, no request is counted.
        obstacle = Reason.stopping if self._draining else self._pace.admit(operation.weight, name, self._now)
        asked = Asked(
            operation.request,
            controls,
            bound_as,
            self._tls,
            self._needs_tls,
            self._operations.busy,
            obstacle,
            self._pace,
            fault,
            spellings=self._bases.spellings((self._exchange.server, name)),
        )
        return self.policy.decide(asked)

    def _bind(self, operation: Operation, plan: BindPlan) -> None:
        operation.record.account = plan.account
        operation.record.sync_bind = plan.kind is AccountKind.sync
        operation.record.mended = plan.mended
        self._begin_bind(operation)
        if plan.mapped is None:
            self._exchange.begin(operation, bind_steps(self.policy, plan, self._source))
        else:
            operation.record.mapped_to = plan.request.name
            self._exchange.begin(operation, mapped_bind_steps(self.policy, plan, plan.mapped, self._source))

    def _begin_bind(self, operation: Operation) -> None:
        self._binding = operation
        self._binds += 1

    def _read_one_entry(self, operation: Operation, plan: RootDsePlan | AncestorPlan | SubschemaPlan) -> None:
        operation.record.held_back = plan.held_back
        if isinstance(plan, RootDsePlan):
            self._answer_root_dse(operation, plan)
        elif isinstance(plan, AncestorPlan):
            self._exchange.read_ancestor(operation, plan)
        else:
            operation.record.forwarded = plan.request.attributes
            self._exchange.begin(operation, subschema_steps(self.policy, plan))

    def _answer_root_dse(self, operation: Operation, plan: RootDsePlan) -> None:
        if plan.entry is not None and plan.more is not None:
            # Whoever may not search gets nothing of the server's, and costs it nothing.
            if self._account is not None and self._account.kind is not AccountKind.login:
                operation.record.forwarded = plan.more.attributes
                self._exchange.begin(operation, root_dse_steps(self.policy, plan.entry, plan.more, plan.answers))
                return
            operation.record.held_back += plan.more.attributes
        if plan.entry is not None:
            operation.record.sent = 1
            self._exchange.send(operation, messages.encode(LDAPMessage(operation.message_id, plan.entry)))
        self._exchange.finish(operation, Outcome(LDAPResult(ResultCode.success), plan.answers))

    def _start_tls(self, operation: Operation) -> None:
        """RFC 4511 4.14: TLS begins behind the answer, so nothing may have been sent behind the request."""
        if self._client.buffered():
            # It would be read as if it had come through TLS.
            self._malformed("plain data behind a StartTLS request")
            return
        result = messages.ExtendedResponse(LDAPResult(ResultCode.success), messages.START_TLS)
        self._exchange.send(operation, messages.encode(LDAPMessage(operation.message_id, result)))
        self._audit(operation.record, "permit", None, ResultCode.success)
        self._tls = True
        self._clocks.restart(self._now)
        self._output.command(StartTls())

    def _abandon(self, message_id: int, request: AbandonRequest) -> None:
        self._audit(self._record("abandon", message_id), "", None, None)
        operation = self._operations.find(request.message_id)
        if operation is not None:
            self._exchange.abandon(operation, Reason.abandoned)

    def _refuse_request(self, operation: Operation, request: Request, refusal: Refuse) -> None:
        decoys = self.policy.settings.decoy_hashes
        if decoys and isinstance(request, BindRequest) and refusal.code == ResultCode.invalidCredentials:
            check = SecretCheck(decoys, offered_secret(request))
            self._begin_bind(operation)
            self._exchange.begin(operation, refused_bind_steps(check, refusal), "refuse")
        else:
            self._refuse(operation, refusal)

    def _refuse(self, operation: Operation, refusal: Refuse) -> None:
        if isinstance(operation.request, BindRequest):
            self._begin_bind(operation)
        record = operation.record
        record.decision = "refuse"
        self._exchange.finish(
            operation,
            Outcome(
                LDAPResult(refusal.code, "", refusal.text),
                refusal.controls,
                reason=refusal.reason,
                detail=refusal.detail,
            ),
        )

    # The end.

    def _disconnect(self, code: ResultCode, reason: Reason, text: str) -> None:
        """Answers what is open, sends the notice of disconnection (RFC 4511 4.4.1) and closes both sides."""
        if self._closed:
            return
        self._closed = True
        # A process that stops hears no answer any more.
        if reason is Reason.stopping or not self._exchange.tries_password():
            self._exchange.fail_all(reason, text)
        self._exchange.desert(reason)
        self._output.pieces.append(messages.encode(messages.notice_of_disconnection(code, f"{reason}: {text}")))
        self._output.command(CloseClient())

    def _end_silently(self) -> None:
        """The client wants no more answers: unbind, or a lost connection."""
        self._closed = True
        self._exchange.desert(Reason.client_gone)
        self._output.command(CloseClient())

    # From the exchange.

    def operation_ends(self, operation: Operation, outcome: Outcome) -> None:
        if operation is self._binding:
            self._account = outcome.account
            bound = outcome.account is not None
            if outcome.account is not None and outcome.account.kind is not AccountKind.anonymous:
                self._has_bound = True
            self._client.limit = self._limits.message_after_bind if bound else self._limits.message_before_bind
            self._clocks.bind_ended(bound, self._now)

    def operation_ended(self, operation: Operation, reason: Reason | None, code: int | None) -> None:
        if operation is self._binding:
            self._binding = None
        self._clocks.ended(self._now)
        self._audit(operation.record, operation.record.decision, reason, code)

    def server_gone(self, reason: Reason, text: str) -> None:
        """RFC 4511 4.4.1: every open operation is answered, then the client is told and disconnected."""
        self._disconnect(ResultCode.unavailable, reason, text)

    # Output.

    def _at(self, now: float) -> None:
        self._now = self._exchange.now = now

    def _flush(self) -> list[Command]:
        held_back = not self._takes_requests()
        self._exchange.go_on()
        while held_back and self._takes_requests():
            # Operations have ended as soon as it was their turn.
            self._pull()
            held_back = not self._takes_requests()
            self._exchange.go_on()
        if self._draining and not self._operations.busy and not self._waits_for_turn:
            # Not as soon as the last operation ends: what came with it wants an answer as well.
            self._disconnect(ResultCode.unavailable, Reason.stopping, "the gateway is stopping")
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
