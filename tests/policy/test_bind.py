import pytest

from gateway.ldap import messages as m
from gateway.ldap.dn import parse
from gateway.policy import login
from gateway.policy.bind import BindJudge
from gateway.policy.decision import BindPlan, LoginName, Refuse
from tests.policy.policies import policy

SVC = "CN=svc-sync,OU=Service,DC=corp,DC=example"


def decide(name, password=b"secret-Passw0rd", version=3, **changes):
    request = m.BindRequest(version, name, m.SimpleAuthentication(password))
    return BindJudge(policy(**changes)).decide(request)


@pytest.mark.parametrize(
    "name, sent",
    [
        (SVC, SVC),
        ("cn=SVC-SYNC, ou=service,dc=corp,dc=example", SVC),
        ("SVC-sync@CORP.example", "svc-sync@corp.example"),
    ],
)
def test_a_sync_account_is_sent_in_its_listed_spelling(name, sent):
    plan = decide(name)
    assert (plan.request.name, plan.kind, plan.look_up) == (sent, "sync", None)
    assert plan.request.authentication.password == b"secret-Passw0rd"


def test_a_login_by_dn_must_be_inside():
    plan = decide("cn=jane,ou=staff,dc=corp,dc=example")
    assert (plan.request.name, plan.kind) == ("cn=jane,OU=Staff,DC=corp,DC=example", "login")
    assert plan.look_up is None


@pytest.mark.parametrize("name", ["jane@corp.example", "CORP\\jane", "corp\\o'brien", "j.doe+x@CORP.EXAMPLE"])
def test_a_login_by_name_must_be_looked_up(name):
    plan = decide(name)
    assert isinstance(plan, BindPlan)
    assert plan.look_up.text == name


@pytest.mark.parametrize(
    "name, reason",
    [
        ("CORP\\svc-sync", "account-spelling-not-listed"),
        ("svc-sync@other.example", "account-spelling-not-listed"),
        ("CN=svc - sync,OU=Service,DC=corp,DC=example", "account-spelling-not-listed"),
        ("CN=jane,OU=Other,DC=corp,DC=example", "login-outside-base"),
        ("CN=jane,OU=Secret,OU=Staff,DC=corp,DC=example", "login-outside-base"),
        ("jane@evil.example", "login-domain-not-listed"),
        ("EVIL\\jane", "login-domain-not-listed"),
        ("Jane Doe", "bind-name-form-not-allowed"),
        ("CN=#0c046a616e65,OU=Staff,DC=corp,DC=example", "bind-dn-hex-value"),
        ("CN=#020101,OU=Staff,DC=corp,DC=example", "bind-dn-hex-value"),
        ("CN=jane,OU=#0c055374616666,DC=corp,DC=example", "bind-dn-hex-value"),
        ("CN=#0c046a616e65,OU=Sales, EMEA,DC=corp,DC=example", "bind-dn-hex-value"),
        ("CN=j, j+SN=#020101;OU=Staff,DC=corp,DC=example", "bind-dn-hex-value"),
        ("S-1-5-21-1-2-3-500", "bind-name-form-not-allowed"),
        ("corp.example/Staff/jane", "bind-name-form-not-allowed"),
        ("ldap/dc1.corp.example", "bind-name-form-not-allowed"),
        ("jane@corp.example\0x", "bind-name-form-not-allowed"),
        ("<SID=0105>", "bind-name-form-not-allowed"),
        ("", "bind-name-form-not-allowed"),
    ],
)
def test_who_may_not_sign_in_looks_like_a_wrong_password(name, reason):
    refusal = decide(name)
    assert isinstance(refusal, Refuse)
    assert (refusal.reason, refusal.code, refusal.text) == (reason, 49, "")


def test_the_other_refusals_have_their_own_codes():
    assert decide(SVC, version=2).code == 2
    assert decide(SVC, password=b"").code == 53
    assert decide("", password=b"").code == 48
    assert decide("", password=b"", allow_anonymous=True).kind == "anonymous"
    sasl = m.BindRequest(3, "", m.SaslAuthentication("EXTERNAL"))
    assert BindJudge(policy()).decide(sasl).code == 7


@pytest.mark.parametrize(
    "dn, allowed",
    [
        ("CN=jane,OU=Staff,DC=corp,DC=example", True),
        ("CN=jane,OU=Secret,OU=Staff,DC=corp,DC=example", False),
        (SVC, False),
        ("not a dn", False),
    ],
)
def test_the_person_found_must_be_inside(dn, allowed):
    found = BindJudge(policy(login_base_dns=policy().base_dns)).permitted_person(dn)
    assert (found is not None) is allowed
    assert found is None or found.same(parse(dn))


def test_a_sid_is_read_only_if_it_is_one():
    def first(value):
        return login.first_sid(m.SearchResultEntry("", (m.Attribute("tokenGroups", (value,)),)))

    sid = bytes((1, 5)) + bytes(6) + bytes(20)
    assert first(sid) == sid.hex()
    assert first(sid + b"x") is None
    assert first(b"\x02" + sid[1:]) is None
    assert first(b"") is None


def test_the_entry_of_the_sid_must_carry_the_name():
    jane = LoginName("jane@corp.example", "jane", "corp.example")

    def entry(kind, value):
        return m.SearchResultEntry("cn=x", (m.Attribute(kind, (value,)),))

    assert login.entry_is_login(entry("sAMAccountName", b"JANE"), jane)
    assert login.entry_is_login(entry("userPrincipalName", b"Jane@corp.example"), jane)
    assert not login.entry_is_login(entry("sAMAccountName", b"Domain Users"), jane)
    assert not login.entry_is_login(entry("cn", b"jane"), jane)
