"""The Samba domain of the tests, which must do what they rely on, and what tests/servers/samba/README.md says."""

import shutil
import socket
import subprocess
import sys
import time

import pytest

from tests.servers.gateway_process import PATIENCE, ROOT
from tests.servers.samba_domain import LAB

# A test run in small: it starts a domain controller and then waits.
TEST_RUN = """
import sys
from pathlib import Path
from tests.servers.samba_domain import running_samba

with running_samba(Path(sys.argv[1])) as settings:
    print(settings["LAB_IP"], settings["LAB_DIR"], flush=True)
    sys.stdin.read()
"""


def test_the_domain_passes_all_checks_of_the_lab(samba):
    checked = subprocess.run([LAB / "check.sh", samba["LAB_DIR"]], capture_output=True, text=True, timeout=280)
    told = [line for line in checked.stdout.splitlines() if not line.startswith(("ok ", "# "))]
    assert checked.returncode == 0 and not told, "\n".join([*told, checked.stderr])
    assert checked.stdout.count("\nok ") > 100


@pytest.mark.usefixtures("samba")
def test_a_domain_controller_ends_with_the_test_run_that_is_killed(pytestconfig):
    command = [sys.executable, "-c", TEST_RUN, str(pytestconfig.cache.mkdir("samba"))]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as test_run:
        address, directory = test_run.stdout.readline().split()
        assert listens(address)
        test_run.kill()
    try:
        until = time.monotonic() + PATIENCE
        while listens(address):
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        # Its last processes may still write.
        shutil.rmtree(directory, ignore_errors=True)


def listens(address):
    with socket.socket() as client:
        return client.connect_ex((address, 636)) == 0
