import io
import json
from dataclasses import replace

from gateway.ldap.filter_text import parse_filter
from gateway.observe.audit import AuditLog, audit_object
from gateway.policy.decision import Mended
from gateway.relay.audit import AuditRecord

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


def test_a_record_is_one_line_whatever_the_client_sent():
    stream = io.StringIO()
    audit = AuditLog(stream, filter_values=True, clock=lambda: NOW)
    text = 'OU=a\n{"operation": "bind"}\r\u2028\x00\x1b[31m"'
    audit.write(AuditRecord("s1", "c", "192.0.2.1", "search", 1, 0.0, base=text, scope="sub", account=text))
    (line,) = stream.getvalue().split("\n")[:-1]
    assert "\r" not in line and "\x00" not in line and "\x1b" not in line
    assert json.loads(line)["base"] == json.loads(line)["account"] == text


def test_each_record_is_flushed_at_once():
    class Stream(io.StringIO):
        flushed = ""

        def flush(self):
            self.flushed = self.getvalue()

    stream = Stream()
    AuditLog(stream, filter_values=False).write(SEARCH)
    assert json.loads(stream.flushed)["session"] == "s1"


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
