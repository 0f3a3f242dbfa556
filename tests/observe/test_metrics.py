from prometheus_client.parser import text_string_to_metric_families

from gateway.net.observer import Trouble
from gateway.net.transport.failures import FailureCause
from gateway.observe.metrics import Metrics
from gateway.policy.lockout import GuardedAccount
from gateway.policy.reasons import Reason
from gateway.relay.load import GatewayLoad
from tests.observe.ledgers import CORP, DC1, NOW, GuardsOf, ledger, settings
from tests.observe.records import record
from tests.policy.mapped import OWN_DN, mapped_account, mapped_changes
from tests.policy.policies import policy


def page(kept):
    return Metrics(kept).page("")[0].decode()


def values(kept):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page(kept))
        for sample in family.samples
    }


def test_nothing_of_a_person_a_client_or_an_address_is_in_it():
    kept = ledger()
    secret = "SECRET"
    for operation in ("search", "bind", "extended"):
        fields = {"account": f"cn={secret}", "detail": secret, "server": f"ldaps://{secret}"}
        if operation == "search":
            fields |= {"base": f"ou={secret}", "asked": (secret,), "held_back": (secret,), "narrowed_to": (secret,)}
        kept.add(record(operation, **fields))
    kept.server_connected(CORP, DC1, NOW + 100)
    kept.server_failed(CORP, DC1, FailureCause.certificate)
    text = page(kept)
    assert secret not in text
    assert DC1.host not in text
    assert "198.51.100" not in text
    assert "192.0.2.1" not in text


def test_every_metric_has_the_prefix_a_unit_and_words():
    families = list(text_string_to_metric_families(page(ledger())))
    ours = [family for family in families if not family.name.startswith(("process_", "python_"))]
    assert len(ours) > 25
    assert all(family.name.startswith("ldap_gateway_") and family.documentation for family in ours)
    assert len({family.name for family in families}) == len(families)


def test_what_has_not_happened_yet_is_0():
    found = values(ledger())
    for name in (
        "sessions_total",
        "entries_total",
        "open_sessions",
        "sync_running",
        "sync_last_complete",
        "sync_last_complete_timestamp_seconds",
        "sync_last_entries",
        "sync_account_refused",
        "sync_account_refused_timestamp_seconds",
        "sync_sign_in_timestamp_seconds",
        "own_account_refused",
    ):
        assert found[f"ldap_gateway_{name}", "mimecast"] == 0
    for key in (
        ("sync_runs_total", "mimecast", "yes"),
        ("result_shrank_total", "mimecast", "refused"),
        ("operations_total", "mimecast", "bind", "success"),
        ("own_seconds_count", "mimecast", "search"),
        ("guarded_accounts", "sync account"),
    ):
        assert found[f"ldap_gateway_{key[0]}", *key[1:]] == 0
    place = ("corp", "dc1.corp.example:636")
    assert found["ldap_gateway_server_up", *place] == 1
    assert found["ldap_gateway_server_checks_total", "corp", "no", place[1]] == 0
    for cause in FailureCause:
        assert found["ldap_gateway_server_connection_failures_total", "corp", cause.value, place[1]] == 0
    for trouble in Trouble:
        assert found["ldap_gateway_server_broken_sessions_total", "corp", trouble.value, place[1]] == 0


def test_each_reason_is_counted_from_0_in_one_place():
    found = values(ledger())
    for reason in Reason:
        places = [
            key
            for key in found
            if key[0] in ("ldap_gateway_refusals_total", "ldap_gateway_failures_total") and key[-1] == reason.value
        ]
        assert len(places) == 1, reason
        assert found[places[0]] == 0


def test_a_sync_account_that_cannot_sign_in_is_1_until_it_can():
    kept = ledger()
    account = {"account": policy().sync_accounts[1], "sync_bind": True}
    kept.add(record("bind", **account))
    kept.clock.now += 5
    kept.add(record("bind", code=49, **account))
    found = values(kept)
    assert found["ldap_gateway_sync_account_refused", "mimecast"] == 1
    assert found["ldap_gateway_own_account_refused", "mimecast"] == 0
    assert found["ldap_gateway_sync_sign_in_timestamp_seconds", "mimecast"] == NOW
    assert found["ldap_gateway_sync_account_refused_timestamp_seconds", "mimecast"] == NOW + 5
    assert "svc-sync" not in page(kept)
    kept.add(record("bind", **account))
    found = values(kept)
    assert found["ldap_gateway_sync_account_refused", "mimecast"] == 0
    assert found["ldap_gateway_sync_account_refused_timestamp_seconds", "mimecast"] == 0


def test_how_many_accounts_are_guarded_is_told_by_kind_and_without_names():
    kept = ledger()
    kept.guards = GuardsOf({GuardedAccount("corp", "name:jane"): 60.0, GuardedAccount("corp", "name:svc", True): 90.0})
    found = values(kept)
    assert found["ldap_gateway_guarded_accounts", "person"] == 1
    assert found["ldap_gateway_guarded_accounts", "sync account"] == 1
    assert found["ldap_gateway_guarded_accounts", "address"] == 0
    assert "jane" not in page(kept)


def test_that_the_files_on_disk_are_not_those_in_force():
    kept = ledger()
    assert values(kept)["ldap_gateway_config_differs",] == 0
    kept.files_changed = lambda: ["/etc/ldap-gateway/gateway.yaml"]
    assert values(kept)["ldap_gateway_config_differs",] == 1


def test_sync_runs_and_shrink_alerts():
    kept = ledger()
    kept.add(record(sent=500, seconds=9.0))
    kept.clock.now += 60
    kept.pass_time(0.02, ())
    kept.add(record(sent=10, code=53, reason="result-shrank"))
    kept.clock.now += 60
    kept.pass_time(0.0, ())
    found = {key[0].removeprefix("ldap_gateway_") + "".join(key[1:]): value for key, value in values(kept).items()}
    assert found["sync_last_complete_timestamp_secondsmimecast"] == NOW
    assert (found["sync_last_completemimecast"], found["sync_last_entriesmimecast"]) == (0, 10)
    assert (found["sync_runs_totalmimecastyes"], found["sync_runs_totalmimecastno"]) == (1, 1)
    assert found["result_shrank_totalmimecastrefused"] == 1
    assert (found["event_loop_lag_seconds_bucket0.01"], found["event_loop_lag_seconds_bucket0.025"]) == (1, 2)
    assert found["event_loop_lag_seconds_count"] == 2


def test_a_client_that_never_syncs_has_no_syncs_to_be_missed():
    kept = ledger()
    kept.serve(settings("logins", sync_accounts=()), ())
    found = values(kept)
    assert ("ldap_gateway_open_sessions", "logins") in found
    assert not any("_sync_" in key[0] for key in found)


def test_servers_failures_have_a_closed_set_of_reasons():
    kept = ledger()
    kept.server_failed(CORP, DC1, FailureCause.name_unknown)
    kept.server_fell(CORP, DC1, FailureCause.name_unknown)
    kept.server_checked(CORP, DC1, False)
    found = values(kept)
    place = ("corp", "dc1.corp.example:636")
    assert found["ldap_gateway_server_checks_total", "corp", "no", place[1]] == 1
    assert found["ldap_gateway_server_connection_failures_total", "corp", "name-unknown", place[1]] == 1
    assert found["ldap_gateway_server_up", *place] == 0


def test_a_server_that_breaks_sessions_is_counted_and_is_doubtful_until_it_is_not_or_down():
    kept = ledger()
    place = ("corp", "dc1.corp.example:636")
    doubtful = ("ldap_gateway_server_doubtful", *place)
    assert values(kept)[doubtful] == 0
    kept.server_connected(CORP, DC1, None)
    kept.session_broken(CORP, DC1, Trouble.unanswered)
    kept.server_doubted(CORP, DC1, Trouble.unanswered)
    found = values(kept)
    assert found["ldap_gateway_server_broken_sessions_total", "corp", "unanswered", place[1]] == 1
    assert (found[doubtful], found["ldap_gateway_server_up", *place]) == (1, 1)
    kept.server_trusted(CORP, DC1)
    assert values(kept)[doubtful] == 0
    kept.server_doubted(CORP, DC1, Trouble.failed)
    kept.server_fell(CORP, DC1, FailureCause.refused)
    assert values(kept)[doubtful] == 0


def test_a_lockout_store_is_up_or_not_and_memory_always_is():
    kept, name = ledger(), ("ldap_gateway_lockout_store_up",)
    assert values(kept)[name] == 1
    kept.lockout_store_changed("redis://redis:6379/0")
    assert values(kept)[name] == 0
    kept.lockout_store_state(None)
    assert values(kept)[name] == 1
    kept.lockout_store_state("Connection refused.")
    assert values(kept)[name] == 0
    kept.lockout_store_changed(None)
    assert values(kept)[name] == 1


def test_a_refused_own_account_is_1():
    kept = ledger()
    name = "ldap_gateway_own_account_refused"
    kept.serve(settings("mimecast", **mapped_changes(mapped_account("sync"))), ())
    assert values(kept)[name, "mimecast"] == 0
    refused = {"code": 52, "reason": "gateway-account-refused", "mapped_to": OWN_DN}
    kept.add(record("bind", account="sync", sync_bind=True, **refused))
    found = values(kept)
    assert (found[name, "mimecast"], found["ldap_gateway_sync_account_refused", "mimecast"]) == (1, 1)
    assert OWN_DN not in page(kept)


def test_what_operations_hold():
    kept = ledger()
    kept.load = GatewayLoad()
    kept.load.octets, kept.load.waiting = 7000, 3
    found = values(kept)
    assert found["ldap_gateway_waiting_bytes",] == 7000
    assert found["ldap_gateway_waiting_operations",] == 3


def test_the_audit():
    kept = ledger()
    kept.audit.written, kept.audit.lost, kept.audit.waiting = 7, 3, 1000
    found = values(kept)
    assert found["ldap_gateway_audit_records_written_total",] == 7
    assert found["ldap_gateway_audit_records_lost_total",] == 3
    assert found["ldap_gateway_audit_waiting_bytes",] == 1000
    assert found["ldap_gateway_audit_up",] == 1
    kept.audit.problem = "no room"
    assert values(kept)["ldap_gateway_audit_up",] == 0
