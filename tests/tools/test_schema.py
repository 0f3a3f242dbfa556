"""Attribute types as slapd, Active Directory and Samba describe them."""

import pytest

from gateway.ask.findings import Area
from gateway.ask.root_dse import RootDse
from gateway.ask.schema import Schema
from gateway.ldap.supertypes import SUPERTYPES
from gateway.tools.doctor.directory import check_attributes, check_supertypes
from tests.policy.policies import policy
from tests.tools.said import Said

DESCRIPTIONS = (
    # slapd
    "( 2.5.4.3 NAME ( 'cn' 'commonName' ) DESC 'RFC4519: common name(s)' SUP name )",
    "( 0.9.2342.19200300.100.1.3 NAME ( 'mail' 'rfc822Mailbox' ) DESC 'x NAME (not this)' SYNTAX 1.3.6 )",
    # Active Directory
    "( 1.2.840.113556.1.2.210 NAME 'proxyAddresses' SYNTAX '1.3.6.1.4.1.1466.115.121.1.15' )",
    "( 2.5.4.4 NAME 'sn' SYNTAX '1.3.6.1.4.1.1466.115.121.1.15' SINGLE-VALUE )",
    "( 1.2.840.113556.1.2.141 NAME 'department' )",
    "(1.2.3 NAME 'tight')",
    "( 1.2.4 SYNTAX '1.3.6' )",
    "",
    "nonsense",
)


@pytest.fixture
def schema():
    return Schema(DESCRIPTIONS)


@pytest.mark.parametrize(
    "name", ["cn", "CN", "commonName", "2.5.4.3", "MAIL", "proxyaddresses", "sn", "surname", "tight", "1.2.3"]
)
def test_known_by_any_name(schema, name):
    assert schema.knows(name)


@pytest.mark.parametrize("name", ["proxyAdresses", "not", "mailNickname", "1.2.4", ""])
def test_unknown(schema, name):
    assert not schema.knows(name)


@pytest.mark.parametrize(
    ("name", "near"), [("proxyAdresses", ("proxyAddresses",)), ("departement", ("department",)), ("xyz", ())]
)
def test_the_nearest_in_the_directorys_own_spelling(schema, name, near):
    assert schema.nearest(name) == near


def test_each_unknown_attribute_has_its_own_line(schema):
    said = Said(Area.directory)
    check_attributes(said.section, schema, ("mail", "proxyAdresses", "extensionAttribute1"))
    assert [(each.said, each.advice) for each in said.findings] == [
        ("the directory knows no attribute proxyAdresses", "did you mean proxyAddresses?"),
        ("the directory knows no attribute extensionAttribute1", "take it out of the configuration"),
    ]
    said = Said(Area.directory)
    check_attributes(said.section, schema, ("mail", "surname"))
    assert said.status() == {"schema": "ok"}


DERIVED = Schema(
    (
        "( 2.5.4.41 NAME 'name' DESC 'x' )",
        "( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name )",
        "( 2.5.4.7 NAME ( 'l' 'localityName' ) DESC 'a place SUP nothing' SUP name )",
        "( 2.5.4.7.1 NAME 'c-l' SUP localityName COLLECTIVE )",
        "( 1.2.3 NAME 'corpNick' SUP 2.5.4.41 )",
        "( 1.2.4 NAME 'corpOther' DESC 'SUP name' )",
        "( 1.2.5 NAME 'circle' SUP circle2 )",
        "( 1.2.6 NAME 'circle2' SUP circle )",
    )
)


def test_what_a_server_derives_from_a_type_is_found_through_all_names_and_levels():
    assert DERIVED.subtypes("name") == ("cn", "l", "c-l", "corpNick")
    assert DERIVED.subtypes("L") == ("c-l",)
    assert DERIVED.subtypes("cn") == DERIVED.subtypes("corpOther") == ()


def supertypes(schema, *attributes, is_active_directory=False):
    said = Said(Area.directory)
    check_supertypes(
        said.section, RootDse(is_active_directory=is_active_directory), schema, policy(attributes=attributes)
    )
    return [(each.status, each.said) for each in said.findings]


def test_a_listed_supertype_is_refused_in_filters_unless_the_server_is_an_active_directory():
    ((status, said),) = supertypes(None, "mail", "distinguishedName")
    assert status == "warning"
    assert said.startswith("distinguishedName stands for member, owner, ") and said.endswith(
        "filters on it are refused"
    )
    ((status, said),) = supertypes(DERIVED, "mail", "distinguishedName", "l", is_active_directory=True)
    assert (status, "stand for nothing else" in said) == ("ok", True)
    assert supertypes(DERIVED, "mail", "cn") == []


def test_types_of_a_companys_own_schema_are_named():
    ((status, said),) = supertypes(DERIVED, "mail", "l")
    assert (status, said.startswith("this server's schema derives c-l from l")) == ("warning", True)
    assert supertypes(DERIVED, "mail", "l", "C-L") == []
    everything = ("name", *SUPERTYPES["name"])
    ((status, said),) = supertypes(DERIVED, *everything)
    assert said.startswith("this server's schema derives corpNick from name")
