"""The steps of a mapped account's bind: its secret is verified, then the gateway signs in as itself."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from gateway.ldap.messages import BindResponse
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.attempts import (
    attempt_of_gateway,
    attempt_of_source,
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
from gateway.relay.binding import begin_attempt, refused_attempt, refused_bind
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
    """The server is sent nothing before the secret has proved right, and nothing of the client's then."""
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
    return (yield from _own_bind(policy, plan, mapped))


def _refused_in_time(mapped: MappedBind, refused: Outcome) -> Steps:
    """It takes as long as to find a secret wrong."""
    if (yield from _tried(SecretCheck(mapped.decoys, mapped.check.secret))) is SecretVerdict.undecided:
        return refused_bind(refuse_unverified())
    return refused


def _own_bind(policy: Policy, plan: BindPlan, mapped: MappedBind) -> Steps:
    """The gateway signs in as itself. That it cannot is nothing that the client did, and nothing that it may take for
    a wrong secret."""
    guard = policy.settings.lockout
    own = attempt_of_gateway(policy.settings, plan)
    if own is not None:
        password = offered_secret(plan.request)
        refused = refused_attempt((yield begin_attempt(own, guard, password)), own)
        if refused is not None:
            return refused
    if mapped.account.own.password.replaced:
        if own is not None:
            yield AttemptEnded(own, Verdict.neither)
        return refused_bind(refuse_own_account(Reason.gateway_account_replaced))
    response = yield Ask(plan.request)
    if not isinstance(response, BindResponse):
        raise TypeError("a bind was answered by something else")
    if own is not None:
        yield AttemptEnded(own, verdict(response.result))
    if response.result.code == ResultCode.success:
        return Outcome(LDAPResult(ResultCode.success), account=Account(plan.kind, plan.account))
    if response.result.code in (ResultCode.busy, ResultCode.unavailable):
        result, reason = relayed_bind(response.result, policy)
        return Outcome(result, reason=reason)
    return refused_bind(refuse_own_account(Reason.gateway_account_refused))


def _tried(check: SecretCheck) -> Generator[Step, Answer, SecretVerdict]:
    answer = yield VerifySecret(check)
    return answer.verdict if isinstance(answer, Verified) else SecretVerdict.undecided
