"""What the gateway remembers of its own running, in memory: for the metrics, the status page and readiness.

Everything in it is bounded by the configuration and by closed sets of words; names of people, addresses and values
never get into it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from time import time
from typing import Final, Protocol

from gateway.ldap.results import ResultCode
from gateway.net.observer import Observer, Trouble
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.sessions.settings import ClientSettings
from gateway.net.transport.failures import FailureCause
from gateway.observe.audit.health import AuditHealth
from gateway.observe.counts import OF_CONNECTIONS, ClientCounts, is_refusal, shrank
from gateway.observe.histogram import Histogram
from gateway.observe.links import LinkLedger
from gateway.observe.refused_today import HOUR, Refused, RefusedToday
from gateway.observe.sign_ins import Guard, RefusedAccount, SignIn, SyncSignIns, is_of_a_sync, sign_in_words
from gateway.observe.sync_runs import SyncRun, SyncRuns
from gateway.policy.lockout import CountedKind, GuardedAccount
from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord
from gateway.relay.load import GatewayLoad

DAY: Final = 24 * HOUR

# Sync runs per client, and shrink alerts, that are kept for the status page.
KEPT_RUNS: Final = 20
KEPT_ALERTS: Final = 20

# Without the look-up of an enum's member, which each record would cost.
_SUCCESS: Final = ResultCode.success.value

LAG_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """What is known of one listener.

    address: with the port that is bound. certificate_expires: seconds since the epoch, of the first of its chain.
    """

    address: str
    certificate_expires: float


@dataclass(slots=True)
class ServerStatus:
    """What is known of one server.

    up: whether sessions go to it; None before the first attempt. since: when that became so; connected: when a
    connection was last made; in seconds since the epoch, None for never. cause: why it is down. failing: why the last
    attempt to connect failed, None where it did not; check_failed: whether the last check did. Neither alone takes a
    server down. checks: by whether they passed. certificate_expires: as its last handshake showed. broken: sessions by
    what it did to them; doubted: what makes it doubtful now, None for nothing.
    """

    directory: str
    label: str
    up: bool | None = None
    since: float | None = None
    cause: FailureCause | None = None
    failing: FailureCause | None = None
    check_failed: bool = False
    opened: int = 0
    failures: Counter[FailureCause] = field(default_factory=Counter)
    checks: Counter[bool] = field(default_factory=Counter)
    connected: float | None = None
    certificate_expires: float | None = None
    broken: Counter[Trouble] = field(default_factory=Counter)
    doubted: Trouble | None = None


@dataclass(slots=True)
class DiscoveryStatus:
    """What DNS last said of a directory's servers.

    service: what DNS is asked for. ended: when it last was; succeeded: when it last named servers; in seconds since the
    epoch, None for never. failure: why it did not, "" where it did.
    """

    service: str
    ended: float | None = None
    succeeded: float | None = None
    failure: str = ""


@dataclass(slots=True)
class LockoutStoreStatus:
    """How the gateway gets on with its lockout store.

    name: its URL without a password. trouble: why it cannot be used, None while it can. since: when that began, in
    seconds since the epoch.
    """

    name: str
    trouble: str | None
    since: float


@dataclass(frozen=True, slots=True)
class ShrinkAlert:
    """A search that gave much less than last time. loss: figures and attributes, as the audit has them. passed: the
    shrink guard only reports."""

    time: float
    client: str
    loss: str
    passed: bool


@dataclass(slots=True)
class ClientStatus:
    """What is known of one client.

    syncs: whether it has sync accounts. logins: whether people may sign in. last_login: of a person, None before the
    first. runs: the last ones that are over, oldest first. last_complete: the last one of these that was complete,
    however long ago.
    """

    directory: str = ""
    syncs: bool = False
    logins: bool = False
    sign_ins: SyncSignIns = field(default_factory=SyncSignIns)
    last_login: SignIn | None = None
    counts: ClientCounts = field(default_factory=ClientCounts)
    runs: deque[SyncRun] = field(default_factory=lambda: deque(maxlen=KEPT_RUNS))
    last_complete: SyncRun | None = None


class Guards(Guard, Protocol):
    """The lockout guard, as this gateway counts."""

    def guarded(self) -> Mapping[CountedKind, int]:
        """How many accounts of each kind are guarded now."""

    def longest_guard(self) -> float:
        """Seconds until the last of these guards ends, if nothing happens meanwhile; 0 where nobody is guarded."""


class NoGuards:
    """Guards of nobody."""

    def guard_left(self, account: GuardedAccount) -> float:
        return 0.0

    def guarded(self) -> Mapping[CountedKind, int]:
        return {}

    def longest_guard(self) -> float:
        return 0.0


class Served(Protocol):
    """The part of a configuration (config.settings.GatewaySettings) that the ledger looks at."""

    @property
    def clients(self) -> tuple[ClientSettings, ...]: ...


class Ledger(Observer):
    """All figures of a running gateway, which metrics and page are made of.

    clock: seconds since the epoch. run_ended: takes each sync run that is over.

    clients, servers, listeners: of the configuration in force, in its order. unreachable: when a connection to a
    directory last failed at all of its servers, for those where none has succeeded since. checked: directories whose
    servers are checked. discoveries: directories whose servers DNS names. reloaded: whether the last load of the
    configuration succeeded; reload_time: when one last did. files_waiting: of each listener or directory whose changed
    TLS files are not used, why. lockout_store: None where the counts are in memory. stopping: no session is accepted
    any more. audit: whether records are written; load: what operations hold; guards: who is guarded; files_changed:
    names the configuration's files whose contents are not those in force. Whoever knows puts its own in the place of
    each. links: the figures of the links.
    """

    def __init__(
        self, clock: Callable[[], float] = time, run_ended: Callable[[SyncRun], None] = lambda run: None
    ) -> None:
        self.clock = clock
        self.audit = AuditHealth()
        self.load = GatewayLoad()
        self.guards: Guards = NoGuards()
        self.links = LinkLedger()
        self.files_changed: Callable[[], list[str]] = list
        self.started = clock()
        self.clients: dict[str, ClientStatus] = {}
        self.servers: dict[tuple[str, str], ServerStatus] = {}
        self.listeners: tuple[ListenerStatus, ...] = ()
        self.unreachable: dict[str, float] = {}
        self.checked: frozenset[str] = frozenset()
        self.discoveries: dict[str, DiscoveryStatus] = {}
        self.shrink_alerts: deque[ShrinkAlert] = deque(maxlen=KEPT_ALERTS)
        # Connections that were closed before a bind.
        self.refused_connections = Counter(dict.fromkeys(OF_CONNECTIONS, 0))
        self.reloaded = True
        self.reload_time = self.started
        self.files_waiting: dict[str, str] = {}
        self.lockout_store: LockoutStoreStatus | None = None
        self.stopping = False
        self.loop_lag = Histogram(LAG_BOUNDS)
        self._gone: dict[str, ClientStatus] = {}
        self._runs = SyncRuns({})
        self._tell_run_ended = run_ended
        self._refused = RefusedToday()

    # From the service.

    def serve(self, settings: Served, listeners: tuple[ListenerStatus, ...]) -> None:
        """A configuration is in force. What it has in common with the one before keeps its figures."""
        known = self._gone | self.clients
        names = [client.policy.name for client in settings.clients]
        self.clients = {name: known.get(name) or ClientStatus() for name in names}
        # Sessions of a client that is gone may still run; it is needed until they end.
        self._gone = {
            name: status for name, status in known.items() if name not in self.clients and status.counts.open_sessions
        }
        self._runs.gaps = {client.policy.name: client.sync_gap for client in settings.clients}
        servers: dict[tuple[str, str], ServerStatus] = {}
        for client in settings.clients:
            status = self.clients[client.policy.name]
            status.directory = client.directory.name
            status.syncs = bool(client.policy.sync_accounts)
            status.logins = bool(client.policy.login_base_dns)
            status.sign_ins.serve(client.policy)
            if client.directory.discover is not None:
                # DNS says which these are, and will say so again.
                servers |= {place: known for place, known in self.servers.items() if place[0] == status.directory}
            for server in client.directory.servers:
                place = (client.directory.name, server.label)
                servers[place] = self.servers.get(place) or ServerStatus(*place)
        self.servers = servers
        self.discoveries = {
            client.directory.name: self._discovery(client.directory.name, discover.service)
            for client in settings.clients
            if (discover := client.directory.discover) is not None
        }
        directories = {client.directory.name for client in settings.clients}
        self.unreachable = {name: since for name, since in self.unreachable.items() if name in directories}
        self.checked = frozenset(
            client.directory.name for client in settings.clients if client.directory.health is not None
        )
        self.listeners = listeners
        self.links.serve(settings)

    def files_wait(self, name: str, why: str | None) -> None:
        """why: None where the TLS files of the listener or directory are those in use."""
        if why is None:
            self.files_waiting.pop(name, None)
        else:
            self.files_waiting[name] = why

    def reload_ended(self, succeeded: bool) -> None:
        self.reloaded = succeeded
        if succeeded:
            self.reload_time = self.clock()

    def lockout_store_changed(self, name: str | None) -> None:
        """The store that is used from now on; None for memory. It has to be reached yet."""
        self.lockout_store = None if name is None else LockoutStoreStatus(name, "not connected yet", self.clock())

    def lockout_store_state(self, trouble: str | None) -> None:
        """trouble: why it cannot be used, None while it can."""
        if self.lockout_store is not None:
            self.lockout_store.trouble = trouble
            self.lockout_store.since = self.clock()

    def stop(self) -> None:
        self.stopping = True
        self.listeners = ()

    def end_runs(self) -> None:
        """Nobody will search any more: the sync runs under way are over."""
        for run in self._runs.cut_short():
            self._run_ended(run)

    def pass_time(self, lag: float, searching: Collection[str]) -> None:
        """Called about once a second. lag: seconds by which the reactor called too late. searching: clients with an
        operation under way."""
        self.loop_lag.add(lag)
        for run in self._runs.over(self.clock(), searching):
            self._run_ended(run)

    # From the audit.

    def add(self, record: AuditRecord) -> None:
        """An operation has ended."""
        self._counts(record.client).add(record)
        now = self.clock()
        if record.reason and is_refusal(record):
            self._refused.add(record.client, record.reason, now)
            if record.came_by is not None:
                self.links.add(record.came_by, record)
        if record.operation == "bind":
            self._note_sign_in(record, now)
        if record.operation != "search":
            return
        client = self.clients.get(record.client)
        if client is not None and client.sign_ins.failing and record.code == _SUCCESS:
            client.sign_ins.searched(record.account, self.guards)
        if shrank(record):
            passed = record.reason != Reason.result_shrank
            self.shrink_alerts.append(ShrinkAlert(now, record.client, record.detail, passed))
        over = self._runs.add(record, now)
        if over is not None:
            self._run_ended(over)

    # From the network side.

    def session_opened(self, client: str) -> None:
        counts = self._counts(client)
        counts.sessions += 1
        counts.open_sessions += 1

    def session_ended(self, client: str) -> None:
        self._counts(client).open_sessions -= 1

    def connection_refused(self, reason: Reason, client: str = "") -> None:
        self.refused_connections[reason] += 1
        self._refused.add(client, reason.value, self.clock())

    def server_connected(
        self, directory: DirectorySettings, server: ServerSettings, certificate_expires: float | None
    ) -> None:
        self.unreachable.pop(directory.name, None)
        status = self._server(directory, server)
        status.opened += 1
        status.connected = self.clock()
        status.certificate_expires = certificate_expires
        status.failing = None
        if status.up is None:
            status.up = True
            status.since = status.connected

    def server_failed(self, directory: DirectorySettings, server: ServerSettings, cause: FailureCause) -> None:
        status = self._server(directory, server)
        status.failures[cause] += 1
        status.failing = cause

    def server_checked(self, directory: DirectorySettings, server: ServerSettings, passed: bool) -> None:
        status = self._server(directory, server)
        status.checks[passed] += 1
        status.check_failed = not passed

    def server_rose(self, directory: DirectorySettings, server: ServerSettings) -> None:
        status = self._server(directory, server)
        status.up, status.since, status.cause = True, self.clock(), None

    def server_fell(self, directory: DirectorySettings, server: ServerSettings, cause: FailureCause) -> None:
        status = self._server(directory, server)
        if status.up is not False:
            status.up, status.since = False, self.clock()
        status.cause, status.doubted = cause, None

    def session_broken(self, directory: DirectorySettings, server: ServerSettings, trouble: Trouble) -> None:
        self._server(directory, server).broken[trouble] += 1

    def server_doubted(self, directory: DirectorySettings, server: ServerSettings, trouble: Trouble) -> None:
        self._server(directory, server).doubted = trouble

    def server_trusted(self, directory: DirectorySettings, server: ServerSettings) -> None:
        self._server(directory, server).doubted = None

    def directory_failed(self, directory: DirectorySettings) -> None:
        self.unreachable[directory.name] = self.clock()

    def server_forgotten(self, directory: DirectorySettings, server: ServerSettings) -> None:
        status = self._server(directory, server)
        if status.up is False:
            status.up = status.since = status.cause = status.failing = None
            status.check_failed = False

    def servers_found(self, directory: DirectorySettings, servers: tuple[ServerSettings, ...]) -> None:
        if directory.name not in self.discoveries:
            return
        others = {place: status for place, status in self.servers.items() if place[0] != directory.name}
        named = {(directory.name, server.label): server for server in servers}
        self.servers = others | {place: self.servers.get(place) or ServerStatus(*place) for place in named}

    def discovery_ended(self, directory: DirectorySettings, failure: str) -> None:
        status = self.discoveries.get(directory.name)
        if status is not None:
            status.failure = failure
            status.ended = self.clock()
            status.succeeded = status.succeeded if failure else status.ended

    # Questions.

    def running(self, client: str) -> SyncRun | None:
        """The client's sync run that is not over yet."""
        return self._runs.running(client)

    def refused_accounts(self, client: str) -> list[RefusedAccount]:
        """The client's sync accounts that cannot sign in, and the gateway's own ones that they stand for."""
        status = self.clients.get(client)
        return [] if status is None else status.sign_ins.refused(self.guards)

    def refused_today(self) -> list[Refused]:
        """What was refused in the current hour and the 23 before it, the most frequent first."""
        return self._refused.listed(self.clock())

    def _note_sign_in(self, record: AuditRecord, now: float) -> None:
        status = self.clients.get(record.client)
        if status is None:
            return
        if is_of_a_sync(record):
            status.sign_ins.note(record, now)
        elif record.account:
            status.last_login = SignIn(now, record.code == _SUCCESS, sign_in_words(record))

    def _counts(self, client: str) -> ClientCounts:
        status = self.clients.get(client) or self._gone.get(client)
        if status is None:
            # Of a client that left the configuration while its session ran.
            status = self._gone[client] = ClientStatus()
        return status.counts

    def _server(self, directory: DirectorySettings, server: ServerSettings) -> ServerStatus:
        place = (directory.name, server.label)
        # One that left the configuration may still be asked by a session that began before.
        return self.servers.get(place) or ServerStatus(*place)

    def _discovery(self, directory: str, service: str) -> DiscoveryStatus:
        known = self.discoveries.get(directory)
        return known if known is not None and known.service == service else DiscoveryStatus(service)

    def _run_ended(self, run: SyncRun) -> None:
        self._tell_run_ended(run)
        status = self.clients.get(run.client)
        if status is None:
            return
        status.runs.append(run)
        if run.complete:
            status.counts.complete_runs += 1
            status.last_complete = run
        else:
            status.counts.incomplete_runs += 1
