"""Two gateways on one state_dir: the second waits for the first, or ends, and leaves what is the first one's alone."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.demo.certificates import make_certificates
from gateway.state.in_force import FILE_NAME, NoRecord, read_in_force
from tests.servers.gateway_process import PATIENCE, ROOT, GatewayProcess, configuration

pytestmark = pytest.mark.servers

STATE_IN_USE = 75


@pytest.fixture
def make(tmp_path):
    """The text of a configuration, and the directory of a gateway by that name."""
    certificates = make_certificates(tmp_path, "gateway")
    (tmp_path / "state").mkdir()

    def made(name, state_dir="state", drain_timeout=PATIENCE, **others):
        directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
        client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
        (tmp_path / name).mkdir(exist_ok=True)
        others = {"state_dir": str(tmp_path / state_dir), "drain_timeout": drain_timeout, **others}
        return tmp_path / name, configuration(certificates, directory, client, **others)

    return made


@pytest.fixture
def begin():
    """A function that begins a gateway of which nobody knows whether it will serve; its standard error is a pipe."""
    begun = []

    def begin_(directory, text, **environment):
        (directory / "gateway.yaml").write_text(text)
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "run", "-c", directory / "gateway.yaml"],
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        )
        begun.append(process)
        return process

    yield begin_
    for process in begun:
        process.kill()
        process.wait(PATIENCE)
        process.stderr.close()


def wait_for_record(state_dir):
    """The gateway says that it is ready before it writes what is in force."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return read_in_force(state_dir)
        except NoRecord:
            assert time.monotonic() < until
            time.sleep(0.02)


def test_the_second_ends_in_words_and_leaves_the_first_ones_files_alone(make, begin, tmp_path):
    state_dir = tmp_path / "state"
    with GatewayProcess(*make("first")) as first:
        record = wait_for_record(state_dir)
        second = begin(*make("second", drain_timeout=0))
        _, said = second.communicate(timeout=PATIENCE)
        assert second.returncode == STATE_IN_USE
        other = (
            f"state_dir {state_dir}: another gateway uses it (process {first.process.pid} on {socket.gethostname()})"
        )
        assert said.splitlines() == [
            f"{other}; waiting up to 2 seconds for its end",
            f"{other}; each gateway needs a state_dir of its own",
        ]
        assert read_in_force(state_dir) == record
        # What only looks at the directory does so beside it.
        for command in (["check", "--diff"], ["shrink", "list"], ["shrink", "reset", "--yes"]):
            asked = [sys.executable, "-m", "gateway", *command, "-c", first.config]
            done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
            assert (done.returncode, done.stderr) == (0, "")
        assert first.stop() == 0
    assert not (state_dir / FILE_NAME).exists()


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
def test_the_second_serves_once_the_first_has_ended(make, begin, tmp_path, end):
    with GatewayProcess(*make("first")) as first:
        wait_for_record(tmp_path / "state")
        directory, text = make("second")
        second = begin(directory, text)
        lines = []
        while "waiting up to" not in (line := second.stderr.readline()):
            assert line
        first.send(end)
        while (line := second.stderr.readline()) and "ready" not in line:
            lines.append(line)
        assert line, lines
        assert first.process.wait(PATIENCE) == (0 if end == "SIGTERM" else -signal.SIGKILL)
        until = time.monotonic() + PATIENCE
        while wait_for_record(tmp_path / "state").file != str(directory / "gateway.yaml"):
            assert time.monotonic() < until


def test_systemd_is_told_of_the_wait_and_sigterm_ends_it(make, begin, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, GatewayProcess(*make("first")) as first:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        second = begin(*make("second"), NOTIFY_SOCKET=str(tmp_path / "notify"))
        told = dict(line.split("=", 1) for line in manager.recv(65_536).decode().splitlines())
        assert told["STATUS"].startswith(f"state_dir {tmp_path / 'state'}: another gateway uses it")
        assert int(told["EXTEND_TIMEOUT_USEC"]) >= PATIENCE * 1_000_000
        until = time.monotonic() + PATIENCE
        # It asks for the signal as soon as it has told systemd.
        while second.poll() is None:
            assert time.monotonic() < until
            if _asks_for(second.pid, signal.SIGTERM):
                second.send_signal(signal.SIGTERM)
                break
            time.sleep(0.02)
        second.communicate(timeout=PATIENCE)
        assert second.returncode == 0
        assert first.process.poll() is None


def _asks_for(pid, number):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(line for line in lines if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_a_reload_to_another_state_dir_keeps_the_one_from_the_start(make, begin, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("state")
    with GatewayProcess(*make("first")) as first, GatewayProcess(*make("second", "other")) as second:
        record = wait_for_record(tmp_path / "other")
        before = len(first.log())
        said = first.reload(make("first", "link")[1])
        assert "state_dir" not in said
        said = first.reload(make("first", "other")[1])
        assert "state_dir has changed: it is used from the next start on" in said
        assert f"state_dir {tmp_path / 'other'}: another gateway uses it (process {second.process.pid} on " in said
        assert "state_dir has changed" in first.log()[before:]
        third = begin(*make("third", drain_timeout=0))
        third.communicate(timeout=PATIENCE)
        assert third.returncode == STATE_IN_USE
        assert first.stop() == 0
        assert read_in_force(tmp_path / "other") == record
        assert not (tmp_path / "state" / FILE_NAME).exists()
