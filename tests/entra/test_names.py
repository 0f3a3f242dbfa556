"""The names of entries."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.entra.names import (
    Container,
    common_name,
    container_dn,
    container_of,
    digits_of,
    entry_dn,
    plain_name,
)
from gateway.entra.properties import Collection, clean
from gateway.ldap.dn import parse

BASE = parse("OU=Cloud,DC=corp,DC=example")
texts = st.text(max_size=300).map(clean)


@given(texts, st.uuids(), st.sampled_from(list(Container)))
def test_any_name_makes_a_dn_that_reads_back(text, id, container):
    cn = common_name(plain_name({"displayName": text}), digits_of(str(id), 8))
    written = entry_dn(cn, str(container_dn(BASE, container)))
    read = parse(written)
    assert str(read) == written
    assert read.rdns[0][0].value == cn
    assert read.parent().parent() == BASE


@given(texts, texts, st.uuids(), st.uuids())
def test_two_objects_with_other_digits_never_have_one_name(one, other, id, other_id):
    digits, others = digits_of(str(id), 8), digits_of(str(other_id), 8)
    names = [common_name(plain_name({"displayName": text}), each) for text, each in ((one, digits), (other, others))]
    same = parse(entry_dn(names[0], "DC=x")).same_loosely(parse(entry_dn(names[1], "DC=x")))
    assert not same or digits == others


def test_a_name_is_what_people_read_or_else_the_nickname_or_nothing():
    assert plain_name({"displayName": " Ada\r\n Weiß\t"}) == "Ada Weiß"
    assert plain_name({"displayName": "\x01", "mailNickname": "ada"}) == "ada"
    assert plain_name({}) == ""
    assert common_name("", "f82d79af") == "(f82d79af)"
    assert common_name("Ada", digits_of(str(UUID(int=0xF82D79AF << 96)), 8)) == "Ada (f82d79af)"


def test_where_objects_belong():
    assert container_of(Collection.users, {}) is Container.users
    assert container_of(Collection.users, {"userType": "Member"}) is Container.users
    assert container_of(Collection.users, {"userType": "Guest"}) is Container.guests
    assert container_of(Collection.groups, {"userType": "Guest"}) is Container.groups
    assert container_of(Collection.contacts, {}) is Container.contacts
