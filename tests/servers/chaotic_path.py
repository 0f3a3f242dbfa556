"""A TCP path on which every connection has a fate of its own, in either direction, at a boundary of TLS's records or
anywhere."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

# What may happen to a connection. close: both directions end. reset: they end with RST. half-close: one direction ends,
# the other goes on. stall: nothing comes any more in one direction. garble: one octet is another one. truncate: some
# octets are missing, and the rest comes.
KINDS = ("close", "reset", "half-close", "stall", "garble", "truncate")

# Octets of a record's header (RFC 8446 5.1), of which the last two are its length.
_HEADER = 5


@dataclass(frozen=True)
class Fate:
    """from_server: which direction is meant. records, octets: what passes before it happens: so many records of TLS,
    or so many octets where records is None."""

    kind: str
    from_server: bool
    records: int | None
    octets: int


class _Records:
    """Finds where a record of TLS ends in a stream."""

    def __init__(self, wanted: int) -> None:
        self._left = wanted
        self._header = b""
        self._body = 0

    def passes(self, data: bytes) -> int | None:
        """How many of these octets come before the end of the last record that is wanted; None for all."""
        at = 0
        while self._left:
            if self._body:
                step = min(self._body, len(data) - at)
                self._body -= step
                at += step
                if self._body:
                    return None
                self._left -= 1
                continue
            take = data[at : at + _HEADER - len(self._header)]
            self._header += take
            at += len(take)
            if len(self._header) < _HEADER:
                return None
            self._body, self._header = int.from_bytes(self._header[3:], "big"), b""
        return at


class ChaoticPath:
    """Listens on a free port of loopback and leads to another one, until the context is left.

    draw: the fate of a connection that has just come, None for none; alone: whether no other one is open. happened: how
    often each kind has happened. marked: the ports of peers whose connections it has happened to.
    """

    def __init__(self, port: int, draw: Callable[[bool], Fate | None]) -> None:
        self._target = port
        self._draw = draw
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self.happened: Counter[str] = Counter()
        self.marked: set[int] = set()
        self._start(self._accept)

    @property
    def port(self) -> int:
        port: int = self._listening.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        _end(self._listening, *list(self._open))
        for thread in self._threads:
            thread.join(30)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        # The dead need not be remembered: there may be thousands.
        self._threads = [each for each in self._threads if each.is_alive()]
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, (_, port) = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), 30)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            fate = self._draw(not self._open)
            self._open |= {client, server}
            self._start(self._lead, client, server, fate, port)

    def _lead(self, client: socket.socket, server: socket.socket, fate: Fate | None, port: int) -> None:
        reads = [client, server]
        other = {client: server, server: client}
        records = None if fate is None or fate.records is None else _Records(fate.records)
        left = 0 if fate is None else fate.octets
        with contextlib.suppress(OSError, ValueError):
            while reads:
                for source in select.select(reads, [], [])[0]:
                    data = source.recv(65_536)
                    if not data:
                        raise ConnectionError
                    target = other[source]
                    if fate is None or (source is server) is not fate.from_server:
                        target.sendall(data)
                        continue
                    passes = records.passes(data) if records is not None else (left if left < len(data) else None)
                    if passes is None:
                        left -= len(data)
                        target.sendall(data)
                        continue
                    target.sendall(data[:passes])
                    # Before it shows.
                    self.marked.add(port)
                    self.happened[fate.kind] += 1
                    kind, fate = fate.kind, None
                    if kind in ("half-close", "stall"):
                        reads.remove(source)
                    _break(kind, client, server, target, data[passes:])
        _end(client, server)
        self._open -= {client, server}


def _break(kind: str, client: socket.socket, server: socket.socket, target: socket.socket, later: bytes) -> None:
    """later: what is to go to the target now; it may be nothing."""
    if kind == "close":
        raise ConnectionError
    if kind == "reset":
        for each in (client, server):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()
        raise ConnectionError
    if kind == "half-close":
        target.shutdown(socket.SHUT_WR)
    elif kind == "garble":
        target.sendall(bytes([later[0] ^ 1]) + later[1:] if later else b"\0")
    elif kind == "truncate":
        target.sendall(later[7:])


def _end(*connections: socket.socket) -> None:
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
