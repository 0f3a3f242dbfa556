import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.observe.audit.line import Severity, audit_line, json_text, plain_text
from gateway.observe.audit.records import audit_object, lost_object
from gateway.observe.audit.settings import AuditFormat
from tests.observe.records import record

NOW = 1_700_000_000.5
HOSTILE = 'OU=a\n{"operation": "bind"}\r\u2028\x00\x1b[31m\x7f\x9b31m\u202e\u200b\ud800" x=y, z'


def shown(**fields):
    return audit_object(record(**{"received": 12, "sent": 10, "octets": 4321} | fields), True, NOW)


@pytest.mark.parametrize("form", AuditFormat)
@pytest.mark.parametrize("write", ["base", "account", "asked"])
def test_a_record_is_one_line_of_text_whatever_the_client_sent(form, write):
    value = (HOSTILE, "mail") if write == "asked" else HOSTILE
    octets = audit_line(shown(**{write: value}), form, NOW).octets
    assert octets.endswith(b"\n")
    line = octets.decode()[:-1]
    # Cc: controls. Cf: marks of direction and without width. Zl, Zp: separators of lines. Cs: halves of surrogates.
    assert not {unicodedata.category(c) for c in line} & {"Cc", "Cf", "Zl", "Zp", "Cs"}
    if form is AuditFormat.json:
        assert json.loads(line)[write] == (list(value) if write == "asked" else value)


def test_letters_of_every_language_stay_readable():
    line = audit_line(shown(base="OU=Büro 東京,DC=corp"), AuditFormat.json, NOW).octets.decode()
    assert "OU=Büro 東京,DC=corp" in line


def test_the_text_format_has_the_order_of_the_record_and_leaves_out_what_is_empty():
    whole = shown(seconds=0.25, held_back=("pager", "info"), server="ldaps://dc1:636", server_code=0, pages=1)
    assert plain_text(whole) == (
        "2023-11-14T22:13:20.250+00:00 search session=s1 client=mimecast source=198.51.100.7 account=svc@corp.example "
        'message_id=2 base="OU=Staff,DC=corp,DC=example" scope=sub filter="(mail=*)" asked=mail forwarded=mail '
        "held_back=pager,info pages=1 entries=10 entries_held_back=2 references_dropped=0 decision=permit "
        "result=success code=0 server_code=0 bytes=4321 ms=250.0 server=ldaps://dc1:636"
    )


@given(st.lists(st.text(max_size=5), min_size=1, max_size=4))
def test_nobody_can_write_another_field_into_the_text_format(items):
    base = " ".join(items)
    line = plain_text(shown(base=base, asked=tuple(items)))
    head, _, rest = line.partition(" base=")
    value = json.JSONDecoder().raw_decode(rest)[0] if rest.startswith('"') else rest.split(" ")[0]
    assert " account=svc@corp.example " in head
    if base:
        assert value == base
    # Outside of quotes nothing of it stands that could be taken for a field.
    unquoted = "".join(line.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    assert unquoted.count("decision=permit") == 1
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize(
    "fields, severity",
    [
        ({}, Severity.informational),
        ({"decision": "refuse", "code": 50, "reason": "base-not-allowed"}, Severity.notice),
        ({"code": 49, "reason": "account-guarded"}, Severity.notice),
        ({"code": 32}, Severity.notice),
        ({"code": 52, "reason": "server-lost"}, Severity.warning),
        ({"code": None}, Severity.informational),
    ],
)
def test_severities_of_operations(fields, severity):
    line = audit_line(shown(**fields), AuditFormat.json, NOW)
    assert (line.kind, line.severity) == ("search", severity)


def test_the_severity_of_lost_records():
    line = audit_line(lost_object(1, NOW, NOW, "full"), AuditFormat.json, NOW)
    assert (line.kind, line.severity) == ("lost", Severity.error)


LONG = st.text(max_size=3000) | st.text(alphabet="\x00\x7f\u2028\U0001f600", max_size=3000)


@given(
    st.fixed_dictionaries({}, optional={"base": LONG, "account": LONG, "detail": LONG, "client": LONG}),
    st.lists(st.text(max_size=300), max_size=300),
    st.sampled_from(AuditFormat),
)
def test_a_record_is_never_cut_without_saying_so(fields, asked, form):
    whole = shown(asked=tuple(asked), **fields)
    octets = audit_line(whole, form, NOW, most=1500).octets
    assert len(octets) <= 1500
    if form is not AuditFormat.json:
        return
    read = json.loads(octets)
    said = read.pop("shortened", {})
    assert read.keys() == whole.keys()
    for key, value in read.items():
        if key in said:
            assert said[key] == len(whole[key])
            assert value == [] or value == whole[key][: len(value)] or value == whole[key][: len(value) - 1] + "…"
        else:
            assert value == whole[key]


def test_a_record_that_fits_is_left_alone():
    whole = shown()
    octets = audit_line(whole, AuditFormat.json, NOW).octets
    assert audit_line(whole, AuditFormat.json, NOW, most=len(octets)).octets == octets
    assert json_text(whole).encode() + b"\n" == octets
