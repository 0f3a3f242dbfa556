"""The gateway as a process of its own, as an administrator runs it: started, watched, reloaded, stopped."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

from gateway.demo.certificates import CertificateFiles
from tests.emitted import EMITTED

ROOT = Path(__file__).parents[2]

# Seconds for anything that a healthy gateway does at once; a loaded machine gets that long before a test fails.
PATIENCE = 30

# What free_port has given out: sockets that hold the ports' names.
_CLAIMED: list[socket.socket] = []


class GatewayProcess:
    """directory: for its files, gateway.yaml, log and audit. config: the text of gateway.yaml, whose listeners may
    have port 0. ports: of the listeners, in their order. admin_port: of the admin pages, None where there are none.
    launcher: a command that runs the command behind it. environment, descriptors: what it gets besides.

    Leaving the context kills what still runs.
    """

    def __init__(
        self,
        directory: Path,
        config: str,
        *,
        launcher: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        descriptors: Collection[int] = (),
    ) -> None:
        self.config = directory / "gateway.yaml"
        self.config.write_text(config)
        self._log = directory / "log"
        self._audit = directory / "audit"
        self.admin_port: int | None = None
        self._ending = False
        with self._log.open("w") as log, self._audit.open("w") as audit:
            self.process = subprocess.Popen(
                [*launcher, sys.executable, "-m", "gateway", "run", "-c", self.config],
                stdin=subprocess.DEVNULL,
                stdout=audit,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                pass_fds=descriptors,
            )
        try:
            self.wait_for("ready")
        except BaseException:
            self.kill()
            raise
        listening = [line for line in self.log().splitlines() if "listening on" in line]
        pages = [line for line in self.log().splitlines() if "status page" in line]
        self.admin_port = int(pages[0].rpartition(":")[2].rstrip("/")) if pages else None
        self.ports = [int(line.split("listening on ")[1].split()[0].rpartition(":")[2]) for line in listening]

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def reaching(self) -> "GatewayProcess":
        """The process that has the connections to the servers, and knows their names."""
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def log(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str, after: int = 0) -> str:
        """Until a whole line of the log has text, behind its first characters, whose number is after; returns what is
        there."""
        until = time.monotonic() + PATIENCE
        while text not in (found := self.log()[after:]).rpartition("\n")[0]:
            assert self.process.poll() is None, f"the gateway has ended: {found}"
            assert time.monotonic() < until, f"no {text!r} in the log: {found}"
            time.sleep(0.02)
        return found

    def audit_text(self) -> str:
        """With the records of all operations that have ended by now."""
        # A thread writes them; where it stands, the log says after this signal.
        before = len(self.log())
        until = time.monotonic() + PATIENCE
        self.send("SIGUSR1")
        while "audit: standard output: written up to here" not in self.log()[before:] and self.process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.005)
        return self._audit.read_text()

    def audit(self, **wanted: object) -> list[dict[str, Any]]:
        """The records of operations so far that have these fields; of other kinds only if `record` is one of these."""
        return _matching(self.audit_text(), wanted)

    def wait_for_audit(self, count: int = 1, **wanted: object) -> list[dict[str, Any]]:
        """Until there are count records with these fields; returns them, with those of all operations that have
        ended by now."""
        until = time.monotonic() + PATIENCE
        while len(found := self.audit(**wanted)) < count:
            assert self.process.poll() is None, f"the gateway has ended: {self.log()}"
            assert time.monotonic() < until, f"{len(found)} records with {wanted}: {self.audit_text()}"
            time.sleep(0.02)
        return found

    def resident_octets(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def wait_until_still(self) -> None:
        """Until the process spends no time for a while: where a client does not read, every buffer is full."""
        spent: list[str] | None = None
        since = time.monotonic()
        until = since + PATIENCE
        while time.monotonic() - since < 0.5:
            assert time.monotonic() < until
            now = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            if now != spent:
                spent, since = now, time.monotonic()
            time.sleep(0.05)

    def reload(self, config: str) -> str:
        """Puts the text in the file and sends SIGHUP; returns what the log says of it."""
        before = len(self.log())
        self.config.write_text(config)
        self.send("SIGHUP")
        # The beginning of a message: the paths of many tests have the word in them.
        return self.wait_for("] reload", before)

    def send(self, name: str) -> None:
        """name: of the signal."""
        self.process.send_signal(getattr(signal, name))

    def terminate(self) -> None:
        self._note_pages()
        # Python takes a second one, once it is about to exit, for its end.
        self._ending = True
        self.send("SIGTERM")

    def _note_pages(self) -> None:
        """What the admin pages say in the end, to be searched for passwords."""
        if self.admin_port is None or self.process.poll() is not None:
            return
        for path in ("/metrics", "/"):
            # A process that a test has stopped answers nothing.
            with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=2) as page:
                EMITTED.note("admin page", page.read())

    def stop(self) -> int:
        """Ends it by SIGTERM, if it is not ending already; returns the exit status."""
        if not self._ending:
            self.terminate()
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        self._note_pages()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)


def _matching(text: str, wanted: Mapping[str, object]) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    if "record" not in wanted:
        records = [record for record in records if record["record"] in ("operation", "sign-in")]
    return [record for record in records if wanted.items() <= record.items()]


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens and that no other call of this function gets while this process lives.

    The system gives a port of this range to nobody who asks for any port, so what a test leaves closed stays closed.
    """
    while True:
        port = random.randint(20_000, 32_000)
        # A name in the abstract namespace belongs to one process of the machine and ends with it.
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as found, contextlib.suppress(OSError):
            claim.bind(f"\0ldap-gateway-test-port-{port}")
            found.bind(("127.0.0.1", port))
            _CLAIMED.append(claim)
            return port
        claim.close()


def configuration(
    certificates: CertificateFiles, directory: Mapping[str, object], client: Mapping[str, object], **others: object
) -> str:
    """A configuration's text: one LDAPS listener on a free port of loopback, one directory, one client.

    certificates: demo.certificates.CertificateFiles of the listener. directory, client: what their blocks hold
    besides what is the same in each test. others: further top-level keys, or other values for these.
    """
    listener = {
        "address": "127.0.0.1:0",
        "certificate": str(certificates.certificate),
        "private_key": str(certificates.private_key),
    }
    whole = {
        "listeners": [listener],
        "directories": {"corp": {"naming_contexts": ["DC=corp,DC=example"], **directory}},
        "clients": {"mimecast": {"sources": ["127.0.0.0/8"], "directory": "corp", **client}},
        "admin": None,
        "drain_timeout": 2,
        **others,
    }
    # JSON is YAML.
    return json.dumps(whole, indent=1, default=str)
