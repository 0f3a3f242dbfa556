"""How far the process grows while a client stalls in a large search."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from bench.client import Client
from bench.gateway_process import gateway
from bench.measure import MB, Figure, PeakMemory, cpu_seconds, resident
from bench.servers import Server, slapd, windows_like
from tests.servers.windows import people

# Everything that an entry has: kept whole in memory, 20,000 entries would be more than the goal allows.
ATTRIBUTES = tuple(sorted({name for entry in people.make_directory(1) for name in entry.attributes}))
CASES: tuple[tuple[Callable[[int], AbstractContextManager[Server]], int], ...] = (
    (slapd, 20_000),
    (slapd, 100_000),
    (windows_like, 20_000),
)

# The gateway has read what it wants to when it uses no processor for so long, in seconds.
STILL = 3.0
PATIENCE = 120.0

NAME = "memory"


def measure() -> Figure:
    return Figure(
        "Memory",
        "Goal: a client that stops reading in an unpaged search of 20,000 entries makes the process grow by less than "
        "20 MB. Growth of RSS over what it was after a small search, in MB: while the client stalls, and at most until "
        "it has read everything.",
        ("server", "entries", "result, MB", "before", "growth, stalled", "growth, to the end"),
        [_case(serve, users) for serve, users in CASES],
    )


def _case(serve: Callable[[int], AbstractContextManager[Server]], users: int) -> tuple[str, ...]:
    with (
        serve(users) as server,
        gateway(server, ATTRIBUTES) as running,
        Client(running.port, running.ca_file, server.sync_name, server.sync_password) as client,
    ):
        client.ask(people.CONTACTS, ATTRIBUTES)
        client.read_entries()
        before = resident(running.pid)
        octets = client.received
        with PeakMemory(running.pid) as peak:
            client.ask(people.STAFF, ATTRIBUTES)
            _wait_until_still(running.pid)
            stalled = peak.octets
            count = client.read_entries()
        if count != users + len(people.UNITS):
            raise RuntimeError(f"{count} entries came for {users} users")
        whole = client.received - octets
        sizes = (before, stalled - before, peak.octets - before)
        return (server.kind, f"{count:,}", f"{whole / MB:.0f}", *(f"{size / MB:.1f}" for size in sizes))


def _wait_until_still(pid: int) -> None:
    until = time.monotonic() + PATIENCE
    used, since = cpu_seconds(pid), time.monotonic()
    while time.monotonic() - since < STILL:
        if time.monotonic() > until:
            raise RuntimeError("the gateway does not come to rest while its client stalls")
        time.sleep(0.1)
        if (now := cpu_seconds(pid)) > used:
            used, since = now, time.monotonic()
