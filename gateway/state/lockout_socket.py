"""The socket in state_dir through which commands ask the running gateway about its guards.

It is readable and writable by the gateway's own account alone, for names of people come out of it, and whoever may
release accounts may go on guessing. A request is one line of JSON, and so is its answer:

    {"do": "list"}                    {"accounts": [...], "more": 0, "others": 3, "store": "redis://..."}
    {"do": "release", "name": "jane"} {"released": [...], "store": ""}
    {"do": "acceptance"}              {"acceptance": 1796000000000000000}

accounts, released: objects with the fields of CountedNow. more: accounts that the list had no room for. others:
accounts of which only the shared store knows wrong passwords, null where it did not answer. store: the shared store, ""
where there is none. acceptance: the latest one of `ldap-gateway shrink accept` that the shrink guard knows of, 0 for
none.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.host.system_errors import system_error

SOCKET_NAME: Final = "lockout.sock"
# Octets of a path that every kernel takes.
_LONGEST: Final = 100
# Octets of a request.
MOST_OCTETS: Final = 2**14
# Seconds that the gateway has to answer.
PATIENCE: Final = 10.0


class NoGateway(Exception):
    """No gateway answers there; the text says why and what to do."""


class NotRunning(NoGateway):
    """No gateway runs with this state_dir."""


@dataclass(frozen=True, slots=True)
class CountedNow:
    """An account of which the gateway remembers wrong passwords. kind: policy.lockout.CountedKind. account: its name as
    it is counted. failures: that count. guarded: whether nothing of it is sent to a server. left: seconds until the
    guard ends, 0 where it is not guarded. known_wrong: passwords that are answered from memory."""

    directory: str
    kind: str
    account: str
    failures: int
    guarded: bool
    left: float
    known_wrong: int


@contextlib.contextmanager
def _address(state_dir: Path) -> Iterator[str]:
    """The socket's path; another one to the same place where the kernel takes none so long (108 octets, unix(7))."""
    path = state_dir / SOCKET_NAME
    if len(os.fsencode(path)) < _LONGEST:
        yield str(path)
        return
    directory = os.open(state_dir, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{SOCKET_NAME}"
    finally:
        os.close(directory)


def open_socket(state_dir: Path) -> socket.socket:
    """A socket that listens there, in the place of one that a gateway has left. Raises OSError; FileExistsError where
    another gateway listens."""
    path = state_dir / SOCKET_NAME
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(f"{path} is not a socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other, _address(state_dir) as address:
            other.settimeout(1.0)
            try:
                other.connect(address)
            except ConnectionRefusedError:
                path.unlink()
            else:
                raise FileExistsError(f"another gateway listens at {path}")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Nobody else may connect, not even before its mode could be changed.
    mask = os.umask(0o177)
    try:
        with _address(state_dir) as address:
            listening.bind(address)
        listening.listen(4)
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(mask)
    return listening


def ask(state_dir: Path, request: dict[str, str]) -> dict[str, Any]:
    """The running gateway's answer. Raises NoGateway."""
    path = state_dir / SOCKET_NAME
    octets = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, _address(state_dir) as address:
            connection.settimeout(PATIENCE)
            connection.connect(address)
            connection.sendall(json.dumps(request).encode() + b"\n")
            while received := connection.recv(65_536):
                octets += received
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning(f"{path}: no gateway runs with this state_dir") from None
    except PermissionError:
        raise NoGateway(f"{path}: run this as the gateway's own account, or as root") from None
    except TimeoutError:
        raise NoGateway(f"{path}: the gateway does not answer within {PATIENCE:g} seconds") from None
    except OSError as error:
        raise NoGateway(f"{path}: {system_error(error)}") from None
    try:
        answer = json.loads(octets)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise NoGateway(f"{path}: the gateway is of another version, or has ended meanwhile")
    if "error" in answer:
        raise NoGateway(f"{path}: {answer['error']}")
    return answer


def release_command(name: str) -> str:
    """The command that releases this account, as it is typed into a shell: names of accounts have blanks in them."""
    return f"ldap-gateway lockout release {shlex.quote(name)}"


def counted_accounts(answer: dict[str, Any], key: str) -> list[CountedNow]:
    """Those of an answer. Raises NoGateway."""
    try:
        return [CountedNow(**found) for found in answer[key]]
    except (KeyError, TypeError):
        raise NoGateway("the gateway is of another version than this command") from None
