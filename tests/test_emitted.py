"""A password that is emitted anywhere fails the run, with the test and the channel: each channel is given one."""

import base64
import os
import subprocess
import sys

import pytest

from tests.emitted import EMITTED, MARKS, disguises
from tests.servers.gateway_process import ROOT

pytestmark = pytest.mark.servers

# GATEWAY is a command that looks like the gateway's, and prints the password where it is told to.
PLANTED = {
    "command line": "subprocess.run([*GATEWAY, MARK])",
    "output": "subprocess.run([*GATEWAY, 'print'], capture_output=True)",
    "output file": """
    with (tmp_path / "log").open("w") as log:
        subprocess.Popen([*GATEWAY, 'print'], stdout=log).wait()""",
    "printed": "print(MARK)",
    "printed, by logging": "logging.getLogger('gateway').warning(MARK)",
    "Twisted's log": "Logger().info('{what}', what=MARK)",
    "Twisted's log, in a traceback": """
    try:
        raise ValueError(MARK)
    except ValueError:
        Logger().failure('something broke')""",
    "exception": """
    with pytest.raises(DecodeError):
        raise DecodeError(MARK)""",
    "audit record": """
    h = Harness()
    h.send(bind("cn=" + MARK), start=1)""",
    "output, in hexadecimal digits": "CliRunner().invoke(Command('x', callback=lambda: print(MARK.encode().hex())))",
    "output, in Base64": "CliRunner().invoke(Command('x', callback=lambda: print(b64encode(b'ab' + MARK.encode()))))",
}

HEAD = """
import logging, subprocess, sys
from base64 import b64encode
import pytest
from click import Command
from click.testing import CliRunner
from twisted.logger import Logger
from gateway.ldap.errors import DecodeError
from tests.relay.harness import Harness, bind

MARK = "Passw" + "0rd"
GATEWAY = [sys.executable, "-c", "import sys; print('Passw' + '0rd' if 'print' in sys.argv else '')", "-m", "gateway"]

pytestmark = pytest.mark.servers

def test_before():
    pass
"""

TEST = """
def test_that_leaks_{number}(tmp_path):
    {planted}

def test_behind_{number}():
    pass
"""


def run(tmp_path, *planted):
    """A run of tests of which each does what is planted, with one that leaks nothing behind it."""
    tests = [TEST.replace("{number}", str(number)).replace("{planted}", each) for number, each in enumerate(planted)]
    (tmp_path / "test_planted.py").write_text("".join([HEAD, *tests]))
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        cwd=ROOT,
        # It is a run of its own, also where this one is a process of pytest-xdist.
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The end of a run in which each channel was given a password by a test of its own."""
    ended = run(tmp_path_factory.mktemp("planted"), *PLANTED.values())
    assert ended.returncode == 1, ended.stdout
    assert f"{1 + 2 * len(PLANTED)} passed" in ended.stdout
    return ended.stdout


def leaks(output):
    return output.partition("passwords that the gateway emitted")[2].splitlines()[1:]


@pytest.mark.parametrize("channel", PLANTED)
def test_a_planted_password_is_found(planted, channel):
    test = f"test_that_leaks_{list(PLANTED).index(channel)}:"
    assert [line for line in leaks(planted) if test in line and channel.partition(",")[0] in line], planted


def test_no_password_is_found_where_none_was_planted(planted):
    assert not [line for line in leaks(planted) if "test_before" in line or "test_behind" in line]


@pytest.mark.parametrize("channel", ["output", "Twisted's log"])
def test_one_planted_password_fails_the_run(tmp_path, channel):
    ended = run(tmp_path, PLANTED[channel])
    assert ended.returncode == 1, ended.stdout
    assert "3 passed" in ended.stdout and "test_that_leaks_0" in ended.stdout


def test_nothing_planted_is_nothing_found(tmp_path):
    ended = run(tmp_path, "subprocess.run([*GATEWAY, 'word'], capture_output=True)")
    assert ended.returncode == 0, ended.stdout


def test_no_disguise_is_so_short_that_it_is_found_everywhere():
    assert min(len(found) for mark in MARKS for found in disguises(mark)) >= 7


@pytest.mark.parametrize("before", [b"", b"a", b"ab"])
@pytest.mark.parametrize("behind", [b"", b"z", b"\xff\xff"])
@pytest.mark.parametrize("mark", MARKS)
def test_base64_hides_no_mark(mark, before, behind):
    digits = base64.b64encode(before + mark.encode() + behind).decode()
    assert any(found in digits for found in disguises(mark))


def test_this_run_is_watched_as_well(capsys):
    before = EMITTED.octets.get("command line", 0)
    subprocess.run([sys.executable, "-c", "", "-m", "gateway"], check=True)
    assert EMITTED.octets["command line"] > before
