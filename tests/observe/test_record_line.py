import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.filters import ExtensibleMatch, Or, Present
from gateway.ldap.results import ResultCode
from gateway.link.observer import LinkEvent, LinkEventKind
from gateway.observe.audit.line import MOST_OCTETS, audit_line, json_text
from gateway.observe.audit.record_line import record_line, search_text
from gateway.observe.audit.records import audit_object, guard_object, link_object
from gateway.observe.audit.settings import AuditFormat
from gateway.policy.decision import Mended
from gateway.policy.lockout import GuardedAccount
from gateway.policy.reasons import Reason
from gateway.policy.settings import Mode
from gateway.relay.audit import AuditRecord, CameBy
from gateway.state.guards import GuardChange
from tests.observe.records import record
from tests.relay.harness import Harness

NOW = 1_700_000_000.5

TEXT = st.text(max_size=20) | st.text(alphabet='"\\\n\x00\x1b\x7f\x85\u2028\u202e\ud800é', max_size=20)
NAMES = st.lists(TEXT, max_size=4).map(tuple) | st.just(tuple(f"a{i}" for i in range(100)))
COUNT = st.integers(0, 10**12)
SECONDS = st.floats(0, 10**6)
FILTERS = ["(mail=*)", "(&(mail=a\\22\\5c\\00\\7f\\e2\\80\\a8\\ff@x)(!(cn=a*\\2a)))", "(memberOf:1.2.3:=CN=é)"]

FIXED = {"operation": st.just("search"), "started": st.just(0.0)}
# What a search has in most records, and what it has in few.
USUAL = {
    "session": TEXT,
    "client": TEXT,
    "source": TEXT,
    "message_id": st.integers(1, 2**31 - 1),
    "account": TEXT,
    "base": TEXT,
    "scope": st.sampled_from(["base", "one", "sub"]),
    "filter": st.sampled_from(FILTERS).map(parse_filter),
    "asked": NAMES,
    "forwarded": st.none() | NAMES,
    "held_back": NAMES,
    "decision": st.sampled_from(["", "permit", "refuse"]),
    "reason": st.just("") | st.sampled_from([reason.value for reason in Reason]),
    "code": st.none() | st.sampled_from([int(code) for code in ResultCode]) | st.integers(-5, 10**6),
    "server_code": st.none() | st.integers(0, 10**6),
    "received": COUNT,
    "sent": COUNT,
    "references_dropped": COUNT,
    "pages": COUNT,
    "octets": COUNT,
    "seconds": SECONDS,
    "server": TEXT,
    "came_by": st.none() | st.builds(CameBy, TEXT, TEXT, TEXT),
    "server_session": TEXT,
}
RARE = {
    "mapped_to": TEXT,
    "suspicious": NAMES,
    "narrowed_to": NAMES,
    "mended": st.lists(st.builds(Mended, st.sampled_from(["base", "member"]), TEXT, TEXT), max_size=2).map(tuple),
    "reported": NAMES,
    "detail": TEXT,
    "server_meaning": TEXT,
}


def searches(optional=()):
    rare = st.fixed_dictionaries({}, optional=dict(optional))
    return st.builds(lambda usual, more: AuditRecord(**usual, **more), st.fixed_dictionaries(FIXED | USUAL), rare)


@given(searches(RARE), st.booleans(), st.sampled_from(AuditFormat), st.sampled_from([1500, MOST_OCTETS]))
def test_the_line_is_what_the_records_object_says(search, values, form, most):
    made = record_line(search, values, form, NOW, most)
    assert made == audit_line(audit_object(search, values, NOW), form, NOW, most)
    if form is AuditFormat.json and most == MOST_OCTETS:
        assert json.loads(made.octets) == audit_object(search, values, NOW)


@given(searches())
def test_a_search_without_rare_fields_is_put_together_from_parts(search):
    assert search_text(search, False, NOW) is not None


@pytest.mark.parametrize("name", RARE)
def test_a_rare_field_is_not_forgotten(name):
    value = (Mended("base", "a", "b"),) if name == "mended" else ("a",) if RARE[name] is NAMES else "a"
    assert search_text(record(**{name: value}), False, NOW) is None


def test_every_field_of_a_record_is_told_or_counted_elsewhere():
    elsewhere = {"sync_bind", "guarded_for", "more", "server_seconds", "own_seconds"}
    assert {field.name for field in fields(AuditRecord)} == {*FIXED, *USUAL, *RARE, *elsewhere}


@pytest.mark.parametrize("operation", ["bind", "unbind", "extended"])
def test_other_operations_have_their_own_line(operation):
    other = record(operation)
    made = record_line(other, False, AuditFormat.json, NOW)
    assert made == audit_line(audit_object(other, False, NOW), AuditFormat.json, NOW)
    assert made.kind == operation


# A request before sign-in may have as many octets as limits.message_before_bind says; here each of a name's characters
# is one octet there, and six in JSON.
MANY = 1000
CONTROLS = "\x01" * 250


def long_requests():
    for most_octets in (250, 200_000):
        names = tuple(f"{CONTROLS[:240]}{number}" for number in range(most_octets // 250))
        present = Or(tuple(map(Present, names)))
        yield m.SearchRequest(CONTROLS, 2, Present("mail"), names[:499])
        yield m.SearchRequest("", 2, present, ("mail",))
        yield m.SearchRequest("CN=" + "\x01" * 8000, 0, present, names[:50])
        rules = tuple(ExtensibleMatch(name, name, b"x", False) for name in names[: len(names) // 2 + 1])
        yield m.SearchRequest("", 2, Or(rules), ("mail",))
        yield m.BindRequest(3, "\x01" * min(most_octets, 8000), m.SimpleAuthentication(b"x"))


@pytest.mark.parametrize("form", AuditFormat)
@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("bound", [False, True])
def test_no_name_of_a_client_makes_a_line_longer_than_its_bound(form, values, bound):
    long = 0
    for request in long_requests():
        h = Harness(mode=Mode.report).bound() if bound else Harness()
        h.send(request, start=9)
        h.connected()
        h.do(h.session.client_lost(h.now))
        operation = next(record for record in h.audit if record.message_id == 9)
        made = record_line(operation, values, form, NOW)
        whole = audit_object(operation, values, NOW)
        assert made == audit_line(whole, form, NOW)
        assert len(made.octets) <= MOST_OCTETS
        long += len(json_text(whole)) > MOST_OCTETS
        if form is AuditFormat.json:
            told = json.loads(made.octets)
            assert (json.loads(json_text(whole)) == told) is ("shortened" not in told)
    assert long > 2


@given(st.text(alphabet="\x00\x7f\u2028\U0001f600a", max_size=40), st.sampled_from([1, 200, MANY]))
def test_the_record_of_a_guard_has_a_bound_too(name, times):
    change = GuardChange(GuardedAccount("corp", f"name:{name * times}"), 3, 60.0)
    assert len(audit_line(guard_object(change, NOW), AuditFormat.json, NOW).octets) <= MOST_OCTETS


@given(st.sampled_from(LinkEventKind), TEXT, TEXT, st.integers(1, 10**9), st.sampled_from(AuditFormat))
def test_the_record_of_a_link_is_one_line_that_can_be_read(kind, peer, said, count, form):
    event = LinkEvent("inside", kind, peer, "silent", said, count)
    shown = link_object(event, NOW)
    made = audit_line(shown, form, NOW)
    assert (made.kind, made.octets.count(b"\n")) == ("link", 1)
    if form is AuditFormat.json:
        assert json.loads(made.octets) == shown
        assert (shown["record"], shown["event"], shown["peer"], shown["count"]) == ("link", kind.value, peer, count)
