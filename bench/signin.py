"""A whole session with one search in it: connect, TLS, bind, search, unbind; and people who sign in one after another
on a session that stays, as a service's page has them do."""

import random
import time

from bench.lab import Lab
from bench.measure import Figure, settled_cpu_seconds
from bench.peers import Target
from bench.requests import Lookups
from bench.results import Goal, Metric, Results, percentile
from bench.wire import Connection
from tests.servers.windows import people

CYCLES = 80
CASE = "connect to unbind"

# People's sign-ins. A refused one is answered after a quarter of a second (limits.refusal_floor), so it is not timed.
SIGN_INS = 20
AFTER_SUCCESS = "behind one that succeeded"
AFTER_REFUSAL = "behind one that was refused"
_INVALID_CREDENTIALS = 49

MIDDLE = Metric("p50 ms", 2, 1e3)
HIGH = Metric("p99 ms", 2, 1e3)
CPU = Metric("CPU ms per session", 2, 1e3)
SIGN_IN_CPU = Metric("CPU ms, with the one before", 2, 1e3)


def measure_signin(lab: Lab, results: Results, number: int, cycles: int = CYCLES) -> None:
    """cycles: sessions of each target, one after another."""
    for target in lab.in_turn(number):
        chance = random.Random(number)
        # A server that serves again has had a session before.
        _cycle(lab, target, chance)
        before = settled_cpu_seconds(*target.pids)
        took = [_cycle(lab, target, chance) for _ in range(cycles)]
        used = settled_cpu_seconds(*target.pids) - before
        values = {MIDDLE: percentile(took, 0.5), HIGH: percentile(took, 0.99), CPU: used / cycles}
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


def measure_people(lab: Lab, results: Results, number: int) -> None:
    """A refusal leaves no connection to the server, so the sign-in behind it needs another one, mostly a spare."""
    person = next(entry.dn for entry in people.make_directory(1) if entry.password == people.USER_PASSWORD)
    for target in lab.in_turn(number):
        for case, before in ((AFTER_SUCCESS, people.USER_PASSWORD), (AFTER_REFUSAL, f"not {people.USER_PASSWORD}")):
            with lab.connect(target) as connection:
                used = settled_cpu_seconds(*target.pids)
                took = [_sign_in(connection, person, before) for _ in range(SIGN_INS)]
                used = settled_cpu_seconds(*target.pids) - used
            values = {MIDDLE: percentile(took, 0.5), HIGH: percentile(took, 0.99), SIGN_IN_CPU: used / SIGN_INS}
            results.add(case, target.name, values)


def _sign_in(connection: Connection, person: str, before: str) -> float:
    """Seconds that it takes behind a bind with another password."""
    expected = 0 if before == people.USER_PASSWORD else _INVALID_CREDENTIALS
    if connection.bind_code(person, before) != expected:
        raise RuntimeError(f"{person} was not answered {expected}")
    began = time.perf_counter()
    connection.bind(person, people.USER_PASSWORD)
    return time.perf_counter() - began


GOALS = (
    Goal("session with one search, p50", (CASE,), MIDDLE, "slapd", 1),
    Goal("session with one search, p50", (CASE,), MIDDLE, "haproxy", 1, aim=True),
    Goal("session with one search, CPU", (CASE,), CPU, "slapd", 1),
)


def tables(results: Results) -> list[Figure]:
    about = f"Connect, TLS, bind, one small search, unbind, close: {CYCLES} one after another, on new connections each."
    again = (
        f"A person signs in on a connection that stays: {SIGN_INS} times behind a sign-in that succeeded, and as often "
        "behind one with a wrong password. The time is that of the second one; processor time is that of both."
    )
    return [
        results.table("Sessions", about, (CASE,), (MIDDLE, HIGH, CPU)),
        results.table("People's sign-ins", again, (AFTER_SUCCESS, AFTER_REFUSAL), (MIDDLE, HIGH, SIGN_IN_CPU)),
    ]
