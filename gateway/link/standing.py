"""How a link stands at one of its ends, as values: for the metrics, the status page and `doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """Which end of a link a gateway is."""

    outside = "outside"
    inside = "inside"


@dataclass(frozen=True, slots=True)
class ClientStanding:
    """One client over one line. ready: whether the gateway inside would serve a session of it now. why: in words, where
    it would not."""

    client: str
    ready: bool
    why: str


@dataclass(frozen=True, slots=True)
class PeerStanding:
    """One line and the gateway at its other end.

    name: of the agent, or the address that is called. up: whether the line is. why: in words, where it is not. version:
    of the other end's software, as that says; "" where the line is not up. round_trip: in seconds; None before it is
    known. berths: connections that wait for a session. key_expires: when the last of its pinned certificates does, in
    seconds since the epoch; None where none is pinned. clients: of the link. differs: the keys of this end's
    configuration that the other end has otherwise (gateway/link/parity.py); None while that is not known.
    """

    name: str
    up: bool
    why: str
    version: str
    round_trip: float | None
    berths: int
    sessions: int
    key_expires: float | None
    clients: tuple[ClientStanding, ...]
    differs: tuple[str, ...] | None

    @property
    def ready(self) -> tuple[str, ...]:
        """The clients whose sessions would be served over it now."""
        return tuple(each.client for each in self.clients if each.ready) if self.up else ()


@dataclass(frozen=True, slots=True)
class LinkStanding:
    """One end of a link. address: where agents call, "" at the end that calls. key_expires: of this end's own
    certificate. peers: the agents, or the gateways that are called, in the order of the configuration."""

    link: str
    side: Side
    address: str
    key_expires: float
    peers: tuple[PeerStanding, ...]

    @property
    def up(self) -> int:
        """How many lines are."""
        return sum(peer.up for peer in self.peers)

    @property
    def ready(self) -> frozenset[str]:
        """The clients whose sessions at least one line would take now."""
        return frozenset(client for peer in self.peers for client in peer.ready)
