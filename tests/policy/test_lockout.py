"""Whose password is tried, and what a server's answer says of it."""

import pytest

from gateway.ldap.messages import BindRequest, SimpleAuthentication
from gateway.ldap.results import LDAPResult
from gateway.policy.bind import BindJudge
from gateway.policy.decision import BindPlan
from gateway.policy.lockout import Verdict, account_of_entry, guarded_account, guarded_source, verdict
from tests.policy.policies import policy


def account(name, password=b"Passw0rd", **changes):
    plan = BindJudge(policy(**changes)).decide(BindRequest(3, name, SimpleAuthentication(password)))
    assert isinstance(plan, BindPlan)
    return guarded_account("corp", plan)


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
