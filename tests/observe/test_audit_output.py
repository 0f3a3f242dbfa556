import os
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

import pytest

from gateway.observe.audit.output import FileOutput
from tests.observe.lines import PATIENCE, line, numbers


def lines(*wanted, size=0):
    return deque(line(n, size) for n in wanted)


def test_a_file_is_added_to_and_is_not_for_everybody(tmp_path):
    path = tmp_path / "audit"
    path.write_bytes(line(0).octets)
    output = FileOutput(path)
    waiting = lines(1, 2)
    output.write(waiting)
    output.close()
    assert not waiting
    assert numbers(path.read_bytes()) == [0, 1, 2]
    other = tmp_path / "new"
    FileOutput(other).close()
    assert other.stat().st_mode & 0o007 == 0


def test_a_line_that_a_crash_cut_off_does_not_spoil_the_next_one(tmp_path):
    path = tmp_path / "audit"
    path.write_bytes(line(0).octets + b'{"n": 1, "fi')
    output = FileOutput(path)
    output.write(lines(2))
    output.write(lines(3))
    output.close()
    first, cut, *rest = path.read_bytes().splitlines(keepends=True)
    assert cut == b'{"n": 1, "fi\n'
    assert numbers(b"".join([first, *rest])) == [0, 2, 3]


def test_a_renamed_file_gets_nothing_after_the_reopening(tmp_path):
    path = tmp_path / "audit"
    output = FileOutput(path)
    output.write(lines(0))
    path.rename(tmp_path / "audit.1")
    output.write(lines(1))
    output.reopen()
    output.write(lines(2))
    assert numbers((tmp_path / "audit.1").read_bytes()) == [0, 1]
    assert numbers(path.read_bytes()) == [2]
    # Without a new file to go to, the old one is kept.
    path.rename(tmp_path / "audit.2")
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        output.reopen()
    output.write(lines(3))
    output.close()
    assert numbers((tmp_path / "audit.2").read_bytes()) == [2, 3]


# In a process of its own, whose files may have 10,000 octets until the limit is raised.
LIMITED = """
import resource, sys
from collections import deque
from pathlib import Path
from gateway.observe.audit.output import FileOutput
from tests.observe.lines import line

path = Path(sys.argv[1])
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
output = FileOutput(path)
waiting = deque(line(n, 1000) for n in range(30))
try:
    output.write(waiting)
except OSError as error:
    print(error.strerror, len(waiting), path.stat().st_size)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
output.write(waiting)
"""


@pytest.mark.servers
def test_a_full_disk_cuts_no_line_in_two(tmp_path):
    path = tmp_path / "audit"
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, path], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    error, left, size = ended.stdout.rsplit(maxsplit=2)
    assert error == "File too large"
    assert int(size) == sum(len(line(n, 1000).octets) for n in range(30 - int(left)))
    assert 0 < int(left) < 30
    assert numbers(path.read_bytes()) == list(range(30))


def test_a_device_that_is_full_takes_nothing():
    output = FileOutput(Path("/dev/full"))
    waiting = lines(0, 1)
    with pytest.raises(OSError, match="No space left on device"):
        output.write(waiting)
    assert len(waiting) == 2
    output.close()


@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_that_is_read_slowly_gets_everything(tmp_path, blocking):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    output = FileOutput(pipe)
    # Another process that has the same pipe may do that.
    os.set_blocking(output._file, blocking)
    waiting = lines(*range(300), size=1000)
    writing = threading.Thread(target=output.write, args=(waiting,), daemon=True)
    writing.start()
    os.set_blocking(reading, True)
    taken = b""
    while taken.count(b"\n") < 300:
        taken += os.read(reading, 1000)
    writing.join(PATIENCE)
    assert not waiting
    assert numbers(taken) == list(range(300))
    output.close()
    os.close(reading)
