"""Filters over a small company, as RFC 4511 and Active Directory have them."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.entra import finding
from gateway.entra.matching import Matching
from gateway.entra.packed import Packed, pack
from gateway.entra.schema import served_type
from gateway.entra.subjects import MadeEntry
from gateway.ldap.dn import parse
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.filters import And, EqualityMatch, Filter, Not, Or, Present
from gateway.ldap.messages import SearchRequest
from tests.entra.company import (
    ALL_GROUPS,
    ANN,
    ANN_GUID,
    ANN_ID,
    ANN_SID,
    ANN_SID_OCTETS,
    BOB,
    CENEK,
    DOE,
    EMPTY,
    EVERYTHING,
    PARTNER,
    PEOPLE,
    RING1,
    RING2,
    STAFF,
    TEAM,
    UNITS,
    company,
)
from tests.entra.copies import BASE, GROUP_CATEGORY, GROUPS, PERSON_CATEGORY, USERS, make_copy
from tests.entra.talk import TOKEN, Talk
from tests.examples import examples

AND, OR, CHAIN = (f"1.2.840.113556.1.4.{last}" for last in (803, 804, 1941))
NOBODY = ()
HAVE_CONTROL = (ANN, BOB, CENEK)


def octets(value):
    return "".join(f"\\{octet:02x}" for octet in value)


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    directory = tmp_path_factory.mktemp("company")
    (directory / "token").write_text(TOKEN)
    writer = make_copy(directory / "copy.db", company(), int(time.time()))
    talk = Talk(directory / "copy.db", directory / "token")
    assert talk.bind().code == 0
    yield talk
    talk.readings.close()
    writer.close()


def others(*found):
    return tuple(dn for dn in EVERYTHING if dn not in found)


CASES = [
    # Texts: case, runs of blanks, accents, width and kana type count for nothing.
    ("(displayName=Ann Ash)", (ANN,)),
    ("(displayName=ann   ASH )", (ANN,)),
    ("(displayName= Ann  Ash)", (ANN,)),
    ("(displayName=AnnAsh)", NOBODY),
    ("(displayName=bob muller)", (BOB,)),
    ("(displayName=BOB MÜLLER)", (BOB,)),
    ("(displayName=Bob Mu\u0308ller)", (BOB,)),
    ("(displayName=Ｂｏｂ Müller)", (BOB,)),
    ("(displayName=Bob Mueller)", NOBODY),
    ("(displayName=\\c4\\8cenek\\2a\\28Boss\\29\\5c)", (CENEK,)),
    ("(cn=cenek)", (CENEK,)),
    ("(cn=Doe, Jo)", (DOE,)),
    ("(commonName=ann)", (ANN,)),
    ("(2.5.4.3=ann)", (ANN,)),
    ("(surname=ash)", (ANN,)),
    ("(mail=ann.ash@CORP.example)", (ANN,)),
    ("(mail=Ann.Ash)", NOBODY),
    ("(proxyAddresses=smtp:ann.ash@corp.example)", (ANN,)),
    ("(proxyAddresses=smtp:AA@corp.example)", (ANN,)),
    ("(userPrincipalName=ANN@corp.example)", (ANN,)),
    ("(sAMAccountName=Bob)", (BOB,)),
    ("(department=r+d)", (DOE,)),
    ("(cn;binary=ann)", (ANN,)),
    # A text that is empty, or no text at all, is no value: Undefined, and so is its negation.
    ("(cn=)", NOBODY),
    ("(!(cn=))", NOBODY),
    ("(cn>=)", NOBODY),
    ("(!(cn<=))", NOBODY),
    ("(cn=\\ff)", NOBODY),
    ("(!(cn=\\ff))", NOBODY),
    ("(cn=\\20)", NOBODY),
    ("(!(cn=\\20))", EVERYTHING),
    # approx is equality, MS-ADTS 3.1.1.3.1.3.1.
    ("(sn~=ASH)", (ANN,)),
    ("(sn~=Ashe)", NOBODY),
    # Presence.
    ("(objectClass=*)", EVERYTHING),
    ("(distinguishedName=*)", EVERYTHING),
    ("(objectGUID=*)", EVERYTHING),
    ("(mail=*)", (ANN, BOB, STAFF, PARTNER)),
    ("(!(mail=*))", others(ANN, BOB, STAFF, PARTNER)),
    ("(member=*)", (STAFF, TEAM, RING1, RING2)),
    ("(department=*)", (DOE,)),
    # Known and held by nobody: False, so that a negation finds everybody.
    ("(pager=*)", NOBODY),
    ("(!(pager=*))", EVERYTHING),
    ("(!(homeMDB=CN=x))", EVERYTHING),
    ("(!(msExchRecipientTypeDetails=8388608))", EVERYTHING),
    ("(&(objectCategory=person)(!(msExchHideFromAddressLists=TRUE)))", (BOB, CENEK, DOE, PARTNER)),
    ("(!(showInAdvancedViewOnly=TRUE))", EVERYTHING),
    # Not known: Undefined.
    ("(noSuchType=*)", NOBODY),
    ("(!(noSuchType=*))", NOBODY),
    ("(!(noSuchType=x))", NOBODY),
    ("(|(noSuchType=x)(cn=ann))", (ANN,)),
    ("(&(noSuchType=x)(cn=ann))", NOBODY),
    ("(!(&(noSuchType=x)(cn=ann)))", others(ANN)),
    ("(!(|(noSuchType=x)(cn=ann)))", NOBODY),
    ("(cn;lang-de=ann)", NOBODY),
    ("(!(cn;lang-de=ann))", NOBODY),
    ("(cn>=ann;x)", others(BASE, *UNITS, ANN)),
    # Beginnings, middles and ends.
    ("(cn=a*)", (ANN,)),
    ("(cn=A*N)", (ANN,)),
    ("(cn=an*nn)", NOBODY),
    ("(cn=ann*)", (ANN,)),
    ("(cn=*ann*)", (ANN,)),
    ("(cn=*a*n*n*)", (ANN,)),
    ("(cn=*n*a*)", NOBODY),
    ("(cn=r*g*1)", (RING1,)),
    ("(cn=ring*)", (RING1, RING2)),
    ("(cn=ring *)", (RING1, RING2)),
    ("(cn=*  2)", (RING2,)),
    ("(cn=*\\202)", (RING2,)),
    ("(cn=r*ng 2)", (RING2,)),
    ("(cn=ce*)", (CENEK,)),
    ("(cn=Č*)", (CENEK,)),
    ("(displayName=*\\2a*)", (CENEK,)),
    ("(displayName=*\\5c)", (CENEK,)),
    ("(displayName=bob m\u00fcl*)", (BOB,)),
    ("(displayName=ann ash*)", (ANN,)),
    ("(displayName=ann *ash)", (ANN,)),
    ("(displayName=*ash)", (ANN,)),
    ("(displayName=*n a*)", (ANN,)),
    ("(displayName=*n   a*)", (ANN,)),
    ("(proxyAddresses=smtp:*)", (ANN,)),
    ("(proxyAddresses=*:aa@*)", (ANN,)),
    ("(!(cn=a*))", others(ANN)),
    ("(cn=\\ff*)", NOBODY),
    ("(!(cn=\\ff*))", NOBODY),
    # No substrings of what is no text, MS-ADTS 3.1.1.2.2.4: Undefined.
    ("(userAccountControl=5*)", NOBODY),
    ("(!(userAccountControl=5*))", NOBODY),
    ("(member=CN=A*)", NOBODY),
    ("(!(member=CN=A*))", NOBODY),
    ("(objectClass=us*)", NOBODY),
    ("(objectGUID=\\af*)", NOBODY),
    # Order.
    ("(sn>=b)", (BOB, CENEK)),
    ("(sn>=mullez)", NOBODY),
    ("(sn<=b)", (ANN,)),
    ("(sn>=ash)", (ANN, BOB, CENEK)),
    ("(sn<=ASH)", (ANN,)),
    ("(!(sn>=b))", others(BOB, CENEK)),
    ("(userAccountControl>=513)", (BOB, CENEK)),
    ("(userAccountControl>=66048)", (CENEK,)),
    ("(userAccountControl<=512)", (ANN,)),
    ("(userAccountControl<=99)", NOBODY),
    ("(groupType<=0)", (STAFF,)),
    ("(groupType>=-2147483640)", ALL_GROUPS),
    ("(whenCreated>=20261130102030.0Z)", (ANN, BOB)),
    ("(whenCreated>=20261130102030.1Z)", (BOB,)),
    ("(whenCreated>=20261130102031Z)", (BOB,)),
    ("(whenCreated<=20261130102030Z)", (ANN,)),
    ("(whenCreated>=20261201010000+0100)", (BOB,)),
    ("(whenCreated>=202611301020Z)", (ANN, BOB)),
    ("(whenCreated=20261130102030Z)", (ANN,)),
    ("(whenCreated=20261130112030.00+01)", (ANN,)),
    ("(whenCreated>=yesterday)", NOBODY),
    ("(!(whenCreated>=yesterday))", NOBODY),
    ("(whenCreated>=20261399000000Z)", NOBODY),
    ("(!(whenCreated>=20261399000000Z))", NOBODY),
    ("(member>=CN=x)", NOBODY),
    ("(!(member>=CN=x))", NOBODY),
    ("(msExchHideFromAddressLists>=TRUE)", NOBODY),
    # Integers.
    ("(userAccountControl=512)", (ANN,)),
    ("(userAccountControl=0512)", (ANN,)),
    ("(userAccountControl=1)", NOBODY),
    ("(userAccountControl=5x)", NOBODY),
    ("(!(userAccountControl=5x))", NOBODY),
    ("(userAccountControl= 512)", NOBODY),
    ("(groupType=-2147483640)", (STAFF,)),
    ("(userAccountControl=99999999999999999999999)", NOBODY),
    ("(!(userAccountControl=99999999999999999999999))", NOBODY),
    # Booleans.
    ("(msExchHideFromAddressLists=TRUE)", (ANN,)),
    ("(msExchHideFromAddressLists=FALSE)", (BOB,)),
    ("(msExchHideFromAddressLists=true)", NOBODY),
    ("(!(msExchHideFromAddressLists=true))", NOBODY),
    ("(!(msExchHideFromAddressLists=FALSE))", others(BOB)),
    # Names.
    (f"(manager={BOB})", (ANN,)),
    ("(manager=cn=BOB, ou=users,DC=corp,  dc=example)", (ANN,)),
    ("(manager=commonName=bob,OU=Users,DC=corp,DC=example)", (ANN,)),
    ("(manager=2.5.4.3=bob,OU=Users,DC=corp,DC=example)", (ANN,)),
    ("(manager=CN=\\5c42ob,OU=Users,DC=corp,DC=example)", (ANN,)),
    (f"(manager=CN=Čenek,{USERS})", (BOB,)),
    (f"(manager=CN=čenek,{USERS})", (BOB,)),
    (f"(manager=CN=cenek,{USERS})", NOBODY),
    (f"(manager=CN=Nobody,{USERS})", NOBODY),
    (f"(!(manager=CN=Nobody,{USERS}))", EVERYTHING),
    ("(manager=Bob)", NOBODY),
    ("(!(manager=Bob))", NOBODY),
    (f"(distinguishedName={ANN})", (ANN,)),
    (f"(distinguishedName=CN=Doe\\5c, Jo,{USERS})", (DOE,)),
    (f"(distinguishedName=CN=Doe\\5c2C Jo,{USERS})", (DOE,)),
    (f"(member={ANN})", (STAFF,)),
    (f"(member=cn=doe\\5c2c jo, {USERS})", (RING1,)),
    (f"(member={CENEK})", NOBODY),
    (f"(!(member={ANN}))", others(STAFF)),
    (f"(memberOf={STAFF})", (ANN, TEAM)),
    (f"(memberOf={EMPTY})", NOBODY),
    (f"(&(objectClass=user)(!(memberOf={STAFF})))", (BOB, CENEK, DOE)),
    # Classes.
    ("(objectClass=user)", PEOPLE),
    ("(objectClass=USER)", PEOPLE),
    ("(objectClass=1.2.840.113556.1.5.9)", PEOPLE),
    ("(objectClass=person)", (*PEOPLE, PARTNER)),
    ("(objectClass=contact)", (PARTNER,)),
    ("(objectClass=group)", ALL_GROUPS),
    ("(objectClass=organizationalUnit)", UNITS),
    ("(objectClass=domainDNS)", (BASE,)),
    ("(objectClass=computer)", NOBODY),
    ("(!(objectClass=computer))", EVERYTHING),
    # Where an empty success deletes people a class that is not known is False and not Undefined.
    ("(objectClass=noSuchClass)", NOBODY),
    ("(!(objectClass=noSuchClass))", EVERYTHING),
    ("(objectClass>=user)", NOBODY),
    # Categories, by name and by class.
    ("(objectCategory=person)", (*PEOPLE, PARTNER)),
    ("(objectCategory=Person)", (*PEOPLE, PARTNER)),
    ("(objectCategory=user)", (*PEOPLE, PARTNER)),
    ("(objectCategory=contact)", (*PEOPLE, PARTNER)),
    ("(objectCategory=group)", ALL_GROUPS),
    ("(objectCategory=computer)", NOBODY),
    ("(!(objectCategory=computer))", EVERYTHING),
    (f"(objectCategory={PERSON_CATEGORY})", (*PEOPLE, PARTNER)),
    (f"(objectCategory={GROUP_CATEGORY.lower()})", ALL_GROUPS),
    ("(objectCategory=noSuchClass)", NOBODY),
    ("(!(objectCategory=noSuchClass))", NOBODY),
    ("(&(objectCategory=person)(objectClass=user))", PEOPLE),
    # objectGUID and objectSid, as octets and as text.
    (f"(objectGUID={octets(ANN_GUID)})", (ANN,)),
    (f"(objectGUID={ANN_ID})", (ANN,)),
    (f"(objectGUID={ANN_ID.upper()})", (ANN,)),
    (f"(objectGUID={{{ANN_ID}}})", (ANN,)),
    (f"(objectGUID={ANN_GUID.hex()})", (ANN,)),
    ("(objectGUID=\\00\\01\\02\\ff\\00\\01\\02\\ff\\00\\01\\02\\ff\\00\\01\\02\\ff)", (DOE,)),
    ("(objectGUID=af79)", NOBODY),
    ("(!(objectGUID=af79))", EVERYTHING),
    (f"(objectSid={ANN_SID})", (ANN,)),
    (f"(objectSid={ANN_SID.lower()})", (ANN,)),
    (f"(objectSid={octets(ANN_SID_OCTETS)})", (ANN,)),
    ("(objectSid=S-1-5-32-544)", NOBODY),
    ("(!(objectSid=S-1-5-32-544))", EVERYTHING),
    ("(objectSid=S-1-5-99999999999)", NOBODY),
    # Bits.
    (f"(userAccountControl:{AND}:=2)", (BOB,)),
    (f"(!(userAccountControl:{AND}:=2))", others(BOB)),
    (f"(&(objectClass=user)(!(userAccountControl:{AND}:=2)))", (ANN, CENEK, DOE)),
    (f"(userAccountControl:{AND}:=512)", HAVE_CONTROL),
    (f"(userAccountControl:{AND}:=66048)", (CENEK,)),
    (f"(userAccountControl:{OR}:=65538)", (BOB, CENEK)),
    (f"(userAccountControl:{OR}:=1)", NOBODY),
    (f"(!(userAccountControl:{OR}:=65538))", others(BOB, CENEK)),
    (f"(userAccountControl:{AND}:=0)", HAVE_CONTROL),
    (f"(userAccountControl:{OR}:=0)", NOBODY),
    (f"(groupType:{AND}:=2147483648)", (STAFF,)),
    (f"(groupType:{AND}:=-2147483648)", (STAFF,)),
    (f"(groupType:{AND}:=8)", ALL_GROUPS),
    (f"(userAccountControl:{AND}:=x)", NOBODY),
    (f"(!(userAccountControl:{AND}:=x))", NOBODY),
    (f"(!(cn:{AND}:=2))", NOBODY),
    # Along links, with a guard against circles.
    (f"(memberOf:{CHAIN}:={STAFF})", (ANN, BOB, TEAM)),
    (f"(member:{CHAIN}:={BOB})", (STAFF, TEAM)),
    (f"(member:{CHAIN}:=CN=Doe\\5c, Jo,{USERS})", (RING1, RING2)),
    (f"(member:{CHAIN}:={RING1})", (RING1, RING2)),
    (f"(memberOf:{CHAIN}:={RING1})", (RING1, RING2)),
    (f"(manager:{CHAIN}:={CENEK})", (ANN, BOB)),
    (f"(member:{CHAIN}:={CENEK})", NOBODY),
    (f"(!(member:{CHAIN}:={BOB}))", others(STAFF, TEAM)),
    (f"(&(objectClass=user)(memberOf:{CHAIN}:={STAFF}))", (ANN, BOB)),
    (f"(|(memberOf:{CHAIN}:={STAFF})(cn=empty))", (ANN, BOB, TEAM, EMPTY)),
    (f"(member:{CHAIN}:=Bob)", NOBODY),
    (f"(!(member:{CHAIN}:=Bob))", NOBODY),
    (f"(distinguishedName:{CHAIN}:={BOB})", NOBODY),
    (f"(!(distinguishedName:{CHAIN}:={BOB}))", NOBODY),
    (f"(cn:{CHAIN}:=bob)", NOBODY),
    # Extensible match without a rule is equality; Active Directory has no rules but its own, and needs an attribute.
    ("(cn:=ANN)", (ANN,)),
    ("(cn:dn:=ann)", (ANN,)),
    ("(ou:dn:=users)", NOBODY),
    ("(cn:caseExactMatch:=Ann)", NOBODY),
    ("(!(cn:caseExactMatch:=Ann))", NOBODY),
    ("(:caseIgnoreMatch:=ann)", NOBODY),
    ("(!(:caseIgnoreMatch:=ann))", NOBODY),
    ("(!(cn:1.2.3:=ann))", NOBODY),
    # Three values (RFC 4511 4.5.1.7) and the filters of RFC 4526.
    ("(&)", EVERYTHING),
    ("(|)", NOBODY),
    ("(!(|))", EVERYTHING),
    ("(!(&))", NOBODY),
    ("(&(cn=ann)(sn=ash))", (ANN,)),
    ("(&(cn=ann)(sn=b))", NOBODY),
    ("(|(cn=ann)(cn=bob)(cn=nobody))", (ANN, BOB)),
    ("(!(!(cn=ann)))", (ANN,)),
    ("(&(|(cn=ann)(cn=bob))(!(sn=ash)))", (BOB,)),
    ("(|(mail=a*)(mail=p*))", (ANN, PARTNER)),
    ("(&(mail=*)(|(objectClass=user)(objectClass=contact)))", (ANN, BOB, PARTNER)),
    # What mail services ask.
    ("(&(objectCategory=person)(objectClass=user)(mail=*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))", (ANN,)),
    ("(&(|(objectClass=user)(objectClass=group)(objectClass=contact))(proxyAddresses=smtp:*))", (ANN,)),
    (f"(&(objectClass=group)(|(member={ANN})(member={BOB})))", (STAFF, TEAM)),
]


@pytest.mark.parametrize(("filter", "expected"), CASES, ids=[text for text, _ in CASES])
def test_filter(talk, filter, expected):
    assert sorted(talk.found(filter)) == sorted(expected)


@pytest.mark.parametrize(
    ("base", "scope", "expected"),
    [
        (BASE, 0, (BASE,)),
        (BASE, 1, UNITS),
        (BASE, 2, EVERYTHING),
        (USERS, 0, (USERS,)),
        (USERS, 1, PEOPLE),
        (USERS, 2, (USERS, *PEOPLE)),
        ("ou=users, dc=CORP,dc=example", 1, PEOPLE),
        (ANN, 0, (ANN,)),
        (ANN, 1, ()),
        (ANN, 2, (ANN,)),
    ],
)
@pytest.mark.parametrize("filter", ["(objectClass=*)", "(|(objectClass=top)(cn=nobody))", "(!(cn=nobody))"])
def test_scope(talk, base, scope, expected, filter):
    assert sorted(talk.found(filter, base, scope)) == sorted(expected)


@pytest.mark.parametrize(("base", "expected"), [(BASE, (STAFF, TEAM)), (GROUPS, (STAFF, TEAM)), (USERS, ())])
def test_a_scope_holds_for_what_the_index_finds(talk, base, expected):
    assert sorted(talk.found(f"(|(member={ANN})(member={BOB}))", base)) == sorted(expected)
    assert sorted(talk.found(f"(member:{CHAIN}:={BOB})", base)) == sorted(expected)
    assert talk.found("(cn=users)", USERS, 2) == talk.found("(name=users)", USERS, 2) == []


def test_a_filter_of_very_many_parts_is_answered(talk):
    """Its ranges of the index are not all counted."""
    for kind in (And, Or):
        filter = kind(tuple(EqualityMatch("objectClass", b"user") for _ in range(2000)))
        entries, _ = talk.search(SearchRequest(BASE, 2, filter, ("1.1",)))
        assert sorted(each.dn for each in entries) == sorted(PEOPLE)


def test_links_to_too_many_entries_are_not_followed(talk, monkeypatch):
    monkeypatch.setattr(finding, "_LINKED", 3)
    many = "".join(f"(memberOf:{CHAIN}:={STAFF})" for _ in range(5))
    entries, done = talk.search(SearchRequest(BASE, 2, parse_filter(f"(|{many})")))
    assert (entries, done.operation.result.code) == ([], 11)
    assert len(talk.found(f"(memberOf:{CHAIN}:={STAFF})")) == 3


# Three values against a plain oracle.

THREE = {True: Present("objectClass"), False: EqualityMatch("cn", b"nobody"), None: EqualityMatch("noSuchType", b"x")}


def oracle(shape) -> bool | None:
    if not isinstance(shape, tuple):
        return shape
    kind, *parts = shape
    values = [oracle(part) for part in parts]
    if kind == "not":
        return None if values[0] is None else not values[0]
    if kind == "and":
        return False if False in values else None if None in values else True
    return True if True in values else None if None in values else False


def as_filter(shape) -> Filter:
    if not isinstance(shape, tuple):
        return THREE[shape]
    kind, *parts = shape
    inner = tuple(as_filter(part) for part in parts)
    if kind == "not":
        return Not(inner[0])
    return And(inner) if kind == "and" else Or(inner)


shapes = st.recursive(
    st.sampled_from([True, False, None]),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.lists(inner, max_size=4).map(lambda parts: ("and", *parts)),
        st.lists(inner, max_size=4).map(lambda parts: ("or", *parts)),
    ),
    max_leaves=12,
)
SUBJECT = MadeEntry(Packed(pack([(served_type("objectClass"), [b"top"]), (served_type("cn"), [b"Ann"])])))


@given(shapes)
@settings(max_examples=examples(500))
def test_three_values_are_those_of_the_oracle(shape):
    assert Matching(parse(BASE)).compile(as_filter(shape)).test(SUBJECT) is oracle(shape)


@given(shapes)
@settings(max_examples=examples(100))
def test_what_the_index_finds_is_what_a_look_at_every_entry_finds(talk, shape):
    """A search finds the entries for which the filter is True, through whichever access."""
    expected = EVERYTHING if oracle(shape) is True else ()
    entries, _ = talk.search(SearchRequest(BASE, 2, as_filter(shape), ("1.1",)))
    assert sorted(each.dn for each in entries) == sorted(expected)
