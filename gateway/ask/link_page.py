"""Asks a running gateway how its links stand, as its admin page tells."""

from __future__ import annotations

import json
from typing import Any, Final

from gateway.ask.health_page import ask_health
from gateway.link.standing import ClientStanding, LinkStanding, PeerStanding, Side

# Some hundred agents with as many clients each.
_MOST_OCTETS: Final = 2**23


class NoLinkPage(Exception):
    """The page could not be had; the text says why."""


def ask_links(address: str) -> list[LinkStanding]:
    """The links of the gateway whose admin pages are at `HOST:PORT`, as they stand now. Raises NoLinkPage."""
    answer = ask_health(address, "/links", most=_MOST_OCTETS)
    if not answer.serving:
        raise NoLinkPage(answer.said)
    try:
        return [_link(found) for found in json.loads(answer.said)["links"]]
    except (ValueError, KeyError, TypeError):
        raise NoLinkPage(f"{address}: the gateway there is of another version than this command") from None


def _link(found: dict[str, Any]) -> LinkStanding:
    peers = tuple(_peer(peer) for peer in found["peers"])
    return LinkStanding(**{**found, "side": Side(found["side"]), "peers": peers})


def _peer(found: dict[str, Any]) -> PeerStanding:
    clients = tuple(ClientStanding(**client) for client in found["clients"])
    differs = found["differs"]
    return PeerStanding(**{**found, "clients": clients, "differs": None if differs is None else tuple(differs)})
