"""What both ends of a link must have alike: in any order and spelling, and of every value."""

from dataclasses import fields, replace

import pytest

from gateway.ldap.decoding import RequestLimits
from gateway.ldap.dn import parse
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.filters import FilterLimits
from gateway.link.agreed import agreed
from gateway.link.digests import differing, list_digests
from gateway.link.frames import State, encode
from gateway.policy.credentials import MappedAccount, OwnAccount, OwnPassword
from gateway.policy.lockout import LockoutSettings
from gateway.policy.settings import BaseAbove, ClientPolicy, Mode, Paging, WhenDenied
from gateway.policy.shrink import ShrinkMode, ShrinkSettings
from gateway.relay.settings import SessionLimits
from tests.policy.policies import policy

LIMITS = SessionLimits()
ENDS = ("SHA256:outside", "SHA256:inside")
ONE, OTHER = "$argon2id$one", "$argon2id$other"
OWN = OwnAccount("CN=svc-sync,OU=Service,DC=corp,DC=example", OwnPassword(b"Inner-Passw0rd"))


def keys(outside: ClientPolicy, inside: ClientPolicy, out=LIMITS, within=LIMITS):
    """The keys that differ, as the outside has them."""
    ours, theirs = agreed(outside, out, outside=True), agreed(inside, within, outside=False)
    found = differing(list_digests(ours.lists, *ENDS), list_digests(theirs.lists, *ENDS))
    return [ours.paths[key] for key in found]


SAME = {
    "base_dns": (
        (parse("OU=A,DC=x"), parse("OU=B,DC=x")),
        (parse("ou=b, dc=x"), parse("ou= a ,domainComponent=X"), parse("ou=a,dc=x")),
    ),
    "excluded_base_dns": ((parse(r"OU=A\, B,DC=x"),), (parse(r"ou=a\2C  b,dc=x"),)),
    "login_base_dns": ((parse("OU=A+CN=b,DC=x"),), (parse("cn=b+ou=A,dc=x"),)),
    "login_domains": (("corp.example", "CORP"), ("corp", "Corp.Example")),
    "sync_accounts": (("svc@corp.example", "CN=svc,DC=x"), ("cn=SVC,dc=x", "SVC@corp.example")),
    "attributes": (("mail", "cn", "displayName"), ("DISPLAYNAME", "commonName", "0.9.2342.19200300.100.1.3")),
    "filter_attributes": (("objectClass",), ("objectclass", "2.5.4.0")),
    "matching_rules": (frozenset({"caseIgnoreMatch"}), frozenset({"CASEIGNOREMATCH"})),
    "controls": (frozenset({"1.2.3", "1.2.4"}), frozenset({"1.2.4", "1.2.3"})),
    "root_dse": (("supportedCapabilities",), ("SUPPORTEDCAPABILITIES",)),
    "subschema": (parse("CN=Schema"), parse("cn=schema")),
    "required_filter": (
        parse_filter("(&(objectClass=person)(|(mail=*)(cn:dn:caseIgnoreMatch:=x))(!(sn;lang-de;x-b>=a)))"),
        parse_filter("(&(!(surname;X-B;lang-de>=a))(OBJECTCLASS=person)(|(commonName:dn:CASEIGNOREMATCH:=x)(mail=*)))"),
    ),
}


@pytest.mark.parametrize("field", SAME)
def test_order_case_and_spelling_make_no_difference(field):
    one, other = SAME[field]
    assert keys(policy(**{field: one}), policy(**{field: other})) == []
    assert keys(policy(**{field: other}), policy(**{field: one})) == []


OTHERS = {
    "sync_accounts": ("svc-sync@corp.example",),
    "base_dns": (parse("OU=Staff,DC=corp,DC=example"),),
    "attributes": ("mail",),
    "excluded_base_dns": (),
    "login_base_dns": (),
    "login_domains": ("corp.example",),
    "filter_attributes": (),
    "matching_rules": frozenset(),
    "controls": frozenset(),
    "required_filter": parse_filter("(mail=*)"),
    "mode": Mode.report,
    "size_limit": 5,
    "time_limit": 5,
    "octet_limit": 5,
    "allow_anonymous": True,
    "root_dse": ("vendorName",),
    "subschema": parse("CN=Schema"),
    "referral_hosts": frozenset({"dc1.corp.example"}),
}
# What each end has for itself, or what the inside has stricter on purpose (docs/decisions/0193-link-digests.md).
OF_ONE_END = {
    "naming_contexts": (parse("DC=corp,DC=example"), parse("DC=other")),
    "when_denied": WhenDenied.refuse,
    "pass_diagnostics": True,
    "base_above": BaseAbove.refuse,
    "paging": Paging.always,
    "page_size": 7,
    "expand_ranges": False,
    "mending": False,
    "shrink": ShrinkSettings(ShrinkMode.off),
    "lockout": LockoutSettings(failures=7),
    "decoy_hashes": (ONE,),
    "gateway_accounts": (parse("CN=own,DC=x"),),
    "tells_identity": True,
    "extensions": frozenset({"1.2.3"}),
}
ELSEWHERE = {"name", "directory", "mapped_accounts"}


def test_every_field_of_a_policy_is_decided_on():
    assert {field.name for field in fields(ClientPolicy)} == {*OTHERS, *OF_ONE_END, *ELSEWHERE}


@pytest.mark.parametrize("field", OTHERS)
def test_another_value_is_named_by_its_key(field):
    other = policy(**{field: OTHERS[field]})
    assert keys(policy(), other) == keys(other, policy()) == [f"clients.mimecast.{field}"]


@pytest.mark.parametrize("field", OF_ONE_END)
def test_what_one_end_has_for_itself_is_not_compared(field):
    assert keys(policy(), policy(**{field: OF_ONE_END[field]})) == []


COMPARED_LIMITS = {
    *("message_before_bind", "message_after_bind", "response_message", "unbound", "idle", "silence", "search")
}
LIMITS_OF_ONE_END = {
    *("operations", "waiting", "waiting_in_all", "first_request", "message", "refusal_floor", "bind", "write_stall"),
    *("expanded_entry", "write_window", "request"),
}


def test_every_limit_is_decided_on():
    assert {field.name for field in fields(SessionLimits)} == {*COMPARED_LIMITS, *LIMITS_OF_ONE_END}


@pytest.mark.parametrize("name", sorted(COMPARED_LIMITS))
def test_another_limit_is_named(name):
    assert keys(policy(), policy(), LIMITS, replace(LIMITS, **{name: 1})) == [f"limits.{name}"]


def test_limits_that_differ_little_differ():
    close = replace(LIMITS, response_message=LIMITS.response_message + 1)
    assert keys(policy(), policy(), LIMITS, close) == ["limits.response_message"]


def test_other_limits_of_a_request_are_named():
    filters = FilterLimits()
    other = RequestLimits(FilterLimits(filters.depth + 1, filters.elements + 1, filters.value + 1), 1, 1, 1, 1, 1)
    assert keys(policy(), policy(), LIMITS, replace(LIMITS, request=other)) == [
        *("limits.assertion_value", "limits.attribute_length", "limits.attributes", "limits.controls"),
        *("limits.dn_length", "limits.filter_depth", "limits.filter_elements", "limits.password_length"),
    ]


class TestCredentials:
    """Which ways to sign in fit to each other over a link."""

    def mapped(self, *hashes, own=None, name="mimecast-sync"):
        return policy(sync_accounts=(name,), mapped_accounts=(MappedAccount(name, hashes, own),))

    def test_both_ends_verify_the_secret(self):
        assert keys(self.mapped(ONE, OTHER), self.mapped(OTHER, ONE, own=OWN)) == []
        assert keys(self.mapped(ONE), self.mapped(OTHER, own=OWN)) == ["clients.mimecast.credentials"]
        assert keys(self.mapped(ONE), self.mapped(ONE, OTHER, own=OWN)) == ["clients.mimecast.credentials"]

    def test_another_account_is_named_where_it_is_written(self):
        found = keys(self.mapped(ONE, name="other"), self.mapped(ONE, own=OWN))
        assert found == ["clients.mimecast.credentials", "clients.mimecast.credentials.accounts"]

    def test_the_inside_alone_verifies_it(self):
        assert keys(policy(sync_accounts=("mimecast-sync",)), self.mapped(ONE, own=OWN)) == []

    def test_a_secret_that_the_inside_would_take_for_a_password(self):
        assert keys(self.mapped(ONE), policy(sync_accounts=("mimecast-sync",))) == ["clients.mimecast.credentials"]

    def test_the_outside_signs_in_with_its_own_account(self):
        assert keys(self.mapped(ONE, own=OWN), policy(sync_accounts=(OWN.bind_dn,))) == []
        assert keys(self.mapped(ONE, own=OWN), policy(sync_accounts=("mimecast-sync",))) == [
            "clients.mimecast.credentials.accounts"
        ]


def test_all_digests_of_a_client_fit_into_a_frame():
    mapped = policy(mapped_accounts=(MappedAccount("a", (ONE,), OWN),))
    digests = list_digests(agreed(mapped, LIMITS, outside=False).lists, *ENDS)
    assert encode(State("c" * 255, False, "w" * 255, digests, (1_000_000, 1_000_000)))
