"""One odd request is that request's matter: it gets an error that names the field, and the others go on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.encoding import encode
from gateway.policy.reasons import Reason
from gateway.relay.settings import SessionLimits
from tests.hostile.octets import (
    BASE,
    abandon,
    all_of,
    any_of,
    bind,
    control,
    enumerated,
    equal,
    extended,
    integer,
    nested,
    present,
    search,
    substrings,
    text,
    tlv,
)
from tests.relay.harness import Harness, done
from tests.relay.harness import bind as good_bind
from tests.relay.harness import search as good_search

ODD = {
    "scope 3": (search(scope=enumerated(3)), 2, "scope 3 is not one of base, one, sub"),
    "scope -1": (search(scope=enumerated(-1)), 2, "scope -1 is not one of base, one, sub"),
    "deref": (search(deref=enumerated(4)), 2, "derefAliases 4 is not between 0 and 3"),
    "size": (search(size=integer(-1)), 2, "sizeLimit -1 is not between 0 and"),
    "time": (search(time=integer(-7)), 2, "timeLimit -7 is not between 0 and"),
    "latin-1": (search(base="OU=M\xfcnchen,".encode("latin-1") + BASE.encode()), 34, "base DN is not UTF-8"),
    "long base": (search(base="OU=" + "x" * 9000), 11, "(limits.dn_length)"),
    "many clauses": (search(filter_=any_of(*[present("mail")] * 2_500)), 11, "(limits.filter_elements)"),
    "deep": (search(filter_=nested(0xA2, 60, present())), 11, "(limits.filter_depth)"),
    "long value": (search(filter_=equal("mail", b"x" * 70_000)), 11, "(limits.assertion_value)"),
    "odd filter": (search(filter_=tlv(0xAA, text("x"))), 2, "unknown filter 0xaa"),
    "empty part": (search(filter_=all_of(substrings("mail", text("", 0x81)))), 2, "empty substring"),
    "many names": (search(attributes=["mail"] * 600), 11, "(limits.attributes)"),
    "long name": (search(attributes=["x" * 300]), 11, "(limits.attribute_length)"),
    "odd name": (search(attributes=[b"\xff"]), 2, "attribute description is not UTF-8"),
    "many controls": (search(*[control(f"1.2.{i}") for i in range(20)]), 11, "(limits.controls)"),
    "odd control": (search(control("paged", True)), 2, "a control's type is not an OID"),
}


def renumbered(octets, number):
    """The message with another ID, which has one octet."""
    at = octets.index(b"\x02\x01\x07")
    return octets[: at + 2] + bytes((number,)) + octets[at + 3 :]


@pytest.mark.parametrize(("octets", "code", "words"), ODD.values(), ids=ODD)
def test_it_gets_an_error_that_names_the_field_and_the_setting(octets, code, words):
    h = Harness().bound()
    h.do(h.session.client_data(octets, h.now))
    assert h.results() == [(7, code)]
    said = h.to_client[-1].operation.result.diagnostic
    assert words in said
    record = h.audit[-1]
    reason = Reason.request_too_large if code == 11 else Reason.request_malformed
    assert (record.reason, record.decision, record.code) == (reason, "refuse", code)
    assert words in record.detail
    assert h.to_server == [] and not h.session.closed


@given(st.lists(st.sampled_from([*ODD, "good"]), max_size=12))
def test_the_others_of_the_session_are_served_in_any_order(kinds):
    h = Harness().bound()
    data, good = b"", []
    for number, kind in enumerate(kinds, 10):
        if kind == "good":
            data += encode(m.LDAPMessage(number, good_search()))
            good.append(number)
        else:
            data += renumbered(ODD[kind][0], number)
    h.do(h.session.client_data(data, h.now))
    for message in list(h.to_server):
        h.answer(message.message_id, done())
    expected = [(number, 0 if kind == "good" else ODD[kind][1]) for number, kind in enumerate(kinds, 10)]
    assert sorted(h.results()) == expected
    assert not h.session.closed
    assert len(h.to_server) == len(good)


@pytest.mark.parametrize(
    ("octets", "code"),
    [(bind(b"\xff\xfe"), 34), (bind("x" * 9000), 11), (bind(version=0), 2), (bind("cn=x", b"x" * 2000), 11)],
)
def test_an_odd_bind_leaves_the_session_anonymous(octets, code):
    h = Harness().bound()
    h.send(good_search(), start=5)
    h.do(h.session.client_data(octets, h.now))
    # RFC 4511 4.2.1: the search ends, and nobody is bound.
    assert h.results() == [(5, 1), (7, code)]
    h.send(good_search(), start=8)
    assert h.results()[-1] == (8, 50)
    h.send(good_bind("svc-sync@corp.example"), start=9)
    assert not h.session.closed


def test_before_starttls_it_is_told_no_more_than_others():
    h = Harness(tls=False, needs_tls=True)
    h.do(h.session.client_data(ODD["scope 3"][0], h.now))
    assert h.results() == [(7, 13)]


def test_without_a_bind_it_is_told_no_more_than_others():
    h = Harness()
    h.do(h.session.client_data(ODD["deep"][0], h.now))
    assert h.results() == [(7, 50)]


def test_an_extended_operation_that_is_none_is_refused_like_any_other():
    h = Harness().bound()
    h.do(h.session.client_data(extended(b"\xff"), h.now))
    assert h.results() == [(7, 2)] and not h.session.closed


def test_an_odd_abandon_is_in_the_audit_and_gets_no_answer():
    h = Harness().bound()
    h.do(h.session.client_data(abandon(-1), h.now))
    assert (h.to_client, h.session.closed) == ([], False)
    assert (h.audit[-1].operation, h.audit[-1].reason) == ("abandon", Reason.request_malformed)


def test_a_message_id_in_use_still_ends_the_session():
    h = Harness(limits=SessionLimits(refusal_floor=0)).bound()
    h.send(good_search(), start=7)
    h.do(h.session.client_data(ODD["scope 3"][0], h.now))
    assert h.session.closed
