"""A whole session with one search in it: connect, TLS, bind, search, unbind."""

import random
import time

from bench.lab import Lab
from bench.measure import Figure, settled_cpu_seconds
from bench.peers import Target
from bench.requests import Lookups
from bench.results import Goal, Metric, Results, percentile

CYCLES = 80
CASE = "connect to unbind"

MIDDLE = Metric("p50 ms", 2, 1e3)
HIGH = Metric("p99 ms", 2, 1e3)
CPU = Metric("CPU ms per session", 2, 1e3)


def measure_signin(lab: Lab, results: Results, number: int) -> None:
    for target in lab.in_turn(number):
        chance = random.Random(number)
        # A server that serves again has had a session before.
        _cycle(lab, target, chance)
        before = settled_cpu_seconds(target.pid)
        took = [_cycle(lab, target, chance) for _ in range(CYCLES)]
        used = settled_cpu_seconds(target.pid) - before
        values = {MIDDLE: percentile(took, 0.5), HIGH: percentile(took, 0.99), CPU: used / CYCLES}
        results.add(CASE, target.name, values)


def _cycle(lab: Lab, target: Target, chance: random.Random) -> float:
    request = Lookups(1, lab.users, chance).first()
    began = time.perf_counter()
    with lab.connect(target) as connection:
        connection.socket.sendall(request)
        connection.result()
        connection.unbind()
        if connection.scanner.entries != 1:
            raise RuntimeError(f"{target.name}: nobody was found")
    return time.perf_counter() - began


GOALS = (
    Goal("session with one search, p50", (CASE,), MIDDLE, "slapd", 1),
    Goal("session with one search, p50", (CASE,), MIDDLE, "haproxy", 1, aim=True),
    Goal("session with one search, CPU", (CASE,), CPU, "slapd", 1),
)


def tables(results: Results) -> list[Figure]:
    about = f"Connect, TLS, bind, one small search, unbind, close: {CYCLES} one after another, on new connections each."
    return [results.table("Sessions", about, (CASE,), (MIDDLE, HIGH, CPU))]
