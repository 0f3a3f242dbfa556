"""Where the gateway's time goes: by libraries and by functions, in bulk and in small searches."""

import os
import pstats
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.bulk import PAGES
from bench.gateway_process import gateway
from bench.lab import MANY_REQUESTS, Lab
from bench.measure import Figure
from bench.peers import Target
from bench.requests import Lookups, PagedRead
from bench.servers import slapd
from bench.wire import drive

SECONDS = 6.0
FUNCTIONS = 30
# By file, line and function: the calls without and with recursions, the own time, the time with callees, the callers.
_Stats = dict[tuple[str, int, str], tuple[int, int, float, float, object]]
_PROFILED = Path(__file__).with_name("profiled_process.py")
_LIBRARIES = 12
_SYMBOLS = 30


def _bulk(lab: Lab, target: Target) -> None:
    with lab.connections(target, 1) as opened:
        drive((connection, PagedRead(PAGES[0])) for connection in opened)


def _small(lab: Lab, target: Target) -> None:
    with lab.connections(target, 8) as opened:
        drive((connection, Lookups(250, lab.users, random.Random(1))) for connection in opened)


def _connect(lab: Lab, target: Target) -> None:
    for _ in range(50):
        with lab.connections(target, 1):
            pass


WORK: dict[str, Callable[[Lab, Target], None]] = {"bulk": _bulk, "small": _small, "connect": _connect}


def profile(names: list[str], users: int, code: Path) -> None:
    """Prints, for each kind of work, perf's view of the process (where perf is installed) and cProfile's."""
    with slapd(users) as server:
        lab = Lab(users, server, code, [])
        for name in names:
            if shutil.which("perf"):
                with gateway(server, code=code, limits=MANY_REQUESTS) as target:
                    for figure in _perf(name, lab, target):
                        print(f"{figure.markdown()}\n", flush=True)
            print(f"{_cprofile(name, lab).markdown()}\n", flush=True)


def _keep_busy(name: str, lab: Lab, target: Target) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        WORK[name](lab, target)


def _perf(name: str, lab: Lab, target: Target) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-profile-") as made:
        data = Path(made) / "perf.data"
        WORK[name](lab, target)
        command = ["perf", "record", "-q", "-F", "499", "-p", str(target.pid), "-o", str(data)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as recording:
            _keep_busy(name, lab, target)
            recording.send_signal(signal.SIGINT)
        return [
            Figure(f"{name}: libraries", "Share of the processor time, by perf.", ("", "%"), _report(data, "dso")),
            Figure(f"{name}: symbols", "The same by C function.", ("", "", "%"), _report(data, "dso,symbol")),
        ]


def _report(data: Path, order: str) -> list[tuple[str, ...]]:
    shown = subprocess.run(
        ["perf", "report", "-i", data, "--stdio", "--sort", order, "--percent-limit", "0.5"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = []
    for line in shown.splitlines():
        found = re.match(r"\s*([\d.]+)%\s+(\S+)(?:\s+\[.\] (.+?))?(?:\s+-)*\s*$", line)
        if found:
            rows.append((*(part.strip() for part in found.groups()[1:] if part), found[1]))
    return rows[: _SYMBOLS if "," in order else _LIBRARIES]


def _cprofile(name: str, lab: Lab) -> Figure:
    with tempfile.TemporaryDirectory(prefix="bench-profile-") as made:
        file = Path(made) / "profile"
        under = (str(_PROFILED), str(file))
        with gateway(lab.server, code=lab.code, limits=MANY_REQUESTS, under=under) as target:
            WORK[name](lab, target)
            os.kill(target.pid, signal.SIGUSR2)
            _keep_busy(name, lab, target)
        stats: _Stats = vars(pstats.Stats(str(file)))["stats"]
    total = sum(own for _, _, own, _, _ in stats.values())
    rows = sorted(stats.items(), key=lambda item: item[1][2], reverse=True)
    return Figure(
        f"{name}: functions",
        "By cProfile, which makes each call slower: calls, own time, and time with what it calls, in % of the work.",
        ("", "calls", "own", "with calls"),
        [
            (_place(*where), f"{calls:,}", f"{own / total:.1%}", f"{within / total:.1%}")
            for where, (_, calls, own, within, _) in rows[:FUNCTIONS]
        ],
    )


def _place(file: str, line: int, function: str) -> str:
    return f"{'/'.join(Path(file).parts[-2:])}:{line} {function}" if line else function
