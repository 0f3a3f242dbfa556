"""Who may bind, and under which name the server is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from gateway.ldap.dn import DN, DNError, has_hex_value, parse
from gateway.ldap.loose import loose_forms
from gateway.ldap.messages import BindRequest, SaslAuthentication, SimpleAuthentication
from gateway.ldap.results import ResultCode
from gateway.policy.bind_name import read_bare_name, read_bind_name
from gateway.policy.credentials import MappedBind, Secret, SecretCheck
from gateway.policy.decision import AccountKind, BindPlan, LoginName, Mended, Refuse
from gateway.policy.mending import MOST_CHARACTERS, Budget, BudgetSpent, fold, known_names, shown
from gateway.policy.reasons import REASONS, Reason
from gateway.policy.settings import ClientPolicy
from gateway.policy.unescaped import halved

# What would be read as a value in hexadecimal where the rest of a name is put right.
_HEX_VALUE = re.compile(r"= *#(?:[0-9A-Fa-f]{2})+ *(?:[,;+]|\Z)")


class BindJudge:
    """Decides one client's binds.

    A sync account is matched by its listed spellings: a DN by strict comparison, other forms without regard to
    case. A name@domain or DOMAIN\\name that is not listed but has the account's own name in it (before the @,
    behind the backslash, or as the value of a listed DN's leftmost RDN) is the same account in a spelling that
    nobody listed, and no login; so is a DN that is loosely a listed one, or that has the account's own name
    where no DN of the account is listed to tell it from. Of mapped accounts, which are one spelling each, a DN with
    the name of any of them is no login either: what it came with may be the outer secret.
    """

    def __init__(self, policy: ClientPolicy) -> None:
        self._policy = policy
        self._sync_dns: list[DN] = []
        self._sync_names: dict[str, str] = {}
        self._sync_own_names: set[str] = set()
        self._mapped = {account.name: account for account in policy.mapped_accounts}
        for spelling in policy.sync_accounts:
            name = read_bind_name(spelling)
            if isinstance(name, DN):
                self._sync_dns.append(name)
                self._sync_own_names.update(_own_names(name))
            elif name is not None:
                self._sync_names[spelling.lower()] = spelling
                self._sync_own_names.update(loose_forms(name.name))
            elif read_bare_name(spelling) is not None:
                self._sync_names[spelling.lower()] = spelling
                self._sync_own_names.update(loose_forms(spelling))
        self._sync_spellings = {fold(spelling): spelling for spelling in self._sync_names.values()}
        self._gateway_names = {name for dn in policy.gateway_accounts for name in _own_names(dn)}
        self._known = known_names(policy)
        self._domains = {domain.lower() for domain in policy.login_domains}

    def decide(self, request: BindRequest, budget: Budget | None = None) -> BindPlan | Refuse:
        """budget: for reading names that lack their escapes; None for any."""
        if request.version != 3:
            return _refuse(Reason.version_not_3, ResultCode.protocolError)
        if isinstance(request.authentication, SaslAuthentication):
            return _refuse(Reason.sasl_not_allowed, ResultCode.authMethodNotSupported)
        if not request.authentication.password:
            if request.name:
                # RFC 4513 5.1.2: an unauthenticated bind; AD would call it a success.
                return _refuse(Reason.empty_password, ResultCode.unwillingToPerform)
            if not self._policy.allow_anonymous:
                return _refuse(Reason.anonymous_not_allowed, ResultCode.inappropriateAuthentication)
            return BindPlan(request, AccountKind.anonymous)
        name = read_bind_name(request.name)
        if isinstance(name, DN) and has_hex_value(request.name):
            return _deny(Reason.bind_dn_hex_value)
        judged = self._by_bare_name(request) if name is None else self._judge(request, name)
        if isinstance(judged, BindPlan) or (isinstance(name, DN) and self._is_excluded(name)):
            return judged
        return self._mend(request, name, judged, budget)

    def _judge(self, request: BindRequest, name: DN | LoginName) -> BindPlan | Refuse:
        return self._by_dn(request, name) if isinstance(name, DN) else self._by_name(request, name)

    def _mend(
        self, request: BindRequest, strict: DN | LoginName | None, refusal: Refuse, budget: Budget | None
    ) -> BindPlan | Refuse:
        """The decision on the readings of a name that is refused as it came. strict: what it is as it came, None for no
        name at all."""
        if _HEX_VALUE.search(request.name):
            return _deny(Reason.bind_dn_hex_value)
        try:
            readings = self._readings(request.name, budget)
        except BudgetSpent as spent:
            return replace(_deny(Reason.too_much_mending, refusal.reason), setting=spent.setting)
        if not readings or all(_same(reading, strict) for reading in readings):
            return refusal
        if not self._policy.mending:
            right = shown(reading for reading in readings if isinstance(self._judge(request, reading), BindPlan))
            return replace(refusal, detail=f"write {right}") if right else refusal
        said = shown(readings)
        if len(readings) > 1:
            return _deny(Reason.ambiguous_dn, said)
        judged = self._judge(request, readings[0])
        if isinstance(judged, Refuse):
            return replace(judged, detail=f"read as {said}" if said else "")
        return replace(judged, mended=(Mended("name", request.name, judged.account),))

    def _readings(self, text: str, budget: Budget | None) -> tuple[DN | LoginName, ...]:
        if len(text) > MOST_CHARACTERS:
            return ()
        trimmed = text.strip()
        for spelling in (trimmed, halved(trimmed)[0]):
            name = read_bind_name(self._sync_spellings.get(fold(spelling), spelling))
            if isinstance(name, LoginName):
                return (name,)
        return self._known.readings(text, budget)

    def _by_dn(self, request: BindRequest, dn: DN) -> BindPlan | Refuse:
        for listed in self._sync_dns:
            if dn.same(listed):
                return self._sync_plan(request, str(listed))
        if _is_one_of(dn, self._policy.gateway_accounts):
            return _deny(Reason.gateway_account)
        if _is_one_of(dn, self._sync_dns):
            return self._deny_spelling()
        if (self._mapped or not self._sync_dns) and self._is_sync_name(_own_names(dn)):
            return self._deny_spelling()
        base = self._login_base(dn)
        if base is None:
            setting = "clients.X.excluded_base_dns" if self._is_excluded(dn) else None
            return _deny(Reason.login_outside_base, setting=setting)
        return BindPlan(_renamed(request, str(dn.rebase(base))), AccountKind.login)

    def _by_name(self, request: BindRequest, name: LoginName) -> BindPlan | Refuse:
        listed = self._sync_names.get(name.text.lower())
        if listed is not None:
            return self._sync_plan(request, listed)
        own = set(loose_forms(name.name))
        if not self._gateway_names.isdisjoint(own):
            return _deny(Reason.gateway_account)
        if self._is_sync_name(own):
            return self._deny_spelling()
        if name.domain.lower() not in self._domains or not self._policy.login_base_dns:
            setting = None if self._policy.login_base_dns else "clients.X.login_base_dns"
            return _deny(Reason.login_domain_not_listed, name.domain, setting)
        return BindPlan(_renamed(request, name.text), AccountKind.login, name)

    def _by_bare_name(self, request: BindRequest) -> BindPlan | Refuse:
        """A server might take it for several people's; a mapped account's name stays here."""
        bare = read_bare_name(request.name)
        listed = None if bare is None else self._sync_names.get(bare.lower())
        return _deny(Reason.bind_name_form_not_allowed) if listed is None else self._sync_plan(request, listed)

    def _sync_plan(self, request: BindRequest, listed: str) -> BindPlan:
        account = self._mapped.get(listed)
        if account is None:
            return BindPlan(_renamed(request, listed), AccountKind.sync)
        decoys = self._policy.decoy_hashes
        # As many for each account, so that the time does not tell one that has fewer from one that is not there.
        check = SecretCheck((*account.hashes, *decoys[len(account.hashes) :]), offered_secret(request))
        own = account.own
        if own is None:
            sent = _renamed(request, listed)
        else:
            sent = BindRequest(3, own.bind_dn, SimpleAuthentication(own.password.reveal()))
        mapped = MappedBind(self._policy.name, account, check, decoys)
        return BindPlan(sent, AccountKind.sync, mapped=mapped)

    def _deny_spelling(self) -> Refuse:
        setting = "clients.X.credentials.accounts" if self._mapped else "clients.X.sync_accounts"
        return _deny(Reason.account_spelling_not_listed, setting=setting)

    def _is_sync_name(self, names: set[str]) -> bool:
        return not self._sync_own_names.isdisjoint(names)

    def _login_base(self, dn: DN) -> DN | None:
        if self._is_excluded(dn):
            return None
        for base in self._policy.login_base_dns:
            if dn.is_inside(base):
                return base
        return None

    def _is_excluded(self, dn: DN) -> bool:
        return any(dn.is_inside_loosely(excluded) for excluded in self._policy.excluded_base_dns)

    def permitted_person(self, text: str) -> DN | None:
        """The DN of the entry that the server bound, which it writes so, with the configured spelling of its login
        base; None for a person who may not sign in: outside login_base_dns, a sync account or one of the gateway's."""
        dn = self._person(text)
        base = None if dn is None else self._login_base(dn)
        return None if dn is None or base is None else dn.rebase(base)

    def login_bases_to_read(self, text: str) -> tuple[DN, ...]:
        """The login bases that the entry which the server bound is in by loose comparison: whether the person may sign
        in depends on how the server spells them. Empty for whoever may not sign in however that is."""
        dn = self._person(text)
        if dn is None or self._is_excluded(dn):
            return ()
        return tuple([base for base in self._policy.login_base_dns if dn.is_inside_loosely(base)])

    def permitted_person_below(self, text: str, base: DN, theirs: DN) -> DN | None:
        """permitted_person of an entry that is inside this one of login_bases_to_read, which the server spells as
        theirs; None for one that is not, or that is excluded under either spelling."""
        dn = self._person(text)
        if dn is None or not dn.is_inside(theirs):
            return None
        configured = DN(dn.rdns[: len(dn.rdns) - len(theirs.rdns)] + base.rdns)
        return None if self._is_excluded(dn) or self._is_excluded(configured) else configured

    def _person(self, text: str) -> DN | None:
        """The name of an entry that may be a person's: no sync account and none of the gateway's."""
        try:
            dn = parse(text)
        except DNError:
            return None
        return None if _is_one_of(dn, self._sync_dns) or _is_one_of(dn, self._policy.gateway_accounts) else dn


def offered_secret(request: BindRequest) -> Secret:
    """What a bind came with; nothing for SASL, which is never served."""
    offered = request.authentication
    return Secret(offered.password if isinstance(offered, SimpleAuthentication) else b"")


def _same(meant: DN | LoginName, strict: DN | LoginName | None) -> bool:
    if isinstance(meant, DN) and isinstance(strict, DN):
        return meant.same(strict)
    return meant == strict


def _is_one_of(dn: DN, accounts: Iterable[DN]) -> bool:
    """Whether any server might take the name for one of these."""
    return any(dn.same_loosely(account) for account in accounts)


def _own_names(dn: DN) -> set[str]:
    """The loose forms of the values of the leftmost RDN."""
    return {form for ava in dn.rdns[0] if isinstance(ava.value, str) for form in loose_forms(ava.value)}


def _renamed(request: BindRequest, name: str) -> BindRequest:
    return BindRequest(request.version, name, request.authentication)


def _refuse(reason: Reason, code: ResultCode) -> Refuse:
    return Refuse(reason, code, f"{reason}: {REASONS[reason].meaning}")


def _deny(reason: Reason, detail: str = "", setting: str | None = None) -> Refuse:
    """Who may sign in is nobody's business outside: like a wrong password, and without a text."""
    return Refuse(reason, ResultCode.invalidCredentials, "", detail, setting=setting)
