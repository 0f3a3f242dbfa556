"""A loaded configuration at work: listeners opened, replaced on reload, drained on stop."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES
from time import monotonic

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from gateway.net.connector import ServerConnector
from gateway.net.listener import ListenerFactory, ListenerState, ServedClient, SessionRegistry
from gateway.net.reactor import Port, Reactor, Timer
from gateway.net.settings import GatewaySettings, ListenerSettings, Network, StartTls
from gateway.net.sources import SourceTable
from gateway.net.tls import listener_tls
from gateway.net.upkeep import Upkeep
from gateway.observe.ledger import Ledger, ListenerStatus
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.probe.health import health_question
from gateway.relay.audit import AuditRecord
from gateway.relay.paging import ServerFacts
from gateway.state.attempts import AttemptsInMemory
from gateway.state.sizes import SizeMemory

log = Logger()

# How often a stopping gateway looks whether its sessions have ended, in seconds.
DRAIN_STEP = 0.05

# How often the ledger is told that time passes, in seconds.
WATCH_STEP = 1.0

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
        self.ledger = Ledger()
        self._audit = audit
        self._registry = SessionRegistry(self._record, sizes, AttemptsInMemory(monotonic), self.ledger)
        self._listening: dict[tuple[str, int], tuple[Port, ListenerFactory]] = {}
        self._upkeep = Upkeep(health_question, reactor)
        self._admin: Port | None = None
        self._watch: Timer | None = None

    @property
    def ports(self) -> list[int]:
        """The bound port of each listener, in the order of the configuration."""
        return [int(self._listening[key(listener)][0].getHost().port) for listener in self._settings.listeners]

    @property
    def admin_url(self) -> str | None:
        """Of the status page, with the port that was really bound; None without admin pages."""
        if self._admin is None:
            return None
        bound = self._admin.getHost()
        return f"http://[{bound.host}]:{bound.port}/" if ":" in bound.host else f"http://{bound.host}:{bound.port}/"

    def start(self) -> None:
        """Opens every listener and the admin pages, or none. Raises StartError."""
        self._apply(self._settings)
        if self._settings.admin is not None:
            # Twisted's web server takes long to import; by now the listeners are open.
            from gateway.observe.admin import admin_site

            host, port = self._settings.admin
            try:
                self._admin = self._reactor.listenTCP(port, admin_site(self.ledger), interface=host)
            except CannotListenError as error:
                self._close_listeners(set(self._listening))
                raise StartError(f"admin.address {host}:{port}: {_words(error)}") from None
        self._serve(self._settings)
        self._watch_from(self._reactor.seconds())

    def reload(self, settings: GatewaySettings) -> None:
        """Serves new sessions by these settings; running ones finish under theirs. Raises StartError, and then
        everything is as before. A change of the admin address needs a restart."""
        self._apply(settings)
        if settings.admin != self._settings.admin:
            log.warn("admin.address has changed: it is used from the next start on")
        self._settings = settings
        self._serve(settings)

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
        try:
            connectors = self._connectors(settings)
            states = self._states(settings, connectors)
        except (OSError, ValueError) as error:
            raise StartError(str(error)) from None
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
        self._upkeep.apply(connectors)

    def _connectors(self, settings: GatewaySettings) -> dict[str, ServerConnector]:
        """By the directory's name. Raises OSError or ValueError."""
        directories = {client.directory.name: client.directory for client in settings.clients}
        return {
            name: ServerConnector(directory, self._reactor, self.ledger, self._upkeep.state(name))
            for name, directory in directories.items()
        }

    def _states(
        self, settings: GatewaySettings, connectors: dict[str, ServerConnector]
    ) -> dict[tuple[str, int], ListenerState]:
        """Raises OSError or ValueError."""
        facts = {name: ServerFacts() for name in connectors}
        policies = [Policy(client.policy) for client in settings.clients]
        states = {}
        for index, listener in enumerate(settings.listeners):
            tls = listener_tls(listener)
            clients: list[tuple[Network, ServedClient]] = []
            for client, policy in zip(settings.clients, policies, strict=True):
                if client.listeners and index not in client.listeners:
                    continue
                directory = client.directory.name
                required = client.certificate
                own_tls = tls if required is None else listener_tls(listener, required)
                served = ServedClient(policy, connectors[directory], facts[directory], own_tls, required)
                clients += [(network, served) for network in client.sources]
            states[key(listener)] = ListenerState(
                listener,
                tls,
                SourceTable(clients),
                SourceTable((network, True) for network in settings.trusted_proxies),
                settings.limits,
                settings.connections,
            )
        return states

    def _record(self, record: AuditRecord) -> None:
        self._audit(record)
        self.ledger.add(record)

    def _serve(self, settings: GatewaySettings) -> None:
        """Tells the ledger what is in force."""
        self.ledger.serve(
            settings,
            tuple(
                ListenerStatus(address, self._listening[key(listener)][1].state.certificate_expires)
                for listener, address in zip(settings.listeners, self.describe_listeners(), strict=True)
            ),
        )

    def _watch_from(self, now: float) -> None:
        self._watch = self._reactor.callLater(WATCH_STEP, self._look, now + WATCH_STEP)

    def _look(self, due: float) -> None:
        now = self._reactor.seconds()
        busy = {connection.busy_client for connection in self._registry.open}
        self.ledger.pass_time(max(0.0, now - due), {client for client in busy if client is not None})
        self._watch_from(now)

    def _close_listeners(self, addresses: set[tuple[str, int]]) -> None:
        for address in addresses:
            self._listening.pop(address)[0].stopListening()

    async def _stop(self) -> None:
        self.ledger.stop()
        self._registry.closed = True
        self._close_listeners(set(self._listening))
        self._upkeep.stop()
        for connection in list(self._registry.open):
            connection.drain()
        await self._until(
            lambda: all(connection.answered for connection in self._registry.open), self._settings.drain_timeout
        )
        for connection in list(self._registry.open):
            connection.abort(Reason.stopping, "the gateway is stopping")
        await self._until(lambda: not self._registry.open, CLOSING)
        if self._watch is not None and self._watch.active():
            self._watch.cancel()
        if self._admin is not None:
            await self._admin.stopListening()

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
