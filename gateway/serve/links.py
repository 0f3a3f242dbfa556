"""The links of a gateway over its configurations: opened, kept, closed, or everything as before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, TypeAlias

from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from gateway.config.settings import GatewaySettings
from gateway.link.host import LinkHost
from gateway.link.inside import LinkInside
from gateway.link.keyring import Keyring
from gateway.link.observer import LinkObserver
from gateway.link.pins import NoPin
from gateway.link.receiving import link_source
from gateway.link.settings import InsideSettings, OutsideSettings
from gateway.link.standing import LinkStanding
from gateway.link.tls import inside_context, outside_context
from gateway.net.listeners.listener import SessionRegistry
from gateway.net.listeners.listening import Bound, StartError, in_the_way, listen_failure
from gateway.net.transport.reactor import Reactor
from gateway.serve.serving import Serving

log = Logger(__name__)

LinkSettings: TypeAlias = OutsideSettings | InsideSettings

_UNWATCHED: Final = LinkObserver()


@dataclass(frozen=True, slots=True)
class Prepared:
    """The links of a configuration whose keys have been read, and of which nothing is in force yet. hosts: of those
    that this gateway waits on. keyrings: of each outside; of each link that is called, by the outside's address."""

    hosts: Mapping[str, LinkHost]
    outside: Mapping[str, tuple[OutsideSettings, Keyring]]
    inside: Mapping[str, tuple[InsideSettings, Mapping[str, Keyring]]]


class Links:
    """The links in force, by their names. observer: is told what happens on them."""

    def __init__(self, registry: SessionRegistry, reactor: Reactor, observer: LinkObserver = _UNWATCHED) -> None:
        self._registry = registry
        self._reactor = reactor
        self._observer = observer
        self._version = version("ldap-gateway")
        self._hosts: dict[str, LinkHost] = {}
        # Those of before a reload, as long as sessions go on there.
        self._leaving: list[LinkHost] = []
        self._insides: dict[str, LinkInside] = {}

    def prepare(self, settings: GatewaySettings) -> Prepared:
        """Reads the keys. Raises ValueError, whose text names the file."""
        outside, inside, hosts = {}, {}, {}
        for link in settings.links:
            if isinstance(link, OutsideSettings):
                keyring = outside_keyring(link)
                outside[link.name] = link, keyring
                host = self._hosts.get(link.name)
                kept = host is not None and (host.settings.host, host.settings.port) == (link.host, link.port)
                hosts[link.name] = (
                    host
                    if host is not None and kept
                    else LinkHost(link, keyring, self._version, self._reactor, self._observer)
                )
            else:
                inside[link.name] = link, inside_keyrings(link)
        return Prepared(hosts, outside, inside)

    @property
    def bound(self) -> list[Bound]:
        """The addresses in force."""
        return [(f"link {name}", host.settings.host, host.settings.port) for name, host in self._hosts.items()]

    def open(self, prepared: Prepared, others: Sequence[Bound]) -> None:
        """Opens the addresses that are new. others: that the gateway has open besides. Raises StartError, and then none
        of them is."""
        opened: list[LinkHost] = []
        for name, host in prepared.hosts.items():
            if host is self._hosts.get(name):
                continue
            try:
                host.gate.open()
            except CannotListenError as error:
                for each in opened:
                    each.gate.close()
                at = host.settings.host, host.settings.port
                why = in_the_way(error, *at, (*self.bound, *others)) or listen_failure(error, *at)
                raise StartError(f"link {name}, address {host.settings.address}: {why}") from None
            opened.append(host)

    def give_up(self, prepared: Prepared) -> None:
        """Closes what open has opened: the configuration does not come into force."""
        for name, host in prepared.hosts.items():
            if host is not self._hosts.get(name):
                host.gate.close()

    def apply(self, prepared: Prepared, serving: Serving) -> None:
        """They are in force from now on, and no others."""
        for name, host in self._hosts.items():
            if prepared.hosts.get(name) is not host:
                host.stop()
                self._leaving.append(host)
        self._hosts = dict(prepared.hosts)
        for name, (link, keyring) in prepared.outside.items():
            self._hosts[name].configure(link, keyring)
            self._hosts[name].ask_for(serving.asked(name))
        self._judge_leaving({name: keyring for name, (_, keyring) in prepared.outside.items()})
        for name in self._insides.keys() - prepared.inside.keys():
            self._insides.pop(name).stop()
        for name, (called, keyrings) in prepared.inside.items():
            state = serving.link_state(name)
            if name not in self._insides:
                self._insides[name] = LinkInside(
                    name, state, self._registry, self._version, self._reactor, self._observer
                )
            self._insides[name].configure(called, keyrings, state)

    def renew(self, link: LinkSettings, serving: Serving) -> str:
        """Uses all keys as they are now. Raises OSError and ValueError, and then nothing changes."""
        if isinstance(link, OutsideSettings):
            self._use_outside(link, outside_keyring(link))
        else:
            self._use_inside(link, inside_keyrings(link), serving)
        return "for connections from now on"

    def renew_pins(self, link: LinkSettings, serving: Serving) -> str:
        """Takes the other ends' keys as they are now, and cuts off whoever is not pinned any more: also an end whose
        file is gone, or cannot be used. Raises ValueError where one cannot be used, and OSError where no connection can
        be made with the others: time may mend that."""
        if isinstance(link, OutsideSettings):
            found = [self._hosts[link.name].keyring.repinned(link.agents)]
            self._use_outside(link, found[0][0])
        else:
            before = self._insides[link.name].keyrings
            by_address = {
                host.address: before[host.address].repinned({host.address: host.certificate}) for host in link.call
            }
            found = list(by_address.values())
            self._use_inside(link, {address: keyring for address, (keyring, _) in by_address.items()}, serving)
        unusable = []
        for name, problem in (shut for keyring, _ in found for shut in keyring.shut_out.items()):
            if isinstance(problem, NoPin):
                log.warn("link {link}: {name} is shut out: {problem}", link=link.name, name=name, problem=problem)
            else:
                unusable.append(f"{name} is shut out: {problem}")
        if unusable:
            raise ValueError("; ".join(unusable))
        for _, error in found:
            if error is not None:
                raise error
        return "whoever is not pinned any more is cut off"

    def _use_outside(self, link: OutsideSettings, keyring: Keyring) -> None:
        self._hosts[link.name].configure(link, keyring)
        for host in self._leaving:
            if host.settings.name == link.name:
                host.judge(keyring)

    def _use_inside(self, link: InsideSettings, keyrings: Mapping[str, Keyring], serving: Serving) -> None:
        self._insides[link.name].configure(link, keyrings, serving.link_state(link.name))

    def _judge_leaving(self, keyrings: Mapping[str, Keyring]) -> None:
        """keyrings: of each link that this gateway waits on. Where a link is none of them, nobody is pinned for it."""
        self._leaving = [host for host in self._leaving if host.sessions]
        for host in self._leaving:
            host.judge(keyrings.get(host.settings.name))

    def standings(self) -> list[LinkStanding]:
        """How each of them stands, first those that this gateway waits on."""
        waited_on = [host.standing() for host in self._hosts.values()]
        return waited_on + [inside.standing() for inside in self._insides.values()]

    def serves(self, settings: GatewaySettings, client: str, source: str) -> bool:
        """Whether sessions of this client come over the link that stands in the place of the source."""
        return any(each.policy.name == client and source in map(link_source, each.links) for each in settings.clients)

    def drain(self) -> None:
        """No session comes any more; those that are open go on."""
        for host in self._hosts.values():
            host.stop()
        for inside in self._insides.values():
            inside.drain()

    def stop(self) -> None:
        """At once, whatever is open."""
        for host in self._hosts.values():
            host.stop()
        for inside in self._insides.values():
            inside.stop()


def describe_link(link: LinkSettings) -> str:
    """What it does at this end."""
    if isinstance(link, OutsideSettings):
        return f"link {link.name} waits for agents at {link.address}"
    return f"link {link.name} calls {', '.join(host.address for host in link.call)}"


def pinned_files(link: LinkSettings) -> Mapping[str, Path]:
    """By the name of each other end, which is an address where it is called, the file with its certificate."""
    return link.agents if isinstance(link, OutsideSettings) else {host.address: host.certificate for host in link.call}


def outside_keyring(link: OutsideSettings) -> Keyring:
    """Raises ValueError, whose text names the file."""
    return Keyring(link.identity, link.agents, outside_context, server_side=True)


def inside_keyrings(link: InsideSettings) -> dict[str, Keyring]:
    """By the address of each outside. Raises ValueError, whose text names the file."""
    return {
        host.address: Keyring(link.identity, {host.address: host.certificate}, inside_context, server_side=False)
        for host in link.call
    }
