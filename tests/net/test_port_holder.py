"""Who has a port that is taken, by a real socket and by an account that may not see whose it is."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.net.listeners.port_holder import port_in_use


@pytest.mark.parametrize("host, wanted", [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "::"), ("0.0.0.0", "127.0.0.1")])
def test_the_process_that_listens_is_named(host, wanted):
    with socket.create_server((host, 0)) as listening:
        port = listening.getsockname()[1]
        name = Path("/proc/self/comm").read_text().strip()
        assert port_in_use(wanted, port) == (
            f"another program has this port: process {os.getpid()} ({name}) listens on {host}:{port}"
        )


def test_a_listener_of_ipv6_is_named():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        port = listening.getsockname()[1]
        assert f"process {os.getpid()} " in port_in_use("::1", port)
        assert port_in_use("::1", port).endswith(f"listens on [::1]:{port}")


@pytest.mark.servers
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user")
def test_without_the_right_to_see_it_the_command_is_named():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        asked = f"from gateway.net.listeners.port_holder import port_in_use; print(port_in_use('127.0.0.1', {port}))"
        said = subprocess.run(
            [
                sys.executable,
                "-c",
                f"import os; from gateway.net.listeners import port_holder; os.setuid(65534); {asked}",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            cwd=Path(__file__).parents[2],
        ).stdout
    assert said == (f"another program listens on 127.0.0.1:{port}: as root, `ss -ltnp 'sport = :{port}'` shows which\n")


def test_without_proc_the_command_is_named(tmp_path):
    assert port_in_use("127.0.0.1", 636, tmp_path) == (
        "another program has this port: as root, `ss -tanp 'sport = :636'` shows which"
    )
