import re
from html.parser import HTMLParser

import pytest

from gateway.net.observer import FailureCause
from gateway.observe.ledger import DAY, ListenerStatus
from gateway.observe.refused_today import HOUR
from gateway.observe.status_page import status_page
from tests.observe.busy_ledger import busy_ledger, run
from tests.observe.ledgers import CORP, DC1, NOW, ledger, settings
from tests.observe.records import record
from tests.policy.mapped import OWN_DN, mapped_account, mapped_changes

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
    assert "LDAP gateway ready" in said
    assert "no sync seen yet" in said
    assert "Nothing was refused." in said
    assert "not tried yet" in said
    kept = ledger()
    kept.serve(settings("logins", sync_accounts=()), ())
    assert "sign-ins only" in Page(kept).words()


def test_a_gateway_that_has_seen_a_good_deal():
    said = Page(busy_ledger()).words()
    for words in (
        "syncing now Last search just now So far 20 s Entries 6,200",
        "13 of 14 sync runs complete",
        "last sync not complete",
        "3 × filter-attribute-not-allowed : the filter uses an attribute that is not listed",
        "dc1.corp.example:636 directory corp up",
        "dc2.corp.example:636 directory corp down: certificate",
        "203.0.113.10:636 (ldaps) listener 72 days",
        "source-not-listed the source address belongs to no client; see clients.X.sources 1,234",
        "signatures entries: 310, last time 4,012; entries with mail: 302, last time 3,990",
        "values of mail: 77, last time 99 passed: only reported",
    ):
        assert words in said


def test_a_sync_run_is_told_as_it_was():
    kept = ledger()
    run(kept, {"seconds": 75.0, "sent": 12_345, "received": 12_350})
    said = Page(kept).words()
    assert "last sync complete Last sync 1 min ago Took 1 min 15 s Entries 12,345 Held back 5 Searches 1" in said
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
    assert "LDAP gateway not ready" in said
    assert "directory corp: no server is up: dc1.corp.example:636 (timeout)" in said
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
    assert {value for name, value in page.attributes if name == "href"} == {"/metrics", "/healthz", "/readyz"}
    assert not re.search(r"url\(|@import|http:|https:", page.source)


def test_a_lockout_store_that_is_gone_is_told_and_does_not_make_the_gateway_unready():
    kept = ledger()
    kept.lockout_store_changed("redis://redis.corp.example:6379/0")
    kept.lockout_store_state("Connection refused.")
    kept.clock.now += 120
    said = Page(kept).words()
    assert "lockout_store redis://redis.corp.example:6379/0: Connection refused. (2 min ago)" in said
    assert "LDAP gateway ready" in said
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
    assert "A sync account cannot sign in for 20 min: the directory refuses the gateway's own account." in said.words()
    assert "then send SIGHUP" in said.words()
    assert OWN_DN not in said.source
