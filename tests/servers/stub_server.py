"""An LDAPS server that answers as a test tells it to, for what no real server can be made to do on demand."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from gateway.demo.certificates import CertificateFiles
from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_request
from gateway.ldap.encoding import encode
from gateway.ldap.framing import Framer
from gateway.ldap.results import LDAPResult


def accept_binds(request: m.Operation) -> list[m.Operation]:
    """An answer for StubServer: every bind succeeds, every search finds nothing."""
    if isinstance(request, m.BindRequest):
        return [m.BindResponse(LDAPResult(0))]
    if isinstance(request, m.SearchRequest):
        return [m.SearchResultDone(LDAPResult(0))]
    return []


class StubServer:
    """Serves on a free port of loopback until the context is left.

    answer: takes a request, returns the operations to send in answer; it runs in the connection's own thread and
    may block. requests: all that have come; received: their octets. client_ca_file: each client must show a certificate
    of this authority. configure: takes the context of its TLS, to change it. address: where it listens, port 0 for a
    free one.
    """

    def __init__(
        self,
        certificates: CertificateFiles,
        answer: Callable[[m.Operation], Iterable[m.Operation]] = accept_binds,
        client_ca_file: Path | None = None,
        configure: Callable[[ssl.SSLContext], object] = lambda context: None,
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if client_ca_file is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(client_ca_file)
        self._context.load_cert_chain(certificates.certificate, certificates.private_key)
        configure(self._context)
        self._answer = answer
        self._listening = socket.create_server(address)
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._closed = False
        self.ca_file = certificates.ca_file
        self.requests: list[m.Operation] = []
        self.received = bytearray()
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.drop_connections()
        for thread in self._threads:
            thread.join(30)

    def drop_connections(self) -> None:
        """Ends them all, whatever is still to be said on them; it goes on accepting."""
        while self._open:
            # Below TLS, whose object another thread is reading with; that thread closes it then.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._open.pop(), socket.SHUT_RDWR)

    @property
    def port(self) -> int:
        port: int = self._listening.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"ldaps://127.0.0.1:{self.port}"

    def gateway_directory(self, ca_file: Path | None = None, server_name: str = "localhost") -> dict[str, Any]:
        """The keys of a directory block that leads to it."""
        return {
            "servers": [{"url": self.url, "server_name": server_name}],
            "ca_file": ca_file or self.ca_file,
            "naming_contexts": ["DC=corp,DC=example"],
            # What these servers say is all that they can say: nothing is asked about them first.
            "paging": "never",
            "health": "off",
            "spares": 0,
        }

    def _accept(self) -> None:
        while not self._closed:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            # An answer behind the tickets of TLS would wait 40 ms for the gateway's acknowledgement of these.
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(plain)
            self._threads.append(threading.Thread(target=self._serve, args=(plain,)))
            self._threads[-1].start()

    def _serve(self, plain: socket.socket) -> None:
        # A peer that gives up, in its handshake or later, is what some tests want.
        with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
            self._open.add(connection)
            framer = Framer(1_000_000)
            while data := connection.recv(65_536):
                self.received += data
                framer.feed(data)
                while (octets := framer.next_message()) is not None:
                    message = decode_request(octets)
                    self.requests.append(message.operation)
                    for answer in self.answers(message):
                        connection.sendall(answer if isinstance(answer, bytes) else encode(answer))
        plain.close()

    def answers(self, message: m.LDAPMessage) -> Iterable[m.LDAPMessage | bytes]:
        """The messages in answer to one, or octets; for a subclass that needs more than operations."""
        return (m.LDAPMessage(message.message_id, operation) for operation in self._answer(message.operation))
