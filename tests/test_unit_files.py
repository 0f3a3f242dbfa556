"""The unit files as systemd itself reads them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.gateway_process import ENVIRONMENT
from gateway.net.listeners.listening import BACKLOG

UNITS = Path(__file__).parents[1] / "systemd"
SERVICE, SOCKET = UNITS / "ldap-gateway.service", UNITS / "ldap-gateway.socket"

# Tenths of systemd's points for what a service may do beyond its work; one without any hardening has 96.
EXPOSURE = 15

pytestmark = pytest.mark.servers


@pytest.fixture
def analyze():
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze: apt-get install systemd")

    def run(*arguments):
        return subprocess.run([program, *arguments, "--no-pager"], capture_output=True, text=True, timeout=60)

    return run


def test_systemd_reads_them_without_a_complaint(analyze, tmp_path):
    for unit in (SERVICE, SOCKET):
        text = unit.read_text().replace("/opt/ldap-gateway/bin/ldap-gateway", sys.executable)
        (tmp_path / unit.name).write_text(text)
    checked = analyze("verify", str(tmp_path / SERVICE.name), str(tmp_path / SOCKET.name))
    ours = [line for line in checked.stderr.splitlines() if "ldap-gateway" in line]
    assert (checked.returncode, ours) == (0, [])


def test_the_measurements_are_of_what_the_service_runs_with():
    (said,) = re.findall(r"^Environment=(.+)$", SERVICE.read_text(), re.MULTILINE)
    assert set(said.split()) == {f"{name}={value}" for name, value in ENVIRONMENT.items()}


def test_as_many_connections_may_wait_as_at_a_socket_of_its_own():
    """Nothing but systemd says it of a socket that systemd has opened."""
    (backlog,) = re.findall(r"^Backlog=(\d+)$", SOCKET.read_text(), re.MULTILINE)
    assert int(backlog) == BACKLOG


def test_the_service_may_do_little_beyond_its_work(analyze):
    checked = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(SERVICE))
    if "unrecognized option" in checked.stderr:
        pytest.skip("this systemd reviews no files: 250 is the first that does")
    assert checked.returncode == 0, checked.stdout + checked.stderr
