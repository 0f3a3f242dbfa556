"""Does anybody wait for what another client sends? The answers to one client, while others send what takes long."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.gateway_process import Running, gateway
from bench.measure import Figure, Sample, cpu_seconds
from bench.results import percentile
from bench.servers import Server
from bench.soak import attacker
from bench.wire import Connection, trust
from gateway.ldap.filters import Present
from gateway.ldap.messages import BASE_OBJECT, SearchRequest

# Seconds: what the 99.9th percentile may be while others send.
MOST = 0.05

# Of one measurement, in seconds; it is repeated, alone and beside the others in turn.
_MEASURED = 5.0
ROUNDS = 4
# Between two requests of the one client: with 2 ms there are 2,000 answers and more in a measurement.
_PAUSE = 0.002
_ROOT_DSE = SearchRequest("", BASE_OBJECT, Present("objectClass"))
_SHARES = (0.5, 0.99, 0.999)


@dataclass(frozen=True)
class Input:
    """kind: of bench.attacks. connections: on which it comes."""

    title: str
    kind: str
    connections: int


INPUTS = {
    "hard": Input("200 binds at a time, names hard to read, 1 connection", "hard", 1),
    "hard-many": Input("the same on 20 connections", "hard", 20),
    "long": Input("200 binds at a time, names of 8 kB, 20 connections", "long", 20),
    "short": Input("200 searches for the root DSE at a time, 20 connections", "short", 20),
}


def fairness(names: Sequence[str], code: Path) -> Iterator[Figure]:
    rows = [_row(INPUTS[name], code) for name in names]
    yield Figure(
        "Fairness",
        f"A client asks for the root DSE every {_PAUSE * 1000:g} ms, alone and beside others, whose limit of requests "
        f"is lifted and who send without a pause. {ROUNDS} rounds of {_MEASURED:g} seconds each, in turn; median "
        f"(least-greatest) in ms. Goal: beside them the 99.9th percentile is at most {MOST * 1000:g} ms.",
        (
            "what the others send",
            *(f"alone, {_title(share)}" for share in _SHARES),
            *(f"beside them, {_title(share)}" for share in _SHARES),
            *("gateway CPU", "the others", ""),
        ),
        rows,
    )


def _title(share: float) -> str:
    return f"p{share * 100:g}"


def _row(sent: Input, code: Path) -> tuple[str, ...]:
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    busy: list[float] = []
    outcomes: list[str] = []
    # Nobody who may sign in comes, so no server is asked.
    server = Server("none", 1, "gateway-ca.pem", 0)
    with gateway(server, code=code, limits={"requests_per_source": 1_000_000}) as target:
        for _ in range(ROUNDS):
            alone.append(_answers(target))
            with attacker(sent.kind, target.port, sent.connections, _MEASURED + 1) as others:
                others.wait_until_under_way()
                used, began = cpu_seconds(target.pid), time.monotonic()
                beside.append(_answers(target))
                busy.append((cpu_seconds(target.pid) - used) / (time.monotonic() - began))
                outcomes.append(others.outcome())
    row = (
        *(sent.title, *_cells(alone), *_cells(beside), f"{Sample(busy).median:.0%}", outcomes[-1]),
        verdict(Sample([percentile(took, _SHARES[-1]) for took in beside]).median),
    )
    print(" | ".join(row), file=sys.stderr, flush=True)
    return row


def verdict(high: float) -> str:
    """high: seconds, the 99.9th percentile beside the others."""
    return "met" if high <= MOST else "**not met**"


def _cells(rounds: list[list[float]]) -> Iterator[str]:
    for share in _SHARES:
        yield Sample([percentile(took, share) for took in rounds]).shown(1000, 2)


def _answers(target: Running) -> list[float]:
    """Seconds that each answer took."""
    took = []
    with Connection(target.port, trust(target.ca_file)) as connection:
        until = time.monotonic() + _MEASURED
        while time.monotonic() < until:
            began = time.perf_counter()
            connection.ask(_ROOT_DSE)
            connection.result()
            took.append(time.perf_counter() - began)
            time.sleep(_PAUSE)
    return took
