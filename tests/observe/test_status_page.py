import re
from html.parser import HTMLParser
from socket import gethostname

import pytest

from gateway.ldap.filter_text import parse_filter
from gateway.net.observer import Trouble
from gateway.net.transport.failures import FailureCause
from gateway.observe import remedies
from gateway.observe.ledger import DAY, ListenerStatus
from gateway.observe.page.documents import anchor, document, pieces
from gateway.observe.page.status_page import status_page
from gateway.observe.refused_today import HOUR
from gateway.policy.lockout import GuardedAccount
from tests.observe.busy_ledger import busy_ledger, run
from tests.observe.ledgers import CORP, DC1, NOW, GuardsOf, ledger, settings
from tests.observe.records import record
from tests.policy.mapped import OWN_DN, mapped_account, mapped_changes
from tests.policy.policies import policy

# What HTML closes by itself.
VOID = {"meta"}


class Page(HTMLParser):
    """text: as a reader sees it. Fails where an element is not closed, or by another's end."""

    def __init__(self, kept):
        super().__init__()
        self.text, self.tags, self.attributes, self._open = "", [], [], []
        self.source = status_page(kept).decode()
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        # HTML has no other elements that end where they begin.
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.text += f"{data} "

    def words(self):
        return re.sub(r"\s+", " ", self.text)


def test_a_new_gateway():
    said = Page(ledger()).words()
    assert f"LDAP gateway {gethostname()} ready up for" in said
    assert "no sync seen yet" in said
    assert "No sync run since the gateway was started." in said
    assert "Last sign-in of a sync account: none since the start Last sign-in of a person: none since the start" in said
    assert "Nobody is guarded." in said
    assert "Nothing was refused." in said
    assert "not tried yet" in said
    kept = ledger()
    kept.serve(settings("logins", sync_accounts=()), ())
    assert "sign-ins only" in Page(kept).words()


def test_a_gateway_that_has_seen_a_good_deal():
    said = Page(busy_ledger()).words()
    for words in (
        "syncing now Last search just now So far 20 s Entries 6,200 Entries held back 0 Attributes held back 0",
        "13 of 14 sync runs complete",
        "last sync not complete",
        "3 × filter-attribute-not-allowed : the filter uses an attribute that is not listed; "
        "see clients.signatures.filter_attributes",
        "dc1.corp.example:636 directory corp up",
        "dc2.corp.example:636 directory corp down: certificate for 2 h 40 min "
        "Its certificate is not issued by a CA in ca_file",
        "203.0.113.10:636 (ldaps) listener 72 days",
        "an address of no client source-not-listed 1,234 2 h 40 min ago the source address belongs to no client; "
        "see a client's sources",
        "mimecast base-not-allowed 17 2 h 40 min ago the base DN is not inside an allowed one; "
        "see clients.mimecast.base_dns",
        "1 × result-shrank : the result lost more than clients.signatures.shrink_guard permits",
        "A sync account has not been able to sign in for 2 h 40 min: the directory refuses the account that "
        "the gateway signs in with: the account is disabled. Put the account right in the directory, or its password "
        "into password_file , then send SIGHUP.",
        "signatures entries: 310, last time 4,012; entries with mail: 302, last time 3,990",
        "values of mail: 77, last time 99 passed: only reported",
    ):
        assert words in said


def test_a_sync_run_is_told_as_it_was():
    kept = ledger()
    run(kept, {"seconds": 75.0, "sent": 12_345, "received": 12_350})
    said = Page(kept).words()
    assert "last sync complete Last sync 1 min ago Took 1 min 15 s Entries 12,345 Entries held back 5" in said
    assert "1 of 1 sync run complete" in said
    kept.clock.now += 2 * DAY
    assert "complete, but 2 d ago" in Page(kept).words()
    run(kept, {"code": 52, "reason": "server-lost"})
    said = Page(kept).words()
    assert "last sync not complete" in said
    assert "1 × server-lost : the connection to the server was lost" in said
    assert "1 of 2 sync runs complete; the last complete one ended 2 d ago" in said


@pytest.mark.parametrize(
    ("left", "words", "kind"),
    [
        (-1, "expired", "bad"),
        (3_600, "1 h", "bad"),
        (6.9 * DAY, "6 days", "bad"),
        (7.1 * DAY, "7 days", "warn"),
        (20.9 * DAY, "20 days", "warn"),
        (21.1 * DAY, "21 days", "good"),
    ],
)
def test_how_long_a_certificate_lasts(left, words, kind):
    kept = ledger()
    kept.serve(settings("mimecast"), (ListenerStatus("192.0.2.1:636 (ldaps)", NOW + left),))
    assert f'<span class="pill {kind}">{words}</span>' in Page(kept).source


def test_why_it_is_not_ready_and_that_a_reload_was_refused():
    kept = ledger()
    kept.server_fell(CORP, DC1, FailureCause.timeout)
    kept.directory_failed(CORP)
    kept.reload_ended(False)
    said = Page(kept).words()
    assert f"LDAP gateway {gethostname()} not ready" in said
    assert "Directory corp: no server is up: dc1.corp.example:636 (timeout)." in said
    assert "no server can be reached" in said
    assert "No sync and no sign-in is possible now: directory corp: no server is up" in said
    assert "No sync run since the gateway was started" not in said
    assert "A firewall drops the packets, or the server hangs: look at both." in said
    assert "The last reload was refused" in said


def test_that_dns_does_not_name_the_servers():
    kept = busy_ledger()
    assert "Servers were last found" not in Page(kept).words()
    kept.discovery_ended(CORP, "")
    kept.clock.now += 3 * HOUR
    kept.discovery_ended(CORP, "_ldap._tcp.dc._msdcs.corp.example: no answer in time from 10.1.2.3:53")
    said = Page(kept).words()
    assert "Directory corp: _ldap._tcp.dc._msdcs.corp.example: no answer in time from 10.1.2.3:53." in said
    assert "Servers were last found 3 h ago" in said


HOSTILE = "</title></style><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"


def test_no_text_becomes_markup():
    kept = ledger(HOSTILE)
    kept.serve(settings(HOSTILE), (ListenerStatus(HOSTILE, NOW + DAY),))
    kept.add(record(client=HOSTILE, code=53, reason="result-shrank", detail=HOSTILE))
    kept.add(record(client=HOSTILE, decision="refuse", code=50, reason=HOSTILE))
    page = Page(kept)
    assert not {"script", "img"} & set(page.tags)
    assert page.text.count(HOSTILE) >= 5


def test_nothing_of_a_person_is_in_it():
    kept = busy_ledger()
    secret = "SECRET"
    search = {"base": f"ou={secret}", "asked": (secret,), "held_back": (secret,)}
    for operation, more in (("search", search), ("bind", {})):
        for code, reason in ((0, ""), (50, "base-not-allowed"), (52, "server-lost")):
            kept.add(record(operation, account=f"cn={secret}", code=code, reason=reason, detail=secret, **more))
    page = Page(kept)
    assert secret not in page.source
    assert "198.51.100.7" not in page.source


def test_nothing_is_loaded_from_anywhere():
    page = Page(busy_ledger())
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not {"src", "style", "srcset", "data"} & {name for name, _ in page.attributes}
    own = {"/metrics", "/healthz", "/readyz", "/"}
    for link in [value for name, value in page.attributes if name == "href"]:
        assert link in own or link.startswith("/docs/")
    assert not re.search(r"url\(|@import|http:|https:", page.source)


def test_a_lockout_store_that_is_gone_is_told_and_does_not_make_the_gateway_unready():
    kept = ledger()
    kept.lockout_store_changed("redis://redis.corp.example:6379/0")
    kept.lockout_store_state("Connection refused.")
    kept.clock.now += 120
    said = Page(kept).words()
    assert "The lockout_store redis://redis.corp.example:6379/0: Connection refused. (2 min ago)" in said
    assert f"LDAP gateway {gethostname()} ready, but see below" in said
    kept.lockout_store_state(None)
    assert "lockout_store" not in Page(kept).words()


def test_a_refused_own_account_is_told_and_not_named():
    kept = ledger()
    kept.serve(settings("mimecast", **mapped_changes(mapped_account("sync"))), ())
    assert "own account" not in Page(kept).words()
    refused = {"code": 52, "reason": "gateway-account-refused", "mapped_to": OWN_DN}
    kept.add(record("bind", account="sync", sync_bind=True, **refused))
    kept.clock.now += 20 * 60
    said = Page(kept)
    assert (
        "A sync account has not been able to sign in for 20 min: the directory refuses the account that the gateway "
        "signs in with." in said.words()
    )
    assert "then send SIGHUP" in said.words()
    assert OWN_DN not in said.source


PEOPLE = parse_filter("(&(objectCategory=person)(objectClass=user))")


def test_people_groups_and_contacts_are_told_apart_and_attributes_held_back_are_counted_once():
    kept = ledger()
    usual = {"code": 0, "held_back": ("pager", "info")}
    run(
        kept,
        *({**usual, "filter": PEOPLE, "sent": 400, "received": 401} for _ in range(2)),
        {**usual, "filter": parse_filter("(objectClass=group)"), "sent": 22, "received": 22},
        {**usual, "filter": parse_filter("(objectClass=contact)"), "sent": 11, "received": 11},
    )
    said = Page(kept).words()
    assert "People 800 Groups 22 Contacts 11 Entries held back 2 Attributes held back 2 Searches 4" in said
    assert "Not told apart" not in said
    run(kept, {**usual, "filter": PEOPLE, "sent": 3}, {**usual, "sent": 50})
    assert "People 3 Groups 0 Contacts 0 Not told apart 50 Entries held back" in Page(kept).words()


def test_syncing_now_is_said_while_a_session_is_open_or_a_search_has_just_run():
    kept = ledger()
    kept.serve(settings("mimecast", sync_gap=600.0), ())
    kept.session_opened("mimecast")
    kept.add(record(sent=5))
    kept.clock.now += 300
    assert "syncing now" in Page(kept).words()
    kept.session_ended("mimecast")
    said = Page(kept).words()
    assert "syncing now" not in said
    assert "last search 5 min ago" in said
    kept.add(record(sent=5))
    kept.clock.now += 59
    assert "syncing now" in Page(kept).words()
    kept.clock.now += 1
    assert "last search 1 min ago" in Page(kept).words()


def test_how_a_client_last_signed_in_is_told_without_a_name():
    kept = ledger()
    account = {"account": policy().sync_accounts[1], "sync_bind": True}
    kept.add(record("bind", **account))
    kept.add(record("bind", account="jane@corp.example", code=49, server_meaning="the account is disabled"))
    kept.clock.now += 120
    page = Page(kept)
    assert "Last sign-in of a sync account: 2 min ago , signed in" in page.words()
    assert "Last sign-in of a person: 2 min ago , failed: the account is disabled" in page.words()
    assert "jane" not in page.source
    kept.serve(settings("mimecast", login_base_dns=()), ())
    assert "Last sign-in of a person" not in Page(kept).words()


def test_a_sync_account_that_is_refused_is_on_the_card_with_reason_remedy_and_since_when():
    kept = ledger()
    account = {"account": policy().sync_accounts[1], "sync_bind": True}
    kept.add(record("bind", code=49, server_meaning="the password has expired", **account))
    kept.clock.now += 20 * 60
    page = Page(kept)
    assert "mimecast directory corp; 0 open sessions cannot sign in" in page.words()
    assert (
        "A sync account has not been able to sign in for 20 min: the password has expired. Set a new one; a sync "
        "account's password should never expire. read more"
    ) in page.words()
    assert "ready, but see below" in page.words()
    assert "svc-sync" not in page.source
    kept.add(record("bind", **account))
    assert "cannot sign in" not in Page(kept).words()


def test_how_many_are_guarded_and_for_how_long_without_names():
    kept = ledger()
    guarded = {GuardedAccount("corp", f"name:jane{i}"): 60.0 * i for i in range(3)}
    kept.guards = GuardsOf(guarded | {GuardedAccount("corp", "name:svc-sync", True): 28 * 60.0})
    page = Page(kept)
    assert "people 3 sync account 1 The last of these guards ends in 28 min." in page.words()
    assert "ldap-gateway lockout list" in page.words()
    assert (
        "A sync account cannot sign in: too many wrong passwords of this account; nothing is sent to a server for a "
        in (page.words())
    )
    assert "(the guard ends in 28 min)" in page.words()
    assert "jane" not in page.source


def test_a_server_whose_first_attempts_or_checks_failed_is_not_called_untried_or_up():
    kept = ledger()
    kept.server_failed(CORP, DC1, FailureCause.timeout)
    kept.server_checked(CORP, DC1, False)
    said = Page(kept).words()
    assert "dc1.corp.example:636 directory corp failing: timeout" in said
    assert "A firewall drops the packets" in said
    kept.server_connected(CORP, DC1, None)
    kept.server_checked(CORP, DC1, False)
    assert "dc1.corp.example:636 directory corp its last check failed" in Page(kept).words()
    kept.server_checked(CORP, DC1, True)
    assert "dc1.corp.example:636 directory corp up" in Page(kept).words()


def test_that_the_files_on_disk_are_not_in_force():
    kept = ledger()
    kept.files_changed = lambda: ["/etc/ldap-gateway/gateway.yaml"]
    said = Page(kept).words()
    assert "On disk the configuration differs from what is in force: /etc/ldap-gateway/gateway.yaml." in said
    assert "ldap-gateway check --diff says in what, and SIGHUP loads it." in said


def test_the_bars_have_a_scale_and_times():
    kept = ledger()
    run(kept, {"sent": 12_400})
    assert re.search(r"12,400 0 .*: 12,400 entries, complete 22:13 Entries of each sync run", Page(kept).words())
    kept.clock.now += DAY
    run(kept, {"sent": 6_000})
    assert "14 Nov 22:13 22:14 Entries of each sync run: 2 of 2 sync runs complete" in Page(kept).words()


def test_every_bad_state_has_a_remedy_beside_it_and_every_link_leads_somewhere():
    kept = busy_ledger()
    kept.reload_ended(False)
    kept.files_changed = lambda: ["gateway.yaml"]
    kept.files_wait("listener 0.0.0.0:636", "the key does not belong to the certificate")
    kept.discovery_ended(CORP, "no such name")
    kept.server_doubted(CORP, DC1, Trouble.failed)
    kept.audit.problem, kept.audit.lost = "no room", 3
    kept.guards = GuardsOf({GuardedAccount("corp", "name:jane"): 60.0})
    kept.directory_failed(CORP)
    page = Page(kept)
    boxes = re.findall(r'<div class="note .*?</div>', page.source)
    assert len(boxes) > 7
    assert all('<p class="remedy">' in box and 'href="/docs/' in box for box in boxes)
    every = {value for value in vars(remedies).values() if isinstance(value, str) and value.startswith("operations#")}
    links = {value.removeprefix("/docs/") for name, value in page.attributes if name == "href" and "/docs/" in value}
    for link in every | links:
        name, _, target = link.partition("#")
        text = document(name)
        assert text is not None, link
        assert not target or target in {anchor(piece) for level, piece in pieces(text) if level > 0}, link
