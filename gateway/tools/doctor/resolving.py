"""The addresses of a host, as this host's resolver knows them."""

from __future__ import annotations

import socket
from typing import Any, Final

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import TimeoutError
from twisted.internet.threads import deferToThread

from gateway.net.transport.reactor import Reactor

# The errors of getaddrinfo(3) that say another thing than that there is no such name.
_GETADDRINFO: Final = {
    socket.EAI_AGAIN: "no DNS server of this host answers",
    socket.EAI_FAIL: "the DNS server says that it failed",
    socket.EAI_SYSTEM: "this host's resolver failed",
    socket.EAI_MEMORY: "there is not enough memory",
}


class Unresolved(Exception):
    """The text says which host does not resolve, and why where more can be said than that DNS has no such name."""


async def resolve(host: str, patience: float, reactor: Reactor) -> tuple[str, ...]:
    """patience: seconds. Raises Unresolved."""
    if isIPAddress(host) or isIPv6Address(host):
        return (host,)
    untyped: Any = reactor
    try:
        found = await deferToThread(socket.getaddrinfo, host, None, 0, socket.SOCK_STREAM).addTimeout(patience, untyped)
    except TimeoutError:
        why = f": no answer from DNS within {patience:g} seconds"
    except UnicodeError:
        why = ": not a host name"
    except OSError as error:
        known = isinstance(error, socket.gaierror) and error.errno in (socket.EAI_NONAME, socket.EAI_NODATA)
        why = "" if known else f": {_GETADDRINFO.get(error.errno or 0, error)}"
    else:
        return tuple(dict.fromkeys(str(each[4][0]) for each in found))
    raise Unresolved(f"{host} does not resolve{why}") from None
