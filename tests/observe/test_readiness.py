from dataclasses import replace

from gateway.net.observer import Trouble
from gateway.net.servers.settings import HealthSettings
from gateway.net.transport.failures import FailureCause
from gateway.observe.audit.health import HANGS_AFTER
from gateway.observe.readiness import FAILED_FOR, not_ready, notes
from gateway.policy.lockout import GuardedAccount
from tests.observe.ledgers import CORP, DC1, DC2, LISTENER, GuardsOf, ledger, settings
from tests.observe.records import record
from tests.policy.policies import policy


def reasons(kept):
    """What /readyz says; each has a remedy and a link, but that the gateway stops."""
    found = not_ready(kept)
    assert all(each.remedy for each in found) or kept.stopping
    return [each.text for each in found]


def noted(kept):
    found = notes(kept)
    assert all(each.remedy and each.link for each in found)
    return [each.text for each in found]


def test_before_anybody_has_tried_a_server_it_is_ready():
    assert reasons(ledger()) == []


def test_a_server_that_breaks_sessions_is_a_note_and_no_reason():
    kept = ledger()
    kept.server_doubted(CORP, DC1, Trouble.bind_unanswered)
    kept.server_doubted(CORP, DC2, Trouble.failed)
    assert reasons(kept) == []
    assert noted(kept) == [
        f"directory corp: {server} is doubtful: it can be connected to and broke sessions ({trouble})"
        for server, trouble in (("dc1.corp.example:636", "bind-unanswered"), ("dc2.corp.example:636", "failed"))
    ]
    kept.server_trusted(CORP, DC1)
    kept.server_fell(CORP, DC2, FailureCause.refused)
    assert noted(kept) == []


def test_without_a_listener_it_is_not():
    kept = ledger()
    kept.serve(settings("mimecast"), ())
    assert reasons(kept) == ["no listener is open"]


def test_a_directory_whose_servers_all_failed_is_named_with_the_causes():
    kept = ledger()
    kept.server_fell(CORP, DC1, FailureCause.timeout)
    kept.server_fell(CORP, DC2, FailureCause.certificate)
    assert reasons(kept) == []
    kept.directory_failed(CORP)
    (reason,) = reasons(kept)
    assert reason == (
        "directory corp: no server is up: dc1.corp.example:636 (timeout), dc2.corp.example:636 (certificate)"
    )
    kept.server_connected(CORP, DC2, None)
    assert reasons(kept) == []


def test_where_servers_are_checked_it_is_not_ready_for_as_long_as_all_are_down():
    kept = ledger()
    kept.serve(settings("mimecast", directory=replace(CORP, health=HealthSettings())), (LISTENER,))
    kept.server_fell(CORP, DC1, FailureCause.refused)
    assert reasons(kept) == []
    kept.server_fell(CORP, DC2, FailureCause.no_answer)
    kept.clock.now += 10 * FAILED_FOR
    assert reasons(kept) == [
        "directory corp: no server is up: dc1.corp.example:636 (refused), dc2.corp.example:636 (no-answer)"
    ]
    kept.server_rose(CORP, DC1)
    assert reasons(kept) == []


def test_a_failed_attempt_counts_for_a_while_only_so_that_somebody_tries_again():
    kept = ledger()
    kept.directory_failed(CORP)
    kept.clock.now += FAILED_FOR - 1
    assert reasons(kept)
    kept.clock.now += 1
    assert reasons(kept) == []
    kept.directory_failed(CORP)
    assert reasons(kept)


def test_one_that_stops_says_only_that():
    kept = ledger()
    kept.directory_failed(CORP)
    kept.stop()
    assert reasons(kept) == ["the gateway is stopping"]


def test_an_audit_that_is_not_written_is_noted_and_keeps_nobody_out():
    kept = ledger()
    assert noted(kept) == []
    kept.audit.problem = "/var/log/audit: No space left on device"
    kept.audit.lost = 1200
    assert noted(kept) == [
        "audit records are not written: /var/log/audit: No space left on device",
        "1,200 audit records lost since the start; the audit says when",
    ]
    assert reasons(kept) == []


def test_an_audit_that_hangs_is_noted_after_a_while():
    kept = ledger()
    kept.audit.output = "standard output"
    kept.audit.writing_since = kept.clock.now
    kept.clock.now += HANGS_AFTER - 1
    assert noted(kept) == []
    kept.clock.now += 1
    assert noted(kept) == ["audit records are not written: standard output: has taken nothing for 10 s"]


def test_a_sync_account_that_cannot_sign_in_is_a_note_without_its_name():
    kept = ledger()
    account = {"account": policy().sync_accounts[1], "sync_bind": True}
    kept.add(record("bind", code=49, server_meaning="the password has expired", **account))
    kept.clock.now += 25 * 60
    assert noted(kept) == ["client mimecast: a sync account cannot sign in, for 25 min: the password has expired"]
    assert reasons(kept) == []
    kept.add(record("bind", **account))
    assert noted(kept) == []


def test_a_guarded_sync_account_is_a_note():
    kept = ledger()
    kept.guards = GuardsOf({GuardedAccount("corp", "name:svc-sync", True): 60.0})
    (said,) = noted(kept)
    assert said.startswith("client mimecast: a sync account cannot sign in: too many wrong passwords of this account")
