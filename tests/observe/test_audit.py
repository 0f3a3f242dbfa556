from dataclasses import replace

import pytest

from gateway.ldap.filter_text import parse_filter
from gateway.observe.audit.records import audit_object, lost_object, sync_object
from gateway.observe.sync_runs import SyncRuns
from gateway.policy.decision import Mended
from gateway.relay.audit import AuditRecord
from tests.observe.records import record as made

NOW = 1_700_000_000.5
SEARCH = AuditRecord(
    session="s1",
    client="mimecast",
    source="198.51.100.7",
    operation="search",
    message_id=7,
    started=100.0,
    account="svc@corp.example",
    base="OU=Staff,DC=corp,DC=example",
    scope="sub",
    filter=parse_filter("(&(mail=private@corp.example)(objectClass=user))"),
    asked=("mail", "pager"),
    forwarded=("mail",),
    held_back=("pager",),
    decision="permit",
    code=0,
    server_code=0,
    received=12,
    sent=10,
    references_dropped=1,
    pages=1,
    octets=4321,
    seconds=0.25,
    server="ldaps://dc1.corp.example:636",
)


def test_what_the_servers_result_means_is_told_beside_its_code():
    record = replace(SEARCH, server_code=49, server_meaning="the account is locked")
    shown = audit_object(record, filter_values=False, now=NOW)
    assert (shown["server_code"], shown["server_meaning"]) == (49, "the account is locked")


def test_a_mapped_accounts_bind_names_the_account_that_the_gateway_signed_in_with():
    bind = AuditRecord("s1", "mimecast", "198.51.100.7", "bind", 1, 100.0, "mimecast-sync")
    assert "mapped_to" not in audit_object(bind, filter_values=False, now=NOW)
    bind.mapped_to = "CN=svc-gateway,DC=corp,DC=example"
    shown = audit_object(bind, filter_values=False, now=NOW)
    assert (shown["account"], shown["mapped_to"]) == ("mimecast-sync", "CN=svc-gateway,DC=corp,DC=example")


def test_a_search_is_told_with_everything_but_values():
    assert audit_object(SEARCH, filter_values=False, now=NOW) == {
        "time": "2023-11-14T22:13:20.250+00:00",
        "record": "operation",
        "session": "s1",
        "client": "mimecast",
        "source": "198.51.100.7",
        "account": "svc@corp.example",
        "operation": "search",
        "message_id": 7,
        "base": "OU=Staff,DC=corp,DC=example",
        "scope": "sub",
        "filter": "(&(mail=?)(objectClass=?))",
        "asked": ["mail", "pager"],
        "forwarded": ["mail"],
        "held_back": ["pager"],
        "entries": 10,
        "entries_held_back": 2,
        "references_dropped": 1,
        "pages": 1,
        "decision": "permit",
        "reason": "",
        "result": "success",
        "code": 0,
        "server_code": 0,
        "bytes": 4321,
        "ms": 250.0,
        "server": "ldaps://dc1.corp.example:636",
    }


def test_the_values_of_a_filter_are_told_where_that_is_configured():
    shown = audit_object(SEARCH, filter_values=True, now=NOW)
    assert shown["filter"] == "(&(mail=private@corp.example)(objectClass=user))"


def test_other_operations_have_no_fields_of_a_search():
    record = AuditRecord("s1", "mimecast", "198.51.100.7", "bind", 1, 0.0, decision="refuse", reason="why", code=49)
    shown = audit_object(record, filter_values=False, now=NOW)
    assert not {"base", "scope", "filter", "asked", "forwarded", "entries"} & shown.keys()
    assert (shown["decision"], shown["reason"]) == ("refuse", "why")
    assert (shown["result"], shown["code"]) == ("invalidCredentials", 49)
    record = AuditRecord("s1", "mimecast", "198.51.100.7", "unbind", 2, 0.0)
    shown = audit_object(record, filter_values=False, now=NOW)
    assert (shown["result"], shown["code"]) == (None, None)


def test_mended_names_are_told_and_those_of_the_filter_only_where_its_values_are():
    mended = (Mended("base", "OU=a, b", "OU=a\\, b"), Mended("memberOf", "CN=c, d", "CN=c\\, d"))
    record = replace(SEARCH, mended=mended, suspicious=("displayName",))
    base = {"where": "base", "received": "OU=a, b", "meant": "OU=a\\, b"}
    hidden = {"where": "memberOf", "received": "?", "meant": "?"}
    shown = {"where": "memberOf", "received": "CN=c, d", "meant": "CN=c\\, d"}
    said = audit_object(record, filter_values=False, now=NOW)
    assert said["mended"] == [base, hidden]
    assert said["suspicious"] == ["suspicious-escape: displayName"]
    assert audit_object(record, filter_values=True, now=NOW)["mended"] == [base, shown]


@pytest.mark.parametrize(
    "fields, meaning",
    [
        ({"code": 0}, "signed in"),
        ({"code": 0, "account": ""}, "anonymous"),
        ({"code": 49, "server_code": 49, "server_meaning": "the account is locked"}, "the account is locked"),
        ({"code": 49, "server_code": 49}, "the server refused the name or the password"),
        ({"code": 49, "decision": "refuse", "reason": "login-outside-base"}, "the person is outside login_base_dns"),
        # What the server said of the attempt that the gateway then refused is told beside it.
        (
            {"code": 49, "reason": "login-outside-base", "server_code": 0, "server_meaning": "fine"},
            "the person is outside login_base_dns",
        ),
        ({"code": 52, "reason": "server-lost"}, "the connection to the server was lost"),
        ({"code": None}, "no answer was given"),
    ],
)
def test_a_sign_in_says_what_became_of_it(fields, meaning):
    shown = audit_object(made("bind", **fields), filter_values=False, now=NOW)
    assert (shown["record"], shown["operation"], shown["meaning"]) == ("sign-in", "bind", meaning)
    assert shown["sync_account"] is False


def test_a_sync_is_told_as_a_whole():
    runs = SyncRuns({})
    runs.add(made(sent=10, received=12, pages=2, octets=400, held_back=("pager", "info"), seconds=5.0), NOW)
    runs.add(made(sent=3, code=52, reason="server-lost", pages=1, octets=40, base="OU=Groups"), NOW + 2)
    (run,) = runs.over(NOW + 10_000)
    assert sync_object(run) == {
        "time": "2023-11-14T22:13:15.500+00:00",
        "record": "sync",
        "client": "mimecast",
        "ended": "2023-11-14T22:13:22.500+00:00",
        "seconds": 7.0,
        "complete": False,
        "why_not": "1 search without an end: server-lost (1)",
        "operations": 2,
        "unfinished": 1,
        "problems": {"server-lost": 1},
        "entries": 13,
        "entries_held_back": 2,
        "attributes_held_back": 2,
        "pages": 3,
        "bytes": 440,
    }


def test_a_sync_that_the_stop_cut_short_says_so():
    runs = SyncRuns({})
    runs.add(made(more=True), NOW)
    (run,) = runs.cut_short()
    shown = sync_object(run)
    assert shown["cut_short"] is True
    assert shown["why_not"] == "1 search without an end: pages were left unread"
    assert runs.cut_short() == []


def test_lost_records_are_told_in_their_place():
    assert lost_object(7, NOW, NOW + 60, "file: No space left on device") == {
        "time": "2023-11-14T22:13:20.500+00:00",
        "record": "lost",
        "records": 7,
        "last": "2023-11-14T22:14:20.500+00:00",
        "why": "file: No space left on device",
    }
