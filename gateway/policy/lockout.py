"""The lockout guard: guesses at passwords through the gateway must not lock people out of the directory.

A directory locks an account after so many wrong passwords. The gateway stops earlier: after `failures` of them, one no
later than `window` behind the other, an account is guarded until `window` has passed since the last one. Nothing of it
reaches a server, and right and wrong passwords get the same answer.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from ipaddress import ip_address
from typing import Final, NamedTuple

from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.loose import loose_forms
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.bind_name import read_bind_name
from gateway.policy.decision import AccountKind, BindPlan, LoginName
from gateway.policy.source_network import source_network

# AD's sub-code of a refused bind: 52e is a wrong name or password. The others (disabled, expired, locked ...) are
# given for the right password as well, and AD does not count them.
_SUB_CODE = re.compile(r"\bdata ([0-9a-f]{1,8})\b")
_COUNTED = "52e"
# Characters of a name that is counted: names that begin alike for so long count together. Anybody can send many long
# ones, and each is remembered.
LONGEST_NAME: Final = 256
# In the place of a value that is no text. A DN that binds has none.
_UNREADABLE = ("#",)


@dataclass(frozen=True, slots=True)
class LockoutSettings:
    """The settings of the lockout guard.

    failures: wrong passwords of one account before it is guarded; 0 for no guard. window: seconds of quiet after which
    all its wrong passwords are forgotten. per_source: wrong passwords that come from one address within window, of
    whatever accounts, before it is guarded; 0 for no guard. expire_together: False where each wrong password is
    forgotten by itself, window after it.
    """

    failures: int = 3
    window: float = 1800
    per_source: int = 0
    expire_together: bool = True

    def of_sources(self) -> LockoutSettings:
        """The settings as they hold for an address, which is counted like an account. No directory counts addresses;
        and behind one address may be many people, of whom somebody mistypes at any hour, so its count must not wait for
        quiet."""
        return LockoutSettings(self.per_source, self.window, expire_together=False)


def strictest(several: Iterable[LockoutSettings]) -> LockoutSettings | None:
    """The fewest failures and the longest window of these, leaving out those without a guard as long as there is one
    with it; None of none."""
    found = list(several)
    guards = [each for each in found if each.failures] or found
    if not guards:
        return None
    failures, window = min(each.failures for each in guards), max(each.window for each in guards)
    return LockoutSettings(failures, window, expire_together=guards[0].expire_together)


@dataclass(frozen=True, slots=True)
class GuardedAccount:
    """An account as its wrong passwords are counted. directory: two directories may have the same names.

    name: begins with its kind. "name:" is followed by the loose form of what name@domain and DOMAIN\\name have in
    common; "dn:" by the loose forms of a DN's values without their types, which counts by itself until it is known to
    be the same person; "mapped:" by the name of a mapped account, "address:" by an address. sync: a sync account, with
    a count of its own: who guesses at people's passwords stops no sync.
    """

    directory: str
    name: str
    sync: bool = False

    @property
    def kind(self) -> CountedKind:
        prefix = self.name.partition(":")[0]
        if prefix in ("mapped", "address"):
            return CountedKind(CountedKind[prefix])
        if not self.sync:
            return CountedKind.person
        # A sync account counts by the name that its spellings have in common.
        return CountedKind.own if prefix == "dn" else CountedKind.sync

    @property
    def shown(self) -> str:
        """The name without its kind, for people."""
        return self.name.partition(":")[2]


class CountedKind(StrEnum):
    """What a GuardedAccount stands for, in words."""

    person = "person"
    sync = "sync account"
    mapped = "mapped account"
    own = "account of the gateway"
    address = "address"


class GuardRefusal(Enum):
    """Why an attempt may not be made. guarded: too many wrong passwords. known: this password has proved wrong. full:
    the account is not known, and no other one can be forgotten to count it."""

    guarded = "guarded"
    known = "known"
    full = "full"


class AttemptRefused(NamedTuple):
    """An attempt that may not be made. left: seconds until it may be made again if nothing happens meanwhile; 0 where
    nobody can say."""

    why: GuardRefusal
    left: float = 0.0


class Verdict(Enum):
    """What an attempt says of its password."""

    right = "right"
    wrong = "wrong"
    neither = "neither"


def guarded_accounts(directory: str, plan: BindPlan) -> tuple[GuardedAccount, ...]:
    """Where the attempt counts; nowhere where no password is asked for. Two are what servers may make of one name that
    they do not read alike (gateway/ldap/loose.py): the attempt counts for both. They are sorted, so that attempts of
    two such names never wait for each other."""
    if plan.kind is AccountKind.anonymous:
        return ()
    if plan.mapped is not None:
        return (mapped_account(directory, plan.mapped.client, plan.account),)
    if plan.kind is AccountKind.sync:
        return sync_accounts(directory, plan.request.name)
    name = read_bind_name(plan.request.name)
    if isinstance(name, LoginName):
        return _sorted(_accounts_of_name(directory, name.name, sync=False))
    return () if name is None else _sorted(_accounts_of_dn(directory, name, sync=False))


def sync_accounts(directory: str, text: str) -> tuple[GuardedAccount, ...]:
    """A sync account, listed so, as its attempts at a server are counted: together for its spellings, which carry the
    same name (policy.bind)."""
    name = read_bind_name(text)
    shared = text
    if name is not None:
        shared = name.name if isinstance(name, LoginName) else str(name.rdns[0][0].value)
    return _sorted(_accounts_of_name(directory, shared, sync=True))


def mapped_account(directory: str, client: str, name: str) -> GuardedAccount:
    """A mapped account of a client; its name means something for this client only."""
    return GuardedAccount(directory, f"mapped:{client}/{name.lower()}", sync=True)


def accounts_named(directory: str, text: str) -> set[GuardedAccount]:
    """Every account of a directory that somebody may mean by this text: a name that binds, a part of one, an
    address."""
    found: set[GuardedAccount] = set()
    name = read_bind_name(text)
    for sync in (False, True):
        found.update(_accounts_of_name(directory, text, sync))
        if isinstance(name, LoginName):
            found.update(_accounts_of_name(directory, name.name, sync))
        elif name is not None:
            found.update(_accounts_of_dn(directory, name, sync))
            found.update(_accounts_of_name(directory, str(name.rdns[0][0].value), sync))
    with contextlib.suppress(ValueError):
        found.add(guarded_source(directory, str(ip_address(text.partition("/")[0]))))
    return found


def guarded_source(directory: str, source: str) -> GuardedAccount:
    """A source as the wrong passwords that come from it are counted."""
    return GuardedAccount(directory, f"address:{source_network(source)}")


def gateway_account(directory: str, bind_dn: DN) -> GuardedAccount:
    """An account of the gateway itself; whoever guesses at the outer secret does not reach it."""
    return _accounts_of_dn(directory, bind_dn, sync=True)[0]


def of_source(found: Verdict) -> Verdict:
    """What an attempt says of the address that it came from: who knows one password may still be guessing others."""
    return Verdict.wrong if found is Verdict.wrong else Verdict.neither


def account_of_entry(directory: str, text: str) -> GuardedAccount | None:
    """The account that binds by this entry's DN; None where it is none that could be bound by."""
    try:
        return _accounts_of_dn(directory, parse(text), sync=False)[0]
    except DNError:
        return None


def _sorted(accounts: tuple[GuardedAccount, ...]) -> tuple[GuardedAccount, ...]:
    return tuple(sorted(accounts, key=lambda account: account.name))


def _accounts_of_name(directory: str, name: str, sync: bool) -> tuple[GuardedAccount, ...]:
    names = dict.fromkeys(form[:LONGEST_NAME] for form in loose_forms(name))
    return tuple([GuardedAccount(directory, f"name:{form}", sync) for form in names])


def _accounts_of_dn(directory: str, dn: DN, sync: bool) -> tuple[GuardedAccount, ...]:
    values = [[forms or _UNREADABLE for _, forms in dn.loose_at(at)] for at in range(len(dn.rdns))]
    # At most two: as all servers but Active Directory read it, and as that does.
    names = dict.fromkeys(
        ",".join(["+".join(sorted({forms[way] for forms in rdn})) for rdn in values])[:LONGEST_NAME] for way in (0, -1)
    )
    return tuple([GuardedAccount(directory, f"dn:{name}", sync) for name in names])


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
