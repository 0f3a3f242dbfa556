"""A throwaway Active Directory (Samba), made by the scripts in tests/servers/samba, on an address of its own."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import random
import shlex
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.kept import kept

LAB = Path(__file__).with_name("samba")
USER_PASSWORD = "Lab-User-Passw0rd1"

# Seconds after which a domain is made anew, long before its certificates end.
_KEPT = 14 * 86400
# Seconds for a script of the lab, and for Samba's start. On an idle machine 5,000 people take 15, and the start less
# than one.
_SCRIPT_TIME = 270
_START_TIME = 60


@contextlib.contextmanager
def running_samba(cache: Path, users: int = 500) -> Iterator[dict[str, str]]:
    """The settings (LAB_IP, LAB_CA, LAB_SVC_UPN and the others of lab.env) of a domain controller that serves so many
    people until the context ends, or the process.

    Making a domain takes long, copying one does not. So cache, a directory that all workers and later test runs share,
    keeps the domains that were made, and each context runs a copy.
    """
    if os.geteuid() != 0 or not shutil.which("samba"):
        pytest.skip("needs root and: apt-get install samba-ad-dc samba-ad-provision openssl ldap-utils")
    directory = Path(tempfile.mkdtemp(prefix="samba-"))
    address = f"127.{random.randint(20, 250)}.{random.randint(1, 250)}.{random.randint(2, 250)}"
    try:
        with _populated(cache, users) as domain:
            _run("clone.sh", domain, directory, address)
        settings = _settings(directory)
        output = directory / "log" / "stdout.log"
        with output.open("wb") as log:
            # The domain controller ends once nobody has the other end of its standard input any more.
            process = subprocess.Popen(
                [LAB / "start.sh", "--foreground", directory], stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        try:
            _wait_until_it_answers(settings, process, output)
            yield settings
        finally:
            _run("stop.sh", directory)
            assert process.stdin is not None
            process.stdin.close()
            process.wait(_START_TIME)
    finally:
        shutil.rmtree(directory)


@contextlib.contextmanager
def _populated(cache: Path, users: int) -> Iterator[Path]:
    """A stopped domain with so many people, locked until the context ends."""

    def make(domain: Path) -> None:
        with kept(cache / "empty", _maker(), lambda empty: _run("provision.sh", empty), _KEPT) as empty:
            _run("clone.sh", empty, domain, "127.0.0.10")
        _run("populate.py", "--users", str(users), domain)

    with kept(cache / f"{users}-users", _maker(), make, _KEPT) as domain:
        yield domain


@functools.cache
def _maker() -> str:
    """What a domain depends on: Samba's version and the scripts."""
    version = subprocess.run(["samba", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    scripts = b"".join(script.read_bytes() for script in sorted(LAB.glob("*.[ps][yh]")))
    return f"{version} {hashlib.sha256(scripts).hexdigest()}"


def _run(script: str, *arguments: str | Path) -> None:
    ended = subprocess.run(
        [LAB / script, *arguments],
        # Settings that the user has for a lab of his own are none of these tests'.
        env={name: value for name, value in os.environ.items() if not name.startswith("LAB_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SCRIPT_TIME,
    )
    assert ended.returncode == 0, ended.stderr


def _settings(directory: Path) -> dict[str, str]:
    lines = (shlex.split(line, comments=True) for line in (directory / "lab.env").read_text().splitlines())
    return dict(words[1].split("=", 1) for words in lines if words)


def _wait_until_it_answers(settings: dict[str, str], process: subprocess.Popen[bytes], output: Path) -> None:
    context = ssl.create_default_context(cafile=settings["LAB_CA"])
    until = time.monotonic() + _START_TIME
    while process.poll() is None and time.monotonic() < until:
        # A handshake needs the process that serves LDAP; a connection alone does not.
        with contextlib.suppress(OSError), socket.create_connection((settings["LAB_IP"], 636), 10) as connection:
            context.wrap_socket(connection, server_hostname=settings["LAB_FQDN"]).close()
            return
        time.sleep(0.02)
    pytest.fail(f"Samba has ended or does not answer: {output.read_text()}")
