"""A TCP path to a server that breaks, stalls or crawls behind so many octets of the server's answer."""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, Self

# Of the server's octets: enough for its whole handshake, so that what comes behind is LDAP.
HANDSHAKE = 16_384
# While it crawls: pieces, their octets and the seconds between two.
PIECES, PIECE, PAUSE = 150, 64, 0.002


class FaultyPath:
    """Listens on a free port of loopback and leads to another one, until the context is left.

    kind: what happens to connections from then on, `none` at first:
    close: both directions end. reset: they end with RST. half-close: the server's direction ends, the client's goes
    on. stall: nothing comes any more, and the connection stays. garble: one octet is another one. crawl: a stretch
    comes in small pieces, then the rest. refuse: each connection ends as soon as it is accepted.
    after: octets from the server until it happens. happened: how often it did. passed: octets from the server, of all
    connections.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()
        self.kind, self.after = "none", 0
        self.happened = self.passed = 0
        self._start(self._accept)

    @property
    def port(self) -> int:
        port: int = self._listening.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        _end(self._listening, *self._open)
        for thread in self._threads:
            thread.join(30)

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.kind == "refuse":
                self.happened += 1
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._port), 30)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open |= {client, server}
            self._start(self._lead, client, server, self.kind, self.after)

    def _lead(self, client: socket.socket, server: socket.socket, kind: str, after: int) -> None:
        passed, reads = 0, [client, server]
        with contextlib.suppress(OSError, ValueError):
            while True:
                for source in select.select(reads, [], [])[0]:
                    data = source.recv(65_536)
                    if not data:
                        raise ConnectionError
                    if source is client:
                        # A request is small: this never has to wait while the server waits for us.
                        server.sendall(data)
                        continue
                    now, later = (data, b"") if kind == "none" else (data[: after - passed], data[after - passed :])
                    client.sendall(now)
                    passed += len(now)
                    self.passed += len(now)
                    if later:
                        self.happened += 1
                        if kind in ("half-close", "stall"):
                            # The server's octets stay where they are; the client may go on.
                            reads = [client]
                        _break(kind, client, later)
                        kind = "none"
        _end(client, server)


def _break(kind: str, client: socket.socket, later: bytes) -> None:
    """later: what is to come from the server now."""
    if kind == "garble":
        client.sendall(bytes([later[0] ^ 1]) + later[1:])
    elif kind == "crawl":
        for start in range(0, PIECES * PIECE, PIECE):
            client.sendall(later[start : start + PIECE])
            time.sleep(PAUSE)
        client.sendall(later[PIECES * PIECE :])
    elif kind == "half-close":
        client.shutdown(socket.SHUT_WR)
    elif kind == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    elif kind == "close":
        _end(client)


def _end(*connections: socket.socket) -> None:
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
