"""Syncs while the gateway is attacked: are they complete, how fast are they, and does it get its memory back."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.attacks import GETTING_READY
from bench.compiled import ROOT
from bench.gateway_process import Running, gateway
from bench.measure import MB, Figure, Sample, cpu_seconds, resident
from bench.requests import PagedRead
from bench.servers import Server, slapd
from bench.wire import Connection, drive, signed_in, trust
from tests.servers.windows import people

PAGE = 500
# What must be left of the speed, and of the memory that came.
SLOWEST = 0.5
MOST_KEPT = 1.1

# Seconds: of an attack once it is under way, and for the memory to come back.
ATTACKED = 25
_RECOVERY = 30
_FEWEST_SYNCS = 5
# So much longer an attack goes on, so that it lasts until the last sync has ended.
_SPARE = 10


@dataclass(frozen=True)
class Attack:
    """kinds: of bench.attacks, each with how many. limits: other than the defaults, and why in the table."""

    title: str
    kinds: tuple[tuple[str, int], ...]
    limits: Mapping[str, object] = field(default_factory=dict)


# The defaults turn most of these away before they are much; with these limits each of them is let in.
_ROOM = {"sessions": 13_000, "sessions_per_source": 13_000, "handshakes": 11_000, "tls_handshake": 120}

SILENT, LORIS, UNLISTED, HOSTILE = ("silent", 10_000), ("loris", 2000), ("unlisted", 500), ("hostile", 50)
OWN = ("own", 100)

ATTACKS = {
    "silent": Attack("10,000 silent connections, all let in", (SILENT,), _ROOM),
    "own": Attack("100 connections a second that stay silent, from the sync's own address", (OWN,)),
    "loris": Attack("2,000 slow-loris sessions, all let in", (LORIS,), _ROOM),
    "unlisted": Attack("500 connections a second from unlisted addresses", (UNLISTED,)),
    "hostile": Attack("hostile messages on 50 connections", (HOSTILE,)),
    "all": Attack("all of these at once, all let in", (SILENT, LORIS, UNLISTED, HOSTILE), _ROOM),
}


def soak(names: Sequence[str], users: int, code: Path) -> Iterator[Figure]:
    """Raises RuntimeError where a sync is not complete."""
    rows = []
    with slapd(users) as server:
        for name in names:
            attack = ATTACKS[name]
            with gateway(server, code=code, limits=attack.limits) as target:
                rows.append(_endure(attack, server, target, users))
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    yield Figure(
        "Soak",
        f"Syncs of {users:,} people in pages of {PAGE}, one after another, while the gateway is attacked. Goals: each "
        f"is complete, its speed at least {SLOWEST:g} of the undisturbed one, and the memory afterwards within "
        f"{MOST_KEPT - 1:.0%} of what it was. Whole times begin with connecting and count all tries of a sign-in; "
        "their ratio is that of the medians, attacked to undisturbed.",
        (
            *("attack", "syncs", "lost", "undisturbed, entries/s", "attacked", "ratio", "ratio of whole times"),
            *("refused sign-ins", "MB before", "at most", "after", "gateway CPU", "attackers", ""),
        ),
        rows,
    )


def _endure(attack: Attack, server: Server, target: Running, users: int) -> tuple[str, ...]:
    expected = users + len(people.UNITS)
    sync = _Sync(server, target, expected)
    for _ in range(3):
        sync.run()
    sync.clear()
    _repeat(sync, 6)
    undisturbed, whole = Sample(sync.rates), Sample(sync.times)
    before = resident(target.pid)
    sync.clear()
    most = before
    with ExitStack() as started:
        seconds = ATTACKED + _SPARE
        attackers = [started.enter_context(attacker(kind, target.port, count, seconds)) for kind, count in attack.kinds]
        for each in attackers:
            each.wait_until_under_way()
        used, began = cpu_seconds(target.pid), time.monotonic()
        _repeat(sync, ATTACKED)
        busy = (cpu_seconds(target.pid) - used) / (time.monotonic() - began)
        most = max(most, resident(target.pid))
        outcomes = [each.outcome() for each in attackers]
    attacked, longer = Sample(sync.rates), Sample(sync.times).median / whole.median
    after = _recovered(target, before)
    ratio = attacked.median / undisturbed.median
    return (
        *(attack.title, str(len(sync.rates)), str(sync.lost), undisturbed.shown(), attacked.shown()),
        *(f"{ratio:.2f}", f"{longer:.2f}"),
        *(str(sync.refused), f"{before / MB:.1f}", f"{most / MB:.1f}", f"{after / MB:.1f}", f"{busy:.0%}"),
        *("; ".join(outcomes), verdict(sync.lost, ratio, before, after)),
    )


def verdict(lost: int, ratio: float, before: int, after: int) -> str:
    """Which goals were missed. lost: entries. ratio: of the speeds. before, after: octets in memory."""
    goals = {"completeness": lost == 0, "speed": ratio >= SLOWEST, "memory": after <= before * MOST_KEPT}
    missed = [name for name, met in goals.items() if not met]
    return f"**{' and '.join(missed)} not met**" if missed else "met"


class _Sync:
    """A service that signs in, reads everything, and signs out.

    rates: entries/s of each time, without signing in. times: seconds of each time, from connecting to the last entry.
    lost: entries that did not come. refused: sign-ins that it had to try again.
    """

    _PATIENCE = 60.0

    def __init__(self, server: Server, target: Running, expected: int) -> None:
        self._server = server
        self._port = target.port
        self._context = trust(target.ca_file)
        self._expected = expected
        self.clear()

    def clear(self) -> None:
        self.rates: list[float] = []
        self.times: list[float] = []
        self.lost = self.refused = 0

    def run(self) -> None:
        began = time.monotonic()
        with self._signed_in() as connection:
            seconds = drive([(connection, PagedRead(PAGE))])
            self.times.append(time.monotonic() - began)
            connection.unbind()
            self.lost += self._expected - connection.scanner.entries
            self.rates.append(connection.scanner.entries / seconds)

    def _signed_in(self) -> Connection:
        until = time.monotonic() + self._PATIENCE
        while True:
            try:
                return signed_in(self._port, self._context, self._server.sync_name, self._server.sync_password)
            except OSError:
                self.refused += 1
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)


def _repeat(sync: _Sync, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(sync.rates) < _FEWEST_SYNCS:
        sync.run()


class Attacker:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def wait_until_under_way(self) -> None:
        if not self._line(2 * GETTING_READY).startswith("under way"):
            raise RuntimeError("an attack did not get under way")

    def outcome(self) -> str:
        """What became of it, once it has ended."""
        counts = json.loads(self._line(ATTACKED + GETTING_READY) or "{}")
        return ", ".join(f"{count:,} {what}" for what, count in counts.items())

    def _line(self, seconds: float) -> str:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], seconds)
        return self._process.stdout.readline() if readable else ""


@contextmanager
def attacker(kind: str, port: int, count: int, seconds: float) -> Iterator[Attacker]:
    """A process of bench.attacks, which ends by itself after so many seconds, or with the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.attacks", kind, str(port), str(round(seconds)), str(count)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield Attacker(process)
    finally:
        process.kill()
        process.wait()


def _recovered(target: Running, before: int) -> int:
    """What it holds once that is near to what it was, or after a while."""
    until = time.monotonic() + _RECOVERY
    while (after := resident(target.pid)) > before * MOST_KEPT and time.monotonic() < until:
        time.sleep(0.5)
    return after
