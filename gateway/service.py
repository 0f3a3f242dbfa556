"""A loaded configuration at work: listeners opened, replaced on reload, drained on stop."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from gateway.net.listener import ListenerFactory, ListenerState, ServedClient, SessionRegistry
from gateway.net.reactor import Port, Reactor
from gateway.net.server_link import ServerConnector
from gateway.net.settings import GatewaySettings, ListenerSettings, StartTls
from gateway.net.sources import SourceTable
from gateway.net.tls import listener_tls
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord
from gateway.relay.paging import ServerFacts
from gateway.state.sizes import SizeMemory

log = Logger()

# How often a stopping gateway looks whether its sessions have ended, in seconds.
DRAIN_STEP = 0.05

# What a client that has all its answers has to close its side of TLS, in seconds; few clients that idle do so.
CLOSING = 1.0


class StartError(Exception):
    """The gateway cannot serve this configuration on this machine; the text says which address or file."""


class Gateway:
    """audit: takes each audit record; it must not block for long and must not raise. sizes: of the last complete
    searches."""

    def __init__(
        self,
        settings: GatewaySettings,
        audit: Callable[[AuditRecord], None],
        sizes: SizeMemory,
        reactor: Reactor,
    ) -> None:
        self._settings = settings
        self._reactor = reactor
        self._registry = SessionRegistry(audit, sizes)
        self._listening: dict[tuple[str, int], tuple[Port, ListenerFactory]] = {}
        self._health: Port | None = None
        self._stopping = False

    @property
    def ports(self) -> list[int]:
        """The bound port of each listener, in the order of the configuration."""
        return [int(self._listening[key(listener)][0].getHost().port) for listener in self._settings.listeners]

    @property
    def health_port(self) -> int | None:
        return None if self._health is None else int(self._health.getHost().port)

    def start(self) -> None:
        """Opens every listener and the health page, or none. Raises StartError."""
        self._apply(self._settings)
        if self._settings.admin is not None:
            # Twisted's web server takes long to import; by now the listeners are open.
            from gateway.observe.health import HealthPage

            host, port = self._settings.admin
            try:
                self._health = self._reactor.listenTCP(
                    port, HealthPage(lambda: not self._stopping).site(), interface=host
                )
            except CannotListenError as error:
                self._close_listeners(set(self._listening))
                raise StartError(f"admin.address {host}:{port}: {_words(error)}") from None

    def reload(self, settings: GatewaySettings) -> None:
        """Serves new sessions by these settings; running ones finish under theirs. Raises StartError, and then
        everything is as before. A change of the admin address needs a restart."""
        self._apply(settings)
        if settings.admin != self._settings.admin:
            log.warn("admin.address has changed: it is used from the next start on")
        self._settings = settings

    def stop(self) -> Deferred[None]:
        """Closes the listeners, lets open operations finish within drain_timeout, ends the rest with errors."""
        return Deferred.fromCoroutine(self._stop())

    def describe_listeners(self) -> list[str]:
        """`ADDRESS:PORT (ldaps)` of each listener, with the port that was really bound."""
        described = []
        for listener, port in zip(self._settings.listeners, self.ports, strict=True):
            host = f"[{listener.host}]" if ":" in listener.host else listener.host
            kind = "ldaps" if listener.starttls is StartTls.off else "ldap, StartTLS required"
            described.append(f"{host}:{port} ({kind})")
        return described

    def _apply(self, settings: GatewaySettings) -> None:
        states = self._states(settings)
        opened: set[tuple[str, int]] = set()
        for address, state in states.items():
            if address in self._listening:
                continue
            factory = ListenerFactory(state, self._registry, self._reactor)
            try:
                port = self._reactor.listenTCP(address[1], factory, interface=address[0])
            except CannotListenError as error:
                self._close_listeners(opened)
                raise StartError(f"listener {state.settings.address}: {_words(error)}") from None
            self._listening[address] = (port, factory)
            opened.add(address)
        # Nothing can fail from here on.
        for address, state in states.items():
            self._listening[address][1].state = state
        self._close_listeners(set(self._listening) - set(states))

    def _states(self, settings: GatewaySettings) -> dict[tuple[str, int], ListenerState]:
        try:
            facts = {client.directory.name: ServerFacts() for client in settings.clients}
            made = [
                (client, Policy(client.policy), ServerConnector(client.directory, self._reactor))
                for client in settings.clients
            ]
            served = {}
            for index, listener in enumerate(settings.listeners):
                tls = listener_tls(listener)
                served[index] = [
                    (
                        client,
                        ServedClient(
                            policy,
                            connector,
                            facts[client.directory.name],
                            tls if client.certificate is None else listener_tls(listener, client.certificate),
                            client.certificate,
                        ),
                    )
                    for client, policy, connector in made
                    if not client.listeners or index in client.listeners
                ]
            return {
                key(listener): ListenerState(
                    listener,
                    SourceTable((network, entry) for client, entry in served[index] for network in client.sources),
                    SourceTable((network, True) for network in settings.trusted_proxies),
                    settings.limits,
                    settings.connections,
                )
                for index, listener in enumerate(settings.listeners)
            }
        except (OSError, ValueError) as error:
            raise StartError(str(error)) from None

    def _close_listeners(self, addresses: set[tuple[str, int]]) -> None:
        for address in addresses:
            self._listening.pop(address)[0].stopListening()

    async def _stop(self) -> None:
        self._stopping = self._registry.closed = True
        self._close_listeners(set(self._listening))
        for connection in list(self._registry.open):
            connection.drain()
        await self._until(
            lambda: all(connection.answered for connection in self._registry.open), self._settings.drain_timeout
        )
        for connection in list(self._registry.open):
            connection.abort(Reason.stopping, "the gateway is stopping")
        await self._until(lambda: not self._registry.open, CLOSING)
        if self._health is not None:
            await self._health.stopListening()

    async def _until(self, reached: Callable[[], bool], patience: float) -> None:
        until = self._reactor.seconds() + patience
        while not reached() and self._reactor.seconds() < until:
            waited: Deferred[None] = Deferred()
            self._reactor.callLater(DRAIN_STEP, waited.callback, None)
            await waited


def key(listener: ListenerSettings) -> tuple[str, int]:
    return listener.host, listener.port


def _words(error: CannotListenError) -> str:
    said = str(getattr(error.socketError, "strerror", None) or error.socketError)
    if getattr(error.socketError, "errno", None) == EACCES:
        return f"{said}: low ports need CAP_NET_BIND_SERVICE or the sysctl net.ipv4.ip_unprivileged_port_start"
    return said
