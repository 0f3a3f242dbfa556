"""What sessions hold: idle ones, and those whose results are large or whose clients are slow."""

import resource
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import TypeAlias

from bench.gateway_process import gateway
from bench.lab import Lab
from bench.measure import Figure, PeakMemory, cpu_seconds, resident, settled_cpu_seconds
from bench.peers import Target, haproxy, slapd_proxy
from bench.requests import ATTRIBUTES, search_for_all
from bench.results import Goal, Metric, Results
from bench.servers import Server, slapd, windows_like
from bench.stream import stream_server
from bench.wire import Connection, trust
from gateway.ldap.encoding import encode
from gateway.ldap.messages import Attribute, LDAPMessage, SearchResultEntry
from tests.servers.windows import people

IDLE = 2000
# Below the default limit of one source.
_PER_SOURCE = 200
# Descriptors of a process that are no connections, with room to spare.
_OTHER_DESCRIPTORS = 500

PHOTO = "thumbnailPhoto"
# Everything that a person has, so that the whole result passes.
WHOLE = tuple(sorted({name for entry in people.make_directory(1) for name in entry.attributes}))
LARGE_RESULT = 500_000_000
LARGE_ENTRY = 20_000_000
SLOW_SECONDS = 5.0

# A gateway has read what it wants to when it uses no processor for so long, in seconds.
STILL = 3.0
# Seconds of a processor that the timers of one use meanwhile on a machine that is busy; who reads uses far more.
_TIMERS = 0.01
_PATIENCE = 120.0
# As small as the kernel allows: what it holds for a client that does not read is not what is measured.
_SMALL_BUFFER = 64 * 1024

# What a client does with a result that it has asked for, before gateways of these processes; what each of them had in
# memory at most while it stalled, nothing where it does not.
Use: TypeAlias = Callable[[Sequence[int], Connection], list[int]]

PER_PAIR = Metric("kB per session", 1, 1e-3)
BEFORE = Metric("before, MB", 1, 1e-6)
STALLED = Metric("growth, stalled, MB", 1, 1e-6)
GROWTH = Metric("growth, at most, MB", 1, 1e-6)
SIZE = Metric("read, MB", 0, 1e-6)
CPU = Metric("CPU-s", 2)
SECONDS = Metric("seconds", 1)

IDLE_CASE = "idle sessions"
STALLED_CASE = "500 MB, client stalls"
SLOW_CASE = "500 MB, client reads 3 MB/s"
SMALL_READS_CASE = "one entry of 20 MB, in records of 1 kB"
LARGE_READS_CASE = "the same in records of 16 kB"
UNPAGED_CASE = "100,000 entries unpaged"
STAND_IN_CASE = "20,000 entries that the gateway pages (AD stand-in), client stalls, then reads"
_CASES = (STALLED_CASE, SLOW_CASE, SMALL_READS_CASE, LARGE_READS_CASE, UNPAGED_CASE, STAND_IN_CASE)


def measure_memory(lab: Lab, results: Results, rounds: int) -> None:
    """Once, whatever the number of rounds: memory varies little, and each case needs processes of its own."""
    _measure_idle(lab, results)
    _with_gateway(lab, results, STALLED_CASE, large_result, WHOLE, stall)
    _with_gateway(lab, results, SLOW_CASE, large_result, WHOLE, _read_slowly)
    photo = SearchResultEntry(person().dn, (Attribute(PHOTO, (b"\x5a" * LARGE_ENTRY,)),))
    for case, piece in ((SMALL_READS_CASE, 1000), (LARGE_READS_CASE, 16 * 1024)):
        _with_gateway(lab, results, case, partial(stream_server, photo, 1, piece), (PHOTO,), _read, 1)
    units = len(people.UNITS)
    _with_gateway(lab, results, UNPAGED_CASE, lambda: slapd(100_000), ATTRIBUTES, _read, 100_000 + units)
    _with_gateway(lab, results, STAND_IN_CASE, lambda: windows_like(20_000), WHOLE, _stall_and_read, 20_000 + units)


def _measure_idle(lab: Lab, results: Results) -> None:
    count = idle_sessions()
    starts: list[Callable[[], AbstractContextManager[Target]]] = [
        lambda: haproxy(lab.server),
        lambda: slapd_proxy(lab.server, ATTRIBUTES),
        lambda: gateway(lab.server, code=lab.code, limits={"sessions": count + 10}),
    ]
    for start in starts:
        with start() as target, ExitStack() as opened:
            # What the first session brings with it is not what each costs.
            opened.enter_context(lab.connect(target))
            settled_cpu_seconds(target.pid)
            before = resident(target.pid)
            for number in range(count):
                opened.enter_context(lab.connect(target, f"127.0.0.{2 + number // _PER_SOURCE}"))
            settled_cpu_seconds(target.pid)
            results.add(IDLE_CASE, target.name, {PER_PAIR: (resident(target.pid) - before) / count})


def idle_sessions() -> int:
    """IDLE, or what the limit of open files allows: a session is two descriptors of a proxy."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return IDLE if most == resource.RLIM_INFINITY else min(IDLE, (most - _OTHER_DESCRIPTORS) // 2)


def _with_gateway(
    lab: Lab,
    results: Results,
    case: str,
    serve: Callable[[], AbstractContextManager[Server]],
    attributes: tuple[str, ...],
    use: Use,
    expected: int | None = None,
) -> None:
    with serve() as server, gateway(server, code=lab.code, attributes=attributes) as target:
        measure_growth(results, case, target, (target.name,), server, attributes, use, expected)


def measure_growth(
    results: Results,
    case: str,
    target: Target,
    names: Sequence[str],
    server: Server,
    attributes: tuple[str, ...],
    use: Use,
    expected: int | None = None,
) -> None:
    """Has a client ask for everything and use it. names: of the target's processes, in their order, each of which is
    measured. expected: how many entries the client must have got."""
    pids = target.pids
    with Connection(target.port, trust(target.ca_file), receive_buffer=_SMALL_BUFFER) as first:
        first.bind(server.sync_name, server.sync_password)
    with Connection(target.port, trust(target.ca_file), receive_buffer=_SMALL_BUFFER) as connection:
        connection.bind(server.sync_name, server.sync_password)
        settled_cpu_seconds(*pids)
        used = [cpu_seconds(pid) for pid in pids]
        before = [resident(pid) for pid in pids]
        began = time.perf_counter()
        with ExitStack() as watched:
            peaks = [watched.enter_context(PeakMemory(pid)) for pid in pids]
            connection.ask(search_for_all(attributes=attributes))
            stalled = use(pids, connection)
        took = time.perf_counter() - began
        for i, name in enumerate(names):
            values: dict[Metric, float] = {BEFORE: before[i], GROWTH: peaks[i].octets - before[i]}
            values |= {SIZE: connection.scanner.octets, CPU: cpu_seconds(pids[i]) - used[i], SECONDS: took}
            if stalled:
                values[STALLED] = stalled[i] - before[i]
            results.add(case, name, values)
        if expected is not None and connection.scanner.entries != expected:
            raise RuntimeError(f"{case}: {connection.scanner.entries} of {expected} entries came")


def _read(pids: Sequence[int], connection: Connection) -> list[int]:
    connection.result()
    return []


def stall(pids: Sequence[int], connection: Connection) -> list[int]:
    """Reads nothing until the gateways have come to rest."""
    with ExitStack() as watched:
        peaks = [watched.enter_context(PeakMemory(pid)) for pid in pids]
        _wait_until_still(pids)
    return [peak.octets for peak in peaks]


def _stall_and_read(pids: Sequence[int], connection: Connection) -> list[int]:
    stalled = stall(pids, connection)
    connection.result()
    return stalled


def _read_slowly(pids: Sequence[int], connection: Connection) -> list[int]:
    until = time.monotonic() + SLOW_SECONDS
    while time.monotonic() < until:
        connection.scanner.feed(connection.read())
        time.sleep(0.005)
    return []


def _wait_until_still(pids: Sequence[int]) -> None:
    until = time.monotonic() + _PATIENCE
    used, since = cpu_seconds(*pids), time.monotonic()
    while time.monotonic() - since < STILL:
        if time.monotonic() > until:
            raise RuntimeError("the gateway does not come to rest while its client stalls")
        time.sleep(0.1)
        # Their timers go on.
        if (now := cpu_seconds(*pids)) > used + _TIMERS * len(pids):
            used, since = now, time.monotonic()


def person() -> SearchResultEntry:
    """Somebody with all attributes that people have."""
    found = next(entry for entry in people.make_directory(1) if entry.password == people.USER_PASSWORD)
    attributes = (Attribute(name, tuple(values)) for name, values in found.attributes.items())
    return SearchResultEntry(found.dn, tuple(attributes))


def large_result() -> AbstractContextManager[Server]:
    """A server whose every result is LARGE_RESULT octets of one person."""
    copied = person()
    return stream_server(copied, LARGE_RESULT // len(encode(LDAPMessage(1, copied))))


GOALS = (
    Goal("memory of an idle session, kB", (IDLE_CASE,), PER_PAIR, None, 75),
    Goal("memory of an idle session, kB", (IDLE_CASE,), PER_PAIR, None, 50, aim=True),
    Goal("growth, client stalls in 500 MB, MB", (STALLED_CASE,), STALLED, None, 8),
)


def tables(results: Results) -> list[Figure]:
    return [
        results.table(
            "Idle sessions",
            f"Resident memory for each of {idle_sessions():,} bound connections and their server connections, over a "
            "process that has had one.",
            (IDLE_CASE,),
            (PER_PAIR,),
        ),
        results.table(
            "Large results",
            "Growth of resident memory over a process that has had one session: while the client stalls, and at most.",
            _CASES,
            (SIZE, BEFORE, STALLED, GROWTH, CPU, SECONDS),
        ),
    ]
