"""A throwaway Active Directory (Samba) from the lab beside the project."""

import contextlib
import os
import random
import shutil
import subprocess

import pytest

from tests.servers.gateway_process import ROOT

LAB = ROOT.parent / "shared" / "lab" / "samba-ad"
USER_PASSWORD = "Lab-User-Passw0rd1"


@contextlib.contextmanager
def running_samba(users=500):
    """The settings of a domain controller that serves so many people: LAB_IP, LAB_CA, LAB_SVC_UPN and so on."""
    if not (LAB / "up.sh").exists():
        pytest.skip("the Samba lab is not beside the project")
    if os.geteuid() != 0 or not shutil.which("samba"):
        pytest.skip("needs root and: apt-get install samba-ad-dc samba-ad-provision ldap-utils openssl")
    address = f"127.{random.randint(20, 250)}.{random.randint(1, 250)}.{random.randint(2, 250)}"
    made = subprocess.run(
        [LAB / "up.sh", "--users", str(users)],
        env={**os.environ, "LAB_IP": address},
        cwd="/tmp",
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert made.returncode == 0, made.stderr
    directory = made.stdout.splitlines()[-1]
    try:
        shell = subprocess.run(
            ["bash", "-c", f". {directory}/lab.env; set -o posix; set"], capture_output=True, text=True, check=True
        )
        found = dict(line.partition("=")[::2] for line in shell.stdout.splitlines() if line.startswith("LAB_"))
        yield {key: value.strip("'") for key, value in found.items()} | {"LAB_IP": address}
    finally:
        subprocess.run([LAB / "stop.sh", "--purge", directory], capture_output=True, timeout=60)
