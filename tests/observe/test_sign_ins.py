import re
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap.result_meaning import advice_on, meaning
from gateway.ldap.results import LDAPResult
from gateway.observe.sign_ins import REMEDIES, SyncSignIns, is_of_a_sync
from gateway.policy.reasons import REASONS, Reason
from tests.examples import examples
from tests.observe.records import record
from tests.policy.mapped import OWN_DN, forwarded_account, mapped_account, mapped_policy
from tests.policy.policies import policy

DN, UPN = policy().sync_accounts
OTHER = "svc-archive@corp.example"
WRONG = "wrong password, or no account has this name"
NOW = 1_700_000_000.0


class Guarded:
    """The guards of a test, by the name that an account is counted by."""

    def __init__(self):
        self.left = defaultdict(float)

    def guard_left(self, account):
        return self.left[account.name]


@pytest.fixture
def guard():
    return Guarded()


@pytest.fixture
def sign_ins():
    made = SyncSignIns()
    made.serve(policy(sync_accounts=(DN, UPN, OTHER)))
    return made


def bind(account=UPN, code=0, **fields):
    return record("bind", account=account, code=code, sync_bind=True, **fields)


def wrong(account=UPN):
    return bind(account, 49, server_code=49, server_meaning=WRONG)


def test_before_anybody_has_signed_in_nobody_is_refused(sign_ins, guard):
    assert sign_ins.refused(guard) == []
    assert (sign_ins.last, sign_ins.succeeded, sign_ins.failing) == (None, None, False)


def test_a_failed_sign_in_holds_until_the_account_signs_in(sign_ins, guard):
    sign_ins.note(bind(), NOW)
    sign_ins.note(wrong(), NOW + 10)
    sign_ins.note(bind(code=49, reason="password-known-wrong"), NOW + 20)
    (refused,) = sign_ins.refused(guard)
    assert (refused.since, refused.last, refused.own) == (NOW + 10, NOW + 20, False)
    assert refused.why == WRONG
    assert "ldap-gateway lockout release" in refused.remedy
    assert (sign_ins.last.well, sign_ins.last.time, sign_ins.succeeded) == (False, NOW + 20, NOW)
    sign_ins.note(bind(), NOW + 30)
    assert sign_ins.refused(guard) == []
    assert (sign_ins.last.words, sign_ins.succeeded) == ("signed in", NOW + 30)


def test_the_servers_word_and_its_remedy_are_told(sign_ins, guard):
    text = "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 775, v3839"
    locked = meaning(LDAPResult(49, "", text))
    sign_ins.note(bind(code=49, server_code=49, server_meaning=locked.text), NOW)
    (refused,) = sign_ins.refused(guard)
    assert refused.why == "the account is locked after too many wrong passwords"
    assert refused.remedy.startswith("Find out who sends the wrong one")
    assert advice_on("") == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"code": 52, "reason": "server-unreachable"},
        {"code": 52, "reason": "server-lost"},
        {"code": 52, "reason": "server-silent"},
        {"code": 52, "server_code": 52},
        {"code": 51, "server_code": 51},
        {"code": None, "reason": "client-gone"},
        {"code": 51, "reason": "too-many-verifications"},
    ],
)
def test_what_says_nothing_of_the_account_makes_it_no_failure(sign_ins, guard, fields):
    sign_ins.note(bind(**fields), NOW)
    assert sign_ins.refused(guard) == []
    assert not sign_ins.last.well


def test_the_spellings_of_one_account_are_one(sign_ins, guard):
    sign_ins.note(wrong(DN), NOW)
    sign_ins.note(bind(UPN), NOW + 1)
    assert sign_ins.refused(guard) == []


def test_an_account_that_has_signed_in_is_not_excused_by_another_one(sign_ins, guard):
    sign_ins.note(bind(OTHER), NOW)
    sign_ins.note(wrong(OTHER), NOW + 1)
    sign_ins.note(bind(UPN), NOW + 2)
    assert [refused.since for refused in sign_ins.refused(guard)] == [NOW + 1]


def test_guesses_at_a_name_that_never_signed_in_are_forgotten_when_the_sync_signs_in(sign_ins, guard):
    sign_ins.note(wrong(OTHER), NOW)
    misspelled = record(
        "bind", account="CORP\\svc-sync", code=49, decision="refuse", reason="account-spelling-not-listed"
    )
    assert is_of_a_sync(misspelled)
    sign_ins.note(misspelled, NOW + 1)
    assert len(sign_ins.refused(guard)) == 2
    sign_ins.note(bind(UPN), NOW + 2)
    assert sign_ins.refused(guard) == []


def test_a_guess_while_the_sync_goes_on_is_forgotten_with_its_next_search_but_for_a_guard(sign_ins, guard):
    sign_ins.note(bind(), NOW)
    sign_ins.note(wrong(), NOW + 1)
    guard.left["name:svc-sync"] = 60.0
    sign_ins.searched(UPN, guard)
    (refused,) = sign_ins.refused(guard)
    assert (refused.guarded_for, refused.since) == (60.0, NOW + 1)
    guard.left.clear()
    sign_ins.searched(OTHER, guard)
    assert sign_ins.failing
    sign_ins.searched(UPN, guard)
    assert sign_ins.refused(guard) == []
    assert not sign_ins.failing


def test_a_guard_alone_refuses(sign_ins, guard):
    sign_ins.note(bind(), NOW)
    guard.left["name:svc-sync"] = 90.0
    (refused,) = sign_ins.refused(guard)
    assert (refused.since, refused.guarded_for) == (None, 90.0)
    assert refused.why.startswith("too many wrong passwords of this account")
    guard.left.clear()
    assert sign_ins.refused(guard) == []


@pytest.fixture
def mapped():
    made = SyncSignIns()
    made.serve(mapped_policy(mapped_account("sync"), name="mimecast"))
    return made


def own(code, reason="", **fields):
    return bind("sync", code, reason=reason, mapped_to=OWN_DN, **fields)


def test_the_own_account_counts_as_refused_until_it_signs_in_again(mapped, guard):
    def own_refused():
        return [refused.own for refused in mapped.refused(guard)]

    mapped.note(own(49, "secret-wrong"), NOW)
    assert own_refused() == [False]
    mapped.note(own(52, "server-lost"), NOW)
    assert own_refused() == [False]
    # The secret was right this time.
    mapped.note(own(52, "gateway-account-refused", server_meaning="the account is disabled"), NOW)
    assert own_refused() == [True]
    assert mapped.refused(guard)[0].why.endswith(
        "refuses the account that the gateway signs in with: the account is disabled"
    )
    mapped.note(own(49, "secret-wrong"), NOW)
    assert own_refused() == [False, True]
    mapped.note(own(52, "gateway-account-guarded"), NOW)
    assert own_refused() == [True]
    mapped.note(own(0), NOW)
    assert own_refused() == []


@pytest.mark.parametrize("reason", ["gateway-account-refused", "gateway-account-guarded"])
def test_a_forwarded_account_is_refused_itself_until_it_signs_in(guard, reason):
    forwarded = SyncSignIns()
    forwarded.serve(mapped_policy(forwarded_account("sync"), name="mimecast"))
    forwarded.note(bind("sync", 52, reason=reason), NOW)
    (refused,) = forwarded.refused(guard)
    assert (refused.own, refused.since, refused.why) == (False, NOW, REASONS[Reason(reason)].meaning)
    assert "password_file" not in refused.remedy and re.fullmatch(r"[A-Z].+\.", refused.remedy)
    forwarded.note(bind("sync"), NOW)
    assert forwarded.refused(guard) == []
    guard.left["name:sync"] = 60.0
    assert [each.guarded_for for each in forwarded.refused(guard)] == [60.0]


def test_an_own_account_that_left_the_configuration_is_refused_no_longer(mapped, guard):
    mapped.note(own(52, "gateway-account-refused"), NOW)
    mapped.serve(policy())
    assert mapped.refused(guard) == []
    # A session that began before may still try it.
    mapped.note(own(52, "gateway-account-refused"), NOW)
    assert mapped.refused(guard) == []


def test_a_reload_keeps_what_is_known_of_accounts_that_stay(sign_ins, guard):
    sign_ins.note(wrong(), NOW)
    sign_ins.note(wrong(OTHER), NOW)
    sign_ins.serve(policy())
    assert len(sign_ins.refused(guard)) == 1
    sign_ins.serve(policy(sync_accounts=()))
    assert (sign_ins.refused(guard), sign_ins.failing) == ([], False)


@pytest.mark.parametrize("reason", REMEDIES)
def test_each_reason_for_which_a_sign_in_is_refused_comes_with_a_remedy(mapped, guard, reason):
    listed = reason != Reason.account_spelling_not_listed
    mapped.note(record("bind", account="sync", code=49, sync_bind=listed, mapped_to=OWN_DN, reason=reason), NOW)
    (refused,) = mapped.refused(guard)
    assert refused.why == REASONS[Reason(reason)].meaning
    assert re.fullmatch(r"[A-Z].+\.", refused.remedy)


STEPS = st.sampled_from(
    [bind(), wrong(), bind(OTHER), wrong(OTHER), bind(DN), wrong(DN), bind(code=52, reason="server-lost")]
)


@settings(max_examples=examples(200))
@given(st.lists(STEPS, max_size=12), STEPS)
def test_whatever_came_before_a_success_makes_the_account_one_that_signs_in(before, last):
    sign_ins, guard = SyncSignIns(), Guarded()
    sign_ins.serve(policy(sync_accounts=(DN, UPN, OTHER)))
    for i, each in enumerate([*before, last]):
        sign_ins.note(each, NOW + i)
    refused = sign_ins.refused(guard)
    assert sign_ins.failing == bool(refused)
    assert len(refused) <= 2
    if last.code == 0:
        assert all(each.last < NOW + len(before) for each in refused)
        assert not refused or refused[0].since is not None
    elif last.code == 49:
        assert max(each.last for each in refused) == NOW + len(before)
