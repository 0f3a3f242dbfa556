"""What a client is told of a server's result: the code, and the text only where it may have it."""

from __future__ import annotations

from gateway.ldap.results import LDAPResult, ResultCode, result_name
from gateway.policy.reasons import Reason


def relayed(result: LDAPResult, pass_diagnostics: bool) -> tuple[LDAPResult, Reason | None]:
    """Rewrites the final result of a search.

    matchedDN and referral URIs stay inside: they name what lies outside the allowed bases, and internal
    hosts. A referral is an error here: the gateway follows none, and a client must not go round it.
    """
    if result.code == ResultCode.referral:
        text = f"{Reason.server_referral}: the directory refers elsewhere for this base; nothing is followed"
        return LDAPResult(ResultCode.unwillingToPerform, "", text), Reason.server_referral
    if result.code == ResultCode.success:
        return LDAPResult(ResultCode.success), None
    text = result.diagnostic if pass_diagnostics else f"the directory answered {result_name(result.code)}"
    return LDAPResult(result.code, "", text), None


def relayed_bind(result: LDAPResult, pass_diagnostics: bool) -> tuple[LDAPResult, Reason | None]:
    """Rewrites the result of a bind that the server did not accept.

    Without pass_diagnostics there is no text at all: AD's sub-codes tell a stranger whether an account
    exists, is disabled or locked, and a refusal by the gateway itself must look the same.
    """
    if result.code == ResultCode.invalidCredentials:
        return LDAPResult(result.code, "", result.diagnostic if pass_diagnostics else ""), None
    if result.code in (ResultCode.referral, ResultCode.saslBindInProgress):
        text = f"{Reason.server_wrong_response}: the directory answered a simple bind with {result_name(result.code)}"
        return LDAPResult(ResultCode.unavailable, "", text), Reason.server_wrong_response
    return relayed(result, pass_diagnostics)
