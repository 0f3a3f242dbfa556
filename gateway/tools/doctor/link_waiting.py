"""A link at the end that waits: its keys, its address, and the agents as the running gateway knows them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from gateway.ask.findings import Section
from gateway.link.settings import OutsideSettings
from gateway.link.standing import PeerStanding
from gateway.tools.doctor.link_keys import check_key
from gateway.tools.doctor.listener import check_bindable
from gateway.tools.doctor.running_links import Running, round_trip

_NEW_KEY_THERE: Final = "`ldap-gateway link key` at the inside, and its certificate (.pem) to here"
_THERE: Final = "run doctor at the inside: it looks at the way to here step by step"
_OF_AGENT: Final = ("here", "clients", "policies")


def check_waiting(
    section: Callable[[str], Section], link: OutsideSettings, asked: list[str], running: Running, now: datetime
) -> None:
    """section: of a subject. asked: the clients that sessions are asked for."""
    known = running.link(link.name)
    of_link = section(link.name)
    if link.sources:
        of_link.ok("sources", f"{', '.join(map(str, link.sources))} may connect")
    else:
        of_link.warning("sources", "every address may connect", "list the inside's way out in `sources` of the link")
    if known is not None and known.address != link.address:
        said = f"the running gateway waits at {known.address}, and the configuration says {link.address}"
        of_link.warning("listens", said, "kill -HUP the gateway")
    elif known is not None:
        of_link.ok("listens", f"the running gateway waits at {known.address}")
    else:
        check_bindable(of_link, link.host, link.port)
    others_up = 0 if known is None else known.up
    for name, path in link.agents.items():
        of_agent = section(f"{link.name}, agent {name}")
        check_key(of_agent, "pinned key", path, now, _NEW_KEY_THERE)
        peer = running.peer(link.name, name)
        if peer is None:
            of_agent.skipped(running.why or "the running gateway does not know it yet: reload it", *_OF_AGENT)
        else:
            _check_agent(of_agent, peer, asked, alone=not others_up)


def _check_agent(section: Section, peer: PeerStanding, asked: list[str], *, alone: bool) -> None:
    """alone: no agent of the link is here."""
    if not peer.up:
        (section.failed if alone else section.warning)("here", peer.why or "it is not here", _THERE)
        section.skipped("it is not here", *_OF_AGENT[1:])
        return
    said = f"version {peer.version}{round_trip(peer)}, {peer.berths} connections wait, {peer.sessions} sessions"
    if peer.berths:
        section.ok("here", said)
    else:
        section.warning("here", said, "each session waits for a connection first: see `parked` and `connections`")
    _check_clients(section, peer, asked)
    if peer.differs is None:
        section.skipped("it has not said yet what it has", "policies")
    elif peer.differs:
        section.warning(
            "policies",
            f"other at the agent: {', '.join(peer.differs)}",
            "what is listed here and not there is refused there; `ldap-gateway link export` prints what agrees",
        )
    else:
        section.ok("policies", "both ends have the same")


def _check_clients(section: Section, peer: PeerStanding, asked: list[str]) -> None:
    said = {each.client: each for each in peer.clients}
    ready = [name for name in asked if name in said and said[name].ready]
    if ready:
        section.ok("clients", f"ready for {', '.join(ready)}")
    for name in asked:
        if name not in said:
            section.failed("clients", f"it has no client {name} on this link", _EXPORT)
        elif not said[name].ready:
            section.failed("clients", f"not ready for {name}: {said[name].why}", _THERE)


def check_servers(section: Section, client_names: list[str], running: Running, link: str, because: str) -> None:
    """What takes the place of a directory's servers. because: what is said where nothing is known of the link."""
    known = running.link(link)
    if known is None:
        section.skipped(because, "servers")
        return
    unserved = [name for name in client_names if name not in known.ready]
    said = f"the gateway inside alone knows them; {known.up} of {len(known.peers)} agents of link {link} are here"
    if unserved:
        section.failed("servers", f"{said}, and none is ready for {', '.join(unserved)}", f"see link {link} above")
    else:
        section.ok("servers", said)


_EXPORT: Final = "`ldap-gateway link export` prints what it needs"
