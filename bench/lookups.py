"""Small searches: one person by mail address or account name."""

import random
from collections.abc import Mapping

from bench.lab import Lab
from bench.measure import Figure, cpu_seconds, settled_cpu_seconds
from bench.requests import Lookups
from bench.results import Goal, Metric, Results, percentile
from bench.wire import drive

# Searches of each connection, by how many connections there are.
COUNTS = {1: 1500, 8: 250, 64: 40}

CPU = Metric("CPU µs per search", scale=1e6)
RATE = Metric("searches/s")
MIDDLE = Metric("p50 µs", scale=1e6)
HIGH = Metric("p99 µs", scale=1e6)
ADDED_MIDDLE = Metric("added p50 µs", scale=1e6)
ADDED_HIGH = Metric("added p99 µs", scale=1e6)


def case_of(connections: int) -> str:
    return f"{connections} connection{'s' if connections > 1 else ''}"


def measure_lookups(lab: Lab, results: Results, number: int, counts: Mapping[int, int] = COUNTS) -> None:
    """counts: searches of each connection, by how many connections there are."""
    for connections, count in counts.items():
        case = case_of(connections)
        latencies = {}
        for target in lab.in_turn(number):
            # The same people for each target, others in each round.
            chance = random.Random(number)
            works = [Lookups(count, lab.users, chance) for _ in range(connections)]
            with lab.connections(target, connections) as opened:
                before = cpu_seconds(*target.pids)
                seconds = drive(zip(opened, works, strict=True))
                used = settled_cpu_seconds(*target.pids) - before
                found = sum(connection.scanner.entries for connection in opened)
            if found != connections * count:
                raise RuntimeError(f"{target.name}: {found} of {connections * count} searches found somebody")
            latencies[target.name] = took = [each for work in works for each in work.seconds]
            values = {CPU: used / found, RATE: found / seconds}
            results.add(case, target.name, {**values, MIDDLE: percentile(took, 0.5), HIGH: percentile(took, 0.99)})
        if connections == 1:
            _add_added(results, case, latencies)


def _add_added(results: Results, case: str, latencies: dict[str, list[float]]) -> None:
    """Where several connections wait for one another, a difference would say nothing of the proxy."""
    direct = latencies.pop("direct")
    for name, took in latencies.items():
        for metric, share in ((ADDED_MIDDLE, 0.5), (ADDED_HIGH, 0.99)):
            results.add(case, name, {metric: percentile(took, share) - percentile(direct, share)})


_CASES = {connections: (case_of(connections),) for connections in COUNTS}

GOALS = (
    *(
        goal
        for case in _CASES.values()
        for goal in (
            Goal("small searches, CPU", case, CPU, "slapd", 1),
            Goal("small searches, CPU", case, CPU, "slapd", 0.7, aim=True),
        )
    ),
    *(
        goal
        for metric, share in ((ADDED_MIDDLE, "p50"), (ADDED_HIGH, "p99"))
        for goal in (
            Goal(f"small searches, added {share}", _CASES[1], metric, "slapd", 1),
            Goal(f"small searches, added {share}", _CASES[1], metric, "haproxy", 2, aim=True),
        )
    ),
)


def tables(results: Results) -> list[Figure]:
    return [
        results.table(
            "Small searches",
            "One person of ten attributes, by mail address or account name; each connection has one search at a time. "
            "Added: to the percentile of the direct connection in the same round.",
            (case for cases in _CASES.values() for case in cases),
            (CPU, RATE, MIDDLE, HIGH, ADDED_MIDDLE, ADDED_HIGH),
        )
    ]
