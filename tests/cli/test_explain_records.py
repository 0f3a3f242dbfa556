"""Records of the audit judged again: those that sessions leave, under the same and under another configuration."""

import json
from dataclasses import replace
from io import BufferedReader, BytesIO

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli import main
from gateway.config.load import load_configuration
from gateway.ldap import messages as m
from gateway.ldap.controls import PAGED_RESULTS, Control, PagedResults
from gateway.ldap.encoding import encode
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.results import LDAPResult
from gateway.observe.audit.line import json_text
from gateway.observe.audit.records import audit_object
from gateway.policy.asked import Asked
from gateway.policy.decision import WhoAmIPlan
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.relay.commands import Audit, PoseQuestion
from gateway.relay.paging import ServerFacts
from gateway.relay.questions import Admitted
from gateway.relay.session import Session
from gateway.relay.standing import Peer
from gateway.tools.explain.decision_words import decision_object
from gateway.tools.explain.record_question import NotJudged
from gateway.tools.explain.records_again import RecordJudge
from tests.cli.configurations import write_configuration
from tests.examples import examples
from tests.policy.mapped import forwarded_account, mapped_changes

STAFF = "OU=Staff,DC=corp,DC=example"
SYNC = "svc@corp.example"
JOHN = f"CN=Smith, John,{STAFF}"


def search(base=STAFF, wanted="(objectClass=*)", attributes=("mail", "pager"), scope=2):
    return m.SearchRequest(base, scope, parse_filter(wanted), attributes)


def bind(name=SYNC, password=b"Recorded-Passw0rd"):
    return m.BindRequest(3, name, m.SimpleAuthentication(password))


def with_policy(loaded, **changes):
    """The same configuration, with another policy of its only client."""
    (client,) = loaded.clients
    return replace(loaded, clients=(replace(client, policy=replace(client.policy, **changes)),))


class Recorded:
    """The audit of a session of this configuration, as its lines. changes: of the client's policy."""

    def __init__(self, path, *, tls=True, **changes):
        loaded = with_policy(load_configuration(path).settings, **changes)
        (client,) = loaded.clients
        facts = ServerFacts()
        facts.is_active_directory["ldaps://dc1"] = False
        self.lines = []
        self.session = Session(
            Peer("s1", "198.51.100.7", tls=tls, needs_tls=not tls), Policy(client.policy), loaded.limits, facts, 0.0
        )
        self.now = 0.0
        self.number = 0

    def ask(self, request, *controls):
        self.number += 1
        self.now += 1
        message = encode(m.LDAPMessage(self.number, request, controls))
        self.do(self.session.client_data(message, self.now))
        return self

    def bound(self):
        self.ask(bind())
        self.do(self.session.server_connected("ldaps://dc1", self.now))
        self.do(self.session.server_data(encode(m.LDAPMessage(1, m.BindResponse(LDAPResult(0)))), self.now))
        return self

    def do(self, commands):
        for command in commands:
            if isinstance(command, PoseQuestion):
                self.do(self.session.answered(command.key, Admitted(None), self.now))
            elif isinstance(command, Audit):
                self.lines.append(json_text(audit_object(command.record, False, 1_700_000_000 + self.now)))

    def end(self):
        """Ends whatever is still open, so that it is recorded."""
        self.now += 1
        self.do(self.session.tick(self.now))
        self.do(self.session.client_lost(self.now))
        return self.lines


def judge(path, lines, *arguments, expected=None):
    # CliRunner's own input has no peek, which standard input has.
    piped = BufferedReader(BytesIO("".join(f"{line}\n" for line in lines).encode()))
    result = CliRunner().invoke(main, ["explain", "-c", str(path), "--record", "-", *arguments], input=piped)
    if expected is not None:
        assert result.exit_code == expected, result.output
    return result


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_configuration(tmp_path_factory.mktemp("usual"))


@pytest.fixture(scope="module")
def audit(path):
    """Lines with requests of all kinds, permitted and refused."""
    session = Recorded(path)
    session.ask(search()).ask(search("", scope=0)).ask(bind("Jane Doe"))
    session.ask(bind("CN=Jane,OU=Other,DC=corp,DC=example"))
    for _ in (1, 2):
        session.ask(bind("svc@other.example"))
    session.ask(bind("", b"")).ask(m.BindRequest(2, SYNC, m.SimpleAuthentication(b"Recorded-Passw0rd")))
    session.ask(m.BindRequest(3, "", m.SaslAuthentication("EXTERNAL"))).ask(bind(SYNC, b""))
    lines = session.end()
    session = Recorded(path).bound()
    session.ask(search()).ask(search("DC=corp,DC=example")).ask(search(JOHN)).ask(search("OU=Other,DC=corp,DC=example"))
    session.ask(search(wanted="(&(mail=a@b)(|(cn=x*y)(cn>=z)(member:1.2.840.113556.1.4.803:=1)))"))
    session.ask(search(wanted="(pager=*)")).ask(m.ExtendedRequest("1.2.3"))
    session.ask(search(), Control("1.2.3.4", True)).ask(search(), Control(PAGED_RESULTS, True, b""))
    session.ask(search(), PagedResults(3, b"cookie").to_control(critical=False))
    session.ask(search("DC=corp,DC=example", scope=0)).ask(m.ExtendedRequest(m.START_TLS)).ask(bind(JOHN))
    lines += session.end()
    plain = Recorded(path, tls=False)
    plain.ask(bind()).ask(m.ExtendedRequest("1.2.3"))
    # One search is open, so that the session goes on for a while.
    stopping = Recorded(path).bound().ask(search())
    stopping.do(stopping.session.stop(stopping.now))
    return lines + plain.end() + stopping.ask(search()).end()


@pytest.mark.parametrize("told", [True, False])
def test_an_answered_who_am_i_is_judged_as_what_it_was(path, loaded, told):
    session = Recorded(path, tells_identity=told).bound().ask(m.ExtendedRequest(m.WHO_AM_I))
    (record,) = [each for each in map(json.loads, session.end()) if each["operation"] == "extended"]
    same = RecordJudge(with_policy(loaded, tells_identity=told), None).judge(record)
    assert (isinstance(same.decision, WhoAmIPlan), same.changes) == (told, ())
    other = RecordJudge(with_policy(loaded, tells_identity=not told), None).judge(record)
    words = "was permitted, would be refused: extended-not-allowed"
    assert other.changes == ((words if told else "was refused: extended-not-allowed, would be permitted"),)
    permitted = same if told else other
    assert decision_object(permitted.decision, permitted.client) == {
        "decision": "permit",
        "sent": "nothing: the gateway tells the client whom it is bound as",
    }


def test_a_forwarded_mapped_account_is_said_to_be_forwarded(loaded):
    policy = with_policy(loaded, **mapped_changes(forwarded_account("mimecast-sync"))).clients[0].policy
    assert decision_object(Policy(policy).decide(Asked(bind("MIMECAST-sync"))), policy) == {
        "decision": "permit",
        "as": "sync",
        "account": "mimecast-sync",
        "sent": "mimecast-sync",
        "then": "the gateway verifies the secret, and then forwards this very bind",
    }


def test_under_the_same_configuration_nothing_would_change(path, audit):
    result = judge(path, audit, expected=0)
    words = result.stdout.splitlines()[-1]
    assert words.startswith("0 would be judged otherwise, ")
    judged = int(words.split(", ")[1].split()[0])
    assert judged == len(audit) - 1, words
    assert "the record does not hold the controls that it was refused for: 1" in words
    assert result.stderr == ""
    assert any('"reason": "stopping"' in line for line in audit)


def changed(path, audit, *changes, directory):
    """What would change with these changes of the configuration, by operation and base."""
    other = write_configuration(directory, *changes)
    found = [json.loads(line) for line in judge(other, audit, "--json").stdout.splitlines()]
    return [(record["operation"], record.get("base", record.get("account", "")), record["changes"]) for record in found]


def test_it_is_said_what_another_configuration_would_change(audit, tmp_path):
    found = changed(tmp_path, audit, ("attributes: [mail, cn, member]", "attributes: [pager]"), directory=tmp_path)
    assert ("search", STAFF, ["would be forwarded: pager", "would no longer be forwarded: mail",
                              "would be held back: mail", "would no longer be held back: pager"]) in found  # fmt: skip
    assert any(changes == ["was refused: filter-attribute-not-allowed, would be permitted"] for *_, changes in found)
    assert [
        "was permitted, would be refused: filter-attribute-not-allowed (mail); see clients.mimecast.filter_attributes"
    ] in [changes for *_, changes in found]


def test_a_base_that_moves_is_seen(audit, tmp_path):
    change = (f'base_dns: ["{STAFF}"]\n    excl', 'base_dns: ["OU=Other,DC=corp,DC=example"]\n    excl')
    found = changed(tmp_path, audit, change, directory=tmp_path)
    assert ("search", "OU=Other,DC=corp,DC=example", ["was refused: base-not-allowed, would be permitted"]) in found
    by_base = {base: changes for operation, base, changes in found if operation == "search"}
    assert by_base["DC=corp,DC=example"] == ['would be answered from "OU=Other,DC=corp,DC=example"']
    assert by_base[STAFF][0].startswith("was permitted, would be refused: base-not-allowed; see clients.mimecast.base")


def test_an_account_that_is_listed_no_longer_does_nothing(audit, tmp_path):
    change = ("sync_accounts: [svc@corp.example]", "sync_accounts: [other@corp.example]")
    found = changed(tmp_path, audit, change, ("login_domains: [corp.example]", "login_domains: [b.example]"),
                    directory=tmp_path)  # fmt: skip
    assert ("bind", SYNC, [
        "was permitted, would be refused: login-domain-not-listed (corp.example); see clients.mimecast.login_domains"
    ]) in found  # fmt: skip
    assert ("search", STAFF, ["was permitted, would be refused: not-bound"]) in found


def test_a_source_that_is_listed_no_longer_is_closed(audit, tmp_path):
    other = write_configuration(tmp_path, ("sources: [198.51.100.0/24]", "sources: [192.0.2.0/24]"))
    result = judge(other, audit, expected=1)
    assert "would be refused: source-not-listed; see clients.X.sources" in result.stdout
    assert judge(other, audit, "--client", "mimecast", expected=0)


def test_a_record_of_a_link_is_judged_for_the_client_that_lists_the_link(audit, path, tmp_path):
    (line,) = [json.loads(line) for line in audit if '"base": "OU=Other' in line]
    by_link = json.dumps({**line, "source": "link dmz", "link": "dmz", "outside_session": "s7", "said_source": "x"})
    # This configuration has the client, and by its listener alone.
    result = judge(path, [by_link], expected=1)
    assert "would be refused: source-not-listed" in result.stdout
    loaded = load_configuration(path).settings
    (client,) = loaded.clients
    judge_of = RecordJudge(replace(loaded, clients=(replace(client, sources=(), links=("dmz",)),)), None)
    assert judge_of.judge(json.loads(by_link)).changes == ()


def test_one_line_is_judged_like_a_request_typed_by_hand(path, audit):
    (line,) = [line for line in audit if '"base": "OU=Other' in line]
    result = CliRunner().invoke(main, ["explain", "-c", str(path), "--record", line, "--json"])
    said = json.loads(result.stdout)
    assert (result.exit_code, said["reason"], said["changes"]) == (1, "base-not-allowed", [])
    assert said["setting"] == "clients.mimecast.base_dns"


def test_what_holds_no_request_is_counted_and_what_is_no_record_is_named(path):
    result = judge(path, ["no record", '{"time": "2026", "record": "sync", "client": "mimecast"}'], expected=2)
    assert "standard input:1: no record" in result.stderr
    assert result.stdout == "0 would be judged otherwise, 0 the same; 1 cannot be judged again (no request: 1)\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--record", "-", "--base", STAFF], "the line says what is asked"),
        (["--record", "no line"], "--record: no record"),
        (["--record", "-", "--client", "nobody"], "no client nobody; there are: mimecast"),
        (["--record", '{"time": "2026", "record": "lost"}'], "it cannot be judged again: no request"),
        (["--record", '{"time": "2026", "record": "link", "event": "risen"}'], "it cannot be judged again: no request"),
        (["--record", '{"time": "2026", "record": "newer"}'], "it cannot be judged again: no request"),
    ],
)
def test_a_wrong_question_about_records_is_status_2(path, arguments, words):
    result = CliRunner().invoke(main, ["explain", "-c", str(path), *arguments], input=BufferedReader(BytesIO()))
    assert result.exit_code == 2
    assert words in result.stderr


words = st.sampled_from([*map(str, Reason), *m.UNSERVED_TAGS])
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | words
odd_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner), max_leaves=4
)
FIELDS = (
    *("account", "asked", "base", "client", "decision", "detail", "filter", "forwarded", "held_back", "mended"),
    *("narrowed_to", "operation", "reason", "record", "scope", "shortened", "source"),
)
odd_fields = st.dictionaries(st.sampled_from(FIELDS), odd_values, min_size=1, max_size=3)


@pytest.fixture(scope="module")
def loaded(path):
    return load_configuration(path).settings


@settings(max_examples=examples(300), deadline=None)
@given(st.data(), odd_fields, st.sampled_from([None, "mimecast"]))
def test_a_record_that_somebody_has_changed_is_judged_or_said_not_to_be(loaded, audit, data, odd, client):
    record = json.loads(data.draw(st.sampled_from(audit))) | odd
    try:
        judged = RecordJudge(loaded, client).judge(record)
    except NotJudged:
        return
    assert all(isinstance(change, str) for change in judged.changes)
