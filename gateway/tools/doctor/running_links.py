"""The links of the running gateway, as its admin page tells of them."""

from __future__ import annotations

from gateway.ask.findings import Section
from gateway.ask.link_page import NoLinkPage, ask_links
from gateway.link.standing import LinkStanding, PeerStanding
from gateway.net.transport.daemon_thread import in_daemon_thread
from gateway.net.transport.reactor import Reactor


class Running:
    """The running gateway as doctor could ask it. links: None where it could not. why: in words then."""

    def __init__(self, links: list[LinkStanding] | None, why: str = "") -> None:
        self._links = links
        self.why = why

    def link(self, name: str) -> LinkStanding | None:
        return next((each for each in self._links or () if each.link == name), None)

    def peer(self, link: str, name: str) -> PeerStanding | None:
        known = self.link(link)
        return None if known is None else next((each for each in known.peers if each.name == name), None)


async def running_gateway(admin: tuple[str, int] | None, reactor: Reactor) -> Running:
    """admin: where its admin pages are."""
    if admin is None:
        return Running(None, "with `admin: null` the running gateway cannot be asked")
    host, port = admin
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        return Running(await in_daemon_thread(reactor, lambda: ask_links(address), "links"))
    except NoLinkPage as error:
        return Running(None, f"the running gateway cannot be asked: {error}")


def round_trip(peer: PeerStanding) -> str:
    return "" if peer.round_trip is None else f", round trip {peer.round_trip * 1000:.1f} ms"


def check_line(section: Section, running: Running, link: str, address: str) -> None:
    """The line of the running gateway to an outside that it calls."""
    peer = running.peer(link, address)
    if peer is None:
        section.skipped(running.why or "the running gateway does not know it yet: reload it", "line")
    elif peer.up:
        section.ok("line", f"the running gateway has one{round_trip(peer)}, {peer.sessions} sessions")
    else:
        why = peer.why or "it is not up"
        advice = "the steps above say what is wrong; where they are well, wait some minutes, and see its log"
        section.failed("line", f"the running gateway has none: {why}", advice)
