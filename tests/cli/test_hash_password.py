"""`hash-password`: asked twice without echo, or read from standard input; the hash on standard output and no more."""

import os
import pty
import subprocess
import sys

import pytest
import yaml
from argon2.low_level import Type, verify_secret
from click.testing import CliRunner

from gateway.cli import main
from gateway.config.credentials import read_hash

SECRET = "A-long-änd-random-Passw0rd"
COMMAND = [sys.executable, "-m", "gateway", "hash-password"]


def hash_of(octets):
    return CliRunner().invoke(main, ["hash-password", "--stdin"], input=octets)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_hash_of_standard_input_is_all_that_is_on_standard_output(end):
    result = hash_of(SECRET.encode() + end)
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    assert verify_secret(read_hash(line).text.encode(), SECRET.encode(), Type.ID)
    assert SECRET not in result.output


def test_what_is_said_beside_it_can_be_pasted():
    result = hash_of(SECRET.encode())
    said = yaml.safe_load(result.stderr)
    (account,) = said["credentials"]["accounts"].values()
    assert account["hashes"] == result.stdout.split()
    assert said["credentials"]["mode"] == "mapped"


def test_the_same_secret_has_another_hash_each_time():
    assert hash_of(SECRET.encode()).stdout != hash_of(SECRET.encode()).stdout


@pytest.mark.parametrize(
    ("octets", "said"), [(b"", "empty"), (b"\n", "empty"), (b"a\nb", "more than one line"), (b"x" * 1025, "longer")]
)
def test_what_is_no_secret_is_refused(octets, said):
    result = hash_of(octets)
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stdout == ""


def test_a_short_secret_is_warned_of():
    assert "warning: shorter than 16 octets" in hash_of(b"short").stderr
    assert "warning" not in hash_of(SECRET.encode()).stderr


@pytest.mark.servers
def test_without_a_terminal_nobody_is_asked():
    ended = subprocess.run(COMMAND, input=b"x\n", capture_output=True, timeout=60)
    assert ended.returncode == 1
    assert b"--stdin" in ended.stderr


@pytest.mark.servers
@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ([SECRET, SECRET], 0, ""),
        ([SECRET, "other"], 1, "the two are not the same"),
        ([""], 1, "the secret is empty"),
    ],
)
def test_on_a_terminal_it_is_asked_for_twice_and_not_echoed(answers, status, said):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        COMMAND, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, start_new_session=True
    ) as asked:
        os.close(theirs)
        shown = b""
        for prompt, answer in zip((b"Secret: ", b"Again: "), answers, strict=False):
            while prompt not in shown:
                shown += os.read(ours, 1000)
            os.write(ours, answer.encode() + b"\n")
        out = asked.communicate(timeout=60)[0]
        try:
            while more := os.read(ours, 1000):
                shown += more
        except OSError:
            pass  # The other side has closed it.
    os.close(ours)
    assert asked.returncode == status
    assert SECRET.encode() not in shown + out
    assert said.encode() in shown
    if status == 0:
        assert verify_secret(out.strip(), SECRET.encode(), Type.ID)
