"""Whose password is tried, and what a server's answer says of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap.dn import escape_value
from gateway.ldap.messages import BindRequest, SimpleAuthentication
from gateway.ldap.results import LDAPResult
from gateway.policy.bind import BindJudge
from gateway.policy.decision import BindPlan
from gateway.policy.lockout import LONGEST_NAME, Verdict, account_of_entry, guarded_accounts, guarded_source, verdict
from tests.examples import examples
from tests.policy.policies import policy
from tests.spellings import spellings

# What a name of the other forms may not have (gateway/policy/bind_name.py), and blanks at its ends.
FORBIDDEN = '"/\\[]:;|=,*?<>@'


def account(name, password=b"Passw0rd", **changes):
    plan = BindJudge(policy(**changes)).decide(BindRequest(3, name, SimpleAuthentication(password)))
    assert isinstance(plan, BindPlan)
    found = guarded_accounts("corp", plan)
    assert len(found) < 2
    return found[0] if found else None


def test_one_name_in_two_forms_is_one_account():
    assert account("jane@corp.example") == account("CORP\\JANE") == account("Jane@CORP")
    assert account("jane@corp.example") != account("john@corp.example")


def test_a_sync_account_has_one_count_of_its_own_in_all_its_spellings():
    by_dn = account("CN=svc-sync,OU=Service,DC=corp,DC=example")
    assert by_dn == account("svc-sync@corp.example")
    assert by_dn.sync
    assert not account("jane@corp.example").sync


def test_a_dn_is_an_account_of_its_own_in_any_spelling():
    by_dn = account("CN=Jane,OU=Staff,DC=corp,DC=example")
    assert by_dn == account("cn=jane, ou=STAFF,dc=corp,dc=example")
    assert by_dn == account_of_entry("corp", "CN=Jane,OU=Staff,DC=corp,DC=example")
    assert by_dn != account("jane@corp.example")
    assert by_dn != account_of_entry("other", "CN=Jane,OU=Staff,DC=corp,DC=example")
    assert account_of_entry("corp", "no dn") is None


@pytest.mark.parametrize("letter", ["x", "ß", "ﷺ", "\U00020000"])
def test_whoever_sends_long_names_makes_the_gateway_remember_no_more(letter):
    """Also where a letter becomes many, or takes four octets."""
    for form in ("CN={},OU=Staff,DC=corp,DC=example", "{}@corp.example"):
        name = letter * 250 if "@" in form else letter * 1000
        for found in accounts(form.format(name)):
            assert len(found.partition(":")[2]) <= LONGEST_NAME
        assert accounts(form.format(f"1{name}")) != accounts(form.format(f"2{name}"))


EVERYWHERE = BindJudge(policy(login_base_dns=policy().naming_contexts))


def accounts(name):
    plan = EVERYWHERE.decide(BindRequest(3, name, SimpleAuthentication(b"Passw0rd")))
    assert isinstance(plan, BindPlan), plan
    return {account.name for account in guarded_accounts("corp", plan)}


@pytest.mark.parametrize("domain", ["CORP\\{}", "{}@corp.example"])
@pytest.mark.parametrize("name", ["space person", "οδυσσευς", "Åsa Ødegård", "user42", "ｶﾀｶﾅ", "Þor"])
def test_all_spellings_of_a_name_count_together(domain, name):
    counted = accounts(domain.format(name))

    @given(spellings(name, forbidden=FORBIDDEN))
    @settings(max_examples=examples(200), deadline=None)
    def count_together(spelling):
        assert accounts(domain.format(spelling.strip())) & counted

    count_together()


@pytest.mark.parametrize("name", ["space person", "οδυσσευς", "Åsa Ødegård", "user42", "ｶﾀｶﾅ", "Þor"])
def test_all_spellings_of_a_dn_count_together(name):
    counted = accounts(f"CN={name},OU=My Unit,DC=corp,DC=example")

    @given(spellings(name), spellings("My Unit"), st.sampled_from(("CN", "commonName", "2.5.4.3", "uid")))
    @settings(max_examples=examples(200), deadline=None)
    def count_together(spelling, unit, kind):
        spelt = f"{kind}={escape_value(spelling)},OU={escape_value(unit)},DC=corp,DC=example"
        assert accounts(spelt) & counted

    count_together()


def test_a_name_that_servers_do_not_read_alike_counts_for_what_each_reads():
    assert accounts("userⅣ@corp.example") == {"name:useriv", "name:user4"}
    assert accounts("CN=userⅣ,DC=corp,DC=example") == {"dn:useriv,corp,example", "dn:user4,corp,example"}


@pytest.mark.parametrize("name", ["＜198.51.100.1/32＞", "address：198.51.100.1", "mapped：mimecast", "dn：a，b"])
def test_no_spelling_of_a_name_counts_as_something_of_another_kind(name):
    name = name.replace("/", "／")
    assert all(account.startswith("name:") for account in accounts(f"CORP\\{name}"))


def test_the_order_and_the_types_of_an_rdn_make_no_difference():
    one, other = "CN=a+UID=b,DC=corp,DC=example", "2.5.4.3=B+uid=A,DC=corp,DC=example"
    assert accounts(one) == accounts(other)


def test_a_long_name_is_counted_by_its_beginning():
    long = "CN=" + "a" * 4000 + ",DC=corp,DC=example"
    (account,) = accounts(long)
    assert len(account) < 1100
    assert accounts(long.replace("aa,", "ab,")) == {account}


def test_anonymous_tries_no_password():
    assert account("", b"", allow_anonymous=True) is None


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (0, "", Verdict.right),
        (49, "", Verdict.wrong),
        (49, "80090308: LdapErr: DSID-0C09, comment: AcceptSecurityContext error, data 52e, v1db1\0", Verdict.wrong),
        (49, "80090308: LdapErr: ..., data 533, v1db1", Verdict.neither),
        (49, "data 775", Verdict.neither),
        (49, "data 525", Verdict.neither),
        (52, "data 52e", Verdict.neither),
        (1, "", Verdict.neither),
    ],
)
def test_only_what_a_directory_counts_is_counted(code, text, expected):
    assert verdict(LDAPResult(code, "", text)) is expected


def test_an_address_of_ipv6_is_counted_with_all_that_its_owner_has():
    assert guarded_source("corp", "2001:db8::1") == guarded_source("corp", "2001:db8::ffff:1")
    assert guarded_source("corp", "2001:db8::1") != guarded_source("corp", "2001:db8:0:1::1")
    assert guarded_source("corp", "198.51.100.1") != guarded_source("corp", "198.51.100.2")
    assert guarded_source("corp", "preview") == guarded_source("corp", "preview")
    assert guarded_source("corp", "198.51.100.1") != guarded_source("other", "198.51.100.1")
