"""The hot path against a slow one that decodes, filters and encodes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.entries import HELD_BACK, RANGED, EntryFilter, Tally
from gateway.ldap.errors import DecodeError
from tests.ldap import strategies

ALLOWED = ["cn", "mail", "member"]


def number(description):
    name = description.split(";")[0]
    return ALLOWED.index(name) if name in ALLOWED else -1


def entry_filter(permits_dn=lambda dn: True):
    return EntryFilter(number, permits_dn, lambda controls: ())


def slowly(octets, message_id):
    entry = m.decode_response(octets).operation
    kept = tuple(attribute for attribute in entry.attributes if number(attribute.type) >= 0)
    return m.encode(m.LDAPMessage(message_id, m.SearchResultEntry(entry.dn, kept)))


def quickly(octets, message_id):
    return rewrite(octets, message_id)


def rewrite(octets, message_id, *, ranges=True, tally=None, **more):
    tally = tally or Tally(len(ALLOWED))
    return entry_filter(**more).rewrite(octets, m.read_envelope(octets), message_id, tally, ranges)


@settings(max_examples=2000, deadline=None)
@given(strategies.ids, strategies.entries, strategies.controls, strategies.ids)
def test_both_ways_give_the_same(server_id, entry, controls, client_id):
    octets = m.encode(m.LDAPMessage(server_id, entry, controls))
    assert quickly(octets, client_id) == slowly(octets, client_id)


@settings(max_examples=2000, deadline=None)
@given(strategies.entries, st.data())
def test_both_ways_refuse_the_same_damage(entry, data):
    octets = bytearray(m.encode(m.LDAPMessage(1, entry)))
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        if m.read_envelope(bytes(octets)).tag != m.SEARCH_ENTRY:
            return
        expected = slowly(bytes(octets), 9)
    except DecodeError:
        expected = None
    try:
        found = quickly(bytes(octets), 9)
    except DecodeError:
        found = None
    # The slow way also refuses descriptions that are held back and not UTF-8, and so does the quick one.
    assert found == expected


def test_long_lengths_are_written_anew():
    value = bytes.fromhex("0484000000" + "03") + b"abc"
    attribute = bytes.fromhex("30840000001502016d"[:12]) + b"\x04\x04mail" + bytes.fromhex("318400000009") + value
    octets = b"\x64" + bytes((2 + 2 + len(attribute),)) + b"\x04\x00\x30" + bytes((len(attribute),)) + attribute
    whole = b"\x30" + bytes((3 + len(octets),)) + b"\x02\x01\x05" + octets
    expected = m.SearchResultEntry("", (m.Attribute("mail", (b"abc",)),))
    assert quickly(whole, 7) == m.encode(m.LDAPMessage(7, expected))


def message(*attributes):
    found = tuple(m.Attribute(name, values) for name, values in attributes)
    return m.encode(m.LDAPMessage(1, m.SearchResultEntry("cn=x", found)))


def test_an_entry_that_may_not_be_seen_is_held_back_and_not_counted():
    tally = Tally(len(ALLOWED))
    assert rewrite(message(("cn", (b"x",))), 2, permits_dn=lambda dn: False, tally=tally) == HELD_BACK
    assert (tally.sent, tally.entries) == (0, [0, 0, 0])


def test_what_is_sent_is_counted_by_attribute():
    tally = Tally(len(ALLOWED))
    rewrite(message(("cn", (b"x",)), ("mail", ()), ("member", (b"a", b"b")), ("pager", (b"1",))), 2, tally=tally)
    rewrite(message(("CN", (b"x",)), ("cn;lang-de", (b"y", b"z"))), 2, tally=tally)
    assert (tally.sent, tally.entries, tally.values) == (2, [2, 0, 1], [3, 0, 2])


@pytest.mark.parametrize(
    ("name", "ranges", "expected"),
    [
        ("member;range=0-1499", False, RANGED),
        ("member;Range=0-*", False, RANGED),
        ("member;range=0-1499", True, None),
        ("pager;range=0-1499", False, None),
    ],
)
def test_only_a_permitted_attribute_in_ranges_is_set_apart(name, ranges, expected):
    octets = message((name, (b"a",)))
    assert rewrite(octets, 2, ranges=ranges) == (expected or slowly(octets, 2))


def test_an_entry_set_apart_is_not_counted():
    tally = Tally(len(ALLOWED))
    rewrite(message(("cn", (b"x",)), ("member;range=0-1499", (b"a",))), 2, ranges=False, tally=tally)
    assert (tally.sent, tally.entries) == (0, [0, 0, 0])
