"""The hot path against a slow one that decodes, filters and encodes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.entries import EntryFilter
from gateway.ldap.errors import DecodeError
from tests.ldap import strategies

ALLOWED = {"cn", "mail"}


def permits(description):
    return description.split(";")[0] in ALLOWED


def entry_filter(permits_dn=lambda dn: True):
    return EntryFilter(permits, permits_dn, lambda controls: ())


def slowly(octets, message_id):
    entry = m.decode_response(octets).operation
    kept = tuple(attribute for attribute in entry.attributes if permits(attribute.type))
    return m.encode(m.LDAPMessage(message_id, m.SearchResultEntry(entry.dn, kept)))


def quickly(octets, message_id):
    return entry_filter().rewrite(octets, m.read_envelope(octets), message_id)


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


def test_an_entry_that_may_not_be_seen_is_none():
    octets = m.encode(m.LDAPMessage(1, m.SearchResultEntry("cn=x", ())))
    assert entry_filter(lambda dn: False).rewrite(octets, m.read_envelope(octets), 2) is None
