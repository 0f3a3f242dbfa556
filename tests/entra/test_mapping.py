"""What of a Graph object becomes which attribute, and what is asked for."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.entra.entries import EntryMaker, Links
from gateway.entra.mapping import ATTRIBUTES, generalized_time, not_served, served
from gateway.entra.properties import PROPERTIES, Collection, Type, WrongType, checked, clean
from gateway.entra.schema import TYPES
from gateway.entra.settings import CopySettings, GroupChoice
from gateway.entra.syntaxes import stored_key
from gateway.entra.wanted import Wanted
from gateway.ldap.dn import parse
from tests.entra.played import BASE, EVERYTHING

ID = "f82d79af-1278-4894-ac01-d90e30875cf8"
USERS, GROUPS, CONTACTS = Collection.users, Collection.groups, Collection.contacts
TYPES_BY_NAME = {type.name: type for type in TYPES}


def wanted(*attributes, **settings):
    return Wanted(CopySettings(parse(BASE), frozenset(attributes or EVERYTHING), **settings))


def made(collection, document, *attributes, **settings):
    """The attributes of an entry that the document is the reason for, as text."""
    maker = EntryMaker(wanted(*attributes, **settings))
    plain = maker.make(collection, ID, {}, "x", f"CN=x,{BASE}", Links())
    found = maker.make(collection, ID, document, "x", f"CN=x,{BASE}", Links())
    return {
        name: [value.decode() for value in values]
        for name, values in found.items()
        if values != plain.get(name) and name != "cn"
    }


@pytest.mark.parametrize(
    ("collection", "document", "expected"),
    [
        (USERS, {"givenName": "Ada"}, {"givenName": ["Ada"]}),
        (USERS, {"surname": "Weiß"}, {"sn": ["Weiß"]}),
        (USERS, {"jobTitle": "Boss"}, {"title": ["Boss"]}),
        (USERS, {"companyName": "Corp"}, {"company": ["Corp"]}),
        (USERS, {"department": "R+D"}, {"department": ["R+D"]}),
        (USERS, {"employeeId": "7"}, {"employeeID": ["7"]}),
        (USERS, {"userPrincipalName": "a@x.example"}, {"userPrincipalName": ["a@x.example"]}),
        (USERS, {"proxyAddresses": ["SMTP:a", "smtp:b", "smtp:b"]}, {"proxyAddresses": ["SMTP:a", "smtp:b"]}),
        (USERS, {"businessPhones": ["1"]}, {"telephoneNumber": ["1"]}),
        (USERS, {"businessPhones": ["1", "2", "2", "1"]}, {"telephoneNumber": ["1"], "otherTelephone": ["2"]}),
        (USERS, {"mobilePhone": "3"}, {"mobile": ["3"]}),
        (USERS, {"faxNumber": "4"}, {"facsimileTelephoneNumber": ["4"]}),
        (USERS, {"officeLocation": "B1"}, {"physicalDeliveryOfficeName": ["B1"]}),
        (USERS, {"city": "Wien"}, {"l": ["Wien"]}),
        (USERS, {"state": "W"}, {"st": ["W"]}),
        (USERS, {"postalCode": "1010"}, {"postalCode": ["1010"]}),
        (USERS, {"streetAddress": "Ring 1"}, {"streetAddress": ["Ring 1"]}),
        (USERS, {"country": "at"}, {"co": ["at"], "c": ["AT"]}),
        (USERS, {"country": "Austria"}, {"co": ["Austria"]}),
        (USERS, {"accountEnabled": False}, {"userAccountControl": ["514"]}),
        (
            USERS,
            {"passwordPolicies": "DisablePasswordExpiration, DisableStrongPassword"},
            {"userAccountControl": ["66048"]},
        ),
        (USERS, {"passwordPolicies": "DisableStrongPassword"}, {}),
        (USERS, {"mailNickname": "ada"}, {"mailNickname": ["ada"], "sAMAccountName": ["ada"]}),
        (
            USERS,
            {"mailNickname": "a", "onPremisesSamAccountName": "b"},
            {"mailNickname": ["a"], "sAMAccountName": ["b"]},
        ),
        (USERS, {"createdDateTime": "2020-01-02T03:04:05Z"}, {"whenCreated": ["20200102030405.0Z"]}),
        (USERS, {"createdDateTime": "2020-13-02T03:04:05Z"}, {}),
        (USERS, {"preferredLanguage": "de"}, {"preferredLanguage": ["de"]}),
        (USERS, {"onPremisesExtensionAttributes": {"extensionAttribute7": "x"}}, {"extensionAttribute7": ["x"]}),
        (USERS, {"showInAddressList": False}, {}),
        (GROUPS, {"securityEnabled": True}, {"groupType": ["-2147483640"]}),
        (GROUPS, {"securityEnabled": False}, {}),
        (GROUPS, {"description": "all of them"}, {"description": ["all of them"]}),
        (GROUPS, {"mailNickname": "all"}, {"mailNickname": ["all"], "sAMAccountName": ["all"]}),
        (CONTACTS, {"mailNickname": "all"}, {"mailNickname": ["all"]}),
        (
            CONTACTS,
            {
                "phones": [
                    {"type": "mobile", "number": "1"},
                    {"type": "business", "number": "2"},
                    {"type": "business", "number": "3"},
                    {"type": "businessFax", "number": "4"},
                    {"type": "business"},
                ]
            },
            {"mobile": ["1"], "telephoneNumber": ["2"], "otherTelephone": ["3"], "facsimileTelephoneNumber": ["4"]},
        ),
        (
            CONTACTS,
            {"addresses": [{"city": "London", "countryOrRegion": "gb", "street": "1 High St"}, {"city": "Leeds"}]},
            {"l": ["London"], "co": ["gb"], "c": ["GB"], "streetAddress": ["1 High St"]},
        ),
    ],
)
def test_what_a_property_becomes(collection, document, expected):
    assert made(collection, document) == expected


def test_who_hides_from_address_lists_says_so_where_that_is_wanted():
    assert made(USERS, {"showInAddressList": False}, hide_from_lists=True, *("msExchHideFromAddressLists",)) == {  # noqa: B026
        "msExchHideFromAddressLists": ["TRUE"]
    }


def test_the_sid_of_the_domain_comes_before_that_of_the_cloud():
    maker = EntryMaker(wanted("objectSid"))
    document = {"onPremisesSecurityIdentifier": "S-1-5-21-1-2-3-4", "securityIdentifier": "S-1-12-1-1-2-3-4"}
    assert maker.make(USERS, ID, document, "x", "CN=x", Links())["objectSid"][0].hex().endswith("04000000")
    assert (
        maker.make(USERS, ID, {}, "x", "CN=x", Links())["objectSid"][0][12:].hex() == "af792df878129448ac01d90e30875cf8"
    )


def test_cn_has_what_the_object_is_called_now_and_then_its_name_for_good():
    entry = EntryMaker(wanted()).make(USERS, ID, {"displayName": "New"}, "Old (f82d79af)", "CN=Old (f82d79af)", Links())
    assert entry["cn"] == (b"New", b"Old (f82d79af)")
    assert entry["name"] == (b"Old (f82d79af)",)


def test_every_source_asks_only_for_properties_that_its_collection_has():
    for name, sources in ATTRIBUTES.items():
        for collection, source in sources.items():
            assert set(source.properties) <= set(PROPERTIES[collection]), name


def test_nothing_is_asked_for_but_what_is_needed():
    copy = wanted("mail", "CN", "objectguid")
    assert copy.select(USERS) == ("displayName", "mail", "mailNickname", "userType")
    assert copy.select(GROUPS) == copy.select(CONTACTS) == ("displayName", "mail", "mailNickname")
    assert wanted("memberof").select(GROUPS)[-1] == "members"
    assert wanted("MANAGER").select(USERS)[-1] == "manager"
    assert "mailEnabled" in wanted("mail", groups=GroupChoice.mail).select(GROUPS)
    assert "showInAddressList" not in wanted().select(USERS)


@given(st.sets(st.sampled_from(sorted(EVERYTHING))), st.sampled_from(sorted(EVERYTHING)))
def test_one_attribute_more_asks_for_no_more_than_its_properties(attributes, more):
    few, many = wanted("cn", *attributes), wanted("cn", *attributes, more)
    for collection in Collection:
        asked = set(many.select(collection)) - set(few.select(collection))
        source = ATTRIBUTES.get(more, {}).get(collection)
        assert asked <= set(source.properties if source is not None else ("members", "manager"))


def test_names_are_taken_in_any_case_and_what_no_entry_has_is_told():
    assert served(frozenset({"MAIL", "memberof", "pager"})) == {"mail", "memberOf"}
    assert not_served(frozenset({"MAIL", "pager", "homeMDB"})) == ["homeMDB", "pager"]


def test_who_wants_something_else_has_another_digest():
    base = CopySettings(parse(BASE), frozenset({"mail"}))
    changes = [
        {"attributes": frozenset({"mail", "sn"})},
        {"guests": True},
        {"contacts": False},
        {"groups": GroupChoice.mail},
        {"base_dn": parse("DC=other")},
    ]
    digests = {Wanted(dataclasses.replace(base, **change)).digest for change in ({}, *changes)}
    assert len(digests) == 1 + len(changes)
    assert Wanted(dataclasses.replace(base, attributes=frozenset({"MAIL"}))).digest in digests


values = {
    Type.string: st.none() | st.text(max_size=8),
    Type.boolean: st.none() | st.booleans(),
    Type.moment: st.none() | st.datetimes().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%SZ}") | st.text(max_size=5),
    Type.strings: st.none() | st.lists(st.none() | st.text(max_size=8), max_size=3),
    Type.extension_attributes: st.none()
    | st.dictionaries(st.just("extensionAttribute1"), st.none() | st.text(max_size=4)),
    Type.phones: st.none()
    | st.lists(
        st.fixed_dictionaries(
            {},
            optional={"type": st.sampled_from(["business", "mobile", None]), "number": st.none() | st.text(max_size=4)},
        ),
        max_size=3,
    ),
    Type.addresses: st.none()
    | st.lists(
        st.fixed_dictionaries(
            {}, optional={"city": st.none() | st.text(max_size=4), "countryOrRegion": st.none() | st.text(max_size=2)}
        ),
        max_size=2,
    ),
}


@st.composite
def objects(draw):
    collection = draw(st.sampled_from(list(Collection)))
    types = PROPERTIES[collection]
    names = draw(st.sets(st.sampled_from(sorted(types))))
    return collection, {name: draw(values[types[name]]) for name in sorted(names)}


@given(objects())
def test_any_object_makes_an_entry_of_which_each_value_has_its_syntax(found):
    collection, told = found
    copy = wanted(*EVERYTHING, "objectSid", guests=True, hide_from_lists=True)
    document = copy.kept(
        collection, {name: checked(PROPERTIES[collection][name], value) for name, value in told.items()}
    )
    entry = EntryMaker(copy).make(collection, ID, document, "x", f"CN=x,{BASE}", Links())
    for name, given_values in entry.items():
        assert given_values
        assert len(set(given_values)) == len(given_values) or name == "cn"
        assert all(stored_key(TYPES_BY_NAME[name], value) is not None for value in given_values), name


@given(st.text(alphabet=st.characters(), max_size=10))
def test_any_text_can_be_written_as_utf_8_and_has_no_nul(text):
    cleaned = clean(text)
    assert "\0" not in cleaned
    assert cleaned == text or not text.isascii() or "\0" in text
    cleaned.encode()


def test_half_a_character_does_not_stop_a_copy():
    assert clean("Ada \ud83d") == "Ada �"
    assert clean("Ada \ud83d\ude00") == "Ada 😀"
    assert clean("a\0b") == "a�b"


@pytest.mark.parametrize(
    ("type", "value"),
    [
        (Type.string, 1),
        (Type.string, ["a"]),
        (Type.string, True),
        (Type.boolean, "true"),
        (Type.boolean, 1),
        (Type.strings, "a"),
        (Type.strings, [1]),
        (Type.phones, {}),
        (Type.phones, ["1"]),
        (Type.addresses, [{"city": 1}]),
        (Type.extension_attributes, []),
        (Type.extension_attributes, {"extensionAttribute1": 1}),
        (Type.moment, 1),
    ],
)
def test_a_value_of_another_type_is_refused(type, value):
    with pytest.raises(WrongType):
        checked(type, value)


@pytest.mark.parametrize("value", [None, "", [], [None], {}, [{}]])
def test_what_says_nothing_is_kept_as_nothing(value):
    for type in Type:
        try:
            found = checked(type, value)
        except WrongType:
            continue
        assert found is None


def test_moments():
    assert generalized_time("2020-01-02T03:04:05.1234567Z") == b"20200102030405.0Z"
    assert generalized_time("2020-01-02T03:04:05+01:00") is None
    assert generalized_time("") is None
