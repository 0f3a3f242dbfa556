"""Where the sync account's password may come from, and that it is never an argument."""

import io
import os
import pty
import subprocess
import sys

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.cli.password import VARIABLE, UnusablePasswordFile, read_password

PASSWORD = "pÄss wörd \\1"


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def test_a_file_is_taken_without_its_last_line_end(tmp_path):
    for end in (b"", b"\n", b"\r\n"):
        (tmp_path / "password").write_bytes(PASSWORD.encode() + end)
        assert read_password(tmp_path / "password", "?") == PASSWORD.encode()


@pytest.mark.parametrize(("octets", "said"), [(b"", "empty"), (b"\n", "empty"), (None, "cannot be read")])
def test_a_file_without_a_password_is_an_error(tmp_path, octets, said):
    if octets is not None:
        (tmp_path / "password").write_bytes(octets)
    with pytest.raises(UnusablePasswordFile, match=said) as raised:
        read_password(tmp_path / "password", "?")
    # 1 would say that a preview was complete.
    assert raised.value.exit_code == 2


def test_the_variable_is_second_to_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, PASSWORD)
    assert read_password(None, "?") == PASSWORD.encode()
    (tmp_path / "password").write_text("other")
    assert read_password(tmp_path / "password", "?") == b"other"


def test_without_a_terminal_nobody_is_asked(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))
    assert read_password(None, "?") is None


@pytest.mark.servers
def test_on_a_terminal_it_is_asked_for_and_not_echoed():
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", "from gateway.cli.password import read_password as r; print(r(None, 'Password'))"],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as asked:
        os.close(theirs)
        shown = b""
        while b"Password" not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, b"typed\n")
        assert asked.communicate(timeout=30)[0] == b"b'typed'\n"
        assert b"typed" not in shown + os.read(ours, 1000)
    os.close(ours)


def test_it_cannot_be_an_argument():
    result = CliRunner().invoke(main, ["doctor", "--password", PASSWORD])
    assert result.exit_code == 2
    assert "No such option" in result.output
