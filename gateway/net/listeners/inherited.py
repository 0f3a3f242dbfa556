"""Listening sockets that systemd opened and passes on: socket activation, sd_listen_fds(3).

They are read once, at the start, and take the place of sockets that the gateway would open itself.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from gateway.host.system_errors import system_error

# Descriptors are passed from this one on.
FIRST: Final = 3


class InheritedError(ValueError):
    """What is passed is nothing to listen at; the text says which descriptor."""


@dataclass(frozen=True, slots=True)
class InheritedSocket:
    """A listening socket that systemd passed on.

    descriptor: of a listening TCP socket. name: FileDescriptorName, by default of the unit. host, port: where it
    listens, host as ipaddress writes it.
    """

    descriptor: int
    name: str
    host: str
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def inherited_sockets(environ: MutableMapping[str, str], pid: int) -> tuple[InheritedSocket, ...]:
    """Those that are meant for the process of this ID. environ: its variables of this protocol are taken out.

    Raises InheritedError.
    """
    meant_for, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if meant_for != str(pid) or not count.isdigit():
        return ()
    return tuple(_inherited(FIRST + place, names[place] if place < len(names) else "") for place in range(int(count)))


def _inherited(descriptor: int, name: str) -> InheritedSocket:
    what = f"descriptor {descriptor}{f' ({name})' if name else ''}, passed by systemd"
    try:
        os.set_inheritable(descriptor, False)
        # As the reactor wants it; systemd itself accepts nothing here.
        os.set_blocking(descriptor, False)
        # A copy: the end of this object must not close the socket.
        with socket.socket(fileno=os.dup(descriptor)) as found:
            tcp = found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM
            if not tcp or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise InheritedError(f"{what}: not a listening TCP socket; ListenStream=ADDRESS:PORT makes one")
            host, port = found.getsockname()[:2]
    except OSError as error:
        raise InheritedError(f"{what}: {system_error(error)}") from None
    return InheritedSocket(descriptor, name, str(ip_address(host.partition("%")[0])), port)
