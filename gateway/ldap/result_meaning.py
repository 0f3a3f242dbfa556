"""What a server's result means to an administrator: its code and, where one is known, its diagnostic text.

Texts are not standardised (RFC 4511 4.1.9), so these are the ones that servers really write: Active Directory and
Samba (a Win32 error in hexadecimal behind `data`, MS-ERREF 2.2), OpenLDAP's slapd, HCL Domino.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.ldap.results import LDAPResult, ResultCode


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a server's refusal means.

    text: what it means, advice: what to do; a line each, neither with any of the server's own words.
    """

    text: str
    advice: str


# `80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 52e, v3839`. The number in front is the
# security package's (SEC_E_INVALID_TOKEN) and is the same for all of them.
_AD_BIND: Final = re.compile(r"AcceptSecurityContext error, data ([0-9a-fA-F]{1,8})\b")

_AD_BIND_MEANINGS: Final[dict[int, Meaning]] = {
    0x525: Meaning(
        "no account has this name",
        "compare the spelling; name@domain and DOMAIN\\name take the logon name, a DN needs its special characters "
        "escaped",
    ),
    0x52E: Meaning(
        "wrong password, or no account has this name",
        "set the password anew at both ends; each further attempt counts towards a lockout",
    ),
    0x52F: Meaning(
        "a restriction of the account forbids this sign-in",
        "look for an empty password, or for an authentication policy (silo, Protected Users) on the account",
    ),
    0x530: Meaning(
        "the account may not sign in at this hour", "permit all hours in the account's Logon Hours (logonHours)"
    ),
    0x531: Meaning(
        "the account may not sign in at this server",
        "in the account's Log On To (userWorkstations) permit all computers, or add the domain controllers",
    ),
    0x532: Meaning("the password has expired", "set a new one; a sync account's password should never expire"),
    0x533: Meaning("the account is disabled", "enable the account, or use another one"),
    0x568: Meaning(
        "the account is in too many groups for one sign-in", "take it out of groups; a sync account needs hardly any"
    ),
    0x569: Meaning(
        "the account lacks the right for this kind of sign-in",
        "grant it `Access this computer from the network` on the domain controllers, and look for a `Deny` of it",
    ),
    0x701: Meaning("the account has expired", "set `Account expires` to `Never`, or to a later day"),
    0x773: Meaning(
        "the password must be changed before the first sign-in",
        "clear `User must change password at next logon`; nobody can change it over LDAP here",
    ),
    0x775: Meaning(
        "the account is locked after too many wrong passwords",
        "find out who sends the wrong one (often a service that still has the old password), then unlock the account",
    ),
}

# Part of a text in lower case, under a result code where that matters (None: under any). The first that fits counts.
_TEXTS: Final[tuple[tuple[int | None, str, Meaning], ...]] = (
    (
        None,
        "data 80090346",
        Meaning(
            "the server demands channel binding",
            "LdapEnforceChannelBinding on the domain controllers concerns SASL only: use a simple bind",
        ),
    ),
    # Active Directory and Samba.
    (
        None,
        "a successful bind must be completed",
        Meaning("the server answers this only after a bind", "bind first; an anonymous search is not permitted there"),
    ),
    (
        None,
        "operation unavailable without authentication",
        Meaning("the server answers this only after a bind", "bind first; an anonymous search is not permitted there"),
    ),
    (
        None,
        "requires binds to turn on integrity checking",
        Meaning("the server wants TLS or signing before a bind", "connect by LDAPS"),
    ),
    (
        None,
        "transport encryption required",
        Meaning("the server wants TLS or signing before a bind", "connect by LDAPS"),
    ),
    # slapd.
    (
        None,
        "confidentiality required",
        Meaning("the server wants TLS, or a stronger cipher, for this", "connect by LDAPS; see `security` in slapd"),
    ),
    (
        None,
        "anonymous bind disallowed",
        Meaning("the server permits no anonymous bind", "bind with an account and its password"),
    ),
    (
        None,
        "unauthenticated bind",
        Meaning("a name came with an empty password", "give the account's password"),
    ),
    (
        None,
        "authentication required",
        Meaning("the server answers this only after a bind", "bind first; see `require authc` in slapd"),
    ),
    (
        None,
        "bind required",
        Meaning("the server answers this only after a bind", "bind first; see `require bind` in slapd"),
    ),
    (
        None,
        "operations are restricted to bind/unbind/abandon/starttls/modify password",
        Meaning(
            "the password was reset and must be changed before anything else",
            "change the account's password; nobody can change it over LDAP here",
        ),
    ),
    (
        None,
        "paged results cookie is invalid",
        Meaning(
            "the server has lost the pages of this search",
            "start the search again; slapd keeps one paged search per connection",
        ),
    ),
    (
        None,
        "no global superior knowledge",
        Meaning("the base is in none of the server's naming contexts", "compare naming_contexts with the root DSE"),
    ),
    (
        None,
        "operation restricted",
        Meaning("this kind of operation is switched off on the server", "see `restrict` in slapd"),
    ),
    # Domino.
    (
        ResultCode.invalidCredentials,
        "failed, invalid credentials for",
        Meaning(
            "wrong password, or Domino knows no such name",
            "it is the Internet password that counts (person document); give the name as in the directory, "
            "CN=Name,O=Organization; Domino may have locked it (inetlockout.nsf)",
        ),
    ),
)

_CODES: Final[dict[int, Meaning]] = {
    ResultCode.operationsError: Meaning(
        "the server could not do this in its present state", "often a search before a bind"
    ),
    ResultCode.timeLimitExceeded: Meaning("the server's time limit ended it", "ask for less, or raise the limit"),
    ResultCode.sizeLimitExceeded: Meaning(
        "there are more entries than the server gives at once", "read in pages, or raise the server's limit"
    ),
    ResultCode.authMethodNotSupported: Meaning(
        "the server takes no simple bind", "permit simple binds over TLS on the server"
    ),
    ResultCode.strongerAuthRequired: Meaning("the server wants TLS or signing before this", "connect by LDAPS"),
    ResultCode.referral: Meaning(
        "the base belongs to another server", "compare naming_contexts and base_dns with the server's root DSE"
    ),
    ResultCode.adminLimitExceeded: Meaning(
        "a limit of the server for this account ended it",
        "raise the server's limits for the sync account; where they forbid only paging, `paging: never` helps as well",
    ),
    ResultCode.unavailableCriticalExtension: Meaning(
        "the server does not know a control that it was told it must know", "`paging: never` where it cannot page"
    ),
    ResultCode.confidentialityRequired: Meaning("the server wants TLS for this", "connect by LDAPS"),
    ResultCode.noSuchObject: Meaning(
        "no entry has this name, or the account may not see it",
        "compare the name with the directory, and the account's permission to read there",
    ),
    ResultCode.invalidDNSyntax: Meaning(
        "the server cannot read this name", "escape special characters: ldap-gateway escape"
    ),
    ResultCode.inappropriateAuthentication: Meaning(
        "the server does not let this name bind in this way", "bind with an account that has a password"
    ),
    ResultCode.invalidCredentials: Meaning(
        "wrong name or password; the server does not say which",
        "compare both; some servers answer the same for a locked, disabled or expired account",
    ),
    ResultCode.insufficientAccessRights: Meaning("the account may not do this", "grant it to read below the base DNs"),
    ResultCode.busy: Meaning("the server is overloaded", "try again later; look at the server"),
    ResultCode.unavailable: Meaning("the server is stopping or not ready", "try again later; look at the server"),
    ResultCode.unwillingToPerform: Meaning(
        "the server refuses this kind of request", "see the server's own log for the reason"
    ),
}


_ADVICE: Final[dict[str, str]] = {
    known.text: known.advice
    for known in (*_AD_BIND_MEANINGS.values(), *(found for _, _, found in _TEXTS), *_CODES.values())
}


def advice_on(text: str) -> str:
    """What to do about a Meaning of this text; "" where there is none."""
    return _ADVICE.get(text, "")


def meaning(result: LDAPResult) -> Meaning | None:
    """None for success, and for codes that say nothing by themselves."""
    if result.code == ResultCode.success:
        return None
    bind = _AD_BIND.search(result.diagnostic)
    if bind is not None:
        known = _AD_BIND_MEANINGS.get(int(bind.group(1), 16))
        if known is not None:
            return known
    said = result.diagnostic.lower()
    for code, text, found in _TEXTS:
        if code in (None, result.code) and text in said:
            return found
    return _CODES.get(result.code)
