"""A blocking LDAP client that does what ordinary ones do not: several requests at once, reading slowly, dying."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, Self

from gateway.ask.client import BindResult, Client, Disconnection, Entry, Event, SearchDone
from gateway.ldap.controls import Control
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.messages import WHOLE_SUBTREE, SearchRequest
from gateway.ldap.results import LDAPResult

PATIENCE = 60


class ShownCertificate(Protocol):
    """The files of a certificate that a client shows."""

    @property
    def certificate(self) -> Path: ...
    @property
    def private_key(self) -> Path: ...


class RawClient:
    """A connection over LDAPS, not bound. source: the address it comes from. host: where it goes. receive_buffer:
    octets that the kernel may hold for it. before: what is sent ahead of TLS, each piece by itself. certificate: what
    it shows."""

    def __init__(
        self,
        port: int,
        ca_file: str | Path,
        *,
        source: str = "127.0.0.1",
        host: str = "127.0.0.1",
        receive_buffer: int | None = None,
        before: Iterable[bytes] = (),
        certificate: ShownCertificate | None = None,
    ) -> None:
        plain = socket.socket()
        plain.bind((source, 0))
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(PATIENCE)
        plain.connect((host, port))
        if before:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in before:
            plain.sendall(piece)
        context = ssl.create_default_context(cafile=str(ca_file))
        if certificate is not None:
            context.load_cert_chain(certificate.certificate, certificate.private_key)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.client = Client()
        self._events: list[Event] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def bind(self, name: str, password: str) -> int:
        """The result code."""
        self.socket.sendall(self.client.bind(name, password.encode()).data)
        event = self.event()
        assert isinstance(event, BindResult)
        return event.result.code

    def search(
        self,
        base: str,
        text: str = "(objectClass=*)",
        attributes: Iterable[str] = (),
        controls: tuple[Control, ...] = (),
        scope: int = WHOLE_SUBTREE,
    ) -> int:
        """Sends the request; returns its message ID."""
        request = SearchRequest(base, scope, parse_filter(text), tuple(attributes))
        sent = self.client.search(request, controls)
        self.socket.sendall(sent.data)
        return sent.message_id

    def abandon(self, message_id: int) -> None:
        self.socket.sendall(self.client.abandon(message_id))

    def event(self) -> Event | None:
        """The next event; None once the other side has closed."""
        while not self._events:
            data = self.socket.recv(65_536)
            if not data:
                return None
            self._events.extend(self.client.receive(data))
        return self._events.pop(0)

    def results(self, *message_ids: int) -> dict[int, tuple[list[str], LDAPResult]]:
        """Reads until each search has its result: (DNs, result) by message ID. Entries of others count as well."""
        names: dict[int, list[str]] = {message_id: [] for message_id in message_ids}
        results: dict[int, LDAPResult] = {}
        while len(results) < len(message_ids):
            event = self.event()
            assert event is not None, "closed without a result"
            assert not isinstance(event, Disconnection), event
            if isinstance(event, Entry):
                names.setdefault(event.message_id, []).append(event.entry.dn)
            elif isinstance(event, SearchDone):
                results[event.message_id] = event.result
        return {message_id: (names[message_id], result) for message_id, result in results.items()}

    def result(self, message_id: int) -> tuple[list[str], LDAPResult]:
        return self.results(message_id)[message_id]

    def die(self) -> None:
        """Closes with a reset, as a killed peer's system may do."""
        plain = socket.socket(fileno=self.socket.detach())
        with contextlib.suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        plain.close()
