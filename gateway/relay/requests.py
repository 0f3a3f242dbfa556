"""What becomes of a client's requests: the policy judges each, and it begins or is refused.

The second part of a request's way, between gateway/relay/from_client.py and gateway/relay/operations.py.
"""

from __future__ import annotations

from typing import Final, TypeAlias, cast, final

from gateway.ldap import messages
from gateway.ldap.controls import Control
from gateway.ldap.encoding import encode
from gateway.ldap.errors import RequestFault
from gateway.ldap.messages import AbandonRequest, BindRequest, LDAPMessage, Request, UnbindRequest
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.asked import Asked
from gateway.policy.authorization_identity import write_identity
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
    WhoAmIPlan,
)
from gateway.policy.operations import refuse_fault
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.relay.audit import WHO_AM_I_ASKED, describe
from gateway.relay.binding import bind_steps
from gateway.relay.commands import StartTls
from gateway.relay.from_client import FromClient, Malformed
from gateway.relay.load import SessionLoad
from gateway.relay.mapped_binding import mapped_bind_steps, refused_bind_steps
from gateway.relay.operation import Operation
from gateway.relay.operations import Operations
from gateway.relay.output import Output
from gateway.relay.own_reads import root_dse_steps, subschema_steps
from gateway.relay.pace import Pace
from gateway.relay.searches import Searches
from gateway.relay.standing import Standing
from gateway.relay.steps import Outcome


@final
class Unbound:
    """The client's own end of the session (RFC 4511 4.3)."""


# What ends the session with a request; None for nothing.
Ending: TypeAlias = Malformed | Unbound | None
_ID_IN_USE: Final = "a message ID that is 0 or still in use"
_BEHIND_STARTTLS: Final = "plain data behind a StartTLS request"


class Requests:
    """The requests of one session, from the decision to the first step."""

    def __init__(
        self,
        policy: Policy,
        client: FromClient,
        operations: Operations,
        searches: Searches,
        pace: Pace,
        load: SessionLoad,
        output: Output,
        standing: Standing,
    ) -> None:
        self._policy = policy
        self._client = client
        self._operations = operations
        self._searches = searches
        self._pace = pace
        self._load = load
        self._output = output
        self._standing = standing

    def take(self, message: LDAPMessage) -> Ending:
        """Begins or refuses what the client asks for, or does it at once."""
        request = cast(Request, message.operation)  # decode_request gives nothing else
        message_id = message.message_id
        if not self._may_have_id(message_id):
            return Malformed(_ID_IN_USE)
        if isinstance(request, UnbindRequest):
            self._output.audit(self._standing.record("unbind", message_id), "", None, None, self._standing.now)
            return Unbound()
        if isinstance(request, AbandonRequest):
            self._abandon(message_id, request)
            return None
        if isinstance(request, BindRequest):
            self._operations.supersede()
        record = describe(self._standing.record("", message_id), request)
        operation = Operation(request, record, self._load.weight(self._client.octets, request))
        decision = self._decide(operation, message.controls)
        if isinstance(decision, SearchPlan):
            record.held_back = decision.held_back
            self._operations.begin(operation, self._searches.steps(operation, decision))
        elif isinstance(decision, Refuse):
            self._refuse_request(operation, request, decision)
        elif isinstance(decision, BindPlan):
            self._bind(operation, decision)
        elif isinstance(decision, StartTlsPlan):
            return self._start_tls(operation)
        elif isinstance(decision, WhoAmIPlan):
            self._tell_identity(operation)
        else:
            self._read_one_entry(operation, decision)
        return None

    def take_fault(self, fault: RequestFault) -> Ending:
        """Refuses a request with a value that it may not have."""
        if not self._may_have_id(fault.message_id):
            return Malformed(_ID_IN_USE)
        request = messages.blank_request(fault.tag)
        record = self._standing.record(messages.operation_name(fault.tag), fault.message_id)
        if request is None:
            # An abandon or unbind, which gets no answer.
            record.detail = str(fault)
            self._output.audit(record, "refuse", refuse_fault(fault).reason, None, self._standing.now)
            return None
        if isinstance(request, BindRequest):
            self._operations.supersede()
        operation = Operation(request, record)
        decision = self._decide(operation, (), fault)
        if not isinstance(decision, Refuse):
            raise TypeError("a request that cannot be read was permitted")
        self._refuse(operation, decision)
        return None

    def _may_have_id(self, message_id: int) -> bool:
        return message_id != 0 and self._operations.places.find(message_id) is None

    def _decide(
        self, operation: Operation, controls: tuple[Control, ...], fault: RequestFault | None = None
    ) -> Decision:
        standing = self._standing
        account = standing.account
        bound_as, name = (None, "") if account is None else (account.kind, account.name)
        # While the gateway drains, no request is counted.
        obstacle = Reason.stopping if standing.draining else self._pace.admit(operation.weight, name, standing.now)
        asked = Asked(
            operation.request,
            controls,
            bound_as,
            standing.encrypted,
            standing.peer.needs_tls,
            self._operations.places.busy,
            obstacle,
            self._pace,
            fault,
            spellings=self._searches.spellings(name),
        )
        return self._policy.decide(asked)

    def _bind(self, operation: Operation, plan: BindPlan) -> None:
        record, source = operation.record, self._standing.peer.source
        record.account = plan.account
        record.sync_bind = plan.kind is AccountKind.sync
        record.mended = plan.mended
        self._standing.begin_bind(operation)
        if plan.mapped is None:
            self._operations.begin(operation, bind_steps(self._policy, plan, source))
        else:
            if plan.mapped.account.own is not None:
                record.mapped_to = plan.request.name
            self._operations.begin(operation, mapped_bind_steps(self._policy, plan, plan.mapped, source))

    def _read_one_entry(self, operation: Operation, plan: RootDsePlan | AncestorPlan | SubschemaPlan) -> None:
        operation.record.held_back = plan.held_back
        if isinstance(plan, RootDsePlan):
            self._answer_root_dse(operation, plan)
        elif isinstance(plan, AncestorPlan):
            self._operations.begin(operation, self._searches.ancestor_steps(operation, plan))
        else:
            operation.record.forwarded = plan.request.attributes
            self._operations.begin(operation, subschema_steps(self._policy, plan))

    def _answer_root_dse(self, operation: Operation, plan: RootDsePlan) -> None:
        account = self._standing.account
        if plan.entry is not None and plan.more is not None:
            # Whoever may not search gets nothing of the server's, and costs it nothing.
            if account is not None and account.kind is not AccountKind.login:
                operation.record.forwarded = plan.more.attributes
                self._operations.begin(operation, root_dse_steps(self._policy, plan.entry, plan.more, plan.answers))
                return
            operation.record.held_back += plan.more.attributes
        if plan.entry is not None:
            operation.record.sent = 1
            self._operations.send(operation, encode(LDAPMessage(operation.message_id, plan.entry)))
        self._operations.finish(operation, Outcome(LDAPResult(ResultCode.success), plan.answers))

    def _start_tls(self, operation: Operation) -> Ending:
        """RFC 4511 4.14: TLS begins behind the answer, so nothing may have been sent behind the request."""
        if self._client.buffered():
            # It would be read as if it had come through TLS.
            return Malformed(_BEHIND_STARTTLS)
        now = self._standing.now
        result = messages.ExtendedResponse(LDAPResult(ResultCode.success), messages.START_TLS)
        self._operations.send(operation, encode(LDAPMessage(operation.message_id, result)))
        self._output.audit(operation.record, "permit", None, ResultCode.success, now)
        self._standing.encrypted = True
        self._client.clocks.restart(now)
        self._output.command(StartTls())
        return None

    def _tell_identity(self, operation: Operation) -> None:
        account = self._standing.account
        told = b"" if account is None else write_identity(account.name, account.dn)
        operation.record.decision = "permit"
        self._operations.finish(operation, Outcome(LDAPResult(ResultCode.success), detail=WHO_AM_I_ASKED, value=told))

    def _abandon(self, message_id: int, request: AbandonRequest) -> None:
        self._output.audit(self._standing.record("abandon", message_id), "", None, None, self._standing.now)
        operation = self._operations.places.find(request.message_id)
        if operation is not None:
            self._operations.abandon(operation, Reason.abandoned)

    def _refuse_request(self, operation: Operation, request: Request, refusal: Refuse) -> None:
        decoys = self._policy.settings.decoy_hashes
        if decoys and isinstance(request, BindRequest) and refusal.code == ResultCode.invalidCredentials:
            check = SecretCheck(decoys, offered_secret(request))
            self._standing.begin_bind(operation)
            self._operations.begin(operation, refused_bind_steps(check, refusal), "refuse")
        else:
            self._refuse(operation, refusal)

    def _refuse(self, operation: Operation, refusal: Refuse) -> None:
        if isinstance(operation.request, BindRequest):
            self._standing.begin_bind(operation)
        operation.record.decision = "refuse"
        result = LDAPResult(refusal.code, "", refusal.text)
        outcome = Outcome(result, refusal.controls, reason=refusal.reason, detail=refusal.detail)
        self._operations.finish(operation, outcome)
