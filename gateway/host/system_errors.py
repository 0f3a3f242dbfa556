"""What an error of the operating system means to an administrator, and what to do about it.

Its own texts ("No space left on device", "Connection was refused by other side: 111") name neither.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Mapping
from typing import Final

REFUSED: Final = "refused: the host is there, and nothing listens on this port"

_MEANINGS: Final[Mapping[int, str]] = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "a part of its path is no directory",
    errno.EISDIR: "it is a directory, and a file is expected",
    errno.EEXIST: "there is a file of this name already",
    errno.ELOOP: "its symbolic links lead in a circle, or where none is permitted",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EACCES: "this account may not do it: see owner and mode",
    errno.EPERM: "this account may not do it: it lacks the right, or a security module forbids it",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the account's share of the disk is used up",
    errno.EFBIG: "the file would be larger than this process may make one",
    errno.EBADF: "nothing is open under this number",
    errno.EIO: "the disk or the device reports an error: see the kernel's log",
    errno.ESTALE: "the network file system has lost the file",
    errno.EMFILE: "this process has as many files and connections open as it may have: raise LimitNOFILE",
    errno.ENFILE: "the host has as many files and connections open as it may have: raise fs.file-max",
    errno.ENOMEM: "there is not enough memory",
    errno.ENOBUFS: "there is not enough memory for the network",
    errno.EADDRINUSE: "another program has this port",
    errno.EADDRNOTAVAIL: "no interface of this host has this address: see `ip address`",
    errno.ECONNREFUSED: REFUSED,
    errno.ECONNRESET: "the other side broke the connection",
    errno.ECONNABORTED: "the connection was broken off",
    errno.EPIPE: "the other side has closed the connection",
    errno.ENOTCONN: "there is no connection any more",
    errno.ETIMEDOUT: "no answer in time: a firewall that drops packets, or a host that is down?",
    errno.EHOSTUNREACH: "there is no way to the host: it is down, or a firewall or router says no",
    errno.ENETUNREACH: "this host has no route to that network: see `ip route`",
    errno.EHOSTDOWN: "the host is down",
    errno.ENETDOWN: "this host's network is down",
    errno.EAFNOSUPPORT: "this host has no addresses of this kind (IPv4 or IPv6)",
    errno.EDESTADDRREQ: "it is not connected to anything",
    errno.EPROTOTYPE: "it is a socket of another kind (stream or datagram)",
    errno.EMSGSIZE: "the message is too long for the way to its receiver",
    errno.EINVAL: "the system does not accept a value in it",
    errno.ENOLCK: "the file system has no locks",
    errno.EOPNOTSUPP: "the file system or the device cannot do this",
    errno.ENOSYS: "this kernel cannot do this",
    errno.ETXTBSY: "the file is being run",
    errno.EBUSY: "it is in use",
    errno.EXDEV: "it lies on another file system",
    errno.ENXIO: "nobody reads at its other end",
}


def system_error(error: OSError) -> str:
    """The meaning of an error in words; of one that is not in the table, what the system calls it. What TLS with
    a peer means, gateway/net/transport/failures.py says."""
    if isinstance(error, ssl.SSLError):
        # Its numbers are OpenSSL's.
        reason = (error.reason or "no reason is given").lower().replace("_", " ")
        return f"OpenSSL refuses it ({reason})"
    if isinstance(error, TimeoutError):
        # Python's own, for a socket that it waits for, has no number.
        return _MEANINGS[errno.ETIMEDOUT]
    if isinstance(error, socket.gaierror):
        # Its numbers are those of getaddrinfo(3).
        return "its name does not resolve"
    return errno_meaning(error.errno) if error.errno is not None else str(error) or "no reason is given"


def errno_meaning(number: int) -> str:
    """The meaning of an errno."""
    found = _MEANINGS.get(number)
    return f"error {errno.errorcode.get(number, number)} of the system" if found is None else found
