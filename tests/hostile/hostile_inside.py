"""An inside with a right key that plays the server behind it as it likes: a line, berths, and LDAP on those."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

from gateway.ldap.decoding import decode_request
from gateway.ldap.framing import Framer
from gateway.link import frames as f
from gateway.link.tls import PROTOCOL
from tests.hostile.at_work import HostileServer
from tests.servers.link_ends import LinkKeys

_INSTANCE = "0" * 32
_BERTHS = 4


class HostileInside:
    """Calls from the constructor on. server: says what is answered to requests. answer: what a berth says to GO, in
    octets: ACCEPT, or what else may come; it may be replaced at any time."""

    def __init__(self, keys: LinkKeys, server: HostileServer, client: str) -> None:
        self._keys, self._server = keys, server
        self.answer: Callable[[], bytes] = accept
        self._client = client
        self._closed = False
        self._open: set[socket.socket] = set()
        self._token = ""
        self._up = threading.Event()
        self._threads = [threading.Thread(target=self._line)]
        self._threads += [threading.Thread(target=self._berth) for _ in range(_BERTHS)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._up.set()
        for each in list(self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)

    def _call(self) -> ssl.SSLSocket:
        host, _, port = self._keys.address.rpartition(":")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self._keys.outside.certificate)
        pair = self._keys.agents["inside-1"]
        context.load_cert_chain(pair.certificate, pair.private_key)
        context.set_alpn_protocols([PROTOCOL])
        plain = socket.create_connection((host, int(port)), 30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.settimeout(None)
        connection = context.wrap_socket(plain)
        self._open.add(connection)
        return connection

    def _line(self) -> None:
        with contextlib.suppress(OSError), self._call() as line:
            reader = f.FrameReader()
            line.sendall(f.encode(f.LineHello("1.0", _INSTANCE, 500)))
            while data := line.recv(65_536):
                reader.feed(data)
                while (frame := reader.next()) is not None:
                    if isinstance(frame, f.Welcome):
                        self._token = frame.token
                        line.sendall(f.encode(f.State(self._client, True, "", {}, (1, 1))))
                        self._up.set()
                    elif isinstance(frame, f.Ping):
                        line.sendall(f.encode(f.Pong(frame.n)))

    def _berth(self) -> None:
        """One after another."""
        self._up.wait()
        while not self._closed:
            with contextlib.suppress(OSError), self._call() as berth:
                self._serve(berth)
                self._open.discard(berth)

    def _serve(self, berth: ssl.SSLSocket) -> None:
        reader, framer = f.FrameReader(), Framer(1_000_000)
        berth.sendall(f.encode(f.BerthHello("1.0", _INSTANCE, self._token)))
        taken = False
        while data := berth.recv(65_536):
            if taken:
                framer.feed(data)
                while (octets := framer.next_message()) is not None:
                    for answer in self._server.answers(decode_request(octets)):
                        berth.sendall(answer)
                continue
            reader.feed(data)
            frame = reader.next()
            if isinstance(frame, f.Ping):
                berth.sendall(f.encode(f.Pong(frame.n)))
            elif isinstance(frame, f.Go):
                taken = True
                berth.sendall(self.answer())


def accept() -> bytes:
    return f.encode(f.Accept("s1"))
