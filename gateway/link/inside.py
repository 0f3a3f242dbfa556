"""The inside's end of a link: its callers, one for each outside, and what they serve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from secrets import token_hex
from typing import Final

from gateway.link.agreed import agreed
from gateway.link.caller import LinkCaller, Room, Serves
from gateway.link.frames import State
from gateway.link.keyring import Keyring, PinnedKeys
from gateway.link.keys import KeyProblem
from gateway.link.line import Who
from gateway.link.observer import LinkObserver
from gateway.link.parity import Parity
from gateway.link.receiving import LinkState, Receiving
from gateway.link.settings import CalledHost, InsideSettings
from gateway.link.standing import ClientStanding, LinkStanding, PeerStanding, Side
from gateway.link.telling import Telling
from gateway.net.listeners.listener import SessionRegistry
from gateway.net.transport.reactor import Reactor, Timer

# Seconds between two looks at what is to be told.
_LOOK: Final = 1.0
_UNWATCHED: Final = LinkObserver()


class LinkInside:
    """One link at the end that calls. version: of this gateway's software. observer: is told what happens on it."""

    def __init__(
        self,
        name: str,
        state: LinkState,
        registry: SessionRegistry,
        version: str,
        reactor: Reactor,
        observer: LinkObserver = _UNWATCHED,
    ) -> None:
        self._name = name
        self._reactor = reactor
        self._telling = Telling(name, observer)
        self._receiving = Receiving(name, state, registry)
        self._who = Who(version, token_hex(16))
        # These by the address of the outside.
        self.keyrings: Mapping[str, Keyring] = {}
        self._callers: dict[str, LinkCaller] = {}
        self._parities: dict[str, Parity] = {}
        self._timer: Timer | None = None

    def configure(self, settings: InsideSettings, keyrings: Mapping[str, Keyring], state: LinkState) -> None:
        """Calls these outsides from now on, and no others, nor those of which no certificate is pinned; later sessions
        are served by this state. keyrings: by the address of each outside."""
        # Each has an equal share, whether it is there or not: one that has been taken over is not to use up all.
        share = settings.connections // max(1, len(settings.call))
        self._receiving.state = state
        before, self.keyrings = self.keyrings, keyrings
        if before:
            self._telling.own_key_read(_own(before), _own(keyrings))
            self._telling.pins_read(_pinned(before), _pinned(keyrings))
        served = {
            name: agreed(client.policy.settings, state.limits, outside=False) for name, client in state.clients.items()
        }
        hosts = {host.address: host for host in settings.call if not keyrings[host.address].shut_out}
        for address in self._callers.keys() - hosts.keys():
            self._callers.pop(address).stop()
            del self._parities[address]
            self._receiving.judge(address, None)
        for address, host in hosts.items():
            caller = self._callers.get(address)
            if caller is None:
                self._parities[address] = Parity(served, partial(self._telling.host_differs, address), self._reactor)
                caller = self._callers[address] = self._caller(host, keyrings[address], share)
                caller.begin()
            else:
                caller.room.most = share
                caller.use(keyrings[address])
                self._receiving.judge(address, keyrings[address])
                self._parities[address].use(served)
        if self._timer is None:
            self._look()

    @property
    def up(self) -> int:
        """How many outsides have a line to this agent."""
        return sum(caller.up for caller in self._callers.values())

    def standing(self) -> LinkStanding:
        """How the link stands."""
        clients = tuple(
            ClientStanding(name, not why, why)
            for name, client in self._receiving.state.clients.items()
            for why in [self._receiving.why_not(client)]
        )
        peers = tuple(
            _shut_out(address, keyring.shut_out[address], clients)
            if address in keyring.shut_out
            else self._callers[address].standing(clients, self._receiving.sessions_by(address))
            for address, keyring in self.keyrings.items()
        )
        own = _own(self.keyrings)
        return LinkStanding(self._name, Side.inside, "", 0.0 if own is None else own.expires, peers)

    def drain(self) -> None:
        """No session any more; those that are open go on."""
        for caller in self._callers.values():
            caller.drain()

    def stop(self) -> None:
        """Calls no more, and nothing that came by a call goes on."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        for address, caller in self._callers.items():
            caller.stop()
            self._receiving.judge(address, None)

    def _caller(self, host: CalledHost, keyring: Keyring, share: int) -> LinkCaller:
        room = Room(share)
        receive = self._receiving.for_caller(host.address, room.leave)
        serves = Serves(self._states, self._parities[host.address])
        return LinkCaller(self._telling, host, keyring, self._who, room, receive, serves, self._reactor)

    def _look(self) -> None:
        self._timer = self._reactor.callLater(_LOOK, self._look)
        for caller in self._callers.values():
            caller.look()

    def _states(self) -> Iterable[State]:
        for name, client in self._receiving.state.clients.items():
            why = self._receiving.why_not(client)
            known = client.connector.servers
            up = sum(state.down is None for _, state in known)
            yield State(name, not why, why, {}, (up, len(known)))


def _shut_out(address: str, problem: KeyProblem, clients: tuple[ClientStanding, ...]) -> PeerStanding:
    return PeerStanding(address, False, f"it is shut out: {problem}", "", None, 0, 0, None, clients, None)


def _own(keyrings: Mapping[str, Keyring]) -> Keyring | None:
    """One with this agent's own pair, which is the same in each; None where nobody is called."""
    return next(iter(keyrings.values()), None)


def _pinned(keyrings: Mapping[str, Keyring]) -> dict[str, PinnedKeys]:
    return {address: keys for keyring in keyrings.values() for address, keys in keyring.pinned.items()}
