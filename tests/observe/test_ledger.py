from dataclasses import replace

import pytest

from gateway.net.servers.settings import DirectorySettings, DiscoverySettings
from gateway.net.transport.failures import FailureCause
from gateway.observe.ledger import KEPT_ALERTS, KEPT_RUNS, DiscoveryStatus
from gateway.observe.readiness import not_ready
from gateway.observe.refused_today import HOUR, Refused
from gateway.observe.sign_ins import SignIn
from gateway.policy.reasons import Reason
from tests.observe.ledgers import CORP, DC1, DC2, LISTENER, NOW, ledger, settings
from tests.observe.records import record
from tests.policy.mapped import OWN_DN, mapped_account, mapped_changes
from tests.policy.policies import policy

REFUSED = {"decision": "refuse", "code": 50, "reason": "base-not-allowed"}
GAP = 60.0


def sync(kept, **fields):
    """A sync run of one search, and the time after it."""
    kept.add(record(**fields))
    kept.clock.now += GAP
    kept.pass_time(0.0, ())


def test_what_a_client_did_adds_up():
    kept = ledger()
    kept.add(record("bind", octets=14))
    kept.add(record(received=5, sent=3, held_back=("pager", "info"), pages=2, octets=400, references_dropped=1))
    kept.add(record(**REFUSED))
    kept.add(record("bind", code=49, reason="login-outside-base"))
    kept.add(record("bind", code=49, reason="source-guarded"))
    kept.add(record("bind", code=49, reason="account-guarded", mended=("a name that was put right",)))
    kept.add(record(code=52, reason="server-lost"))
    kept.add(record("unbind", decision="", code=None))
    counts = kept.clients["mimecast"].counts
    assert counts.operations() == {
        ("bind", "success"): 1,
        ("bind", "invalidCredentials"): 3,
        ("search", "success"): 1,
        ("search", "insufficientAccessRights"): 1,
        ("search", "unavailable"): 1,
        ("unbind", "none"): 1,
    }
    assert (counts.entries, counts.entries_held_back, counts.attributes_held_back) == (3, 2, 2)
    assert (counts.pages, counts.octets, counts.references_dropped) == (2, 414, 1)
    once = ("base-not-allowed", "login-outside-base", "account-guarded", "source-guarded")
    assert counts.refusals == dict.fromkeys(once, 1)
    assert counts.mended == 1
    assert counts.failures == {"server-lost": 1}


def test_times_are_counted_by_operation_and_the_servers_only_where_one_was_asked():
    kept = ledger()
    kept.add(record(server="ldaps://dc1", own_seconds=0.002, server_seconds=0.3))
    kept.add(record(own_seconds=0.0001, **REFUSED))
    counts = kept.clients["mimecast"].counts
    assert counts.own["search"].cumulative() == [1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2]
    assert counts.own["search"].sum == pytest.approx(0.0021)
    assert counts.server["search"].cumulative()[-1] == 1


def test_numbers_that_servers_make_up_share_one_label():
    kept = ledger()
    for code in range(1000, 2000):
        kept.add(record(code=code))
    assert kept.clients["mimecast"].counts.operations() == {("search", "unnamed"): 1000}


def test_runs_of_the_configured_gap_are_kept_and_the_last_complete_one_beside_them():
    kept = ledger()
    kept.add(record(sent=7))
    assert kept.running("mimecast").entries == 7
    kept.clock.now += GAP
    kept.pass_time(0.0, {"mimecast"})
    assert kept.running("mimecast")
    kept.pass_time(0.0, ())
    assert kept.running("mimecast") is None
    client = kept.clients["mimecast"]
    assert (client.last_complete.entries, client.last_complete.ended) == (7, NOW)
    for _ in range(KEPT_RUNS + 5):
        sync(kept, code=52, reason="server-lost")
    assert (len(client.runs), client.runs[-1].complete, client.last_complete.entries) == (KEPT_RUNS, False, 7)
    assert (client.counts.complete_runs, client.counts.incomplete_runs) == (1, KEPT_RUNS + 5)


def test_a_run_that_the_next_search_shows_to_be_over_is_kept_too():
    kept = ledger()
    kept.add(record(sent=1))
    kept.clock.now += 2 * GAP
    kept.add(record(sent=2))
    assert [run.entries for run in kept.clients["mimecast"].runs] == [1]


def test_what_shrank_is_told_whether_it_was_refused_or_passed():
    kept = ledger()
    kept.add(record(code=53, reason="result-shrank", detail="entries: 10, last time 500"))
    kept.add(record(reported=("result-shrank",), detail="values of mail: 1, last time 90"))
    first, second = kept.shrink_alerts
    assert (first.time, first.client, first.passed) == (NOW, "mimecast", False)
    assert first.loss == "entries: 10, last time 500"
    assert (second.loss, second.passed) == ("values of mail: 1, last time 90", True)
    counts = kept.clients["mimecast"].counts
    assert (counts.shrank, counts.shrank_passed) == (1, 1)
    for _ in range(2 * KEPT_ALERTS):
        kept.add(record(code=53, reason="result-shrank"))
    assert len(kept.shrink_alerts) == KEPT_ALERTS


def test_refusals_are_told_for_a_day():
    kept = ledger()
    kept.add(record(**REFUSED))
    kept.connection_refused(Reason.source_not_listed)
    kept.connection_refused(Reason.source_not_listed)
    kept.add(record(code=52, reason="server-lost"))
    kept.connection_refused(Reason.tls_failed, "mimecast")
    assert kept.refused_today() == [
        Refused("", "source-not-listed", 2, NOW),
        Refused("mimecast", "base-not-allowed", 1, NOW),
        Refused("mimecast", "tls-failed", 1, NOW),
    ]
    kept.clock.now += 20 * HOUR
    kept.add(record(**REFUSED))
    (again,) = [each for each in kept.refused_today() if each.reason == "base-not-allowed"]
    assert (again.count, again.last) == (2, NOW + 20 * HOUR)
    kept.clock.now += 4 * HOUR
    assert kept.refused_today() == [Refused("mimecast", "base-not-allowed", 1, NOW + 20 * HOUR)]
    kept.clock.now += 400 * HOUR
    assert kept.refused_today() == []
    kept.connection_refused(Reason.source_not_listed)
    assert len(kept._refused._hours) == len(kept._refused._last) == 1


def test_a_server_is_up_or_down_as_it_was_told():
    kept = ledger()
    first, second = kept.servers.values()
    assert (first.label, first.up) == ("dc1.corp.example:636", None)
    kept.server_failed(CORP, DC1, FailureCause.timeout)
    assert (first.up, first.failures, first.failing) == (None, {FailureCause.timeout: 1}, "timeout")
    kept.server_fell(CORP, DC1, FailureCause.timeout)
    kept.server_connected(CORP, DC2, NOW + 5)
    assert (first.up, first.since, first.cause) == (False, NOW, "timeout")
    assert (second.up, second.opened, second.certificate_expires) == (True, 1, NOW + 5)
    kept.clock.now += 1
    # One more check must pass before sessions go to it again.
    kept.server_connected(CORP, DC1, None)
    kept.server_checked(CORP, DC1, True)
    assert (first.up, first.checks, first.failing) == (False, {True: 1}, None)
    kept.server_checked(CORP, DC1, False)
    assert first.check_failed
    kept.server_checked(CORP, DC1, True)
    assert not first.check_failed
    kept.server_fell(CORP, DC1, FailureCause.certificate)
    assert (first.since, first.cause) == (NOW, "certificate")
    kept.server_rose(CORP, DC1)
    assert (first.up, first.since, first.cause) == (True, NOW + 1, None)
    kept.server_forgotten(CORP, DC1)
    assert first.up
    kept.server_fell(CORP, DC1, FailureCause.refused)
    kept.server_forgotten(CORP, DC1)
    assert (first.up, first.since, first.cause) == (None, None, None)


def test_servers_that_dns_names_come_and_go_and_outlive_a_reload():
    kept = ledger()
    discover = DiscoverySettings("_ldap._tcp.dc._msdcs.corp.example", 636, ("corp.example",))
    named = settings("mimecast", directory=replace(CORP, servers=(), discover=discover))
    fresh = ledger()
    fresh.serve(settings("mimecast", directory=DirectorySettings("other", (), None)), (LISTENER,))
    fresh.serve(named, (LISTENER,))
    assert [each.text for each in not_ready(fresh)] == ["directory corp: no server is known: DNS is being asked"]
    fresh.discovery_ended(CORP, "no such name")
    assert [each.text for each in not_ready(fresh)] == ["directory corp: no server is known: no such name"]
    kept.serve(named, (LISTENER,))
    kept.servers_found(CORP, (DC2,))
    kept.discovery_ended(CORP, "")
    kept.server_connected(CORP, DC2, NOW + 5)
    assert [status.label for status in kept.servers.values()] == ["dc2.corp.example:636"]
    kept.serve(named, (LISTENER,))
    (status,) = kept.servers.values()
    assert status.up
    kept.clock.now += 60
    kept.discovery_ended(CORP, "no answer in time")
    assert (kept.discoveries["corp"].succeeded, kept.discoveries["corp"].failure) == (NOW, "no answer in time")
    assert not_ready(kept) == []


def test_what_dns_said_of_another_name_is_not_told_of_the_new_one():
    kept = ledger()
    for site in ("Berlin", "Paris"):
        discover = DiscoverySettings(f"_ldap._tcp.{site}._sites.dc._msdcs.corp.example", 636, ("corp.example",))
        kept.serve(settings("mimecast", directory=replace(CORP, servers=(), discover=discover)), (LISTENER,))
        assert kept.discoveries["corp"] == DiscoveryStatus(discover.service)
        kept.discovery_ended(CORP, "no such name")


def test_sessions_are_counted_beyond_the_life_of_their_client():
    kept = ledger("mimecast", "other")
    kept.session_opened("other")
    kept.session_opened("mimecast")
    kept.serve(settings("mimecast"), (LISTENER,))
    kept.add(record(client="other"))
    kept.session_ended("other")
    assert list(kept.clients) == ["mimecast"]
    kept.serve(settings("other"), (LISTENER,))
    counts = kept.clients["other"].counts
    assert (counts.sessions, counts.open_sessions, counts.operations()) == (1, 0, {("search", "success"): 1})


def test_a_reload_keeps_the_figures_of_what_stays():
    kept = ledger()
    sync(kept)
    kept.server_connected(CORP, DC1, None)
    kept.directory_failed(CORP)
    smaller = DirectorySettings("corp", (DC1,), None)
    kept.serve(settings("mimecast", "new", directory=smaller), ())
    assert list(kept.clients) == ["mimecast", "new"]
    assert kept.clients["mimecast"].counts.complete_runs == 1
    assert [status.opened for status in kept.servers.values()] == [1]
    assert kept.unreachable
    kept.server_failed(CORP, DC2, FailureCause.refused)
    assert len(kept.servers) == 1
    kept.serve(settings("mimecast", directory=DirectorySettings("other", (DC1,), None)), ())
    assert not kept.unreachable


def test_only_a_load_that_succeeded_has_a_time():
    kept = ledger()
    kept.clock.now += 5
    kept.reload_ended(False)
    assert (kept.reloaded, kept.reload_time) == (False, NOW)
    kept.reload_ended(True)
    assert (kept.reloaded, kept.reload_time) == (True, NOW + 5)


def own_bind(kept, code, reason="", **fields):
    kept.add(record("bind", account="sync", sync_bind=True, code=code, reason=reason, mapped_to=OWN_DN, **fields))


def mapped_ledger():
    kept = ledger()
    kept.serve(settings("mimecast", **mapped_changes(mapped_account("sync"))), (LISTENER,))
    return kept


def test_a_sync_account_that_is_refused_is_so_until_it_signs_in_or_searches_again():
    kept = ledger()
    account = {"account": policy().sync_accounts[1], "sync_bind": True}
    assert kept.refused_accounts("mimecast") == kept.refused_accounts("unknown") == []
    kept.add(record("bind", code=49, **account))
    kept.add(record("bind", client="gone", code=49, **account))
    kept.clock.now += 5
    (refused,) = kept.refused_accounts("mimecast")
    assert (refused.since, refused.why) == (NOW, "the server refused the name or the password")
    kept.add(record(code=52, account=account["account"]))
    assert kept.refused_accounts("mimecast")
    kept.add(record(account=account["account"]))
    assert kept.refused_accounts("mimecast") == []
    assert kept.clients["mimecast"].last_login is None


def test_the_last_sign_in_of_a_person_is_told_without_the_name():
    kept = ledger()
    kept.add(record("bind", account="jane@corp.example", code=49, reason="login-outside-base"))
    assert kept.clients["mimecast"].last_login == SignIn(NOW, False, "the person is outside login_base_dns")
    kept.add(record("bind", account="jane@corp.example"))
    assert kept.clients["mimecast"].last_login == SignIn(NOW, True, "signed in")
    assert kept.clients["mimecast"].sign_ins.last is None


def test_a_wrong_secret_is_a_refusal():
    kept = mapped_ledger()
    own_bind(kept, 49, "secret-wrong")
    own_bind(kept, 52, "gateway-account-refused")
    counts = kept.clients["mimecast"].counts
    assert (counts.refusals, counts.failures) == ({"secret-wrong": 1}, {"gateway-account-refused": 1})


def test_each_run_that_is_over_is_told_once_whatever_ended_it():
    told = []
    kept = ledger(run_ended=told.append)
    sync(kept, sent=1)
    assert [run.entries for run in told] == [1]
    kept.add(record(sent=2))
    kept.clock.now += 2 * GAP
    kept.add(record(sent=3))
    assert [run.entries for run in told] == [1, 2]
    # Of a client that left the configuration meanwhile, too.
    kept.serve(settings("other"), ())
    kept.add(record(client="other", sent=4))
    kept.end_runs()
    assert [(run.client, run.entries, run.cut_short) for run in told[2:]] == [
        ("mimecast", 3, True),
        ("other", 4, True),
    ]
    kept.end_runs()
    assert len(told) == 4
