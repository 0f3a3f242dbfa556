"""What a client is told of a server's result: the code, and the text only where it may have it."""

from __future__ import annotations

from typing import Final

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
    text = result.diagnostic if policy.settings.pass_diagnostics else _said(result)
    return LDAPResult(result.code, "", text), None


# The result of every sign-in that is refused, and of a wrong password (docs/decisions/0004-refusals-of-people.md).
REFUSED: Final = LDAPResult(ResultCode.invalidCredentials)

# RFC 4511 appendix A: what a server says of itself or of the request. Any other answer to a bind may depend on the
# person: 389 Directory Server, for one, answers unwillingToPerform where the account is inactivated.
_NOT_OF_THE_PERSON: Final = frozenset(
    {
        ResultCode.operationsError,
        ResultCode.protocolError,
        ResultCode.timeLimitExceeded,
        ResultCode.authMethodNotSupported,
        ResultCode.strongerAuthRequired,
        ResultCode.adminLimitExceeded,
        ResultCode.confidentialityRequired,
        ResultCode.invalidDNSyntax,
        ResultCode.busy,
        ResultCode.unavailable,
        ResultCode.other,
    }
)


def relayed_sign_in(result: LDAPResult) -> tuple[LDAPResult, Reason | None]:
    """Rewrites the result of a person's bind that the server did not accept.

    The server's text never passes, whatever pass_diagnostics says: it is another one for a wrong password than for the
    right one of somebody who may not sign in.
    """
    if result.code in (ResultCode.referral, ResultCode.saslBindInProgress):
        return _wrong_response(result)
    if result.code in _NOT_OF_THE_PERSON:
        return LDAPResult(result.code, "", _said(result)), None
    return REFUSED, None


def relayed_bind(result: LDAPResult, policy: Policy) -> tuple[LDAPResult, Reason | None]:
    """Rewrites the result of a sync account's bind that the server did not accept.

    Without pass_diagnostics there is no text at all: AD's sub-codes tell a stranger whether an account
    exists, is disabled or locked, and a refusal by the gateway itself must look the same.
    """
    if result.code == ResultCode.invalidCredentials:
        return LDAPResult(result.code, "", result.diagnostic if policy.settings.pass_diagnostics else ""), None
    if result.code in (ResultCode.referral, ResultCode.saslBindInProgress):
        return _wrong_response(result)
    return relayed(result, policy)


def _wrong_response(result: LDAPResult) -> tuple[LDAPResult, Reason]:
    text = f"{Reason.server_wrong_response}: the directory answered a simple bind with {result_name(result.code)}"
    return LDAPResult(ResultCode.unavailable, "", text), Reason.server_wrong_response


def _said(result: LDAPResult) -> str:
    return f"the directory answered {result_name(result.code)}"
