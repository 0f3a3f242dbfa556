"""The links of a gateway over its configurations: opened, kept, closed, or everything as before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, TypeAlias

from twisted.internet.error import CannotListenError

from gateway.config.settings import GatewaySettings
from gateway.link.host import LinkHost
from gateway.link.inside import LinkInside
from gateway.link.keyring import Keyring
from gateway.link.observer import LinkObserver
from gateway.link.receiving import link_source
from gateway.link.settings import InsideSettings, OutsideSettings
from gateway.link.standing import LinkStanding
from gateway.link.tls import inside_context, outside_context
from gateway.net.listeners.listener import SessionRegistry
from gateway.net.listeners.listening import StartError, listen_failure
from gateway.net.transport.reactor import Reactor
from gateway.serve.serving import Serving

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

    def open(self, prepared: Prepared) -> None:
        """Opens the addresses that are new. Raises StartError, and then none of them is."""
        opened: list[LinkHost] = []
        for name, host in prepared.hosts.items():
            if host is self._hosts.get(name):
                continue
            try:
                host.gate.open()
            except CannotListenError as error:
                for each in opened:
                    each.gate.close()
                why = listen_failure(error, host.settings.host, host.settings.port)
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
        """Uses the keys as they are now. Raises ValueError, and then nothing changes."""
        if isinstance(link, OutsideSettings):
            keyring = outside_keyring(link)
            self._hosts[link.name].configure(link, keyring)
            for host in self._leaving:
                if host.settings.name == link.name:
                    host.judge(keyring)
        else:
            self._insides[link.name].configure(link, inside_keyrings(link), serving.link_state(link.name))
        return "whoever is not pinned any more is cut off"

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
        for inside in self._insides.values():
            inside.stop()


def describe_link(link: LinkSettings) -> str:
    """What it does at this end."""
    if isinstance(link, OutsideSettings):
        return f"link {link.name} waits for agents at {link.address}"
    return f"link {link.name} calls {', '.join(host.address for host in link.call)}"


def link_files(link: LinkSettings) -> tuple[tuple[Path, Path], tuple[Path, ...]]:
    """The files of a link's keys: of its own pair, and of the certificates that are pinned."""
    pair = link.identity.certificate, link.identity.private_key
    if isinstance(link, OutsideSettings):
        return pair, tuple(link.agents.values())
    return pair, tuple(host.certificate for host in link.call)


def outside_keyring(link: OutsideSettings) -> Keyring:
    """Raises ValueError, whose text names the file."""
    return Keyring(link.identity, link.agents, outside_context, server_side=True)


def inside_keyrings(link: InsideSettings) -> dict[str, Keyring]:
    """By the address of each outside. Raises ValueError, whose text names the file."""
    return {
        host.address: Keyring(link.identity, {host.address: host.certificate}, inside_context, server_side=False)
        for host in link.call
    }
