import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap.filter_kinds import kind_of_filter
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.filters import And, Not, Or
from gateway.ldap.kinds import Kind, kind_of
from tests.ldap import strategies

NO_SUCH_ENTRY = "(&(objectClass=group)(objectClass=contact))"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("(&(objectCategory=person)(objectClass=user))", Kind.user),
        ("(&(objectCategory=CN=Person,CN=Schema,CN=Configuration,DC=corp,DC=example)(objectClass=USER))", Kind.user),
        ("(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))", Kind.user),
        ("(&(mail=*)(objectCategory=person)(objectClass=user)(memberOf=CN=All,DC=corp,DC=example))", Kind.user),
        ("(sAMAccountType=805306368)", Kind.user),
        ("(objectClass=inetOrgPerson)", Kind.user),
        ("(&(objectCategory=person)(!(objectClass=contact)))", Kind.user),
        ("(objectClass=dominoPerson)", Kind.user),
        ("(objectClass=group)", Kind.group),
        ("(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))", Kind.group),
        ("(groupType:1.2.840.113556.1.4.803:=2147483648)", Kind.group),
        ("(&(mail=*)(member=*))", Kind.group),
        ("(objectClass=contact)", Kind.contact),
        ("(&(objectCategory=person)(objectClass=contact)(mail=*@corp.example))", Kind.contact),
        ("(objectClass=*)", None),
        ("(mail=*)", None),
        ("(objectClass=person)", None),
        ("(objectCategory=person)", None),
        ("(|(objectClass=user)(objectClass=group))", None),
        ("(!(objectClass=computer))", None),
        ("(objectClass=computer)", None),
        ("(&)", None),
        ("(|)", None),
        (NO_SUCH_ENTRY, None),
    ],
)
def test_what_a_filter_asks_for(text, kind):
    assert kind_of_filter(parse_filter(text)) is kind


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        (("top", "person", "organizationalPerson", "user"), "(objectClass=user)"),
        (("top", "person", "organizationalPerson", "contact"), "(objectClass=contact)"),
        (("top", "group"), "(objectClass=group)"),
        (("top", "person", "organizationalPerson", "inetOrgPerson"), "(objectClass=inetOrgPerson)"),
        (("top", "groupOfNames"), "(objectClass=groupOfNames)"),
    ],
)
def test_it_agrees_with_what_is_told_by_the_entry(classes, text):
    assert kind_of_filter(parse_filter(text)) is kind_of(classes)


TELLING = st.sampled_from(
    ["(objectClass=user)", "(objectClass=group)", "(objectClass=contact)", "(objectCategory=person)", "(member=*)"]
)


@given(st.one_of(strategies.filters, TELLING.map(parse_filter)))
def test_it_can_be_asked_of_any_filter_and_more_conditions_never_tell_of_another_kind(filter):
    kind = kind_of_filter(filter)
    assert kind in (None, Kind.user, Kind.group, Kind.contact)
    assert kind_of_filter(Not(Not(filter))) is None
    assert kind_of_filter(Or((filter, filter))) is kind
    if kind is not None:
        assert kind_of_filter(And((filter, parse_filter("(mail=*)")))) is kind
        assert kind_of_filter(And((filter, parse_filter(NO_SUCH_ENTRY)))) is None
