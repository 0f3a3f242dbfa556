"""What the state of the running gateway may have against a request that is in order by itself.

A session asks with what meets a request at its arrival. Of what shows later, when the lockout guard or the secret of a
mapped account is asked, nobody knows anything before; who asks with one of these asks "what if".
"""

from __future__ import annotations

from typing import Final

from gateway.ldap.results import ResultCode
from gateway.policy.attempts import (
    attempt_of_source,
    attempts_at_server,
    attempts_of_accounts,
    refuse_attempt,
    refuse_late,
    refuse_own_account,
    refuse_unverified,
)
from gateway.policy.decision import AccountKind, BindPlan, Decision, Refuse, SearchPlan
from gateway.policy.lockout import GuardRefusal
from gateway.policy.reasons import REASONS, Reason
from gateway.policy.search_refusal import refuse_search
from gateway.policy.settings import ClientPolicy

# What ends every request before anything in it is looked at.
_AT_ARRIVAL: Final = {
    Reason.stopping: ResultCode.unavailable,
    Reason.too_much_waiting: ResultCode.busy,
    Reason.too_many_requests_of_source: ResultCode.busy,
    Reason.too_many_requests_of_account: ResultCode.busy,
}
_OF_THE_GUARD: Final = {
    Reason.account_guarded: GuardRefusal.guarded,
    Reason.password_known_wrong: GuardRefusal.known,
    Reason.too_many_guarded: GuardRefusal.full,
}


def refuse_at_arrival(obstacle: Reason, bound_as: AccountKind | None) -> Refuse | None:
    """The refusal of a request that an obstacle meets as it arrives; None where it does not meet this one."""
    code = _AT_ARRIVAL.get(obstacle)
    if code is None:
        return None
    if obstacle is Reason.too_many_requests_of_account and bound_as in (None, AccountKind.anonymous):
        # There is no account whose requests could be counted.
        return None
    return Refuse(obstacle, code, f"{obstacle}: {REASONS[obstacle].meaning}")


def refuse_later(obstacle: Reason, settings: ClientPolicy, decision: Decision) -> Refuse | None:
    """The refusal of a request that an obstacle meets behind this decision; None where it does not meet this one."""
    if isinstance(decision, SearchPlan):
        has_cookie = decision.page is not None and bool(decision.page.cookie)
        return refuse_search(obstacle) if obstacle is Reason.cookie_not_valid and has_cookie else None
    if isinstance(decision, BindPlan):
        return _refuse_sign_in(obstacle, settings, decision)
    # It takes as long as that of a mapped account, which nobody is to be told from it.
    verified = isinstance(decision, Refuse) and decision.code == ResultCode.invalidCredentials and settings.decoy_hashes
    return refuse_unverified() if verified and obstacle is Reason.too_many_verifications else None


def _refuse_sign_in(obstacle: Reason, settings: ClientPolicy, plan: BindPlan) -> Refuse | None:
    source = attempt_of_source(settings, plan, "")
    accounts = attempts_of_accounts(settings, plan)
    if obstacle is Reason.source_guarded:
        return None if source is None else refuse_attempt(source, GuardRefusal.guarded)
    why = _OF_THE_GUARD.get(obstacle)
    if why is not None:
        # What a person mistypes is not kept.
        counted = [account for account in accounts if account.sync or why is not GuardRefusal.known]
        return refuse_attempt(counted[0], why) if counted else None
    if obstacle is Reason.too_many_attempts:
        return refuse_late() if accounts or source is not None else None
    if plan.mapped is None:
        return None
    if obstacle is Reason.too_many_verifications:
        return refuse_unverified()
    if obstacle is Reason.gateway_account_replaced:
        return None if plan.mapped.account.own is None else refuse_own_account(obstacle)
    guarded = obstacle is Reason.gateway_account_guarded and attempts_at_server(settings, plan)
    return refuse_own_account(obstacle) if guarded else None
