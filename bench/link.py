"""What a link costs: a gateway outside and one inside, beside one gateway that reaches the server by itself."""

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import bulk, lookups, signin
from bench.gateway_process import configuration
from bench.lab import Lab
from bench.link_lab import ROUND_TRIP, LinkedLab
from bench.link_pair import both_ends, linked
from bench.measure import Figure, resident, settled_cpu_seconds
from bench.memory import STALLED, STALLED_CASE, WHOLE, large_result, measure_growth, stall
from bench.requests import ATTRIBUTES
from bench.results import Goal, Metric, Results
from bench.sections import Section
from tests.servers.gateway_process import free_port
from tests.servers.link_ends import LinkKeys, inside_of, outside_of

# Over the distance, of each target: sessions one after another, searches on one connection, and pages of this size.
_FAR_CYCLES = 20
_FAR_SEARCHES = {1: 40}
_FAR_PAGE = 1000
FAR = f"{ROUND_TRIP * 1000:g} ms, "

# Links between two gateways, and berths of each: as few and as many as may be parked.
_LINKS = 8
_FEWEST, _MOST = 1, 64
_PATIENCE = 60.0

PER_BERTH = Metric("kB per berth", 1, 1e-3)
BERTH_CASE = "parked berths"
ENDS = ("outside", "inside")


def measure_far(lab: Lab, results: Results, number: int) -> None:
    if not isinstance(lab, LinkedLab):
        raise TypeError("a lab with a distance is needed")
    far = Results()
    signin.measure_signin(lab.far, far, number, _FAR_CYCLES)
    lookups.measure_lookups(lab.far, far, number, _FAR_SEARCHES)
    bulk.measure_bulk(lab.far, far, number, (1,), (_FAR_PAGE,))
    results.include(far, FAR)


def measure_berths(lab: Lab, results: Results, rounds: int) -> None:
    """Once, whatever the number of rounds: two gateways that have few berths, and two that have many."""
    few, many = _parked(lab, _FEWEST), _parked(lab, _MOST)
    for end, less, more in zip(ENDS, few, many, strict=True):
        results.add(BERTH_CASE, end, {PER_BERTH: (more - less) / (_LINKS * (_MOST - _FEWEST))})


def measure_stalled(lab: Lab, results: Results, rounds: int) -> None:
    """Once, whatever the number of rounds."""
    with large_result() as server, linked(server, code=lab.code, attributes=WHOLE) as target:
        measure_growth(results, STALLED_CASE, target, ENDS, server, WHOLE, stall)


def _parked(lab: Lab, parked: int) -> list[int]:
    """Octets in memory of a gateway outside and of one inside that have many links, each with so many berths."""
    with tempfile.TemporaryDirectory(prefix="bench-berths-") as made:
        directory = Path(made)
        keys = LinkKeys(directory)
        outside, inside = _many_links(lab, keys, parked)
        ports = {int(link["address"].rpartition(":")[2]) for link in outside["links"].values()}
        with both_ends(directory, outside, inside, lab.code) as ends:
            until = time.monotonic() + _PATIENCE
            # The lines, too.
            while (there := _connections(ports)) < _LINKS * (parked + 1):
                if time.monotonic() > until:
                    raise RuntimeError(f"there are {there} connections of links where there should be more")
                time.sleep(0.1)
            settled_cpu_seconds(*(end.pid for end in ends))
            return [resident(end.pid) for end in ends]


def _many_links(lab: Lab, keys: LinkKeys, parked: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configurations of two gateways: a link, a directory and a client of each number."""
    outside: dict[str, Any] = {}
    inside: dict[str, Any] = {}
    server = lab.server
    for number in range(_LINKS):
        keys.address = f"127.0.0.1:{free_port()}"
        whole = json.dumps(configuration(server, free_port(), free_port(), ATTRIBUTES, {}) | {"admin": None})
        one, other = json.loads(outside_of(whole, keys)), json.loads(inside_of(whole, keys))
        one["links"]["inside"]["parked"] = parked
        one["clients"]["mimecast"]["sources"] = [f"127.1.{number}.0/24"]
        for both, each in ((outside, one), (inside, other)):
            _add_numbered(both, each, number)
    return outside, inside


def _add_numbered(whole: dict[str, Any], one: Mapping[str, Any], number: int) -> None:
    """Adds the blocks of one configuration, each with its number behind its name."""
    ((client_name, client),) = one["clients"].items()
    ((directory_name, directory),) = one["directories"].items()
    ((link_name, link),) = one["links"].items()
    client = client | {"directory": f"{directory_name}{number}"}
    if "links" in client:
        client["links"] = [f"{link_name}{number}"]
    else:
        directory = directory | {"link": f"{link_name}{number}"}
    for key, value in one.items():
        whole.setdefault(key, {} if key in ("clients", "directories", "links") else value)
    whole["clients"][f"{client_name}{number}"] = client
    whole["directories"][f"{directory_name}{number}"] = directory
    whole["links"][f"{link_name}{number}"] = link


def _connections(ports: set[int]) -> int:
    """How many connections of others these ports of this machine have."""
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(fields[3] == "01" and int(fields[1].rpartition(":")[2], 16) in ports for fields in lines)


def _beside(figure: str, cases: tuple[str, ...], metric: Metric, bound: float, at_least: bool = False) -> Goal:
    return Goal(figure, cases, metric, "gateway", bound, at_least, target="link", paired=True)


def _far_tables(results: Results) -> list[Figure]:
    return [
        results.table(
            f"Over {ROUND_TRIP * 1000:g} ms",
            "What reaches the directory is that far from it, there and back: the gateway, and the gateway outside.",
            (FAR + signin.CASE, FAR + lookups.case_of(1), FAR + bulk.case_of(_FAR_PAGE, 1)),
            (signin.MIDDLE, signin.HIGH, lookups.MIDDLE, lookups.HIGH, bulk.RATE),
        )
    ]


def _berth_tables(results: Results) -> list[Figure]:
    about = f"Resident memory for each of {_LINKS * (_MOST - _FEWEST)} connections that wait for a session, by end."
    return [results.table("Berths", about, (BERTH_CASE,), (PER_BERTH,))]


def _stalled_tables(results: Results) -> list[Figure]:
    about = "Growth of resident memory over processes that have had one session, while the client stalls, by end."
    return [results.table("A large result", about, (STALLED_CASE,), (STALLED,))]


_BULK = tuple(case for cases in bulk.BULK_CASES.values() for case in cases)

SECTIONS = {
    "bulk": Section(
        (
            _beside("bulk, entries/s", _BULK, bulk.RATE, 0.55, at_least=True),
            _beside("bulk, CPU of both ends", _BULK, bulk.CPU, 1.9),
        ),
        interleaved=bulk.measure_bulk,
        tables=bulk.tables,
    ),
    "small": Section(
        (_beside("small searches, added p50", (lookups.case_of(1),), lookups.ADDED_MIDDLE, 2.2),),
        interleaved=lookups.measure_lookups,
        tables=lookups.tables,
    ),
    "connect": Section(
        (_beside("session with one search, p50", (signin.CASE,), signin.MIDDLE, 1.2),),
        interleaved=signin.measure_signin,
        tables=signin.tables,
    ),
    "far": Section(
        (_beside("the same over the distance, p50", (FAR + signin.CASE,), signin.MIDDLE, 1),),
        interleaved=measure_far,
        tables=_far_tables,
    ),
    "berths": Section(
        tuple(Goal(f"memory of a berth, kB, {end}", (BERTH_CASE,), PER_BERTH, None, 50, target=end) for end in ENDS),
        alone=measure_berths,
        tables=_berth_tables,
    ),
    "stalled": Section(
        tuple(
            Goal(f"growth, client stalls in 500 MB, MB, {end}", (STALLED_CASE,), STALLED, None, 4, target=end)
            for end in ENDS
        ),
        alone=measure_stalled,
        tables=_stalled_tables,
    ),
}
