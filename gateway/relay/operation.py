"""One request of a client, from its arrival to its one final answer."""

from __future__ import annotations

from typing import Final, TypeGuard

from gateway.ldap import messages
from gateway.ldap.controls import Control
from gateway.ldap.messages import (
    BASE_OBJECT,
    BindRequest,
    BindResponse,
    ExtendedRequest,
    ExtendedResponse,
    FinalResponse,
    IntermediateResponse,
    LDAPMessage,
    Request,
    SearchResultDone,
    SearchResultEntry,
    SearchResultReference,
)
from gateway.ldap.result_meaning import meaning
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.decision import Refuse
from gateway.policy.lockout import GuardedAccount
from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord
from gateway.relay.awaited import Awaited
from gateway.relay.steps import Answer, Ask, Found, Look, Outcome, Step, Steps, Streamed

# Of an answer to a look-up that cannot be read, or is none to it.
_UNUSABLE: Final = LDAPResult(ResultCode.other)


class Operation:
    """A request of a client and all that is done for it until its one final answer.

    weight: octets that it holds, estimated (gateway/relay/load.py). step: what is done now, None before the beginning
    and behind the end. awaited: the answer that the server owes its step, None where none is awaited. ends_by: when it
    must have ended, or when what is withheld is answered; None for never. withheld: how a refused bind ended, while its
    answer waits. attempts: the account whose password is being tried, and the address that it comes from where these
    are counted. bind_controls: of the server's answer to a bind that was sent with controls. sent_again: a bind that
    went to a second server; first_answer: what the first one said of it, None for nothing.
    """

    __slots__ = (
        "_steps",
        "attempts",
        "awaited",
        "bind_controls",
        "ends_by",
        "first_answer",
        "record",
        "request",
        "sent_again",
        "step",
        "weight",
        "withheld",
    )

    def __init__(self, request: Request, record: AuditRecord, weight: int = 0) -> None:
        self.request = request
        self.record = record
        self.weight = weight
        self.step: Step | None = None
        self.awaited: Awaited | None = None
        self.ends_by: float | None = None
        self.attempts: list[GuardedAccount] = []
        self.bind_controls: tuple[Control, ...] = ()
        self.sent_again = False
        self.first_answer: BindResponse | None = None
        self.withheld: Outcome | None = None
        self._steps: Steps | None = None

    @property
    def message_id(self) -> int:
        """The client's."""
        return self.record.message_id

    @property
    def tries_password(self) -> bool:
        """Whether a server has been sent a password for it and not answered."""
        return bool(self.attempts) and self.awaited is not None

    def begin(self, steps: Steps) -> Outcome | None:
        """Runs to the first step; returns the outcome where there is none."""
        self._steps = steps
        try:
            self.step = next(steps)
        except StopIteration as end:
            return self._ended(end)
        return None

    def resume(self, answer: Answer) -> Outcome | None:
        """Gives the step its answer and runs to the next one; returns the outcome where there is none."""
        if self._steps is None:
            raise RuntimeError("an operation that has not begun got an answer")
        try:
            self.step = self._steps.send(answer)
        except StopIteration as end:
            return self._ended(end)
        return None

    def end(self) -> None:
        """Nothing more is wanted."""
        if self._steps is not None:
            self._steps.close()
        self.step = None

    def _ended(self, end: StopIteration) -> Outcome:
        self.step = None
        self._steps = None
        outcome = end.value
        if not isinstance(outcome, Outcome):
            raise TypeError("an operation ended without an outcome")
        return outcome

    def answer(self, response: LDAPMessage) -> Answer | Refuse | None:
        """What a message of the server means for the step: its answer, None while more is to come, or a Refuse
        where it does not belong to the request. Entries of a Stream do not come here."""
        received = response.operation
        step, awaited = self.step, self.awaited
        if awaited is None:
            raise RuntimeError("an operation got an answer that it does not await")
        if isinstance(received, IntermediateResponse):
            # RFC 4511 4.13: only in answer to a control or an extended request that asks for them.
            return None
        if isinstance(step, Ask):
            return self._asked(step, received, response.controls)
        if isinstance(received, SearchResultReference):
            return None
        if isinstance(received, SearchResultEntry) and isinstance(step, Look):
            if step.request.base == "" and step.request.scope == BASE_OBJECT and received.dn != "":
                # RFC 4512 5.1: whoever reads the root DSE is not told of another entry.
                return self._misplaced(received)
            awaited.received += 1
            if len(awaited.found) < step.maximum:
                awaited.found.append(received)
            return None
        if not isinstance(received, SearchResultDone) and not _refuses_search(received):
            return self._misplaced(received)
        self._note(received.result)
        if isinstance(step, Look):
            return Found(received.result, tuple(awaited.found), awaited.received)
        stream = awaited.stream
        if stream is None:
            return Streamed(received.result, response.controls)
        taken = stream.passed - stream.carried
        return Streamed(received.result, response.controls, stream.received, taken=taken)

    def look_up_failed(self) -> Answer | None:
        """What the step is answered with where the server's answer is of no use; None where the operation has to fail.
        Only the look-up behind a bind can do without one."""
        if not isinstance(self.request, BindRequest):
            return None
        if isinstance(self.step, Look):
            return Found(_UNUSABLE, (), 0)
        if isinstance(self.step, Ask) and isinstance(self.step.request, ExtendedRequest):
            return ExtendedResponse(_UNUSABLE)
        return None

    def _asked(self, step: Ask, received: messages.Operation, controls: tuple[Control, ...]) -> Answer | Refuse:
        expected = BindResponse if isinstance(step.request, BindRequest) else ExtendedResponse
        if not isinstance(received, BindResponse | ExtendedResponse) or not isinstance(received, expected):
            return self._misplaced(received)
        self._note(received.result)
        if isinstance(received, BindResponse):
            self.bind_controls = controls if step.controls else ()
        return received

    def _note(self, result: LDAPResult) -> None:
        found = meaning(result)
        self.record.server_code = result.code
        self.record.server_meaning = "" if found is None else found.text

    def _misplaced(self, received: messages.Operation) -> Refuse:
        """An error that the client can read, under the code that the server gave, is better than waiting for ever."""
        code = int(ResultCode.unavailable)
        if isinstance(received, FinalResponse):
            self._note(received.result)
            # Of a bind the code would be taken for the server's word on the password.
            of_bind = isinstance(self.request, BindRequest)
            if not of_bind and received.result.code not in (ResultCode.success, ResultCode.referral):
                code = received.result.code
        text = "the directory answered with a response that does not belong to the request"
        return Refuse(Reason.server_wrong_response, code, text)


def _refuses_search(received: messages.Operation) -> TypeGuard[ExtendedResponse]:
    """Samba answers a search whose critical control it does not know, and whatever else it refuses before it has looked
    at the search, with an ExtendedResponse (ldapsrv_unwilling of its source4/ldap_server/ldap_server.c). What it
    means is the search's result. A success or a referral of that kind means nothing."""
    return isinstance(received, ExtendedResponse) and received.result.code not in (
        ResultCode.success,
        ResultCode.referral,
    )
