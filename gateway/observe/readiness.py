"""Whether the gateway can do its work now, and why not; and what somebody should look at although it can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.link.parity import named
from gateway.link.standing import LinkStanding, Side
from gateway.observe import remedies
from gateway.observe.durations import duration
from gateway.observe.ledger import Ledger
from gateway.observe.links import LinksNow

# Seconds that a session's failed attempt counts where servers are not checked. After that the next client is let in to
# try: were the gateway not ready until a server answers, a load balancer would send nobody who could find out.
FAILED_FOR: Final = 30.0


class Trouble(NamedTuple):
    """Something that is wrong. text: what. remedy: what to do, whole sentences. link: where the documentation says
    more (gateway/observe/remedies.py). Each may be empty but the text."""

    text: str
    remedy: str = ""
    link: str = ""

    def told_of(self, whose: str) -> Trouble:
        """The trouble with the name of whom it concerns before it."""
        return Trouble(f"{whose}: {self.text}", self.remedy, self.link)


def not_ready(ledger: Ledger) -> list[Trouble]:
    """Every reason why the next client would not be served; none for a gateway that is ready."""
    if ledger.stopping:
        return [Trouble("the gateway is stopping")]
    links = ledger.links.now()
    reasons = _nobody_can_come(ledger, links)
    now = ledger.clock()
    for directory in dict.fromkeys(client.directory for client in ledger.clients.values()):
        failed = ledger.unreachable.get(directory)
        trouble = unreachable(ledger, links, directory, lately=failed is not None and now - failed < FAILED_FOR)
        if trouble is not None:
            reasons.append(trouble)
    return reasons


def _nobody_can_come(ledger: Ledger, links: LinksNow) -> list[Trouble]:
    """Why no client reaches this gateway, neither by a listener nor by a link."""
    if ledger.listeners:
        return []
    # At whose other end sessions come in.
    called = [link for link in links.all if link.side is Side.inside]
    if not called:
        return [Trouble("no listener is open", remedies.DOCTOR)]
    return [] if any(link.up for link in called) else [_no_line(link) for link in called]


def _no_line(link: LinkStanding) -> Trouble:
    causes = "; ".join(f"{peer.name}: {peer.why}" for peer in link.peers)
    text = f"link {link.link}: there is no line to a gateway outside: {causes}"
    return Trouble(text, remedies.NO_LINE, remedies.LINK_DOWN)


def unserved(ledger: Ledger, links: LinksNow, client: str) -> Trouble | None:
    """Why no gateway inside would take a session of the client, whose directory is reached by a link; None where one
    would, and where the directory is reached directly."""
    directory = ledger.clients[client].directory
    if directory not in links.by_directory or links.serves(directory, client):
        return None
    link = links.by_directory[directory]
    text = f"no gateway inside is ready on link {link}: {links.why_not(directory, client)}"
    return Trouble(text, remedies.NO_AGENT, remedies.LINK_DOWN)


def unreachable(ledger: Ledger, links: LinksNow, directory: str, lately: bool) -> Trouble | None:
    """Why no server of the directory can be reached; None where one can. lately: whether a session has just failed at
    all of them."""
    if directory in links.by_directory:
        return _unreachable_by_link(ledger, links, directory, lately)
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


def _unreachable_by_link(ledger: Ledger, links: LinksNow, directory: str, lately: bool) -> Trouble | None:
    """Why a directory behind a link cannot be reached: no gateway inside is ready for any of its clients, or no session
    got a connection of one."""
    clients = [name for name, client in ledger.clients.items() if client.directory == directory]
    if not any(links.serves(directory, name) for name in clients):
        first: Trouble | None = unserved(ledger, links, clients[0])
        return None if first is None else first.told_of(f"directory {directory}")
    if not lately:
        return None
    link = links.by_directory[directory]
    text = f"directory {directory}: gateways inside are ready on link {link}, and no session got a connection of one"
    return Trouble(text, remedies.NO_BERTH, remedies.LINK_WAITS)


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
    said += link_notes(ledger)
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


def link_notes(ledger: Ledger) -> Iterator[Trouble]:
    """What is wrong with links, and keeps no client from being served, or only some."""
    links = ledger.links.now()
    if not _nobody_can_come(ledger, links):
        yield from (_no_line(link) for link in links.all if link.side is Side.inside and not link.up)
    whole = {name for name in links.by_directory if unreachable(ledger, links, name, lately=False)}
    for name, client in ledger.clients.items():
        trouble = None if client.directory in whole else unserved(ledger, links, name)
        if trouble is not None:
            yield trouble.told_of(f"client {name}")
    for link in links.all:
        for peer in link.peers:
            who = f"agent {peer.name}" if link.side is Side.outside else f"the gateway at {peer.name}"
            if link.up and not peer.up:
                text = f"link {link.link}: there is no line to {who}: {peer.why}"
                yield Trouble(text, remedies.NO_AGENT, remedies.AGENT_DOWN)
            if peer.differs:
                text = f"link {link.link}: the configuration of {who} differs in {named(peer.differs)}"
                yield Trouble(text, remedies.DIFFERS, remedies.LINK_REFUSES)
    refused = sum(ledger.links.policy_refusals.values())
    if refused:
        requests = "1 request that came by a link was" if refused == 1 else f"{refused:,} requests by a link were"
        text = f"{requests} refused by this gateway's policy since the start, as the gateway outside never sends such"
        yield Trouble(text, remedies.BREAK_IN, remedies.LINK_REFUSES)


def _since(since: float | None, now: float) -> str:
    return "" if since is None else f", for {duration(now - since)}"
