"""Attribute types as slapd, Active Directory and Samba describe them."""

import pytest

from gateway.probe.directory import check_attributes
from gateway.probe.findings import Area
from gateway.probe.schema import Schema
from tests.probe.said import Said

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
