"""The gateway as an administrator runs it, before one server."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.compiled import ROOT
from bench.measure import cpu_seconds
from bench.peers import Target
from bench.requests import ATTRIBUTES
from bench.servers import Server, stopped
from gateway.demo.certificates import make_certificates
from tests.servers.gateway_process import free_port
from tests.servers.windows import people

# As the image and the unit of systemd run it.
ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONMALLOC": "malloc"}

_PATIENCE = 60.0


@dataclass(frozen=True)
class Running(Target):
    """start_seconds, start_cpu: from the start of the process until it listened, by the clock and of a processor.
    log: what it has said so far, and still says. audit: the file of its audit records. admin_port: of its pages."""

    start_seconds: float
    start_cpu: float
    log: list[str]
    audit: Path
    admin_port: int


@contextmanager
def gateway(
    server: Server,
    *,
    code: Path = ROOT,
    name: str = "gateway",
    attributes: Sequence[str] = ATTRIBUTES,
    limits: Mapping[str, Any] | None = None,
    under: Sequence[str] = (),
    **others: Any,
) -> Iterator[Running]:
    """A gateway that lets the server's sync account read these attributes, with the defaults of everything that is
    not named here; SIGTERM ends it in the end.

    code: where its modules are, compiled or not. limits, others: keys of the configuration. under: what Python runs it
    with, such as `-m cProfile`.
    """
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as made:
        directory = Path(made)
        certificates = make_certificates(directory, "gateway")
        port, admin_port = free_port(), free_port()
        whole = configuration(server, port, admin_port, attributes, limits or {}) | others
        with started(directory, whole, code, under) as run:
            ca_file = str(certificates.ca_file)
            yield Running(name, port, ca_file, run.pid, run.seconds, run.cpu, run.log, run.audit, admin_port)


@dataclass(frozen=True)
class Started:
    """A gateway's process, without what clients of it need to know. The fields are those of Running."""

    pid: int
    seconds: float
    cpu: float
    log: list[str]
    audit: Path


@contextmanager
def started(directory: Path, whole: Mapping[str, Any], code: Path, under: Sequence[str] = ()) -> Iterator[Started]:
    """The gateway of a whole configuration, whose files lie in the directory, once it is ready; SIGTERM ends it in the
    end. code, under: as gateway has them."""
    file = directory / "gateway.yaml"
    # JSON is YAML.
    file.write_text(json.dumps(whole))
    (directory / "state").mkdir()
    log: list[str] = []
    ready = threading.Event()
    audit = directory / "audit"
    with audit.open("w") as records:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *under, "-m", "gateway", "run", "-c", file],
            stdin=subprocess.DEVNULL,
            stdout=records,
            stderr=subprocess.PIPE,
            text=True,
            cwd=directory,
            # Before the environment's own, which leads to the checkout.
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(code)},
        )
    reader = threading.Thread(target=_keep_log, args=(process, log, ready), daemon=True)
    reader.start()
    try:
        if not ready.wait(_PATIENCE) or not any(map(_is_ready, log)):
            raise RuntimeError(f"the gateway did not start: {''.join(log)}")
        seconds = time.perf_counter() - began
        yield Started(process.pid, seconds, cpu_seconds(process.pid), log, audit)
    finally:
        stopped(process)
        reader.join()


def _keep_log(process: "subprocess.Popen[str]", log: list[str], ready: threading.Event) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        log.append(line)
        if _is_ready(line):
            ready.set()
    # It has ended; nobody need wait for it any longer.
    ready.set()
    process.stderr.close()


def _is_ready(line: str) -> bool:
    return line.rstrip().endswith("ready")


def configuration(
    server: Server, port: int, admin_port: int, attributes: Sequence[str], limits: Mapping[str, Any]
) -> dict[str, Any]:
    """Of a gateway before the server, with the files of certificates that lie beside it."""
    return {
        "listeners": [
            {"address": f"127.0.0.1:{port}", "certificate": "gateway.pem", "private_key": "gateway.key"},
        ],
        "directories": {
            "corp": {
                "servers": [{"url": server.url, "server_name": "localhost"}],
                "ca_file": server.ca_file,
                "naming_contexts": [people.SUFFIX],
            }
        },
        "clients": {
            "mimecast": {
                "sources": ["127.0.0.0/16"],
                "directory": "corp",
                "sync_accounts": [server.sync_name],
                "login_base_dns": [people.STAFF],
                "base_dns": [people.STAFF, people.GROUPS, people.CONTACTS],
                "attributes": list(attributes),
            }
        },
        "admin": {"address": f"127.0.0.1:{admin_port}"},
        "state_dir": "state",
        "drain_timeout": 1,
        "limits": dict(limits),
    }
