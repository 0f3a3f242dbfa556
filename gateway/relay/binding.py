"""The steps of a bind: the bind itself, and finding out whom the server bound."""

from __future__ import annotations

from collections.abc import Generator

from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.messages import WHO_AM_I, BindResponse, ExtendedRequest, ExtendedResponse
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy import login
from gateway.policy.attempts import attempt_of_source, attempts_of_accounts, refuse_attempt
from gateway.policy.authorization_identity import read_identity
from gateway.policy.bind import offered_secret
from gateway.policy.bind_name import read_bind_name
from gateway.policy.credentials import Secret
from gateway.policy.decision import AccountKind, BindPlan, LoginName, Refuse
from gateway.policy.lockout import (
    AttemptRefused,
    GuardedAccount,
    LockoutSettings,
    account_of_entry,
    of_source,
    verdict,
    verdict_of_sign_in,
)
from gateway.policy.password_digest import password_digest
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.relay.base_reading import read_base
from gateway.relay.questions import AdmitAttempt, Admitted, AttemptEnded, JoinAccounts
from gateway.relay.results import REFUSED, relayed_bind, relayed_sign_in
from gateway.relay.steps import (
    Account,
    Answer,
    Ask,
    Found,
    Look,
    Outcome,
    Step,
    Steps,
)


def begin_attempt(
    account: GuardedAccount, settings: LockoutSettings, password: Secret, identity: str = ""
) -> AdmitAttempt:
    """The question whether the account may try this password, which is known again where it has proved wrong: a
    service repeats an old one for ever. What a person mistypes is not kept."""
    digest = password_digest(account, password.reveal()) if account.sync else b""
    return AdmitAttempt(account, settings, digest, identity)


def refused_attempt(answer: Answer, account: GuardedAccount) -> Outcome | None:
    """The end of a bind whose attempt the lockout guard does not admit, from its answer; None where it does."""
    refused = attempt_refusal(answer)
    return None if refused is None else refused_bind(refuse_attempt(account, refused.why), refused.left)


def attempt_refusal(answer: Answer) -> AttemptRefused | None:
    """What the lockout guard has against an attempt, from its answer; None for nothing."""
    if not isinstance(answer, Admitted):
        raise TypeError("the beginning of an attempt was answered by something else")
    return answer.refusal


def refused_bind(refusal: Refuse, guarded_for: float | None = None) -> Outcome:
    """The end of a bind that is refused after it was begun. guarded_for: as Outcome has it."""
    result = LDAPResult(refusal.code, "", refusal.text)
    return Outcome(result, reason=refusal.reason, detail=refusal.detail, guarded_for=guarded_for)


def bind_steps(policy: Policy, plan: BindPlan, source: str) -> Steps:
    """Binds as the plan says, unless the account or the client's address is guarded; a login by name counts only if the
    person whom the server bound may sign in."""
    guard = policy.settings.lockout
    address = attempt_of_source(policy.settings, plan, source)
    if address is not None:
        refused = refused_attempt((yield AdmitAttempt(address, guard.of_sources())), address)
        if refused is not None:
            return refused
    accounts = attempts_of_accounts(policy.settings, plan)
    password, identity = offered_secret(plan.request), _identity(plan)
    for account in accounts:
        begun = begin_attempt(account, guard, password, identity)
        refused = refused_attempt((yield begun), account)
        if refused is not None:
            return refused
    answer = yield Ask(plan.request, plan.controls)
    if not isinstance(answer, BindResponse):
        raise TypeError("a bind was answered by something else")
    entry = ""
    if plan.kind is AccountKind.login:
        outcome, entry = yield from _signed_in(policy, plan, answer.result, accounts)
        found = verdict_of_sign_in(outcome.result.code)
    else:
        outcome = _bound(policy, plan, answer.result)
        found = verdict(answer.result)
    for account in accounts:
        yield AttemptEnded(account, found, entry)
    if address is not None:
        yield AttemptEnded(address, of_source(found))
    return outcome


def _bound(policy: Policy, plan: BindPlan, said: LDAPResult) -> Outcome:
    """The end of a bind of a sync account or of an anonymous one. said: what the server answered."""
    if said.code != ResultCode.success:
        result, reason = relayed_bind(said, policy)
        return Outcome(result, reason=reason)
    return _success(plan)


def _identity(plan: BindPlan) -> str:
    """The name of a person who signs in, strictly: the count is shared by all who are loosely called so. "" for an
    account that the configuration names."""
    if plan.kind is not AccountKind.login:
        return ""
    name = read_bind_name(plan.request.name)
    return name.text.lower() if isinstance(name, LoginName) else _strict(plan.request.name)


def _strict(dn: str) -> str:
    try:
        return str(parse(dn)).lower()
    except DNError:
        return ""


_SignedIn = Generator[Step, Answer, tuple[Outcome, str]]


def _signed_in(policy: Policy, plan: BindPlan, said: LDAPResult, accounts: tuple[GuardedAccount, ...]) -> _SignedIn:
    """The end of a person's sign-in, and the DN of the entry that was found, strictly, "" for none. said: what the
    server answered. accounts: where the attempt is counted."""
    if said.code != ResultCode.success:
        result, reason = relayed_sign_in(said)
        return Outcome(result, reason=reason), ""
    entry = _strict(plan.request.name)
    if plan.look_up is not None:
        dn = yield from _bound_person(policy, plan.look_up)
        person = account_of_entry(policy.settings.directory, dn) if dn is not None else None
        # The entry is the person, whatever names sign in as it. Of two that a name may mean it is not known which one
        # is this person's.
        if len(accounts) == 1 and person is not None:
            yield JoinAccounts(accounts[0], person)
        if dn is None:
            return Outcome(REFUSED, reason=Reason.login_identity_unknown), ""
        entry = _strict(dn)
        permitted = policy.bind.permitted_person(dn) or (yield from _permitted_by_spelling(policy, dn))
        if permitted is None:
            return Outcome(REFUSED, reason=Reason.login_outside_base), entry
        return _success(plan, str(permitted)), entry
    return _success(plan), entry


def _permitted_by_spelling(policy: Policy, dn: str) -> Generator[Step, Answer, DN | None]:
    """A person who is in a login base by loose comparison alone, and in it by the server's own spelling of it; None for
    one who is not."""
    for base in policy.bind.login_bases_to_read(dn):
        theirs = yield from read_base(base)
        permitted = None if theirs is None else policy.bind.permitted_person_below(dn, base, theirs)
        if permitted is not None:
            return permitted
    return None


def _success(plan: BindPlan, dn: str = "") -> Outcome:
    """dn: of the person who was found by a name."""
    return Outcome(LDAPResult(ResultCode.success), account=Account(plan.kind, plan.request.name, dn))


_Lookup = Generator[Step, Answer, str | None]


def _bound_person(policy: Policy, name: LoginName) -> _Lookup:
    """The DN of the person whom the server bound, by the surest way that the server offers; None if none is."""
    dn = yield from _by_token_groups(name)
    if dn is None:
        dn = yield from _by_who_am_i(policy, name)
    if dn is None:
        dn = yield from _by_unique_name(policy, name)
    return dn


def _by_token_groups(name: LoginName) -> _Lookup:
    """AD: the security context of the connection, whose first SID is the user's own (Samba; on Windows the order
    is unverified, so the entry must also carry the name that was bound)."""
    context = yield Look(login.token_groups_search())
    if not isinstance(context, Found) or len(context.entries) != 1:
        return None
    sid = login.first_sid(context.entries[0])
    if sid is None:
        return None
    person = yield Look(login.sid_search(sid))
    if not isinstance(person, Found) or person.count != 1 or not login.entry_is_login(person.entries[0], name):
        return None
    return person.entries[0].dn


def _by_who_am_i(policy: Policy, name: LoginName) -> _Lookup:
    """RFC 4532: a DN outright, or a user name that must then belong to exactly one entry."""
    answer = yield Ask(ExtendedRequest(WHO_AM_I))
    if not isinstance(answer, ExtendedResponse) or answer.result.code != ResultCode.success or answer.value is None:
        return None
    identity = read_identity(answer.value)
    if isinstance(identity, DN):
        return str(identity)
    if identity is None or identity.lower() != name.name.lower():
        return None
    return (yield from _by_unique_name(policy, name))


def _by_unique_name(policy: Policy, name: LoginName) -> _Lookup:
    """The only entry of all naming contexts with this name; None where there are several or a search failed."""
    found: list[str] = []
    for context in policy.settings.naming_contexts:
        answer = yield Look(login.name_search(context, name))
        if not isinstance(answer, Found) or answer.result.code != ResultCode.success or answer.count > 1:
            return None
        found.extend(entry.dn for entry in answer.entries)
    return found[0] if len(found) == 1 else None
