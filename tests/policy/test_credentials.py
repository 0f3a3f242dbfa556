"""Mapped accounts: what a bind as one becomes, and as whom nobody binds."""

import traceback
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.policy.attempts import attempts_at_server
from gateway.policy.bind import BindJudge
from gateway.policy.credentials import OwnPassword, Secret, SecretCheck
from gateway.policy.decision import BindPlan
from gateway.policy.lockout import LockoutSettings, gateway_account, guarded_accounts
from tests.policy.mapped import OUTER_DN, OWN_DN, OWN_PASSWORD, forwarded_account, mapped_account, mapped_policy
from tests.policy.policies import policy

NAMES = ("mimecast-sync", OUTER_DN, "sync@outside.example", "OUTSIDE\\bot")
ACCOUNTS = tuple(mapped_account(name) for name in NAMES)
OUTER_SECRET = b"Outer-Passw0rd"


def decide(name, password=OUTER_SECRET, settings=None):
    request = m.BindRequest(3, name, m.SimpleAuthentication(password))
    return BindJudge(settings or mapped_policy(*ACCOUNTS)).decide(request)


@pytest.mark.parametrize(
    ("name", "account"),
    [
        *((name, name) for name in NAMES),
        ("MIMECAST-Sync", "mimecast-sync"),
        ("cn=SERVICE, o=outside", OUTER_DN),
        ("Sync@OUTSIDE.example", "sync@outside.example"),
        ("outside\\BOT", "OUTSIDE\\bot"),
    ],
)
def test_what_is_sent_is_the_gateways_own_bind_and_nothing_of_the_clients(name, account):
    plan = decide(name)
    assert plan.request == m.BindRequest(3, OWN_DN, m.SimpleAuthentication(OWN_PASSWORD))
    assert (plan.account, plan.kind, plan.look_up) == (account, "sync", None)
    assert plan.mapped.check.secret == Secret(OUTER_SECRET)


def test_the_name_may_be_that_of_the_gateways_own_account():
    settings = mapped_policy(mapped_account(OWN_DN))
    plan = decide(OWN_DN.lower(), settings=settings)
    assert (plan.account, plan.request.authentication.password) == (OWN_DN, OWN_PASSWORD)
    assert decide("svc-gateway@corp.example", settings=settings).reason == "gateway-account"


def test_each_account_is_verified_against_as_many_hashes():
    one, two = mapped_account("one", "a"), mapped_account("two", "b", "c")
    settings = mapped_policy(one, two)
    assert decide("one", settings=settings).mapped.check.hashes == ("a", "decoy 2")
    assert decide("two", settings=settings).mapped.check.hashes == ("b", "c")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (OWN_DN, "gateway-account"),
        ("cn=SVC-gateway , ou=staff,dc=corp,dc=example", "gateway-account"),
        ("CN=svc - gateway,OU=Staff,DC=corp,DC=example", "gateway-account"),
        ("svc-gateway@corp.example", "gateway-account"),
        ("CORP\\SVC-Gateway", "gateway-account"),
        ("mimecast-sync@corp.example", "account-spelling-not-listed"),
        ("CORP\\mimecast-sync", "account-spelling-not-listed"),
        ("CN=mimecast-sync,OU=Staff,DC=corp,DC=example", "account-spelling-not-listed"),
        ("CN=bot,OU=Staff,DC=corp,DC=example", "account-spelling-not-listed"),
        ("CN=serv ice,O=Outside", "account-spelling-not-listed"),
        ("mimecast", "bind-name-form-not-allowed"),
        ("mimecast-sync\0", "bind-name-form-not-allowed"),
    ],
)
def test_neither_the_gateways_account_nor_a_misspelt_name_is_a_login(name, reason):
    refusal = decide(name)
    assert (refusal.reason, refusal.code, refusal.text) == (reason, 49, "")


def test_the_gateways_account_is_nobodys_login_for_other_clients_of_the_directory():
    others = mapped_policy(sync_accounts=("svc@corp.example",), decoy_hashes=())
    assert decide(OWN_DN, settings=others).reason == "gateway-account"
    assert not BindJudge(others).permitted_person("cn=svc-GATEWAY,OU=Staff,DC=corp,DC=example")
    assert BindJudge(others).permitted_person("cn=jane,OU=Staff,DC=corp,DC=example")


def test_people_pass_through_as_ever():
    plan = decide("jane@corp.example", b"Jane's")
    assert (plan.request.name, plan.request.authentication.password) == ("jane@corp.example", b"Jane's")
    assert (plan.kind, plan.mapped) == ("login", None)


FORWARDED = mapped_policy(*(forwarded_account(name) for name in NAMES), gateway_accounts=())


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        *((name, name) for name in NAMES),
        ("MIMECAST-Sync", "mimecast-sync"),
        ("cn=SERVICE, o=outside", OUTER_DN),
        ("Sync@OUTSIDE.example", "sync@outside.example"),
    ],
)
def test_without_an_own_account_the_very_bind_is_sent_once_its_secret_is_right(name, sent):
    plan = decide(name, settings=FORWARDED)
    assert plan.request == m.BindRequest(3, sent, m.SimpleAuthentication(OUTER_SECRET))
    assert (plan.account, plan.kind, plan.look_up) == (sent, "sync", None)
    assert plan.mapped.check == SecretCheck(("hash", "decoy 2"), Secret(OUTER_SECRET))


@pytest.mark.parametrize("name", NAMES)
def test_where_it_is_sent_it_counts_as_the_server_knows_it(name):
    def passed(listed):
        plan = decide(listed, settings=policy(sync_accounts=(listed,)))
        return guarded_accounts("", plan)

    plan = decide(name, settings=FORWARDED)
    assert attempts_at_server(FORWARDED, plan) == passed(name)
    assert guarded_accounts("", plan)[0].name.startswith("mapped:mimecast/")
    assert attempts_at_server(mapped_policy(*ACCOUNTS), decide(name))[0].name.startswith("dn:svc-gateway")
    unguarded = replace(FORWARDED, lockout=LockoutSettings(failures=0))
    assert attempts_at_server(unguarded, decide(name, settings=unguarded)) == ()


_names = st.sampled_from((*NAMES, OWN_DN, "svc-gateway", "jane", "cn=jane,ou=staff,dc=corp,dc=example"))
_domains = st.sampled_from(("", "@corp.example", "@outside.example", "@CORP"))
_prefixes = st.sampled_from(("", " ", "CORP\\", "OUTSIDE\\", "cn="))
_made_names = st.builds("{}{}{}".format, _prefixes, _names, _domains)
# An equals sign within a value makes it the name of another entry.
_any_names = _made_names.filter(lambda name: "cn=cn=" not in name.lower()) | st.text(max_size=40)


@given(_any_names, st.binary(min_size=1, max_size=9))
def test_the_secret_of_a_sync_never_goes_to_a_server_and_nobody_binds_as_the_gateway(name, password):
    plan = decide(name, password)
    if not isinstance(plan, BindPlan):
        return
    if plan.kind == "sync":
        assert plan.request.authentication.password == OWN_PASSWORD
        assert plan.mapped.check.secret == Secret(password)
    else:
        assert "gateway" not in plan.request.name.lower()
        assert not any(known.lower() in plan.request.name.lower() for known in ("mimecast-sync", "cn=service", "bot"))
        assert plan.request.authentication.password == password


@given(_any_names, st.binary(min_size=1, max_size=9))
def test_no_forwarded_bind_is_without_a_secret_to_verify(name, password):
    plan = decide(name, password, FORWARDED)
    if not isinstance(plan, BindPlan) or plan.kind != "sync":
        return
    assert plan.request.name in NAMES
    assert plan.mapped.check.secret == Secret(password) == Secret(plan.request.authentication.password)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_password_is_no_secret(name):
    assert decide(name, b"").reason == "empty-password"


def test_a_bare_name_is_served_for_mapped_accounts_only():
    assert decide("Jane", settings=policy()).reason == "bind-name-form-not-allowed"


def test_the_outer_name_has_a_count_of_its_own():
    plan = decide("Mimecast-SYNC")
    outer = guarded_accounts("corp", plan)[0]
    inner = gateway_account("corp", BindJudge(mapped_policy())._policy.gateway_accounts[0])
    person = guarded_accounts("corp", decide("jane@corp.example"))[0]
    passthrough = policy(sync_accounts=("mimecast-sync@corp.example",))
    passed = guarded_accounts("corp", decide("mimecast-sync@corp.example", settings=passthrough))[0]
    assert (outer.name, outer.sync, inner.sync) == ("mapped:mimecast/mimecast-sync", True, True)
    assert len({outer, inner, person, passed}) == 4


def test_no_secret_shows_itself():
    account = mapped_account("name", "$argon2id$...", password=b"Inner-Passw0rd")
    plan = decide("mimecast-sync")
    assert isinstance(plan, BindPlan)
    shown = [repr(each) for each in (Secret(OUTER_SECRET), account, mapped_policy(account), plan, [plan.mapped])]
    shown += [str(Secret(OUTER_SECRET)), f"{OwnPassword(OWN_PASSWORD)}"]
    shown += [repr(SecretCheck(("$argon2id$",), Secret(OUTER_SECRET)))]
    try:
        raise ValueError(plan.mapped, account)
    except ValueError:
        shown.append(traceback.format_exc())
    for text in shown:
        assert not any(hidden in text for hidden in ("Passw0rd", "argon2id")), text


def test_secrets_are_compared_by_their_octets():
    assert Secret(b"a") == OwnPassword(b"a")
    assert Secret(b"a") != Secret(b"b")
    assert Secret(b"a") != b"a"
    with pytest.raises(TypeError):
        hash(Secret(b"a"))
