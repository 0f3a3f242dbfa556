"""One load of the configuration at work: its policies, the ways to its directories, the states of its listeners."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.config.settings import GatewaySettings
from gateway.net.listeners.listener import ListenerState, ServedClient
from gateway.net.observer import Observer
from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.server_state import DirectoryState
from gateway.net.sessions.client_tls import ListenerTls
from gateway.net.sessions.sources import Network, SourceTable
from gateway.net.transport.reactor import Reactor
from gateway.policy.policy import Policy
from gateway.relay.paging import ServerFacts


class Serving:
    """What a configuration in force serves with.

    connectors: by the directory's name. state: gives what is known of the directory of a name. Raises OSError or
    ValueError for certificate files that cannot be used.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        reactor: Reactor,
        observer: Observer,
        state: Callable[[str], DirectoryState],
    ) -> None:
        self.settings = settings
        directories = {client.directory.name: client.directory for client in settings.clients}
        self.connectors = {
            name: ServerConnector(directory, reactor, observer, state(name)) for name, directory in directories.items()
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


def listener_authorities(settings: GatewaySettings, index: int) -> Iterator[Path]:
    """The CA files of the certificates that clients must show at the listener of this index."""
    for client in settings.clients:
        if client.certificate is not None and client.listens_at(index):
            yield client.certificate.ca_file
