"""The steps of a mapped account's bind: its secret is verified, then the gateway signs in as itself, or forwards the
bind to a gateway that does."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from gateway.ldap.messages import BindResponse
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.attempts import (
    attempt_of_source,
    attempts_at_server,
    attempts_of_accounts,
    refuse_own_account,
    refuse_unverified,
)
from gateway.policy.bind import offered_secret
from gateway.policy.credentials import MappedBind, SecretCheck, SecretVerdict
from gateway.policy.decision import BindPlan, Refuse
from gateway.policy.lockout import Verdict, of_source, verdict
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.relay.binding import attempt_refusal, begin_attempt, refused_attempt, refused_bind
from gateway.relay.questions import AdmitAttempt, AttemptEnded, Verified, VerifySecret
from gateway.relay.results import REFUSED, relayed_bind
from gateway.relay.steps import Account, Answer, Ask, Outcome, Step, Steps

_ATTEMPTS: Final = {
    SecretVerdict.right: Verdict.right,
    SecretVerdict.wrong: Verdict.wrong,
    SecretVerdict.undecided: Verdict.neither,
}


def refused_bind_steps(check: SecretCheck, refusal: Refuse) -> Steps:
    """The steps of a bind that the policy refuses: it takes the time that a wrong secret takes, so that nobody can tell
    which names are mapped accounts. check: of what came, against decoys."""
    if (yield from _tried(check)) is SecretVerdict.undecided:
        return refused_bind(refuse_unverified())
    return refused_bind(refusal)


def mapped_bind_steps(policy: Policy, plan: BindPlan, mapped: MappedBind, source: str) -> Steps:
    """The server is sent nothing before the secret has proved right, and nothing of the client's then where the gateway
    has an account of its own for it."""
    guard = policy.settings.lockout
    address = attempt_of_source(policy.settings, plan, source)
    if address is not None:
        refused = refused_attempt((yield AdmitAttempt(address, guard.of_sources())), address)
        if refused is not None:
            return (yield from _refused_in_time(mapped, refused))
    accounts = attempts_of_accounts(policy.settings, plan)
    for account in accounts:
        refused = refused_attempt((yield begin_attempt(account, guard, mapped.check.secret)), account)
        if refused is not None:
            return (yield from _refused_in_time(mapped, refused))
    tried = yield from _tried(mapped.check)
    for account in accounts:
        yield AttemptEnded(account, _ATTEMPTS[tried])
    if address is not None:
        yield AttemptEnded(address, of_source(_ATTEMPTS[tried]))
    if tried is SecretVerdict.undecided:
        return refused_bind(refuse_unverified())
    if tried is not SecretVerdict.right:
        return Outcome(REFUSED, reason=Reason.secret_wrong)
    return (yield from _bind_at_server(policy, plan, mapped))


def _refused_in_time(mapped: MappedBind, refused: Outcome) -> Steps:
    """It takes as long as to find a secret wrong."""
    if (yield from _tried(SecretCheck(mapped.decoys, mapped.check.secret))) is SecretVerdict.undecided:
        return refused_bind(refuse_unverified())
    return refused


def _bind_at_server(policy: Policy, plan: BindPlan, mapped: MappedBind) -> Steps:
    """The gateway signs in as itself, or as the client did. That it cannot is nothing that the client did, and nothing
    that it may take for a wrong secret."""
    guard, own = policy.settings.lockout, mapped.account.own
    accounts = attempts_at_server(policy.settings, plan)
    password = offered_secret(plan.request)
    for account in accounts:
        refused = attempt_refusal((yield begin_attempt(account, guard, password)))
        if refused is not None:
            return refused_bind(refuse_own_account(Reason.gateway_account_guarded), refused.left)
    if own is not None and own.password.replaced:
        for account in accounts:
            yield AttemptEnded(account, Verdict.neither)
        return refused_bind(refuse_own_account(Reason.gateway_account_replaced))
    # Of its own account the gateway tells the client nothing.
    response = yield Ask(plan.request, plan.controls if own is None else ())
    if not isinstance(response, BindResponse):
        raise TypeError("a bind was answered by something else")
    for account in accounts:
        yield AttemptEnded(account, verdict(response.result))
    if response.result.code == ResultCode.success:
        return Outcome(LDAPResult(ResultCode.success), account=Account(plan.kind, plan.account))
    if response.result.code in (ResultCode.busy, ResultCode.unavailable):
        result, reason = relayed_bind(response.result, policy)
        return Outcome(result, reason=reason)
    return refused_bind(refuse_own_account(Reason.gateway_account_refused))


def _tried(check: SecretCheck) -> Generator[Step, Answer, SecretVerdict]:
    answer = yield VerifySecret(check)
    return answer.verdict if isinstance(answer, Verified) else SecretVerdict.undecided
