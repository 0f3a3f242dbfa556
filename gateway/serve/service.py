"""A loaded configuration at work: listeners opened, replaced on reload, drained on stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from time import monotonic

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from gateway.ask.health import health_question
from gateway.config.settings import GatewaySettings
from gateway.host.file_errors import file_trouble
from gateway.link.observer import LinkEvent
from gateway.net.listeners.departures import Departures, is_listed
from gateway.net.listeners.inherited import InheritedSocket
from gateway.net.listeners.listener import SessionRegistry
from gateway.net.listeners.listening import Listeners, StartError, listen_failure
from gateway.net.servers.upkeep import Upkeep
from gateway.net.sessions.secret_verifier import SecretVerifier
from gateway.net.sessions.services import SessionServices
from gateway.net.sessions.settings import StartTls
from gateway.net.sessions.turns import Turns
from gateway.net.transport.heap import Heap
from gateway.net.transport.reactor import Port, Reactor, Timer
from gateway.observe.ledger import Ledger, ListenerStatus
from gateway.observe.record_log import RecordLog
from gateway.observe.sync_runs import SyncRun
from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord
from gateway.serve.links import Links, LinkSettings, describe_link, pinned_files
from gateway.serve.lockout_control import LockoutControl
from gateway.serve.own_accounts import take_new_passwords
from gateway.serve.renewal import Renewal, TlsFiles
from gateway.serve.serving import Serving, listener_authorities
from gateway.serve.shared_counts import SharedCounts
from gateway.state.guards import GuardChange
from gateway.state.sizes import SizeMemory

log = Logger(__name__)

# How often a stopping gateway looks whether its sessions have ended, in seconds.
DRAIN_STEP = 0.05

# How often the ledger is told that time passes, in seconds.
WATCH_STEP = 1.0

# How often the files of TLS are looked at, in seconds.
FILES_STEP = 2.0

# What a client that has all its answers has to close its side of TLS, in seconds; few clients that idle do so.
CLOSING = 1.0


class Gateway:
    """A gateway that runs: its listeners, its directories and its admin page.

    audit: takes each audit record, sync_ended: each sync run that is over, guard_changed: each guard of an account that
    begins or ends, link_changed: what happens on a link; none of them may block or raise. sizes: of the last complete
    searches. inherited: sockets of listeners that are open already.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        audit: Callable[[AuditRecord], None],
        sizes: SizeMemory,
        reactor: Reactor,
        sync_ended: Callable[[SyncRun], None] = lambda run: None,
        guard_changed: Callable[[GuardChange], None] = lambda change: None,
        link_changed: Callable[[LinkEvent], None] = lambda event: None,
        inherited: Sequence[InheritedSocket] = (),
    ) -> None:
        self._settings = settings
        self._reactor = reactor
        self.ledger = Ledger(run_ended=sync_ended)
        self._audit = audit
        self._record_log = RecordLog()
        self._counts = SharedCounts(reactor, self.ledger, guard_changed)
        self._control = LockoutControl(self._counts.attempts, lambda: self._settings, monotonic, sizes)
        self._verifier = SecretVerifier(reactor)
        services = SessionServices(self._record, sizes, self._counts.attempts, self._verifier, Turns(reactor), reactor)
        self._registry = SessionRegistry(services, self.ledger)
        self.ledger.load = self._registry.load
        self._listeners = Listeners(self._registry, reactor, inherited)
        self._links = Links(self._registry, reactor, self.ledger.links)
        self.ledger.links.standings, self.ledger.links.tell = self._links.standings, link_changed
        self._departures = Departures(self._registry, reactor)
        self._heap = Heap()
        self._upkeep = Upkeep(health_question, reactor)
        self._serving: Serving
        self._renewal: Renewal
        self._admin: Port | None = None
        self._watch: Timer | None = None
        self._files_watch: Timer | None = None

    @property
    def ports(self) -> list[int]:
        """The bound port of each listener, in the order of the configuration."""
        return self._listeners.ports

    @property
    def drain_timeout(self) -> float:
        """Seconds that open operations have when the gateway stops."""
        return self._settings.drain_timeout

    @property
    def admin_url(self) -> str | None:
        """The URL of the status page, with the port that was really bound; None without admin pages."""
        if self._admin is None:
            return None
        bound = self._admin.getHost()
        return f"http://[{bound.host}]:{bound.port}/" if ":" in bound.host else f"http://{bound.host}:{bound.port}/"

    def start(self) -> None:
        """Opens every listener and the admin pages, or none. Raises StartError."""
        self._load(self._settings)
        if self._settings.admin is not None:
            # Twisted's web server takes long to import; by now the listeners are open.
            from gateway.observe.page.admin import admin_site

            host, port = self._settings.admin
            try:
                self._admin = self._reactor.listenTCP(port, admin_site(self.ledger), interface=host)
            except CannotListenError as error:
                self._listeners.close()
                self._links.stop()
                raise StartError(f"admin.address {host}:{port}: {listen_failure(error, host, port)}") from None
        self._tell_ledger()
        self._counts.count_by(self._settings.clients)
        self._counts.keep_in(self._settings.lockout_store, self._settings.counted_accounts)
        if self._settings.state_dir is not None:
            self._control.listen(self._settings.state_dir, self._reactor)
        self._watch_from(self._reactor.seconds())
        self._files_watch = self._reactor.callLater(FILES_STEP, self._look_at_files)

    def reload(self, settings: GatewaySettings) -> None:
        """Serves new sessions by these settings; running ones finish under theirs, or end after drain_timeout where
        their client or source is gone. Raises StartError, and then everything is as before. A change of the admin
        address needs a restart."""
        self._load(settings)
        take_new_passwords(self._settings, settings, self._counts.attempts)
        if settings.admin != self._settings.admin:
            log.warn("admin.address has changed: it is used from the next start on")
        self._settings = settings
        self._tell_ledger()
        self._counts.count_by(settings.clients)
        self._counts.keep_in(settings.lockout_store, settings.counted_accounts)
        self._departures.apply(self._is_served, settings.drain_timeout)

    def _is_served(self, client: str, source: str) -> bool:
        return self._links.serves(self._settings, client, source) or is_listed(self._listeners.states, client, source)

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

    def describe_links(self) -> list[str]:
        """What each link does at this end."""
        return [describe_link(link) for link in self._settings.links]

    def _load(self, settings: GatewaySettings) -> None:
        """From here on sessions are served by these settings. Raises StartError, and then everything is as before."""
        # Before the files are read: what changes afterwards is taken up like any renewal.
        renewal = Renewal(self._tls_files(settings), self.ledger.files_wait)
        try:
            links = self._links.prepare(settings)
            serving = Serving(settings, self._reactor, self.ledger, self._upkeep.state, links.hosts)
            states = [serving.listener_state(index) for index in range(len(settings.listeners))]
        except OSError as error:
            raise StartError(file_trouble(error)) from None
        except ValueError as error:
            raise StartError(str(error)) from None
        self._links.open(links, self._listeners.bound)
        try:
            self._listeners.apply(states, self._links.bound)
        except StartError:
            self._links.give_up(links)
            raise
        self._serving, self._renewal = serving, renewal
        self._links.apply(links, serving)
        self._upkeep.apply(serving.connectors)
        self.ledger.files_waiting.clear()

    def _tls_files(self, settings: GatewaySettings) -> list[TlsFiles]:
        of_listeners = [
            TlsFiles(
                f"listener {listener.address}",
                ((listener.certificate, listener.private_key),),
                tuple(listener_authorities(settings, index)),
                partial(self._renew_listener, index),
            )
            for index, listener in enumerate(settings.listeners)
        ]
        directories = {client.directory.name: client.directory for client in settings.clients}
        of_directories = [
            TlsFiles(
                f"directory {name}",
                () if (own := directory.client_certificate) is None else ((own.certificate, own.private_key),),
                () if directory.ca_file is None else (directory.ca_file,),
                partial(self._renew_directory, name),
            )
            for name, directory in directories.items()
        ]
        return of_listeners + of_directories + [files for link in settings.links for files in self._link_files(link)]

    def _link_files(self, link: LinkSettings) -> tuple[TlsFiles, TlsFiles]:
        """The other ends by themselves: what is wrong with this end's own pair keeps nobody's key in force."""
        own = link.identity.certificate, link.identity.private_key
        return (
            TlsFiles(f"link {link.name}", (own,), (), lambda: self._links.renew(link, self._serving)),
            TlsFiles(
                f"other ends of link {link.name}",
                (),
                (),
                lambda: self._links.renew_pins(link, self._serving),
                tuple(pinned_files(link).values()),
            ),
        )

    def _renew_listener(self, index: int) -> str:
        state = self._serving.listener_state(index)
        self._listeners.replace(index, state)
        self._tell_ledger()
        expires = datetime.fromtimestamp(state.certificate_expires, UTC)
        return f"the certificate is valid until {expires:%Y-%m-%d %H:%M} UTC"

    def _renew_directory(self, name: str) -> str:
        self._serving.connectors[name].renew_tls()
        return "for connections to servers from now on"

    def _record(self, record: AuditRecord) -> None:
        self._audit(record)
        self.ledger.add(record)
        self._record_log.add(record)

    def _tell_ledger(self) -> None:
        """What is in force."""
        self.ledger.serve(
            self._serving.settings,
            tuple(
                ListenerStatus(address, state.certificate_expires)
                for state, address in zip(self._listeners.states, self.describe_listeners(), strict=True)
            ),
        )

    def _watch_from(self, now: float) -> None:
        self._watch = self._reactor.callLater(WATCH_STEP, self._look, now + WATCH_STEP)

    def _look(self, due: float) -> None:
        now = self._reactor.seconds()
        busy = {connection.busy_client for connection in self._registry.open}
        self.ledger.pass_time(max(0.0, now - due), {client for client in busy if client is not None})
        self._heap.look(self._registry.ended_sessions, now)
        self._watch_from(now)

    def _look_at_files(self) -> None:
        # First: a look that fails is not the last one.
        self._files_watch = self._reactor.callLater(FILES_STEP, self._look_at_files)
        self._renewal.look()

    async def _stop(self) -> None:
        if self._files_watch is not None:
            self._files_watch.cancel()
        self.ledger.stop()
        self._registry.closed = True
        self._listeners.close()
        self._links.drain()
        self._departures.stop()
        self._upkeep.stop()
        for connection in list(self._registry.open):
            connection.drain()
        await self._until(
            lambda: all(connection.answered for connection in self._registry.open), self._settings.drain_timeout
        )
        for connection in list(self._registry.open):
            connection.abort(Reason.stopping, "the gateway is stopping")
        await self._until(lambda: not self._registry.open, CLOSING)
        self._links.stop()
        self._control.close()
        self._counts.close()
        self._verifier.stop()
        self.ledger.end_runs()
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
