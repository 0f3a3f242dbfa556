"""The lockout guard: guesses at passwords through the gateway must not lock people out of the directory.

A directory locks an account after so many wrong passwords. The gateway stops earlier: after `failures` of them, one no
later than `window` behind the other, an account is guarded until `window` has passed since the last one. Nothing of it
reaches a server, and right and wrong passwords get the same answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum

from gateway.ldap.dn import DN, DNError, key, parse
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.bind_name import read_bind_name
from gateway.policy.decision import AccountKind, BindPlan, LoginName
from gateway.policy.source_network import source_network

# AD's sub-code of a refused bind: 52e is a wrong name or password. The others (disabled, expired, locked ...) are
# given for the right password as well, and AD does not count them.
_SUB_CODE = re.compile(r"\bdata ([0-9a-f]{1,8})\b")
_COUNTED = "52e"


@dataclass(frozen=True, slots=True)
class LockoutSettings:
    """failures: wrong passwords of one account before it is guarded; 0 for no guard. window: seconds of quiet after
    which all its wrong passwords are forgotten. per_source: wrong passwords that come from one address within window,
    of whatever accounts, before it is guarded; 0 for no guard. expire_together: False where each wrong password is
    forgotten by itself, window after it."""

    failures: int = 3
    window: float = 1800
    per_source: int = 0
    expire_together: bool = True

    def of_sources(self) -> LockoutSettings:
        """As they hold for an address, which is counted like an account. No directory counts addresses; and behind one
        address may be many people, of whom somebody mistypes at any hour, so its count must not wait for quiet."""
        return LockoutSettings(self.per_source, self.window, expire_together=False)


@dataclass(frozen=True, slots=True)
class GuardedAccount:
    """An account as its wrong passwords are counted. directory: two directories may have the same names.

    name: the same for name@domain and DOMAIN\\name of one name; a DN has one of its own until it is known to be the
    same person. sync: a sync account, with a count of its own: who guesses at people's passwords stops no sync.
    """

    directory: str
    name: str
    sync: bool = False


class GuardRefusal(Enum):
    """Why an attempt may not be made. guarded: too many wrong passwords. full: the account is not known, and no other
    one can be forgotten to count it."""

    guarded = "guarded"
    full = "full"


class Verdict(Enum):
    """What an attempt says of its password."""

    right = "right"
    wrong = "wrong"
    neither = "neither"


def guarded_account(directory: str, plan: BindPlan) -> GuardedAccount | None:
    """None where no password is asked for."""
    if plan.kind is AccountKind.anonymous:
        return None
    if plan.mapped is not None:
        # The outer name means something for this client only; no name of another form has a slash in it.
        return GuardedAccount(directory, f"{plan.mapped.client}/{plan.account.lower()}", sync=True)
    name = read_bind_name(plan.request.name)
    if isinstance(name, LoginName):
        return GuardedAccount(directory, name.name.lower(), plan.kind is AccountKind.sync)
    if name is None:
        return None
    if plan.kind is AccountKind.sync:
        # Its other spellings carry the same name (policy.bind).
        return GuardedAccount(directory, str(name.rdns[0][0].value).lower(), sync=True)
    return _account_of_dn(directory, name)


def guarded_source(directory: str, source: str) -> GuardedAccount:
    """A source as the wrong passwords that come from it are counted."""
    # No name has these brackets.
    return GuardedAccount(directory, f"<{source_network(source)}>")


def gateway_account(directory: str, bind_dn: DN) -> GuardedAccount:
    """An account of the gateway itself; whoever guesses at the outer secret does not reach it."""
    return replace(_account_of_dn(directory, bind_dn), sync=True)


def of_source(found: Verdict) -> Verdict:
    """What an attempt says of the address that it came from: who knows one password may still be guessing others."""
    return Verdict.wrong if found is Verdict.wrong else Verdict.neither


def account_of_entry(directory: str, text: str) -> GuardedAccount | None:
    """The account that binds by this entry's DN; None where it is none that could be bound by."""
    try:
        return _account_of_dn(directory, parse(text))
    except DNError:
        return None


def _account_of_dn(directory: str, dn: DN) -> GuardedAccount:
    parts = ["+".join(sorted(f"{kind}={value}" for kind, value in rdn)) for rdn in key(dn)]
    # No name of the other forms has a "=" in it.
    return GuardedAccount(directory, ",".join(parts))


def verdict_of_sign_in(code: int) -> Verdict:
    """What the result of a person's sign-in says, once it is known whether that person may sign in.

    Whoever may not (a person outside login_base_dns, whose account is disabled, or who has to change the password)
    counts like a wrong password: by a count that leaves these out anybody could try whether a password is right.
    """
    if code == ResultCode.success:
        return Verdict.right
    return Verdict.wrong if code == ResultCode.invalidCredentials else Verdict.neither


def verdict(result: LDAPResult) -> Verdict:
    """What a server's answer to the bind of a sync account, or of the gateway's own account, says of the password."""
    if result.code == ResultCode.success:
        return Verdict.right
    if result.code != ResultCode.invalidCredentials:
        return Verdict.neither
    sub_code = _SUB_CODE.search(result.diagnostic)
    wrong = sub_code is None or sub_code[1] == _COUNTED
    return Verdict.wrong if wrong else Verdict.neither
