"""A DNS server on loopback that answers what a test says, by UDP and TCP, and counts what it is asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

# From a question's octets, and whether it came by TCP, to the octets of an answer; None for silence.
Answering = Callable[[bytes, bool], bytes | None]


class BadDns:
    """Serves from the constructor on; leaving the context ends it. asked: whether each question came by TCP."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.asked: list[bool] = []
        self.connections: list[socket.socket] = []
        self._tcp, self._udp = _bound_alike()
        self.port: int = self._udp.getsockname()[1]
        self._threads = [threading.Thread(target=target) for target in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> BadDns:
        return self

    def __exit__(self, *_: object) -> None:
        # An empty datagram, and a connection that ends at once, end the threads.
        self.answering = lambda question, by_tcp: None
        with socket.socket(type=socket.SOCK_DGRAM) as waking:
            waking.sendto(b"", self._udp.getsockname())
        self._tcp.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
        for opened in (self._udp, self._tcp, *self.connections):
            opened.close()

    def open_connections(self) -> int:
        """Those by TCP that the other side has not closed."""
        return sum(1 for connection in self.connections if not _has_ended(connection))

    def _serve_udp(self) -> None:
        while True:
            question, client = self._udp.recvfrom(65_535)
            if not question:
                return
            self.asked.append(False)
            answer = self.answering(question, False)
            if answer is not None:
                self._udp.sendto(answer, client)

    def _serve_tcp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._tcp.accept()[0]
                connection.settimeout(10)
                self.connections.append(connection)
                with contextlib.suppress(OSError):
                    length = connection.recv(2)
                    question = connection.recv(int.from_bytes(length, "big"))
                    self.asked.append(True)
                    answer = self.answering(question, True)
                    if answer is not None:
                        connection.sendall(len(answer).to_bytes(2, "big") + answer)


def _bound_alike() -> tuple[socket.socket, socket.socket]:
    """Sockets of TCP and UDP with one number. The kernel chooses that of TCP; somebody else may have it for UDP."""
    for _ in range(20):
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(type=socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
        else:
            return tcp, udp
    raise OSError("no port is free for both TCP and UDP")


def _has_ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except OSError:
        return True


def reply(question: bytes, *records: str, truncated: bool = False, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> bytes:
    """An answer's octets. records: of the asked name and type, as in a zone file."""
    asked = dns.message.from_wire(question)
    answer = dns.message.make_response(asked)
    answer.set_rcode(rcode)
    if truncated:
        answer.flags |= dns.flags.TC
    (entry,) = asked.question
    if records:
        answer.answer.append(dns.rrset.from_text(entry.name, 60, entry.rdclass, entry.rdtype, *records))
    return answer.to_wire(max_size=65_535)
