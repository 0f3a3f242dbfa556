"""A gateway of the demo as a process of its own, as `ldap-gateway run` has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from gateway.demo.steps import Record
from gateway.demo.waiting import holds_within
from gateway.net.transport.reactor import Reactor

# Seconds for what a gateway does at once; far more than a slow machine needs.
PATIENCE: Final = 30.0

_READY: Final = "] ready\n"
_LISTENING: Final = "listening on "
# What the log says after SIGUSR1: the records of all operations that have ended are written.
_WRITTEN: Final = "audit: standard output: written up to here"
_CODE: Final = Path(__file__).parents[2]


class GatewayFailed(Exception):
    """A gateway of the demo did not start, or has ended. The text says which one, and what it said last."""


class GatewayProcess:
    """A gateway with its configuration, its log and its audit in one directory.

    name: in words. configuration: its file, in that directory.
    """

    def __init__(self, name: str, configuration: Path, reactor: Reactor) -> None:
        self._name = name
        self._configuration = configuration
        self._reactor = reactor
        self._log = configuration.with_name("log")
        self._audit = configuration.with_name("audit")
        self._process: subprocess.Popen[bytes] | None = None
        # Octets of the audit that have been taken.
        self._taken = 0

    async def start(self) -> None:
        """Returns once it serves. Raises GatewayFailed or OSError."""
        with self._log.open("wb") as log, self._audit.open("wb") as audit:
            self._process = subprocess.Popen(  # noqa: S603 - this very program, with a file of ours
                # -P: whatever lies in the current directory is not taken for the gateway.
                [sys.executable, "-P", "-m", "gateway", "run", "-c", self._configuration],
                stdin=subprocess.DEVNULL,
                stdout=audit,
                stderr=log,
                # The very code that runs here comes first.
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_CODE), *_paths()])},
            )
        await self.said(_READY)

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def port(self) -> int:
        """The port of its first listener."""
        after = self._log.read_text().partition(_LISTENING)[2]
        return int(after.split()[0].rpartition(":")[2])

    async def said(self, text: str, count: int = 1) -> None:
        """Returns once its log has the text so many times. Raises GatewayFailed."""

        def there() -> bool:
            found = self._log.read_text().count(text) >= count
            if not found:
                self.look()
            return found

        if not await holds_within(PATIENCE, there, self._reactor):
            raise GatewayFailed(
                f"{self._name} has not said {text.strip()!r} within {PATIENCE:g} seconds; {self._last_words()}"
            )

    def look(self) -> None:
        """Raises GatewayFailed where it has ended."""
        if self._running.poll() is not None:
            raise GatewayFailed(f"{self._name} has ended; {self._last_words()}")

    async def all_records(self) -> tuple[Record, ...]:
        """The records, since the last call, of all operations that have ended by now. Raises GatewayFailed."""
        before = self._log.read_text().count(_WRITTEN)
        self._running.send_signal(signal.SIGUSR1)
        await self.said(_WRITTEN, before + 1)
        return self.records()

    def records(self) -> tuple[Record, ...]:
        """The records of operations that have been written since the last call."""
        with self._audit.open("rb") as audit:
            audit.seek(self._taken)
            whole = audit.read().rpartition(b"\n")[0]
        if not whole:
            return ()
        self._taken += len(whole) + 1
        found = (json.loads(line) for line in whole.splitlines())
        return tuple(record for record in found if record["record"] in ("operation", "sign-in"))

    def end(self) -> None:
        """Asks it to stop, where it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    async def ended(self) -> None:
        """Returns once it has ended, in the end by force."""
        process = self._process
        if process is not None and not await holds_within(PATIENCE, lambda: process.poll() is not None, self._reactor):
            process.kill()
            process.wait()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the gateway has not been started")
        return self._process

    def _last_words(self) -> str:
        """The end of its log."""
        lines = self._log.read_text().splitlines()
        return f"the end of its log: {lines[-1]}" if lines else "its log is empty"


def _paths() -> list[str]:
    """Where this process looks for modules besides, by its environment."""
    return list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
