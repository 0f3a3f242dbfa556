"""LDAP clients that nobody here wrote, each as a small program of tests/servers/foreign that does what it is told.

A program has one connection. It reads one command from each line of its standard input, encoded as a form of a web
page, which every language can read: `do` and the fields that belong to it. It writes one line of JSON for each.

| do | fields | what it does |
|---|---|---|
| open | url, ca, starttls | connects, and trusts the authority in a PEM file; the connection from before ends |
| bind | name, password | |
| search | base, filter, attribute and those below | reads all pages |
| searches | base, filter, attribute | asks all at once |
| abandon | base, filter, attribute | begins a search and gives it up |
| delete | dn | |
| unbind | | |

A search has scope, size, time, deref, types, page, control (an OID), critical, and references where it is to give them.
`attribute` and, for `searches`, `filter` may come more than once. Numbers are those of the protocol. What a field that
is left out means is the library's own affair: so it sends what it sends by default.

Each answer has `code` and `message` of the result, or `error` where there was none. That of `search` has `references`
and `entries`, each with its `dn` and `attributes` (values in Base64 by name); that of `searches` has `results`, with
the `names` of the entries of each.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlencode

import pytest

from tests.servers.gateway_process import PATIENCE
from tests.servers.kept import kept

PROGRAMS = Path(__file__).with_name("foreign")
# Where Debian's packages put the sources of Go's libraries.
GO_PATH = Path("/usr/share/gocode")
# Debian's own, which has Debian's python-ldap; the tests may run with another one.
DEBIAN_PYTHON = "/usr/bin/python3"

# What takes the path to the cache and returns a command line.
Prepare = Callable[[Path], Sequence[str | Path]]


@dataclass(frozen=True)
class ForeignClient:
    """An LDAP library of others, and what is to be expected of it.

    prepare: makes the program, where it has to be made. children: whether the library can ask for scope 3.
    abandons: whether it can abandon. partial: whether a search that it wanted no more of is an error for it.
    diagnostics: whether it tells what a server says beside a result code. names: whether DNs stay what they are in it.
    unescapes: which escaped octets in a filter's text it understands.
    """

    name: str
    prepare: Prepare
    children: bool = True
    abandons: bool = True
    partial: bool = True
    diagnostics: bool = True
    names: bool = True
    unescapes: Literal["all", "ASCII", "none"] = "all"

    def __str__(self) -> str:
        return self.name


class ForeignProgram:
    """A client's program, which runs until the context is left. node_path: where Node.js finds its packages."""

    def __init__(self, client: ForeignClient, command: Sequence[str | Path], node_path: Path) -> None:
        self.client = client
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - until the context is left
        # Nothing of this process's environment, which may measure coverage or put a compiled gateway first.
        environment = {"PATH": os.environ["PATH"], "LDAPNOINIT": "1", "NODE_PATH": str(node_path / "node_modules")}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, env=environment
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def ask(self, do: str, **fields: object) -> Any:
        """Sends a command and returns the answer; fields without a value (None) are left out."""
        given = {"do": do, **{name: value for name, value in fields.items() if value is not None}}
        assert self._process.stdin is not None and self._process.stdout is not None
        watch = threading.Timer(PATIENCE, self._process.kill)
        watch.start()
        # What an earlier test has killed is told below.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(urlencode(given, doseq=True).encode() + b"\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        watch.cancel()
        if not line:
            self._said.seek(0)
            pytest.fail(f"the program has ended, or did not answer for {PATIENCE} s: {self._said.read().decode()}")
        return json.loads(line)


def _needs(packages: str, *programs: str) -> None:
    """Skips the test where a program, or a file, is missing."""
    for program in programs:
        if not shutil.which(program) and not Path(program).exists():
            pytest.skip(f"needs {program}: apt-get install {packages}")


def _go(cache: Path) -> Sequence[str | Path]:
    library = GO_PATH / "src/github.com/go-ldap/ldap"
    _needs("golang-go golang-github-go-ldap-ldap-dev", "go", str(library))
    source = PROGRAMS / "go_ldap.go"
    maker = _output("go", "version") + _digest(source, *library.rglob("*.go"))

    def make(made: Path) -> None:
        made.mkdir()
        environment = {
            "PATH": os.environ["PATH"],
            # Without modules, which would have to be downloaded.
            "GO111MODULE": "off",
            "GOTOOLCHAIN": "local",
            "GOPATH": str(GO_PATH),
            "GOCACHE": str(cache / "go-build"),
        }
        _run("go", "build", "-o", made / "client", source, environment=environment)

    with kept(cache / "go", maker, make) as made:
        return [made / "client"]


def _java(cache: Path) -> Sequence[str | Path]:
    _needs("default-jdk-headless", "javac", "java")
    source = PROGRAMS / "Jndi.java"
    with kept(
        cache / "java",
        _output("javac", "-version") + _digest(source),
        lambda made: _run("javac", "-encoding", "UTF-8", "-d", made, source),
    ) as made:
        # A short life: no second compiler, and one collector.
        return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", made, "Jndi"]


def _node(program: str) -> Prepare:
    def prepare(cache: Path) -> Sequence[str | Path]:
        _needs("nodejs npm", "node", "npm")
        files = [PROGRAMS / "package.json", PROGRAMS / "package-lock.json"]

        def make(made: Path) -> None:
            made.mkdir()
            for file in files:
                shutil.copy(file, made)
            command: list[str | Path] = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", made]
            ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
            if ended.returncode:
                pytest.skip(f"needs what npm downloads: {ended.stderr}")

        with kept(cache / "node", _output("node", "--version") + _digest(*files), make):
            return ["node", PROGRAMS / program]

    return prepare


def _perl(cache: Path) -> Sequence[str | Path]:
    _needs("libnet-ldap-perl libio-socket-ssl-perl", "perl")
    if subprocess.run(["perl", "-MNet::LDAP", "-MIO::Socket::SSL", "-e", "1"], capture_output=True).returncode:
        pytest.skip("needs Net::LDAP and IO::Socket::SSL: apt-get install libnet-ldap-perl libio-socket-ssl-perl")
    return ["perl", PROGRAMS / "net_ldap.pl"]


def _python_ldap(cache: Path) -> Sequence[str | Path]:
    _needs("python3-ldap", DEBIAN_PYTHON)
    if subprocess.run([DEBIAN_PYTHON, "-c", "import ldap"], capture_output=True).returncode:
        pytest.skip("needs python-ldap: apt-get install python3-ldap")
    return [DEBIAN_PYTHON, PROGRAMS / "python_ldap_client.py"]


CLIENTS = (
    ForeignClient("go-ldap", _go, abandons=False),
    ForeignClient("JNDI", _java, children=False),
    ForeignClient("ldapts", _node("ldapts_client.js"), abandons=False, partial=False, unescapes="ASCII"),
    ForeignClient(
        "ldapjs", _node("ldapjs_client.js"), children=False, diagnostics=False, names=False, unescapes="none"
    ),
    ForeignClient("Net::LDAP", _perl),
    ForeignClient("python-ldap", _python_ldap),
    ForeignClient("ldap3", lambda cache: [sys.executable, PROGRAMS / "ldap3_client.py"], children=False),
)


def run_program(client: ForeignClient, cache: Path) -> ForeignProgram:
    """cache: a directory that all workers and later test runs share. Skips the test where something is missing."""
    return ForeignProgram(client, client.prepare(cache), cache / "node")


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _run(*command: str | Path, environment: dict[str, str] | None = None) -> None:
    ended = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240
    )
    assert ended.returncode == 0, ended.stderr
