"""A gateway that is left alone with an unsteady world for half an hour: what does it hold in the beginning, and in the
end?"""

import os
import random
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.gateway_process import Running, gateway
from bench.measure import MB, Figure, resident
from bench.requests import PagedRead
from bench.servers import Server, windows_like
from bench.soak import MOST_KEPT
from bench.wire import Connection, drive, signed_in, trust
from tests.servers.faulty_path import HANDSHAKE, FaultyPath
from tests.servers.redis_server import PASSWORD, RedisServer
from tests.servers.windows import people

USERS = 1000
PAGE = 200
SLOW_READERS = 4
# Octets that a slow reader takes at a time, and the seconds between two.
_SIP, _BETWEEN_SIPS = 4096, 0.25
# Descriptors that connections which happen to be open may make a difference of, and threads that wait for work.
SPARE_DESCRIPTORS, SPARE_THREADS = 12, 2

# Seconds between two samples, and between two events of each kind.
_SAMPLED, _RELOADED, _FLAPPED, _REDIS_KILLED = 5.0, 20.0, 15.0, 60.0
# Of the time, how much each of the three points is the median of; before the first one everything has been in use.
_WARMING, _POINT = 60.0, 90.0
# What a path does for its time of trouble, and behind how many octets.
_TROUBLES = (("refuse", 0), ("stall", HANDSHAKE), ("close", 40_000), ("reset", 40_000), ("close", 0))


@dataclass(frozen=True)
class Held:
    """What a process holds. octets: in memory."""

    octets: int
    descriptors: int
    threads: int


def held_by(pid: int) -> Held:
    return Held(resident(pid), _entries(f"/proc/{pid}/fd"), _entries(f"/proc/{pid}/task"))


def _entries(directory: str) -> int:
    return sum(1 for _ in Path(directory).iterdir())


class World:
    """Clients, servers' paths and a Redis that come and go around one gateway, each in a thread of its own.

    counts: what has happened. short: syncs that ended as successes without being whole.
    """

    def __init__(self, server: Server, target: Running, paths: list[FaultyPath], store: RedisServer) -> None:
        self._server = server
        self._target = target
        self._paths = paths
        self._store = store
        self._trust = trust(target.ca_file)
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._staff = [entry for entry in people.make_directory(USERS) if entry.dn.endswith(people.STAFF)]
        self.counts: Counter[str] = Counter()

    def begin(self) -> None:
        self._repeat(self._sync, 0.5)
        self._repeat(self._sign_in, 0.2)
        for _ in range(SLOW_READERS):
            self._repeat(self._read_slowly)
        self._repeat(self._reload, _RELOADED)
        self._repeat(self._disturb_a_path, _FLAPPED)
        self._repeat(self._restart_store, _REDIS_KILLED)

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _repeat(self, what: Callable[[], None], pause: float = 0.05) -> None:
        def run() -> None:
            while not self._over.wait(pause):
                try:
                    what()
                except (OSError, RuntimeError):
                    # A server, or the gateway for it, has ended this one.
                    self.counts[f"{what.__name__.strip('_')} broken off"] += 1
                else:
                    self.counts[what.__name__.strip("_")] += 1

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _signed_in(self, receive_buffer: int | None = None) -> Connection:
        name, password = self._server.sync_name, self._server.sync_password
        return signed_in(self._target.port, self._trust, name, password, receive_buffer=receive_buffer)

    def _sync(self) -> None:
        with self._signed_in() as connection:
            drive([(connection, PagedRead(PAGE))])
            if connection.scanner.entries != len(self._staff):
                self.counts["short syncs"] += 1

    def _sign_in(self) -> None:
        person = random.choice([entry for entry in self._staff if entry.password is not None])
        with Connection(self._target.port, self._trust) as connection:
            if random.random() < 0.2:
                connection.bind_code(person.dn, "wrong")
            else:
                connection.bind(person.dn, person.password or "")

    def _read_slowly(self) -> None:
        with self._signed_in(receive_buffer=_SIP) as connection:
            work = PagedRead(USERS)
            connection.socket.sendall(work.first())
            while not connection.scanner.feed(connection.read(_SIP)):
                if self._over.wait(_BETWEEN_SIPS):
                    return

    def _reload(self) -> None:
        os.kill(self._target.pid, signal.SIGHUP)

    def _disturb_a_path(self) -> None:
        path = random.choice(self._paths)
        path.kind, path.after = random.choice(_TROUBLES)
        self._over.wait(_FLAPPED / 3)
        path.after, path.kind = 0, "none"

    def _restart_store(self) -> None:
        self._store.kill()
        self._over.wait(5)
        self._store.start()


def endure(minutes: float, code: Path) -> Iterator[Figure]:
    """Raises RuntimeError where a sync was short."""
    with ExitStack() as made:
        server = made.enter_context(windows_like(USERS))
        paths = [made.enter_context(FaultyPath(server.port)) for _ in range(2)]
        store = made.enter_context(RedisServer())
        target = made.enter_context(gateway(server, code=code, **_others(server, paths, store)))
        world = World(server, target, paths, store)
        samples: list[tuple[float, Held]] = []
        world.begin()
        began = time.monotonic()
        try:
            while (at := time.monotonic() - began) < minutes * 60:
                samples.append((at, held_by(target.pid)))
                time.sleep(_SAMPLED)
        finally:
            world.end()
    if world.counts["short syncs"]:
        raise RuntimeError(f"{world.counts['short syncs']} syncs ended as successes and were not whole")
    yield _figure(minutes, samples, world.counts)


def _others(server: Server, paths: list[FaultyPath], store: RedisServer) -> dict[str, Any]:
    """Keys of the configuration: two ways to the server, and a shared store for wrong passwords."""
    password = store.directory / "password"
    password.write_text(PASSWORD)
    servers = [{"url": f"ldaps://127.0.0.1:{path.port}", "server_name": "localhost"} for path in paths]
    directory = {
        "servers": servers,
        "ca_file": server.ca_file,
        "naming_contexts": [people.SUFFIX],
        "connect_timeout": 2,
        "connect_patience": 4,
    }
    return {
        "directories": {"corp": directory},
        "lockout_store": {"url": f"redis://127.0.0.1:{store.port}/0", "password_file": str(password)},
        "limits": {"bind": 5, "silence": 5},
    }


def point(samples: list[tuple[float, Held]], first: float, last: float) -> Held:
    """The median of what was held between two times, in seconds from the beginning."""
    chosen = [held for at, held in samples if first <= at <= last]
    return Held(
        round(statistics.median(held.octets for held in chosen)),
        round(statistics.median(held.descriptors for held in chosen)),
        round(statistics.median(held.threads for held in chosen)),
    )


def verdict(first: Held, last: Held) -> str:
    """Which goals were missed."""
    goals = {
        "memory": last.octets <= first.octets * MOST_KEPT,
        "descriptors": last.descriptors <= first.descriptors + SPARE_DESCRIPTORS,
        "threads": last.threads <= first.threads + SPARE_THREADS,
    }
    missed = [name for name, met in goals.items() if not met]
    return f"**{' and '.join(missed)} not met**" if missed else "met"


def _figure(minutes: float, samples: list[tuple[float, Held]], counts: Counter[str]) -> Figure:
    whole = minutes * 60
    places = {
        "at the start": (_WARMING, _WARMING + _POINT),
        "in the middle": ((whole - _POINT) / 2, (whole + _POINT) / 2),
        "at the end": (whole - _POINT, whole),
    }
    points = {name: point(samples, *place) for name, place in places.items()}
    rows: list[tuple[str, ...]] = [
        (name, f"{held.octets / MB:.1f}", str(held.descriptors), str(held.threads)) for name, held in points.items()
    ]
    most = Held(
        max(held.octets for _, held in samples),
        max(held.descriptors for _, held in samples),
        max(held.threads for _, held in samples),
    )
    rows.append(("at most", f"{most.octets / MB:.1f}", str(most.descriptors), str(most.threads)))
    happened = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in sorted(counts.items()))
    return Figure(
        "Endurance",
        f"{minutes:g} minutes before a server that gives out TLS 1.3 tickets, over two paths that break, stall and "
        f"refuse in turn; syncs of {USERS:,} people, sign-ins with right and wrong passwords, {SLOW_READERS} slow "
        f"readers, a reload every {_RELOADED:g} seconds, a Redis that is killed every {_REDIS_KILLED:g}. Medians of "
        f"{_POINT:g} seconds each. Happened: {happened}. Goals: no sync is short (none was); at the end memory within "
        f"{MOST_KEPT - 1:.0%}, at most {SPARE_DESCRIPTORS} descriptors and {SPARE_THREADS} threads more: "
        f"{verdict(points['at the start'], points['at the end'])}.",
        ("", "MB in memory", "descriptors", "threads"),
        rows,
    )
