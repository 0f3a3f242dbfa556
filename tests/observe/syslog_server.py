"""Syslog servers that keep what they are sent, and can go away and come back at the same place."""

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from gateway.demo.certificates import CertificateFiles
from tests.servers.gateway_process import PATIENCE, free_port

# RFC 5424 6: PRI, version, timestamp, hostname, app-name, procid, msgid, structured data, message.
_MESSAGE = re.compile(
    rb"<(?P<pri>[0-9]{1,3})>1 (?P<time>\S+) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<pid>[!-~]{1,128}) "
    rb"(?P<kind>[!-~]{1,32}) (?P<data>(?:\[[!-~]+(?: [!-~]+=\"[^\"\\\]]*\")*\])+) (?P<text>.*)",
    re.DOTALL,
)


def parse(message: bytes) -> dict[str, str | int]:
    """The parts of a message by name; a ValueError where it is not one by the RFC."""
    match = _MESSAGE.fullmatch(message)
    if match is None:
        raise ValueError(message)
    parts: dict[str, str | int] = {name: value.decode() for name, value in match.groupdict().items()}
    sequence = re.search(rb'\[meta sequenceId="([0-9]+)"\]', match["data"])
    if sequence is None:
        raise ValueError(message)
    parts["sequence"] = int(sequence[1])
    return parts


class SyslogServer:
    """transport: as in observe.audit.settings. place: a path for unix. certificates: of demo.certificates, for tls.

    messages: everything that came, over all times that it was there.
    """

    def __init__(self, transport: str, place: Path | None = None, certificates: CertificateFiles | None = None) -> None:
        self.transport = transport
        self.messages: list[bytes] = []
        assert transport != "unix" or place is not None
        self._place = place if transport == "unix" else None
        self._tls: ssl.SSLContext | None = None
        if certificates is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificates.certificate, certificates.private_key)
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._port = free_port()
        self.come()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.go()

    @property
    def address(self) -> str:
        return str(self._place) if self.transport == "unix" else f"{self.transport}://localhost:{self._port}"

    def come(self) -> None:
        if self._place is not None:
            self._place.unlink(missing_ok=True)
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            listening.bind(str(self._place))
        elif self.transport == "udp":
            # To the first address of the name, which is of IPv6 where the system has that.
            family, _, _, _, address = socket.getaddrinfo("localhost", self._port, type=socket.SOCK_DGRAM)[0]
            listening = socket.socket(family, socket.SOCK_DGRAM)
            listening.bind(address)
        else:
            listening = socket.create_server(("127.0.0.1", self._port))
        self._open.append(listening)
        stream = self.transport in ("tcp", "tls")
        if not stream:
            # Its thread looks up from time to time.
            listening.settimeout(0.05)
        self._start(self._accept if stream else self._receive, listening)

    def go(self) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()
        for thread in self._threads:
            thread.join(PATIENCE)
        self._threads.clear()
        if self._place is not None:
            self._place.unlink(missing_ok=True)

    def wait_for(self, count: int) -> list[dict[str, str | int]]:
        """Until that many messages are there; all of them, parsed."""
        until = time.monotonic() + PATIENCE
        while len(self.messages) < count:
            assert time.monotonic() < until, (len(self.messages), self.messages[-3:])
            time.sleep(0.005)
        return [parse(message) for message in self.messages]

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _receive(self, listening: socket.socket) -> None:
        while True:
            try:
                self.messages.append(listening.recv(70_000))
            except TimeoutError:
                continue
            except OSError:
                return

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self._open.append(connection)
            self._start(self._read, connection)

    def _read(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            stream = connection.makefile("rb")
            while count := b"".join(iter(lambda: stream.read(1).strip(b" "), b"")):
                message = stream.read(int(count))
                if len(message) < int(count):
                    return
                self.messages.append(message)
