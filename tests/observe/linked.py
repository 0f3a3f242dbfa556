"""Ledgers of gateways with links, and how these stand."""

from dataclasses import replace

from gateway.link.standing import ClientStanding, LinkStanding, PeerStanding, Side
from gateway.net.servers.settings import DirectorySettings
from gateway.observe.ledger import DAY, Ledger
from tests.observe.ledgers import LISTENER, NOW, ledger, settings

BEHIND = DirectorySettings("corp", (), None, link="inside")
SERVED = (ClientStanding("mimecast", True, ""),)
NO_SERVER = "no server of its directory is up"
HOST = "gateway.example.net:8636"

HERE = PeerStanding("inside-1", True, "", "1.2.3", 0.003, 4, 2, NOW + 700 * DAY, SERVED, ())
OTHER = replace(HERE, name="inside-2", sessions=0)
UNREADY = replace(HERE, clients=(ClientStanding("mimecast", False, f"agent inside-1: {NO_SERVER}"),))
GONE = PeerStanding(
    "inside-1", False, "agent inside-1 was silent for 15 s", "", None, 0, 0, NOW + 700 * DAY, UNREADY.clients, None
)
CALLED = replace(HERE, name=HOST)
NOT_CALLED = replace(GONE, name=HOST, why="Connection refused.", clients=SERVED)


def outside(*agents: PeerStanding) -> LinkStanding:
    return LinkStanding("inside", Side.outside, "0.0.0.0:8636", NOW + 700 * DAY, agents or (HERE, OTHER))


def inside(*hosts: PeerStanding) -> LinkStanding:
    return LinkStanding("dmz", Side.inside, "", NOW + 700 * DAY, hosts or (CALLED,))


def of(kept: Ledger, *links: LinkStanding) -> Ledger:
    kept.links.standings = lambda: list(links)
    return kept


def outside_ledger(*agents: PeerStanding, clients: tuple[str, ...] = ("mimecast",)) -> Ledger:
    """A gateway outside, whose directory is behind a link with these agents, or two that are here."""
    kept = of(ledger(), outside(*agents))
    kept.serve(settings(*clients, directory=BEHIND), (LISTENER,))
    return kept


def inside_ledger(*hosts: PeerStanding) -> Ledger:
    """A gateway inside that listens nowhere, and calls these hosts, or one that answers."""
    kept = of(ledger(), inside(*hosts))
    kept.serve(settings("mimecast"), ())
    return kept


def linked_ledger() -> Ledger:
    """A gateway that is the outside of one link and the inside of another one."""
    return of(ledger(), outside(), inside())
