"""The ledger as Prometheus metrics.

Nothing is counted here: prometheus-client takes long to import, so it is needed only when somebody asks, and counting
an operation costs next to nothing.

What can be counted is there from the start on, as 0: of a counter that begins with its first event Prometheus sees no
increase, and a panel of a dashboard says that there are no data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.compilation import compilation
from gateway.net.observer import Trouble
from gateway.net.transport.failures import FailureCause
from gateway.observe.counts import FAILURES, REFUSALS, USUAL, ClientCounts
from gateway.observe.histogram import Histogram
from gateway.observe.ledger import Ledger
from gateway.observe.link_metrics import link_metrics
from gateway.observe.readiness import not_ready
from gateway.observe.sync_runs import SyncRun
from gateway.policy.lockout import CountedKind

PREFIX = "ldap_gateway_"

# Counters of a client without further labels: name, what it is, attribute of ClientCounts.
_TOTALS = (
    ("sessions", "Sessions that clients opened.", "sessions"),
    ("entries", "Entries sent to clients.", "entries"),
    ("entries_held_back", "Entries of servers that clients may not see.", "entries_held_back"),
    ("attributes_held_back", "Attributes asked for and not forwarded.", "attributes_held_back"),
    ("references_dropped", "Search result references that were not passed on.", "references_dropped"),
    ("mended_names", "Names in requests that were put right.", "mended"),
    ("pages", "Searches that servers were asked for; each page is one.", "pages"),
    ("sent_bytes", "Octets of LDAP messages sent to clients.", "octets"),
)


class Metrics:
    """The page that Prometheus reads."""

    def __init__(self, ledger: Ledger) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_LedgerCollector(ledger))
        for standard in (ProcessCollector, PlatformCollector, GCCollector):
            standard(registry=self._registry)

    def page(self, accept: str) -> tuple[bytes, str]:
        """The octets and their content type. accept: the request's header, "" for none."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _LedgerCollector(Collector):
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._version = version("ldap-gateway")

    def describe(self) -> Iterable[Metric]:
        """Nothing. No other collector has these names; without this method registering would collect."""
        return ()

    def collect(self) -> Iterator[Metric]:
        counts = {name: status.counts for name, status in self._ledger.clients.items()}
        yield from _client_totals(counts)
        yield from _operations(counts)
        yield from self._refusals(counts)
        yield from self._sign_ins()
        yield self._guards()
        yield from self._sync_runs()
        yield from self._servers()
        yield from self._certificates()
        yield from self._gateway()
        yield from link_metrics(self._ledger)

    def _refusals(self, counts: dict[str, ClientCounts]) -> Iterator[Metric]:
        refused = _counter("refusals", "Requests that the policy does not permit.", "client", "reason")
        failed = _counter("failures", "Permitted operations that the gateway ended itself.", "client", "reason")
        shrank = _counter("result_shrank", "Searches that gave much less than last time.", "client", "outcome")
        for client, count in counts.items():
            for family, numbers, usual in ((refused, count.refusals, REFUSALS), (failed, count.failures, FAILURES)):
                for reason in sorted({*numbers, *(each.value for each in usual)}):
                    family.add_metric([client, reason], numbers[reason])
            shrank.add_metric([client, "refused"], count.shrank)
            shrank.add_metric([client, "reported"], count.shrank_passed)
        # Before there is a session, and mostly before it is known whose.
        for closed, number in self._ledger.refused_connections.items():
            refused.add_metric(["", closed.value], number)
        yield from (refused, failed, shrank)

    def _sign_ins(self) -> Iterator[Metric]:
        refused = _gauge("sync_account_refused", "1 while a sync account of the client cannot sign in.", "client")
        own = _gauge("own_account_refused", "1 while a server refuses an account of the gateway itself.", "client")
        succeeded = _gauge(
            "sync_sign_in_timestamp_seconds",
            "When a sync account of the client last signed in; 0 before the first time.",
            "client",
        )
        failed = _gauge(
            "sync_account_refused_timestamp_seconds",
            "When a sync account that cannot sign in last tried; 0 where all can.",
            "client",
        )
        for client, status in self._ledger.clients.items():
            if not status.syncs:
                continue
            accounts = self._ledger.refused_accounts(client)
            refused.add_metric([client], bool(accounts))
            own.add_metric([client], any(account.own for account in accounts))
            succeeded.add_metric([client], status.sign_ins.succeeded or 0.0)
            failed.add_metric([client], max((account.last or 0.0 for account in accounts), default=0.0))
        yield from (refused, own, succeeded, failed)

    def _guards(self) -> Metric:
        guarded = _gauge("guarded_accounts", "Accounts that the lockout guard holds back, by what they are.", "kind")
        numbers = self._ledger.guards.guarded()
        for kind in CountedKind:
            guarded.add_metric([kind.value], numbers.get(kind, 0))
        return guarded

    def _sync_runs(self) -> Iterator[Metric]:
        runs = _counter("sync_runs", "Sync runs that are over.", "client", "complete")
        running = _gauge("sync_running", "1 while a sync run is under way.", "client")
        last_complete = _gauge(
            "sync_last_complete_timestamp_seconds",
            "When the last complete sync run ended; 0 until this process has seen one.",
            "client",
        )
        seconds = _gauge("sync_last_duration_seconds", "How long the last sync run took; 0 before one.", "client")
        entries = _gauge("sync_last_entries", "Entries sent in the last sync run; 0 before one.", "client")
        complete = _gauge("sync_last_complete", "1 if the last sync run was complete; 0 before one.", "client")
        for client, status in self._ledger.clients.items():
            if not status.syncs:
                continue
            runs.add_metric([client, "yes"], status.counts.complete_runs)
            runs.add_metric([client, "no"], status.counts.incomplete_runs)
            running.add_metric([client], self._ledger.running(client) is not None)
            last_complete.add_metric([client], 0.0 if status.last_complete is None else status.last_complete.ended)
            last: SyncRun | None = status.runs[-1] if status.runs else None
            seconds.add_metric([client], 0.0 if last is None else last.seconds)
            entries.add_metric([client], 0 if last is None else last.entries)
            complete.add_metric([client], last is not None and last.complete)
        yield from (runs, running, last_complete, seconds, entries, complete)

    def _servers(self) -> Iterator[Metric]:
        opened = _counter(
            "server_connections", "Connections to servers that were opened, checks included.", "directory", "server"
        )
        failed = _counter(
            "server_connection_failures",
            "Attempts to connect to a server that failed.",
            "directory",
            "server",
            "reason",
        )
        up = _gauge("server_up", "0 while it is known to be down, else 1.", "directory", "server")
        checks = _counter("server_checks", "Health checks.", "directory", "server", "passed")
        broken = _counter(
            "server_broken_sessions",
            "Sessions that a server was connected to for and then did not serve.",
            "directory",
            "server",
            "reason",
        )
        doubtful = _gauge(
            "server_doubtful", "1 while sign-ins rather go elsewhere, after broken sessions.", "directory", "server"
        )
        for place, status in self._ledger.servers.items():
            opened.add_metric(place, status.opened)
            for cause in FailureCause:
                failed.add_metric([*place, cause.value], status.failures[cause])
            for passed in (True, False):
                checks.add_metric([*place, "yes" if passed else "no"], status.checks[passed])
            for trouble in Trouble:
                broken.add_metric([*place, trouble.value], status.broken[trouble])
            doubtful.add_metric(place, status.doubted is not None)
            # Sessions go to one that nobody has tried yet.
            up.add_metric(place, status.up is not False)
        discovered = _gauge(
            "discovery_success", "0 while DNS does not name a directory's servers where it should, else 1.", "directory"
        )
        for directory in dict.fromkeys(client.directory for client in self._ledger.clients.values()):
            discovery = self._ledger.discoveries.get(directory)
            discovered.add_metric([directory], discovery is None or not discovery.failure)
        yield from (opened, failed, checks, broken, up, doubtful, discovered)

    def _certificates(self) -> Iterator[Metric]:
        listeners = _gauge(
            "listener_certificate_expiry_seconds", "Until the first of the listener's chain expires.", "listener"
        )
        servers = _gauge(
            "server_certificate_expiry_seconds",
            "Until the server's certificate expires, as its last handshake showed it.",
            "directory",
            "server",
        )
        now = self._ledger.clock()
        # By its place in the configuration: an address is no label.
        for number, listener in enumerate(self._ledger.listeners):
            listeners.add_metric([str(number)], listener.certificate_expires - now)
        for place, status in self._ledger.servers.items():
            if status.certificate_expires is not None:
                servers.add_metric(place, status.certificate_expires - now)
        yield from (listeners, servers)

    def _gateway(self) -> Iterator[Metric]:
        ledger = self._ledger
        build = _gauge("build_info", "1. compiled: whether this installation is.", "version", "compiled")
        build.add_metric([self._version, "yes" if compilation().compiled else "no"], 1)
        yield build
        for name, what, value in (
            ("config_reload_success", "1 if the last load of the configuration succeeded.", ledger.reloaded),
            ("config_differs", "1 while the files on disk are not those in force.", bool(ledger.files_changed())),
            ("config_reload_timestamp_seconds", "When the configuration in force was loaded.", ledger.reload_time),
            (
                "tls_files_waiting",
                "Listeners and directories whose changed TLS files are not used.",
                len(ledger.files_waiting),
            ),
            ("ready", "What /readyz says.", not not_ready(ledger)),
            ("waiting_operations", "Operations that wait until others of their session end.", ledger.load.waiting),
            ("waiting_bytes", "Octets that open and waiting operations hold, estimated.", ledger.load.octets),
        ):
            yield GaugeMetricFamily(PREFIX + name, what, value=float(value))
        store = ledger.lockout_store
        yield GaugeMetricFamily(
            PREFIX + "lockout_store_up",
            "1 while wrong passwords are counted where lockout_store says, which may be memory.",
            value=float(store is None or store.trouble is None),
        )
        yield from self._audit()
        lag = HistogramMetricFamily(PREFIX + "event_loop_lag_seconds", "How late the event loop called a timer.")
        _add(lag, [], ledger.loop_lag)
        yield lag

    def _audit(self) -> Iterator[Metric]:
        health = self._ledger.audit
        for name, what, value in (
            ("audit_records_written", "Audit records that were written.", health.written),
            ("audit_records_lost", "Audit records that could not be written and had to go.", health.lost),
        ):
            yield CounterMetricFamily(PREFIX + name, what, value=value)
        for name, what, value in (
            ("audit_waiting_bytes", "Octets of audit records that are not written yet.", health.waiting),
            ("audit_up", "1 while audit records are written.", not health.trouble(self._ledger.clock())),
        ):
            yield GaugeMetricFamily(PREFIX + name, what, value=float(value))


def _client_totals(counts: dict[str, ClientCounts]) -> Iterator[Metric]:
    for name, what, attribute in _TOTALS:
        total = _counter(name, what, "client")
        for client, count in counts.items():
            total.add_metric([client], getattr(count, attribute))
        yield total
    sessions = _gauge("open_sessions", "Sessions that are open.", "client")
    for client, count in counts.items():
        sessions.add_metric([client], count.open_sessions)
    yield sessions


def _operations(counts: dict[str, ClientCounts]) -> Iterator[Metric]:
    operations = _counter("operations", "Operations by what the client was told.", "client", "operation", "result")
    own = HistogramMetricFamily(
        PREFIX + "own_seconds", "What the gateway itself worked on an operation.", labels=("client", "operation")
    )
    server = HistogramMetricFamily(
        PREFIX + "server_seconds",
        "How long servers took for an operation, without the time that the client could not keep up.",
        labels=("client", "operation"),
    )
    for client, count in counts.items():
        numbers = {(operation, "success"): 0 for operation in USUAL} | count.operations()
        for (operation, result), number in numbers.items():
            operations.add_metric([client, operation, result], number)
        for family, histograms in ((own, count.own), (server, count.server)):
            for operation, histogram in histograms.items():
                _add(family, [client, operation], histogram)
    yield from (operations, own, server)


def _counter(name: str, what: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, what, labels=labels)


def _gauge(name: str, what: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, what, labels=labels)


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    bounds = [*map(str, map(float, histogram.bounds)), "+Inf"]
    family.add_metric(labels, list(zip(bounds, histogram.cumulative(), strict=True)), sum_value=histogram.sum)
