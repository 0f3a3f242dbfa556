"""The rows of docs/security.md about LDAP injection: what an application that concatenates its users' input sends."""

import pytest

from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_request
from gateway.ldap.dn import escape_value, parse
from gateway.ldap.encoding import encode
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.filters import And, EqualityMatch, Present
from gateway.policy.bind import BindJudge
from gateway.policy.decision import AccountKind, Refuse, SearchPlan
from gateway.policy.operations import decide_operation
from gateway.policy.reasons import Reason
from gateway.policy.search import SearchJudge
from tests.policy.policies import policy

BASE = "OU=Staff,DC=corp,DC=example"
# What the cheat sheet lists as special in DNs and in filters, and what it calls harmless.
SPECIAL = [*'\\#+<>,;"=*()\0&|!~', " a", "a ", "*)(uid=*))(|(uid=*"]


def decide(base=BASE, filter="(mail=*)", attributes=("mail",), **changes):
    """The decision on a request as it comes from the wire, where a filter is no text but BER."""
    parsed = parse_filter(filter) if isinstance(filter, str) else filter
    request = m.SearchRequest(base, 2, parsed, tuple(attributes), 3, 0, 0)
    decoded = decode_request(encode(m.LDAPMessage(1, request)))
    return SearchJudge(policy(**changes)).decide(decoded.operation, ())


def forwarded(plan):
    """What a server reads, decoded anew from the octets that it gets."""
    assert isinstance(plan, SearchPlan)
    (part,) = plan.parts
    return decode_request(encode(m.LDAPMessage(1, part))).operation


@pytest.mark.parametrize("value", SPECIAL)
def test_a_value_in_a_filter_stays_the_value_of_one_assertion(value):
    asked = EqualityMatch("mail", value.encode())
    assert forwarded(decide(filter=asked)).filter == asked


@pytest.mark.parametrize("value", [each for each in SPECIAL if "\0" not in each])
def test_a_value_in_a_base_stays_the_value_of_one_rdn(value):
    sent = forwarded(decide(base=f"CN={escape_value(value)},{BASE}"))
    rdns = parse(sent.base).rdns
    assert [ava.value for ava in rdns[0]] == [value]
    assert len(rdns) == 1 + len(parse(BASE).rdns)


def test_a_nul_in_a_base_is_never_forwarded():
    for written in (f"CN=a\0,{BASE}", rf"CN=a\00,{BASE}"):
        refused = decide(base=written)
        assert isinstance(refused, Refuse)
        assert refused.reason is Reason.base_malformed


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (f"CN=x,OU=Secret,{BASE}", Reason.base_excluded),
        ("CN=x,OU=Elsewhere,DC=corp,DC=example", Reason.base_not_allowed),
        ("CN=x,DC=corp,DC=example", Reason.base_not_allowed),
    ],
)
def test_rdns_that_were_injected_into_a_base_lead_nowhere_else(written, reason):
    refused = decide(base=written)
    assert isinstance(refused, Refuse)
    assert refused.reason is reason


def test_a_wildcard_for_a_name_finds_no_more_than_the_block_permits():
    refused = decide(filter="(cn=*)")
    assert isinstance(refused, Refuse)
    assert refused.reason is Reason.filter_attribute_not_allowed
    required = parse_filter("(objectClass=user)")
    sent = forwarded(decide(filter="(mail=*)", required_filter=required))
    assert sent.filter == And((required, Present("mail")))
    assert sent.attributes == ("mail",)


@pytest.mark.parametrize(
    "filter",
    [
        "(&(mail=*)(userPassword={MD5}X03MO1qnZdYdgyfeuILPmQ==))",
        "(|(mail=*)(!(employeeID=1*)))",
        "(|(mail=a)(2.5.4.35=*))",
        "(|(mail=a)(userPassword;binary=*))",
        "(:caseExactMatch:=secret)",
    ],
)
def test_a_condition_that_was_injected_is_judged_like_any_other(filter):
    assert isinstance(decide(filter=filter), Refuse)


def test_an_attribute_that_was_injected_is_not_asked_for():
    assert forwarded(decide(attributes=("mail", "userPassword", "+"))).attributes == ("mail",)
    everything = forwarded(decide(attributes=("mail", "userPassword", "*"))).attributes
    assert set(everything) == set(policy().attributes)


@pytest.mark.parametrize(
    ("name", "password", "reason"),
    [
        ("", b"", Reason.anonymous_not_allowed),
        (f"CN=Jane,{BASE}", b"", Reason.empty_password),
        ("*)(uid=*))(|(uid=*", b"password", Reason.bind_name_form_not_allowed),
    ],
)
def test_a_bind_that_proves_nothing_is_none(name, password, reason):
    refused = BindJudge(policy()).decide(m.BindRequest(3, name, m.SimpleAuthentication(password)))
    assert isinstance(refused, Refuse)
    assert refused.reason is reason


def test_nothing_can_be_written():
    for tag in (0x68, 0x66, 0x6C, 0x4A, 0x6E):
        refused = decide_operation(m.UnservedRequest(tag), (), AccountKind.sync, needs_tls=False, tells_identity=True)
        assert isinstance(refused, Refuse)
        assert refused.reason is Reason.operation_not_allowed
