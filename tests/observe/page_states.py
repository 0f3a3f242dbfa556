"""Ledgers of gateways in the five states that the status page is looked at in."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from gateway.ldap.filter_text import parse_filter
from gateway.net.servers.settings import HealthSettings
from gateway.net.transport.failures import FailureCause
from gateway.observe.ledger import DAY, Ledger, ListenerStatus
from gateway.observe.refused_today import HOUR
from gateway.policy.lockout import GuardedAccount
from gateway.policy.reasons import Reason
from tests.observe.busy_ledger import run
from tests.observe.ledgers import CORP, DC1, DC2, NOW, GuardsOf, clock_of, ledger, settings
from tests.observe.records import record
from tests.policy.policies import policy

CHECKED = replace(CORP, health=HealthSettings())
ACCOUNT: Final[dict[str, Any]] = {"account": policy().sync_accounts[1], "sync_bind": True}
HELD_BACK = ("pager", "info")
SEARCHES = (
    ("(&(objectCategory=person)(objectClass=user))", 437, 1),
    ("(objectClass=group)", 22, 0),
    ("(objectClass=contact)", 11, 0),
)


def searches(share: float = 1.0) -> list[dict[str, Any]]:
    return [
        {
            "filter": parse_filter(text),
            "sent": round(share * sent),
            "received": round(share * sent) + hidden,
            "held_back": HELD_BACK,
            "seconds": 9,
        }
        for text, sent, hidden in SEARCHES
    ]


def all_well() -> Ledger:
    """Three syncs a day for some days, the last one an hour ago, and people who sign in."""
    kept = ledger()
    clock = clock_of(kept)
    kept.serve(
        settings("mimecast", directory=CHECKED),
        (ListenerStatus("203.0.113.10:636 (ldaps)", NOW + 90 * DAY),),
    )
    for server in (DC1, DC2):
        kept.server_connected(CORP, server, NOW + 200 * DAY)
        kept.server_checked(CORP, server, True)
    for day in range(4):
        for _ in range(3):
            kept.add(record("bind", **ACCOUNT))
            run(kept, *searches(0.9 + day * 0.03))
            clock.now += 8 * HOUR
    kept.add(record("bind", **ACCOUNT))
    run(kept, *searches())
    clock.now += HOUR
    kept.reload_ended(True)
    kept.add(record("bind", account="jane@corp.example"))
    kept.server_connected(CORP, DC1, NOW + 200 * DAY)
    kept.server_connected(CORP, DC2, NOW + 200 * DAY)
    clock.now += 12
    return kept


def syncing() -> Ledger:
    """All well, and a sync is half through."""
    kept = all_well()
    kept.session_opened("mimecast")
    kept.add(record("bind", **ACCOUNT))
    for fields in searches()[:1]:
        clock_of(kept).now += fields["seconds"]
        kept.add(record(**fields))
    return kept


def sign_in_refused() -> Ledger:
    """Somebody has changed the sync account's password in the directory only."""
    kept = all_well()
    clock_of(kept).now += 7 * HOUR
    wrong = "wrong password, or no account has this name"
    kept.add(record("bind", code=49, server_code=49, server_meaning=wrong, **ACCOUNT))
    clock_of(kept).now += 25 * 60
    kept.add(record("bind", code=49, decision="refuse", reason="password-known-wrong", **ACCOUNT))
    clock_of(kept).now += 12
    return kept


def servers_gone() -> Ledger:
    """Both servers are down, each for a cause of its own."""
    kept = all_well()
    clock_of(kept).now += 7 * HOUR
    for server, cause in ((DC1, FailureCause.timeout), (DC2, FailureCause.certificate)):
        kept.server_failed(CORP, server, cause)
        kept.server_fell(CORP, server, cause)
    clock_of(kept).now += 4 * 60
    kept.directory_failed(CORP)
    kept.add(record("bind", code=52, reason="server-unreachable", **ACCOUNT))
    return kept


def guard_closed() -> Ledger:
    """Somebody guesses at people's passwords and at the sync account's, through the service's sign-in page."""
    kept = all_well()
    guarded = {GuardedAccount("corp", f"name:u{number}"): 60.0 * number for number in range(1, 18)}
    guarded[GuardedAccount("corp", "name:svc-sync", sync=True)] = 26 * 60.0
    guarded[GuardedAccount("corp", "address:198.51.100.7")] = 11 * 60.0
    for number in range(3):
        wrong = "wrong password, or no account has this name"
        kept.add(record("bind", code=49, server_code=49, server_meaning=wrong, **ACCOUNT))
        clock_of(kept).now += 40 * number
    kept.guards = GuardsOf(guarded)
    for _ in range(31):
        kept.add(record("bind", account="x@corp.example", code=49, decision="refuse", reason="account-guarded"))
    kept.add(record("bind", code=49, decision="refuse", reason="account-guarded", **ACCOUNT))
    for _ in range(240):
        kept.connection_refused(Reason.source_not_listed)
    kept.connection_refused(Reason.left_without_request, "mimecast")
    clock_of(kept).now += 4 * 60
    return kept


STATES: Final[dict[str, Callable[[], Ledger]]] = {
    "all-well": all_well,
    "syncing": syncing,
    "sign-in-refused": sign_in_refused,
    "servers-gone": servers_gone,
    "guard-closed": guard_closed,
}
