"""The card of one link on the status page: who is at its other end, what that end would serve, and if not, why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from twisted.web.template import Tag, tags

from gateway.link.parity import named
from gateway.link.standing import ClientStanding, LinkStanding, PeerStanding, Side
from gateway.observe import remedies
from gateway.observe.durations import duration
from gateway.observe.ledger import DAY
from gateway.observe.page.status_parts import Node, Row, faint, many, pill, remedy, row_table

# Days before a key's end at which it is called old, and urgent: the former as the alert rule has it.
OLD: Final = 60
URGENT: Final = 7


def link_card(link: LinkStanding, now: float) -> Tag:
    outside = link.side is Side.outside
    said = f"gateways inside call {link.address}" if outside else "this gateway calls the gateways outside"
    rows = [
        Row([[tags.code(peer.name), _facts(peer)], _state(link, peer, now)], _remedy(link, peer, now))
        for peer in link.peers
    ]
    return tags.section(
        tags.div(tags.div(tags.h3(f"Link {link.link}"), faint(said)), _pill(link), class_="client"),
        row_table(("agent" if outside else "gateway outside", "line"), rows),
        _own_key(link, now),
    )


def _pill(link: LinkStanding) -> Tag:
    whole = len(link.peers)
    what = many(whole, "agent") if link.side is Side.outside else many(whole, "gateway")
    kind = "good" if link.up == whole else "warn" if link.up else "bad"
    return pill(f"{link.up} of {what} {'here' if link.side is Side.outside else 'reached'}", kind)


def _facts(peer: PeerStanding) -> list[Node]:
    """What a line that is up does, in words."""
    if not peer.up:
        return [faint(peer.why)]
    trip = "" if peer.round_trip is None else f"; round trip {duration(peer.round_trip)}"
    found: list[Node] = [
        faint(
            f"version {peer.version}{trip}; {many(peer.sessions, 'session')}; "
            f"{many(peer.berths, 'connection')} ready for more"
        )
    ]
    if peer.ready:
        found.append(faint(["ready for ", tags.strong(", ".join(peer.ready))]))
    found += [_waiting(client) for client in peer.clients if not client.ready]
    if peer.differs:
        found.append(faint(["differs at the two ends: ", tags.code(named(peer.differs))]))
    return found


def _waiting(client: ClientStanding) -> Tag:
    return faint(["not ready for ", tags.strong(client.client), f": {client.why}"])


def _state(link: LinkStanding, peer: PeerStanding, now: float) -> list[Node]:
    if not peer.up:
        state = pill("not here" if link.side is Side.outside else "no line", "bad")
    elif peer.differs or len(peer.ready) < len(peer.clients):
        state = pill("up, but see beside", "warn")
    else:
        state = pill("up", "good")
    return [tags.div(state), *([] if peer.key_expires is None else _key(peer.key_expires, now))]


def _key(expires: float, now: float) -> list[Node]:
    """When a key ends; as a state where that is soon."""
    days = (expires - now) / DAY
    end = f"{datetime.fromtimestamp(expires, UTC):%Y-%m-%d}"
    if days >= OLD:
        return [faint(f"key until {end}")]
    words = "key has expired" if days < 0 else f"key ends in {int(days)} days"
    return [pill(words, "bad" if days < URGENT else "warn"), faint(end)]


def _remedy(link: LinkStanding, peer: PeerStanding, now: float) -> Node:
    if not peer.up:
        words = remedies.NO_AGENT if link.side is Side.outside else remedies.NO_LINE
        return remedy(words, remedies.LINK_DOWN if not link.up else remedies.AGENT_DOWN)
    if peer.key_expires is not None and peer.key_expires - now < OLD * DAY:
        return remedy("Have the other end make a new pair, and pin its certificate here.", remedies.LINK_KEY)
    return remedy(remedies.DIFFERS, remedies.LINK_REFUSES) if peer.differs else ""


def _own_key(link: LinkStanding, now: float) -> Node:
    if link.key_expires - now >= OLD * DAY:
        return ""
    words = "This gateway's own key on this link ends soon: make a new pair, and give its certificate to the other end."
    return tags.div(_key(link.key_expires, now), remedy(words, remedies.LINK_KEY))
