"""What a client is told of a server's result: the code, and the text only where it may have it."""

from __future__ import annotations

from gateway.ldap.results import LDAPResult, ResultCode, result_name
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason


def relayed(result: LDAPResult, policy: Policy) -> tuple[LDAPResult, Reason | None]:
    """Rewrites the final result of a search.

    matchedDN stays inside: it names what lies outside the allowed bases. So do referral URIs to hosts that are not
    listed; where nothing is left of a referral it is an error: the gateway follows none.
    """
    if result.code == ResultCode.referral:
        uris = policy.entries.keep_references(result.referral)
        if uris:
            return LDAPResult(ResultCode.referral, referral=uris), None
        text = f"{Reason.server_referral}: the directory refers elsewhere for this base; nothing is followed"
        return LDAPResult(ResultCode.unwillingToPerform, "", text), Reason.server_referral
    if result.code == ResultCode.success:
        return LDAPResult(ResultCode.success), None
    said = f"the directory answered {result_name(result.code)}"
    return LDAPResult(result.code, "", result.diagnostic if policy.settings.pass_diagnostics else said), None


def relayed_bind(result: LDAPResult, policy: Policy) -> tuple[LDAPResult, Reason | None]:
    """Rewrites the result of a bind that the server did not accept.

    Without pass_diagnostics there is no text at all: AD's sub-codes tell a stranger whether an account
    exists, is disabled or locked, and a refusal by the gateway itself must look the same.
    """
    if result.code == ResultCode.invalidCredentials:
        return LDAPResult(result.code, "", result.diagnostic if policy.settings.pass_diagnostics else ""), None
    if result.code in (ResultCode.referral, ResultCode.saslBindInProgress):
        text = f"{Reason.server_wrong_response}: the directory answered a simple bind with {result_name(result.code)}"
        return LDAPResult(ResultCode.unavailable, "", text), Reason.server_wrong_response
    return relayed(result, policy)
