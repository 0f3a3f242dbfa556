"""The links as Prometheus metrics.

A line is labelled by its link and by who is at its other end: `agent` at the gateway outside, `host` at the one inside.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from gateway.link.commands import Cause
from gateway.link.standing import LinkStanding, PeerStanding, Side
from gateway.observe.ledger import Ledger
from gateway.observe.links import CLIENT_UNKNOWN, REFUSED_INSIDE, REFUSED_OUTSIDE, TRIPWIRES, LinkLedger

_PREFIX: Final = "ldap_gateway_link_"
# The other end may say anything of its version, and each value would be a series of its own.
_VERSION: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,3}")
_OTHER_VERSION: Final = "other"
# What the outcome of a call is where a line came up; else it is the cause of its end.
_UP: Final = "up"


def link_metrics(ledger: Ledger) -> Iterator[Metric]:
    """The metrics of each link of the configuration in force."""
    figures, standings = ledger.links, ledger.links.standings()
    if not standings:
        return
    yield from _lines(standings, ledger.clock())
    yield from _counts(figures, standings)
    yield from _of_outsides(figures, [link for link in standings if link.side is Side.outside])
    yield from _of_insides(figures, [link for link in standings if link.side is Side.inside])


def _lines(links: list[LinkStanding], now: float) -> Iterator[Metric]:
    up = _gauge("up", "1 while the line to an agent, or to a gateway outside, is up.")
    ready = _gauge("ready", "1 while a session of the client would be served over this line.")
    round_trip = _gauge("rtt_seconds", "The last round trip on a line.")
    berths = _gauge("berths", "Connections that wait for a session.")
    sessions = _gauge("sessions", "Sessions that have a connection of this line's other end.")
    expiry = _gauge(
        "key_expiry_seconds",
        "Until a key expires: the pinned one of an agent or host, and without these labels this gateway's own.",
    )
    info = _gauge("info", "1. version: of the gateway at the other end of a line that is up.")
    differs = _gauge("differs", "Keys of the configuration that are not the same at both ends, by client.")
    for link in links:
        expiry.add_sample(expiry.name, {"link": link.link}, link.key_expires - now)
        for peer in link.peers:
            labels = _labels(link, peer)
            up.add_sample(up.name, labels, float(peer.up))
            berths.add_sample(berths.name, labels, float(peer.berths))
            sessions.add_sample(sessions.name, labels, float(peer.sessions))
            if peer.key_expires is not None:
                expiry.add_sample(expiry.name, labels, peer.key_expires - now)
            for client in peer.clients:
                ready.add_sample(ready.name, {**labels, "client": client.client}, float(peer.up and client.ready))
            if peer.round_trip is not None:
                round_trip.add_sample(round_trip.name, labels, peer.round_trip)
            if peer.up:
                known = _VERSION.fullmatch(peer.version) is not None
                version = peer.version if known else _OTHER_VERSION
                info.add_sample(info.name, {**labels, "version": version}, 1.0)
        for name, count in _differing(link).items():
            differs.add_sample(differs.name, {"link": link.link, "client": name}, float(count))
    yield from (up, ready, round_trip, berths, sessions, expiry, info, differs)


def _differing(link: LinkStanding) -> dict[str, int]:
    """How many keys of each client differ, on the line where most do; "" has those that are of no client of the link.
    Nothing while no line is known."""
    clients = _served(link)
    known = [
        Counter(_client_of(key, clients) for key in peer.differs) for peer in link.peers if peer.differs is not None
    ]
    return {client: max(each[client] for each in known) for client in ["", *sorted(clients)] if known}


def _client_of(key: str, clients: frozenset[str]) -> str:
    """The client that a key of the configuration is of, like `clients.mimecast.base_dns`. The other end may have
    others, whose names it chooses."""
    _, _, rest = key.partition("clients.")
    parts = rest.split(".")
    return next((name for name in (".".join(parts[:end]) for end in range(1, len(parts) + 1)) if name in clients), "")


def _counts(figures: LinkLedger, links: list[LinkStanding]) -> Iterator[Metric]:
    lost = _counter("lost", "Lines that were up and were lost.")
    refused = _counter("refused", "Connections and sessions that were refused although the key was right.")
    for link in links:
        for peer in link.peers:
            for cause in Cause:
                number = figures.lost[link.link, peer.name, cause]
                lost.add_sample(f"{lost.name}_total", {**_labels(link, peer), "cause": cause.value}, float(number))
        for why in REFUSED_OUTSIDE if link.side is Side.outside else REFUSED_INSIDE:
            number = figures.turned_away[link.link, why]
            refused.add_sample(f"{refused.name}_total", {"link": link.link, "why": why.value}, float(number))
    yield from (lost, refused)


def _of_outsides(figures: LinkLedger, links: list[LinkStanding]) -> Iterator[Metric]:
    strangers = _counter("strangers", "Connections of nobody whose key is pinned.")
    wait = HistogramMetricFamily(
        f"{_PREFIX}wait_seconds", "How long sessions waited for a connection of an agent.", labels=("link",)
    )
    for link in links:
        strangers.add_sample(f"{strangers.name}_total", {"link": link.link}, float(figures.strangers[link.link]))
        waits = figures.waits(link.link)
        bounds = [*map(str, map(float, waits.bounds)), "+Inf"]
        wait.add_metric([link.link], list(zip(bounds, waits.cumulative(), strict=True)), sum_value=waits.sum)
    yield from (strangers, wait)


def _of_insides(figures: LinkLedger, links: list[LinkStanding]) -> Iterator[Metric]:
    calls = _counter("calls", "Calls of a gateway outside, by what came of them.")
    refusals = _counter(
        "policy_refusals",
        "What came by a link and this gateway's policy refused, which a gateway outside with the same configuration "
        "never sends.",
    )
    for link in links:
        for peer in link.peers:
            labels = _labels(link, peer)
            outcomes = {_UP: figures.calls[link.link, peer.name]}
            outcomes |= {cause.value: figures.failed_calls[link.link, peer.name, cause] for cause in Cause}
            for outcome, number in outcomes.items():
                calls.add_sample(f"{calls.name}_total", {**labels, "outcome": outcome}, float(number))
        keys = [(client, reason) for client in sorted(_served(link)) for reason in TRIPWIRES]
        for client, reason in [*keys, ("", CLIENT_UNKNOWN)]:
            number = figures.policy_refusals[link.link, client, reason]
            told = {"link": link.link, "client": client, "reason": reason}
            refusals.add_sample(f"{refusals.name}_total", told, float(number))
    yield from (calls, refusals)


def _served(link: LinkStanding) -> frozenset[str]:
    """The clients that are served over it."""
    return frozenset(client.client for peer in link.peers for client in peer.clients)


def _labels(link: LinkStanding, peer: PeerStanding) -> dict[str, str]:
    return {"link": link.link, "agent" if link.side is Side.outside else "host": peer.name}


def _gauge(name: str, what: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, what)


def _counter(name: str, what: str) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, what)
