"""One agent as the outside knows it: its line, its berths, and how many of these are wanted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from secrets import token_hex

from gateway.link.connection import LinkConnection
from gateway.link.frames import LineHello
from gateway.link.line import OutsideLine
from gateway.link.parity import Parity
from gateway.link.standing import ClientStanding, PeerStanding
from gateway.link.taken import TakenLink
from gateway.link.wanted import Demand


class Agent:
    """An agent of a link, by its pinned name, whether it is here or not.

    connections: of it, with those that sessions have taken, which are in sessions. berths: that are parked, the newest
    last. line: None where it is not here; machine: on the line. token: names the line in the hellos of its berths.
    ended: why its last line did, "" before one has.
    newcomers: connections that would be its line, each with its hello, while it is asked whether it is still here.
    parity: how far its policies are those of this end.
    """

    def __init__(self, name: str, least: int, parity: Parity) -> None:
        self.parity = parity
        self.name = name
        self.connections = 0
        self.demand = Demand(least)
        self.sessions: set[TakenLink] = set()
        self.berths: deque[LinkConnection] = deque()
        self.newcomers: list[tuple[LinkConnection, LineHello]] = []
        self.line: LinkConnection | None = None
        self.machine: OutsideLine | None = None
        self.token = ""
        self.ended = ""

    def rise(self, line: LinkConnection, machine: OutsideLine) -> None:
        self.line, self.machine, self.token = line, machine, token_hex(16)

    def fall(self, said: str) -> list[LinkConnection]:
        """It is here no more. said: why. Its parked berths, which are of no use."""
        self.ended = said
        berths = list(self.berths)
        self.berths.clear()
        self.line = self.machine = None
        self.token = ""
        return berths

    def takes(self, client: str | None) -> bool:
        """Whether it is here and would take a session of this client now; None for any."""
        machine = self.machine
        if machine is None or machine.closed or machine.drains:
            return False
        if client is None:
            return True
        state = machine.states.get(client)
        return state is not None and state.ready

    def why_not(self, client: str) -> str:
        """In words, where it takes no session of this client."""
        if self.machine is None or self.machine.closed:
            return f"agent {self.name} is not here"
        if self.machine.drains:
            return f"agent {self.name} is stopping"
        state = self.machine.states.get(client)
        if state is None:
            return f"agent {self.name} has no client {client} on this link"
        return f"agent {self.name}: {state.why or 'not ready'}"

    def standing(self, clients: Iterable[str], key_expires: float | None, shut_out: str) -> PeerStanding:
        """clients: those that go over the link. key_expires: of its pinned certificates. shut_out: why it is that, or
        ""."""
        machine = self.machine
        up = machine is not None and not machine.closed
        return PeerStanding(
            self.name,
            up,
            "" if up else shut_out or self.ended or "it has not called since this gateway was started",
            machine.hello.version if up and machine is not None else "",
            machine.round_trip if up and machine is not None else None,
            len(self.berths),
            len(self.sessions),
            key_expires,
            tuple(
                ClientStanding(client, ready, "" if ready else self.why_not(client))
                for client in clients
                for ready in [self.takes(client)]
            ),
            self.parity.differing,
        )
