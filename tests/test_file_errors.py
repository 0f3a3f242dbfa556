"""Why files cannot be read or written, in words with owner, mode and remedy."""

import contextlib
import errno
import os
import pwd
import re
import socket
import tempfile
from pathlib import Path

import pytest

import gateway
from gateway.host.file_errors import unreadable, unwritable
from gateway.host.system_errors import errno_meaning, system_error

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user")


@contextlib.contextmanager
def acting_as_nobody():
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(NOBODY.pw_gid)
    os.seteuid(NOBODY.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


@pytest.fixture
def open_directory():
    """One into which everybody may look; pytest's own are closed."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def reading(path):
    with pytest.raises(OSError) as caught:
        path.read_bytes()
    return unreadable(path, caught.value)


def reading_as_nobody(path):
    with acting_as_nobody():
        return reading(path)


def test_a_missing_file_and_what_is_missing_of_its_path(tmp_path):
    assert reading(tmp_path / "gateway.key") == "cannot be read: there is no such file"
    assert reading(tmp_path / "keys" / "deep" / "gateway.key") == f"cannot be read: {tmp_path / 'keys'} is not there"
    (tmp_path / "file").write_text("")
    assert reading(tmp_path / "file" / "key") == f"cannot be read: {tmp_path / 'file'} is no directory"
    assert reading(tmp_path) == "cannot be read: it is a directory, and a file is expected"


@as_root
def test_an_unreadable_file_is_told_with_owner_mode_and_remedy(open_directory):
    key = open_directory / "gateway.key"
    key.write_text("")
    key.chmod(0o600)
    assert reading_as_nobody(key) == (
        "cannot be read: nobody may not read it: it belongs to root:root, mode -rw------- (0600); "
        f"`chown nobody {key}`, or `chgrp` it to a group of nobody and `chmod 0640` it"
    )


@as_root
def test_a_closed_directory_above_is_named(open_directory):
    (open_directory / "keys" / "inner").mkdir(parents=True)
    (open_directory / "keys" / "inner" / "gateway.key").write_text("")
    (open_directory / "keys").chmod(0o700)
    assert reading_as_nobody(open_directory / "keys" / "inner" / "gateway.key") == (
        f"cannot be read: nobody may not look into {open_directory / 'keys'}: it belongs to root:root, mode drwx------ "
        "(0700); `chgrp` it to a group of nobody, and `chmod g+x` it"
    )


@as_root
def test_a_file_that_cannot_be_made(open_directory):
    path = open_directory / "audit.log"
    with acting_as_nobody():
        with pytest.raises(PermissionError) as caught:
            path.write_text("")
        said = unwritable(path, caught.value)
    assert said.startswith(
        f"cannot be written: nobody may not make files in {open_directory}: it belongs to root:root, mode d"
    )
    assert f"`chown nobody {open_directory}`" in said


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ECONNREFUSED, errno.EADDRINUSE, errno.EMFILE, errno.EROFS])
def test_errors_of_the_system_are_told_in_words_of_our_own(number):
    said = errno_meaning(number)
    assert said and os.strerror(number) not in said and str(number) not in said


def test_an_error_without_words_is_named():
    assert system_error(OSError(errno.EXFULL, os.strerror(errno.EXFULL))) == "error EXFULL of the system"
    assert system_error(socket.gaierror(socket.EAI_NONAME, "Name or service not known")) == "its name does not resolve"
    assert system_error(OSError("told in words")) == "told in words"


# Each says in words what it makes of the text, or gives it to something that does.
READ_IT = {"gateway/host/system_errors.py", "gateway/net/transport/failures.py", "gateway/net/servers/connecting.py"}


def test_nothing_else_passes_on_a_text_of_the_system_or_of_the_framework():
    package = Path(gateway.__file__).parent
    sources = {path.relative_to(package.parent).as_posix(): path.read_text() for path in package.rglob("*.py")}
    found = {name for name, text in sources.items() if re.search(r"\bstrerror\b|getErrorMessage", text)}
    assert found <= READ_IT
