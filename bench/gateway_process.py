"""The gateway as an administrator runs it, before one server."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import cpu_seconds
from bench.servers import Server, free_port
from gateway.demo.certificates import make_certificates
from tests.servers.windows import people

_PATIENCE = 30.0


@dataclass(frozen=True)
class Running:
    """start_seconds, start_cpu: from the start of the process until it listened, by the clock and of a processor."""

    pid: int
    port: int
    ca_file: str
    start_seconds: float
    start_cpu: float


@contextmanager
def gateway(server: Server, attributes: Sequence[str] = people.LISTED) -> Iterator[Running]:
    """A gateway that lets the server's sync account read these attributes; SIGTERM ends it in the end.

    Its log goes where its standard error is read from, and is not read any further once it serves.
    """
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as name:
        directory = Path(name)
        certificates = make_certificates(directory, "gateway")
        port = free_port()
        configuration = directory / "gateway.yaml"
        # JSON is YAML.
        configuration.write_text(json.dumps(_configuration(server, port, attributes)))
        with (directory / "audit").open("w") as audit:
            began = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "run", "-c", configuration],
                stdin=subprocess.DEVNULL,
                stdout=audit,
                stderr=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[1],
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
            try:
                _wait_until_ready(process)
                seconds = time.perf_counter() - began
                yield Running(process.pid, port, str(certificates.ca_file), seconds, cpu_seconds(process.pid))
            finally:
                process.terminate()
                process.communicate(timeout=_PATIENCE)


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        if line.rstrip().endswith("ready"):
            return
        said.append(line)
    raise RuntimeError(f"the gateway did not start: {''.join(said)}")


def _configuration(server: Server, port: int, attributes: Sequence[str]) -> dict[str, Any]:
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
                "sources": ["127.0.0.0/8"],
                "directory": "corp",
                "sync_accounts": [server.sync_name],
                "base_dns": [people.STAFF, people.GROUPS, people.CONTACTS],
                "attributes": list(attributes),
            }
        },
        "admin": {"address": "127.0.0.1:0"},
        "drain_timeout": 1,
        # What is measured is the work, not the limits.
        "limits": {"requests_per_source": 1_000_000, "requests_per_account": 1_000_000},
    }
