"""Whether the gateway can do its work now, and why not; and what somebody should look at although it can."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.observe import remedies
from gateway.observe.durations import duration
from gateway.observe.ledger import Ledger

# Seconds that a session's failed attempt counts where servers are not checked. After that the next client is let in to
# try: were the gateway not ready until a server answers, a load balancer would send nobody who could find out.
FAILED_FOR: Final = 30.0


class Trouble(NamedTuple):
    """Something that is wrong. text: what. remedy: what to do, whole sentences. link: where the documentation says
    more (gateway/observe/remedies.py). Each may be empty but the text."""

    text: str
    remedy: str = ""
    link: str = ""


def not_ready(ledger: Ledger) -> list[Trouble]:
    """Every reason why the next client would not be served; none for a gateway that is ready."""
    if ledger.stopping:
        return [Trouble("the gateway is stopping")]
    reasons = [] if ledger.listeners else [Trouble("no listener is open", remedies.DOCTOR)]
    now = ledger.clock()
    for directory in dict.fromkeys(client.directory for client in ledger.clients.values()):
        failed = ledger.unreachable.get(directory)
        trouble = unreachable(ledger, directory, lately=failed is not None and now - failed < FAILED_FOR)
        if trouble is not None:
            reasons.append(trouble)
    return reasons


def unreachable(ledger: Ledger, directory: str, lately: bool) -> Trouble | None:
    """Why no server of the directory can be reached; None where one can. lately: whether a session has just failed at
    all of them."""
    discovery = ledger.discoveries.get(directory)
    servers = [status for status in ledger.servers.values() if status.directory == directory]
    if discovery is not None and not servers:
        text = f"directory {directory}: no server is known: {discovery.failure or 'DNS is being asked'}"
        return Trouble(text, remedies.UNKNOWN, remedies.DISCOVERY)
    # Where servers are checked it is known that none is back.
    checked = directory in ledger.checked and all(status.up is False for status in servers)
    if not checked and not lately:
        return None
    causes = [f"{status.label} ({status.cause})" for status in servers if status.up is False]
    text = f"directory {directory}: no server is up: {', '.join(causes)}"
    return Trouble(text, remedies.ALL_DOWN, remedies.UNREACHABLE)


def notes(ledger: Ledger) -> list[Trouble]:
    """What is wrong and keeps no client from being served, or only one."""
    return [*refused_accounts(ledger), *other_notes(ledger)]


def refused_accounts(ledger: Ledger) -> list[Trouble]:
    """The sync accounts that cannot sign in, without their names."""
    now = ledger.clock()
    return [
        Trouble(
            f"client {client}: a sync account cannot sign in{_since(refused.since, now)}: {refused.why}",
            refused.remedy,
            remedies.OWN_ACCOUNT if refused.own else remedies.SIGN_IN,
        )
        for client in ledger.clients
        for refused in ledger.refused_accounts(client)
    ]


def other_notes(ledger: Ledger) -> list[Trouble]:
    """The notes that concern no client by itself."""
    trouble = ledger.audit.trouble(ledger.clock())
    lost = ledger.audit.lost
    said = [Trouble(trouble, remedies.NOT_WRITTEN, remedies.AUDIT)] if trouble else []
    said += [
        Trouble(
            f"directory {status.directory}: {status.label} is doubtful: it can be connected to and broke sessions "
            f"({status.doubted})",
            remedies.OF_TROUBLES[status.doubted],
            remedies.DOUBTFUL,
        )
        for status in ledger.servers.values()
        if status.doubted is not None
    ]
    if lost:
        text = f"{lost:,} audit record{'' if lost == 1 else 's'} lost since the start; the audit says when"
        said.append(Trouble(text, remedies.LOST, remedies.AUDIT))
    return said


def _since(since: float | None, now: float) -> str:
    return "" if since is None else f", for {duration(now - since)}"
