"""Which attempts at passwords a sign-in makes, and what becomes of one that the lockout guard does not admit."""

from __future__ import annotations

from typing import Final

from gateway.ldap.dn import parse
from gateway.ldap.results import ResultCode
from gateway.policy.decision import AccountKind, BindPlan, Refuse
from gateway.policy.lockout import (
    CountedKind,
    GuardedAccount,
    GuardRefusal,
    gateway_account,
    guarded_accounts,
    guarded_source,
    sync_accounts,
)
from gateway.policy.reasons import REASONS, Reason
from gateway.policy.settings import ClientPolicy

_GUARDED: Final = {
    CountedKind.address: Reason.source_guarded,
    CountedKind.own: Reason.gateway_account_guarded,
}
_REFUSALS: Final = {
    GuardRefusal.known: Reason.password_known_wrong,
    GuardRefusal.full: Reason.too_many_guarded,
}


def attempt_of_source(settings: ClientPolicy, plan: BindPlan, source: str) -> GuardedAccount | None:
    """Where a sign-in counts for the address that it comes from; None where it does not."""
    if not settings.lockout.per_source or plan.kind is AccountKind.anonymous:
        return None
    return guarded_source(settings.directory, source)


def attempts_of_accounts(settings: ClientPolicy, plan: BindPlan) -> tuple[GuardedAccount, ...]:
    """Where a sign-in counts for the account that it names; nowhere without a guard."""
    return guarded_accounts(settings.directory, plan) if settings.lockout.failures else ()


def attempts_at_server(settings: ClientPolicy, plan: BindPlan) -> tuple[GuardedAccount, ...]:
    """Where the sign-in at the server counts that follows a mapped account's right secret: for the gateway's own
    account, or, where the bind is forwarded, for the account that the server knows by its name; nowhere without a guard
    or for another account."""
    if not settings.lockout.failures or plan.mapped is None:
        return ()
    if plan.mapped.account.own is None:
        return sync_accounts(settings.directory, plan.account)
    return (gateway_account(settings.directory, parse(plan.request.name)),)


def guarded_reason(account: GuardedAccount) -> Reason:
    """The reason for which an attempt is refused after too many wrong passwords."""
    return _GUARDED.get(account.kind, Reason.account_guarded)


def refuse_attempt(account: GuardedAccount, why: GuardRefusal) -> Refuse:
    """The refusal of a sign-in whose attempt the lockout guard does not admit. It looks like a wrong password."""
    return Refuse(_REFUSALS.get(why) or guarded_reason(account), ResultCode.invalidCredentials)


def refuse_own_account(reason: Reason) -> Refuse:
    """The refusal of a mapped account's sign-in, whose secret was right, because the gateway cannot sign in at the
    server: that is nothing that the client did."""
    return _said(reason, ResultCode.unavailable)


def refuse_unverified() -> Refuse:
    """The refusal of a sign-in whose secret could not be verified now."""
    return _said(Reason.too_many_verifications, ResultCode.busy)


def refuse_late() -> Refuse:
    """The refusal of a sign-in that has waited too long for others of its account."""
    return _said(Reason.too_many_attempts, ResultCode.busy)


def _said(reason: Reason, code: ResultCode) -> Refuse:
    return Refuse(reason, code, f"{reason}: {REASONS[reason].meaning}")
