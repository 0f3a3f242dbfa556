"""Reading everything, page by page: what a sync does."""

import time
from collections.abc import Sequence

from bench.compiled import ROOT
from bench.gateway_process import gateway
from bench.lab import Lab
from bench.measure import Figure, cpu_seconds, settled_cpu_seconds
from bench.peers import Target
from bench.requests import ATTRIBUTES, PagedRead
from bench.results import Goal, Metric, Results
from bench.wire import drive
from tests.servers.windows import people

PAGES = (500, 1000)
CONNECTIONS = (1, 4)
ALL = ("*",)

RATE = Metric("entries/s")
CPU = Metric("CPU-s per 100,000", 2)
CLIENT = Metric("CPU-s of the client", 2)


def case_of(page: int, connections: int) -> str:
    return f"pages of {page:,}, {connections} connection{'s' if connections > 1 else ''}"


def _star_case(page: int) -> str:
    return f"`*`, pages of {page:,}"


def _fallback_case(page: int) -> str:
    return f"uncompiled, pages of {page:,}"


def measure_bulk(
    lab: Lab, results: Results, number: int, counts: Sequence[int] = CONNECTIONS, pages: Sequence[int] = PAGES
) -> None:
    """counts: of connections at once."""
    for connections in counts:
        for page in pages:
            for target in lab.in_turn(number):
                _read(lab, results, target, case_of(page, connections), page, connections, ATTRIBUTES)


def measure_star(lab: Lab, results: Results, number: int) -> None:
    for page in PAGES:
        for target in lab.in_turn(number):
            _read(lab, results, target, _star_case(page), page, 1, ALL)


def measure_fallback(lab: Lab, results: Results, rounds: int) -> None:
    """The gateway where no compiler was: a process of its own, not interleaved."""
    with gateway(lab.server, code=ROOT) as target:
        for _ in range(rounds):
            for page in PAGES:
                _read(lab, results, target, _fallback_case(page), page, 1, ATTRIBUTES)


def _read(
    lab: Lab, results: Results, target: Target, case: str, page: int, connections: int, attributes: Sequence[str]
) -> None:
    with lab.connections(target, connections) as opened:
        mine, before = time.process_time(), cpu_seconds(*target.pids)
        seconds = drive((connection, PagedRead(page, attributes)) for connection in opened)
        mine = time.process_time() - mine
        used = settled_cpu_seconds(*target.pids) - before
        entries = sum(connection.scanner.entries for connection in opened)
    expected = connections * (lab.users + len(people.UNITS))
    if entries != expected:
        raise RuntimeError(f"{target.name}: {entries} entries came where there are {expected}")
    share = 100_000 / entries
    results.add(case, target.name, {RATE: entries / seconds, CPU: used * share, CLIENT: mine * share})


BULK_CASES = {connections: tuple(case_of(page, connections) for page in PAGES) for connections in CONNECTIONS}
STAR_CASES = tuple(_star_case(page) for page in PAGES)
FALLBACK_CASES = tuple(_fallback_case(page) for page in PAGES)

GOALS = (
    *(
        goal
        for connections, cases in BULK_CASES.items()
        for goal in (
            Goal(f"bulk, CPU, {connections} conn.", cases, CPU, "slapd", 0.5),
            Goal(f"bulk, CPU, {connections} conn.", cases, CPU, "haproxy", 1, aim=True),
            Goal(f"bulk, entries/s, {connections} conn.", cases, RATE, "slapd", 1.5, at_least=True),
            Goal(f"bulk, entries/s, {connections} conn.", cases, RATE, "haproxy", 0.9, at_least=True, aim=True),
        )
    ),
    Goal("bulk of `*`, CPU", STAR_CASES, CPU, "slapd", 0.3),
    Goal("pure Python, entries/s", FALLBACK_CASES, RATE, None, 8000, at_least=True),
)


def tables(results: Results) -> list[Figure]:
    return [
        results.table(
            "Bulk",
            "A paged read of every person, ten attributes by name or all of them by `*`.",
            (*(case for cases in BULK_CASES.values() for case in cases), *STAR_CASES, *FALLBACK_CASES),
            (RATE, CPU, CLIENT),
        )
    ]
