"""Starts the server of tests.servers.windows for a test, and talks to it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# What its certificate is good for, besides 127.0.0.1 and dc1.corp.example.
SERVER_NAME = "localhost"


class WindowsLike:
    """The server as a process of its own, on a free port of loopback; a context manager.

    options: the command line's, as keywords (`users=5000, max_page_size=100, primitives_short=True`).
    """

    def __init__(self, **options: Any):
        arguments = []
        for name, value in options.items():
            arguments.append("--" + name.replace("_", "-"))
            if value is not True:
                arguments.append(str(value))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.windows", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        started = self._read()
        self.port: int = started["port"]
        self.ca_file: str = started["ca_file"]

    @property
    def url(self) -> str:
        return f"ldaps://127.0.0.1:{self.port}"

    @property
    def gateway_directory(self) -> dict[str, Any]:
        """The keys of a directory block that leads to it."""
        return {"servers": [{"url": self.url, "server_name": SERVER_NAME}], "ca_file": self.ca_file}

    @property
    def pid(self) -> int:
        return self._process.pid

    def set_faults(self, **faults: Any) -> None:
        """Sets these faults and clears all others; see tests.servers.windows.faults.Faults."""
        self._ask("faults", **faults)

    def delete(self, dn: str) -> None:
        """The entry and all below it."""
        assert self._ask("delete", dn=dn), f"no entry {dn}"

    def replace(self, dn: str, name: str, values: list[str]) -> None:
        """Gives an attribute these values; none removes it."""
        assert self._ask("replace", dn=dn, name=name, values=values), f"no entry {dn}"

    def received(self) -> list[dict[str, Any]]:
        """The requests that came since the last call, in order, as server.Connection describes them."""
        found: list[dict[str, Any]] = self._ask("received")
        return found

    def stop(self) -> None:
        self._process.communicate(timeout=20)

    def __enter__(self) -> "WindowsLike":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _ask(self, command: str, **parameters: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, **parameters}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the server ended with status {self._process.wait(10)}"
        return json.loads(line)
