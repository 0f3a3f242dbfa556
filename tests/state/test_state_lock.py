"""One gateway at a time has a state_dir, and whoever is dead has none."""

import errno
import os
import signal
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from gateway.host.system_errors import errno_meaning
from gateway.state import state_lock as module
from gateway.state.state_dir import StateError
from gateway.state.state_lock import FILE_NAME, StateInUse, StateLock

PATIENCE = 30
HOLDER = """
import sys
from pathlib import Path
from gateway.host.system_errors import errno_meaning
from gateway.state.state_lock import StateLock
from gateway.host.system_errors import errno_meaning
lock = StateLock(Path(sys.argv[1]), 0, print)
print("held", flush=True)
sys.stdin.read()
"""


def lock(state_dir, patience=0, waits=None):
    """waits: None where nobody is to be waited for."""
    held = StateLock(state_dir, patience, waits or pytest.fail)
    held.close = held.release
    return closing(held)


@pytest.fixture
def holder(tmp_path):
    """Another process that has the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)
        process.stdin.close()
        process.stdout.close()


@pytest.mark.servers
def test_another_process_is_named_and_not_waited_for_longer_than_is_wanted(tmp_path, holder):
    said = []
    with pytest.raises(StateInUse) as raised:
        StateLock(tmp_path, 0.3, said.append)
    other = f"state_dir {tmp_path}: another gateway uses it (process {holder.pid} on {os.uname().nodename})"
    assert str(raised.value) == f"{other}; each gateway needs a state_dir of its own"
    assert said == [f"{other}; waiting up to 0.3 seconds for its end"]
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


@pytest.mark.servers
@pytest.mark.parametrize("end", [lambda process: process.stdin.close(), lambda process: process.kill()])
def test_a_process_that_ends_while_it_is_waited_for(tmp_path, holder, end):
    with lock(tmp_path, PATIENCE, lambda text: end(holder)):
        assert (tmp_path / FILE_NAME).read_text() == f"process {os.getpid()} on {os.uname().nodename}\n"


@pytest.mark.servers
def test_a_killed_process_leaves_no_lock_behind(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait(PATIENCE)
    for _ in range(2):
        with lock(tmp_path):
            pass


@pytest.mark.servers
def test_a_child_does_not_keep_the_lock(tmp_path):
    with lock(tmp_path):
        command = [sys.executable, "-c", "print('begun', flush=True); input()"]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, close_fds=False)
    try:
        # Only now is it certain that it has another program's files.
        assert child.stdout.readline() == "begun\n"
        with lock(tmp_path):
            pass
    finally:
        child.kill()
        child.communicate()


@pytest.mark.servers
def test_what_somebody_wrote_into_the_file_begins_no_line_of_the_log(tmp_path, holder):
    for octets in (b"", b"x\ny", b"\xff\0"):
        (tmp_path / FILE_NAME).write_bytes(octets)
        with pytest.raises(StateInUse, match=r"\(which one is not known\)"):
            StateLock(tmp_path, 0, pytest.fail)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(tmp_path, monkeypatch, code):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module.fcntl, "flock", flock)
    with lock(tmp_path) as held:
        assert held.missing == (
            f"state_dir {tmp_path}: gateway.lock: {errno_meaning(code)}: another gateway here would not be noticed"
        )


def test_a_file_system_that_is_full(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.os, "open", full)
    with lock(tmp_path) as held:
        assert "the disk is full" in held.missing


def test_a_directory_that_cannot_be_used(tmp_path):
    with pytest.raises(StateError, match=rf"^state_dir {tmp_path}/none: no such directory; make it"):
        StateLock(tmp_path / "none", 0, pytest.fail)
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(
        StateError,
        match=rf"^state_dir {tmp_path}: gateway\.lock: its symbolic links lead in a circle",
    ):
        StateLock(tmp_path, 0, pytest.fail)
    assert not (tmp_path / "elsewhere").exists()
