import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap.filter_text import parse_filter
from gateway.ldap.results import ResultCode
from gateway.net.settings import AuditFormat
from gateway.observe.audit import audit_object
from gateway.observe.audit_line import audit_line
from gateway.observe.record_line import record_line, search_text
from gateway.policy.decision import Mended
from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord
from tests.observe.records import record

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


@given(searches(RARE), st.booleans(), st.sampled_from(AuditFormat), st.none() | st.just(1500))
def test_the_line_is_what_the_records_object_says(search, values, form, most):
    made = record_line(search, values, form, NOW, most)
    assert made == audit_line(audit_object(search, values, NOW), form, NOW, most)
    if form is AuditFormat.json and most is None:
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
