"""How long a start takes: until `run` listens, against a bare interpreter that imports what it stands on."""

import subprocess
import sys
import time

from bench.gateway_process import gateway
from bench.measure import Figure, Sample, cpu_seconds
from bench.servers import Server

ROUNDS = 15

# The names that the gateway takes from them; the parts of a package that are imported depend on it.
BARE = """
import sys
from twisted.internet import reactor, ssl
from OpenSSL import SSL
from pydantic import BaseModel, ConfigDict, Field
print("ready", flush=True)
sys.stdin.read()
"""


def measure() -> Figure:
    """Interleaved, so that a busy moment of the machine falls on all of them."""
    bare, run, shown = [], [], []
    for _ in range(ROUNDS):
        bare.append(_bare())
        # Nobody connects, so no server is asked.
        with gateway(Server("none", 1, "gateway-ca.pem", 0)) as running:
            run.append((running.start_seconds, running.start_cpu))
        shown.append(_help())
    return Figure(
        "Start",
        f"Goal: `run` listens within twice the time of the bare interpreter. {ROUNDS} interleaved rounds; median "
        "(least-greatest) in ms.",
        ("", "by the clock", "processor"),
        [
            ("bare interpreter: imports Twisted, pyOpenSSL, pydantic", *_cells(bare)),
            ("`ldap-gateway run`, until it is ready", *_cells(run)),
            ("ratio, median of the rounds", *(_ratio(run, bare, i) for i in (0, 1))),
            ("`ldap-gateway --help`", Sample(shown).shown(1000), ""),
        ],
    )


def _cells(measured: list[tuple[float, float]]) -> tuple[str, str]:
    seconds, cpu = zip(*measured, strict=True)
    return Sample(list(seconds)).shown(1000), Sample(list(cpu)).shown(1000)


def _ratio(run: list[tuple[float, float]], bare: list[tuple[float, float]], i: int) -> str:
    ratios = Sample([mine[i] / other[i] for mine, other in zip(run, bare, strict=True)])
    return f"{ratios.median:.2f}"


def _bare() -> tuple[float, float]:
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", BARE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        measured = time.perf_counter() - began, cpu_seconds(process.pid)
        process.communicate()
    return measured


def _help() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "gateway", "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
