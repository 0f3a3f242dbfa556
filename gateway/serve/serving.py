"""One load of the configuration at work: its policies, the ways to its directories, the states of its listeners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from gateway.config.settings import GatewaySettings
from gateway.link.agreed import Agreed, agreed
from gateway.link.berth_way import AgentCandidates, BerthWay
from gateway.link.host import LinkHost
from gateway.link.receiving import LinkedClient, LinkState
from gateway.link.settings import LINKED_BIND
from gateway.net.listeners.listener import ListenerState, ServedClient
from gateway.net.observer import Observer
from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.server_state import DirectoryState
from gateway.net.servers.settings import DirectorySettings
from gateway.net.sessions.client_tls import ListenerTls
from gateway.net.sessions.sources import Network, SourceTable
from gateway.net.transport.reactor import Reactor
from gateway.policy.policy import Policy
from gateway.relay.paging import ServerFacts


class Serving:
    """What a configuration in force serves with.

    connectors: by the directory's name. state: gives what is known of the directory of a name. hosts: of the
    links that directories are reached by, by their names. Raises OSError or ValueError for certificate files that
    cannot be used.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        reactor: Reactor,
        observer: Observer,
        state: Callable[[str], DirectoryState],
        hosts: Mapping[str, LinkHost],
    ) -> None:
        self.settings = settings
        directories = {client.directory.name: client.directory for client in settings.clients}
        self.connectors = {
            name: _connector(directory, reactor, observer, state(name), hosts)
            for name, directory in directories.items()
        }
        self._facts = {name: ServerFacts() for name in directories}
        self._policies = [Policy(client.policy) for client in settings.clients]
        self._proxies = SourceTable((network, True) for network in settings.trusted_proxies)

    def listener_state(self, index: int) -> ListenerState:
        """What the listener of this index serves, with its TLS as the files are now. Raises as the constructor."""
        settings = self.settings
        listener = settings.listeners[index]
        tls = ListenerTls(listener)
        clients: list[tuple[Network, ServedClient]] = []
        for client, policy in zip(settings.clients, self._policies, strict=True):
            if not client.listens_at(index):
                continue
            directory = client.directory.name
            required = client.certificate
            own_tls = tls if required is None else ListenerTls(listener, required)
            served = ServedClient(policy, self.connectors[directory], self._facts[directory], own_tls, required)
            clients += [(network, served) for network in client.sources]
        return ListenerState(listener, tls, SourceTable(clients), self._proxies, settings.limits, settings.connections)

    def asked(self, link: str) -> dict[str, Agreed]:
        """What sessions are asked for by the link of this name, by the client's name."""
        return {
            client.policy.name: agreed(client.policy, self.settings.limits, outside=True)
            for client in self.settings.clients
            if client.directory.link == link
        }

    def link_state(self, link: str) -> LinkState:
        """What is served over the link of this name."""
        clients = {
            client.policy.name: LinkedClient(
                policy, self.connectors[client.directory.name], self._facts[client.directory.name]
            )
            for client, policy in zip(self.settings.clients, self._policies, strict=True)
            if link in client.links
        }
        limits = self.settings.limits
        # The gateway outside would give up first, and say that the directory was silent.
        nested = replace(limits, bind=min(limits.bind, LINKED_BIND))
        return LinkState(clients, nested, self.settings.connections)


def _connector(
    directory: DirectorySettings,
    reactor: Reactor,
    observer: Observer,
    state: DirectoryState,
    hosts: Mapping[str, LinkHost],
) -> ServerConnector:
    if not directory.link:
        return ServerConnector(directory, reactor, observer, state)
    host = hosts[directory.link]
    return ServerConnector(directory, reactor, observer, state, BerthWay(host), AgentCandidates(host))


def listener_authorities(settings: GatewaySettings, index: int) -> Iterator[Path]:
    """The CA files of the certificates that clients must show at the listener of this index."""
    for client in settings.clients:
        if client.certificate is not None and client.listens_at(index):
            yield client.certificate.ca_file
