"""Whether the gateway can do its work now, and why not; and what somebody should look at although it can."""

from __future__ import annotations

from typing import Final

from gateway.observe.durations import duration
from gateway.observe.ledger import Ledger

# Seconds that a session's failed attempt counts where servers are not checked. After that the next client is let in to
# try: were the gateway not ready until a server answers, a load balancer would send nobody who could find out.
FAILED_FOR: Final = 30.0


def not_ready(ledger: Ledger) -> list[str]:
    """Every reason, in words; none for a gateway that is ready."""
    if ledger.stopping:
        return ["the gateway is stopping"]
    reasons = [] if ledger.listeners else ["no listener is open"]
    now = ledger.clock()
    for directory in dict.fromkeys(client.directory for client in ledger.clients.values()):
        failed = ledger.unreachable.get(directory)
        trouble = unreachable(ledger, directory, lately=failed is not None and now - failed < FAILED_FOR)
        if trouble:
            reasons.append(trouble)
    return reasons


def unreachable(ledger: Ledger, directory: str, lately: bool) -> str:
    """Why no server of the directory can be reached, in words; "" where one can. lately: whether a session has just
    failed at all of them."""
    discovery = ledger.discoveries.get(directory)
    servers = [status for status in ledger.servers.values() if status.directory == directory]
    if discovery is not None and not servers:
        return f"directory {directory}: no server is known: {discovery.failure or 'DNS is being asked'}"
    # Where servers are checked it is known that none is back.
    checked = directory in ledger.checked and all(status.up is False for status in servers)
    if not checked and not lately:
        return ""
    causes = [f"{status.label} ({status.cause})" for status in servers if status.up is False]
    return f"directory {directory}: no server is up: {', '.join(causes)}"


def notes(ledger: Ledger) -> list[str]:
    """What is wrong and keeps no client from being served."""
    trouble = ledger.audit.trouble(ledger.clock())
    lost = ledger.audit.lost
    said = [trouble] if trouble else []
    said += [refused for client in ledger.clients for refused in _refused_accounts(ledger, client)]
    said += [
        f"directory {status.directory}: {status.label} is doubtful: it can be connected to and broke sessions "
        f"({status.doubted})"
        for status in ledger.servers.values()
        if status.doubted is not None
    ]
    if lost:
        said.append(f"{lost:,} audit record{'' if lost == 1 else 's'} lost since the start; the audit says when")
    return said


def _refused_accounts(ledger: Ledger, client: str) -> list[str]:
    now = ledger.clock()
    return [
        f"client {client}: a sync account cannot sign in{_since(refused.since, now)}: {refused.why}"
        for refused in ledger.refused_accounts(client)
    ]


def _since(since: float | None, now: float) -> str:
    return "" if since is None else f", for {duration(now - since)}"
