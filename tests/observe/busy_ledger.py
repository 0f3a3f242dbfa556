"""A ledger of a gateway that has seen a good deal: what the status page has to cope with."""

from dataclasses import replace
from typing import Any

from gateway.net.observer import Trouble
from gateway.net.servers.settings import DiscoverySettings
from gateway.net.transport.failures import FailureCause
from gateway.observe.ledger import DAY, Ledger, ListenerStatus
from gateway.observe.refused_today import HOUR
from gateway.policy.reasons import Reason
from tests.observe.ledgers import CORP, DC1, DC2, NOW, clock_of, ledger, settings
from tests.observe.records import record
from tests.policy.mapped import OWN_DN, mapped_account, mapped_changes

GAP = 60.0


def run(kept: Ledger, *searches: dict[str, Any]) -> None:
    clock = clock_of(kept)
    for fields in searches:
        clock.now += fields.get("seconds", 1)
        usual: dict[str, Any] = {"server": "ldaps://dc1", "own_seconds": 0.004, "server_seconds": 0.03}
        kept.add(record(**usual | fields))
    clock.now += GAP
    kept.pass_time(0.002, ())


def busy_ledger() -> Ledger:
    kept = ledger()
    clock = clock_of(kept)
    listeners = tuple(
        ListenerStatus(f"{address} ({kind})", NOW + days * DAY)
        for address, kind, days in (
            ("203.0.113.10:636", "ldaps", 74),
            ("[2001:db8::10]:636", "ldaps", 16),
            ("203.0.113.10:389", "ldap, StartTLS required", 5),
        )
    )
    names = ("mimecast", "archive-service-with-a-rather-long-name", "signatures", "new-service")
    discover = DiscoverySettings("_ldap._tcp.dc._msdcs.corp.example", 636, ("corp.example",))
    named = replace(CORP, servers=(), discover=discover)
    kept.serve(settings(*names, directory=named, **mapped_changes(mapped_account("sync"))), listeners)
    kept.servers_found(CORP, (DC1, DC2))
    kept.discovery_ended(CORP, "")
    for i in range(14):
        lost = [{"client": "mimecast", "code": 52, "reason": "server-lost", "sent": 150}] if i == 6 else []
        run(
            kept,
            {"client": "mimecast", "sent": 12_400 + 13 * i - 9000 * bool(lost), "received": 12_460, "seconds": 48},
            *({"client": "mimecast", "sent": 118, "received": 118, "base": "OU=Groups", "pages": 2} for _ in range(3)),
            *lost,
        )
        if i % 3 == 0:
            run(kept, {"client": names[1], "sent": 800 + i, "received": 900, "seconds": 7})
        clock.now += 2 * HOUR
    denied: dict[str, Any] = {"decision": "refuse", "code": 50}
    run(
        kept,
        {"client": "signatures", "sent": 4000, "received": 4000, "seconds": 21},
        {"client": "signatures", "reported": ("result-shrank",), "detail": "values of mail: 77, last time 99"},
        *({"client": "signatures", **denied, "reason": "filter-attribute-not-allowed"} for _ in range(3)),
        {"client": "signatures", "code": 53, "reason": "result-shrank", "sent": 310, "received": 310, "base": "OU=S"}
        | {"detail": "entries: 310, last time 4,012; entries with mail: 302, last time 3,990"},
    )
    refused: dict[str, Any] = {
        "code": 52,
        "reason": "gateway-account-refused",
        "server_meaning": "the account is disabled",
    }
    kept.add(record("bind", client=names[3], account="sync", sync_bind=True, mapped_to=OWN_DN, **refused))
    for _ in range(1234):
        kept.connection_refused(Reason.source_not_listed)
    for reason, count in (("base-not-allowed", 17), ("login-outside-base", 4), ("operation-not-allowed", 1)):
        for _ in range(count):
            kept.add(record("bind", client="mimecast", **denied, reason=reason))
    kept.server_connected(CORP, DC1, clock.now + 180 * DAY)
    kept.session_broken(CORP, DC1, Trouble.bind_unanswered)
    kept.server_failed(CORP, DC2, FailureCause.certificate)
    kept.lockout_store_changed("redis://redis.corp.example:6379/0")
    kept.lockout_store_state("Connection refused.")
    kept.server_fell(CORP, DC2, FailureCause.certificate)
    for _ in range(3):
        kept.session_opened("mimecast")
    clock.now += 2 * HOUR + 40 * 60
    kept.add(record(client="mimecast", sent=6200, received=6200, seconds=20.0, more=True))
    return kept
