"""Whether a copy finds what a real Active Directory (Samba) finds, above all along links, which slapd cannot follow."""

import ldap3
import pytest

from gateway.entra.published import PublishedEntry
from gateway.entra.syntaxes import dn_key
from gateway.ldap.dn import parse
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.messages import SearchRequest
from tests.entra.copies import BASE, containers, id_of
from tests.entra.talk import talk_of
from tests.servers.sync_client import connect

CHAIN = "1.2.840.113556.1.4.1941"
UNITS = (f"OU=Staff,{BASE}", f"OU=Groups,{BASE}")
ATTRIBUTES = [
    *("objectClass", "objectCategory", "objectGUID", "objectSid", "cn", "name", "sn", "mail", "proxyAddresses"),
    *("displayName", "sAMAccountName", "userAccountControl", "groupType", "member", "memberOf", "manager"),
    *("department", "whenCreated"),
]


@pytest.fixture(scope="module")
def directory(samba):
    """A connection to Samba."""
    return connect(samba["LAB_IP"], 636, samba["LAB_CA"], samba["LAB_SVC_UPN"], samba["LAB_SVC_PW"])


@pytest.fixture(scope="module")
def entries(directory):
    """What Samba holds of people and groups, as a publisher would hand it over."""
    found = [containers()[0]]
    for unit in UNITS:
        for entry in directory.extend.standard.paged_search(
            unit, "(objectClass=*)", attributes=ATTRIBUTES, paged_size=500
        ):
            dn = str(parse(entry["raw_dn"].decode()))
            values = {name: held for name, held in entry["raw_attributes"].items() if held}
            found.append(PublishedEntry(str(id_of(dn)), dn, values))
    return found


@pytest.fixture(scope="module")
def talk(entries, tmp_path_factory):
    with talk_of(entries, tmp_path_factory.mktemp("copy")) as talk:
        yield talk


@pytest.fixture(scope="module")
def same(directory, talk):
    """A function that takes a filter, of which both must say the same, and gives back how many entries that are."""

    def same_(filter):
        mine, theirs = set(), set()
        for unit in UNITS:
            entries, done = talk.search(SearchRequest(unit, 2, parse_filter(filter), ("1.1",)))
            assert done.operation.result.code == 0
            mine |= {dn_key(parse(each.dn)) for each in entries}
            for each in directory.extend.standard.paged_search(unit, filter, attributes=["1.1"], paged_size=500):
                theirs.add(dn_key(parse(each["raw_dn"].decode())))
        assert mine == theirs, filter
        return len(mine)

    return same_


def written(value):
    """A DN as a value in a filter."""
    return ldap3.utils.conv.escape_filter_chars(value)


def test_along_links(entries, same):
    """Chains of groups, one of them a circle; and people's managers. Samba takes long for each."""
    members = {entry.dn: {value.decode() for value in entry.attributes.get("member", ())} for entry in entries}
    nested = [
        dn for dn, inside in members.items() if inside & members.keys() and any(members.get(each) for each in inside)
    ]
    people = sorted(each for dn in nested for inside in members[dn] for each in members.get(inside, ()))[:3]
    managers = sorted({value.decode() for entry in entries for value in entry.attributes.get("manager", ())})[:2]
    assert len(nested) >= 4
    for dn in nested:
        assert same(f"(memberOf:{CHAIN}:={written(dn)})") > 1
        same(f"(member:{CHAIN}:={written(dn)})")
    for dn in (*people, *managers):
        same(f"(member:{CHAIN}:={written(dn)})")
        same(f"(&(objectClass=group)(!(member:{CHAIN}:={written(dn)})))")
    assert same(f"(manager:{CHAIN}:={written(managers[0])})") > 0


def test_a_circle_of_groups_is_among_them(entries):
    direct = {entry.dn: {value.decode() for value in entry.attributes.get("member", ())} for entry in entries}
    assert any(dn in direct.get(member, ()) for dn, members in direct.items() for member in members)


@pytest.mark.parametrize(
    "filter",
    [
        "(objectCategory=person)",
        "(objectCategory=group)",
        "(objectCategory=user)",
        "(objectCategory=contact)",
        "(objectClass=organizationalPerson)",
        "(&(objectCategory=person)(objectClass=user)(mail=*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
        "(userAccountControl:1.2.840.113556.1.4.804:=2)",
        "(!(userAccountControl:1.2.840.113556.1.4.803:=512))",
        "(groupType:1.2.840.113556.1.4.803:=2147483648)",
        "(groupType>=0)",
        "(userAccountControl<=512)",
        "(mail=u0000*)",
        "(displayName=*a*n*)",
        "(proxyAddresses=smtp:*)",
        "(department=SALES)",
        "(!(department=sales))",
        "(&(member=*)(cn=gg*))",
        "(|(noSuchType=x)(department=sales))",
        "(objectGUID=*)",
        "(whenCreated>=20200101000000.0Z)",
        "(whenCreated<=20200101000000.0Z)",
        "(initials=*)",
        "(!(msDS-cloudExtensionAttribute1=x))",
    ],
)
def test_other_filters(same, filter):
    same(filter)


def test_ids_as_text(entries, same, talk):
    person = next(entry for entry in entries if "objectSid" in entry.attributes and "mail" in entry.attributes)
    (guid,) = person.attributes["objectGUID"]
    (sid,) = person.attributes["objectSid"]
    text = ldap3.protocol.formatters.formatters.format_uuid_le(guid).strip("{}")
    assert same(f"(objectGUID={text})") == 1
    assert same(f"(objectGUID={written(guid)})") == 1
    assert same(f"(objectSid={ldap3.protocol.formatters.formatters.format_sid(sid)})") == 1
    assert same(f"(objectSid={written(sid)})") == 1
