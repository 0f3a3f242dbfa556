"""What is configured of a link, at the end that waits and at the end that calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.link.keys import PairFiles
from gateway.net.sessions.sources import Network

# Seconds that an inside has for all servers of a directory, and then for the answer to a bind. Together they are less
# than what the outside waits for a bind (30): the inside, which knows what is wrong, has to be the first to say so.
LINKED_PATIENCE: Final = 8.0
LINKED_BIND: Final = 20.0


@dataclass(frozen=True, slots=True)
class OutsideSettings:
    """A link at the end that waits. host, port: where the agents call. sources: who may connect there at all; empty for
    anybody. identity: the pair that this end shows. agents: by an agent's name the file with its certificate. parked:
    how many berths wait at least. connections: of one agent, at once."""

    name: str
    host: str
    port: int
    sources: tuple[Network, ...]
    identity: PairFiles
    agents: Mapping[str, Path]
    parked: int = 4
    connections: int = 500

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class CalledHost:
    """One outside as an agent calls it. certificate: the file with the certificate that it shows."""

    host: str
    port: int
    certificate: Path

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class InsideSettings:
    """A link at the end that calls. call: the outsides, each by its own address. identity: the pair that this agent
    shows. connections: of the link, at once; each address has an equal share of them."""

    name: str
    call: tuple[CalledHost, ...]
    identity: PairFiles
    connections: int = 500
