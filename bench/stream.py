"""A server that sends one entry over and over, for results that no directory of a reasonable size has."""

import contextlib
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.servers import Server
from gateway.demo.certificates import make_certificates
from gateway.ldap.decoding import decode_request
from gateway.ldap.encoding import encode
from gateway.ldap.framing import Framer
from gateway.ldap.messages import (
    BindRequest,
    BindResponse,
    LDAPMessage,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
)
from gateway.ldap.results import LDAPResult, ResultCode

_SUCCESS = LDAPResult(ResultCode.success)
# Octets that are written at once, where nothing else is asked for.
_CHUNK = 256 * 1024


@contextmanager
def stream_server(entry: SearchResultEntry, count: int, piece: int = _CHUNK) -> Iterator[Server]:
    """Answers each bind with success, a search of the root DSE with nothing, and any other with so many copies of the
    entry, written in pieces of so many octets, one TLS record each where they are small."""
    with tempfile.TemporaryDirectory(prefix="bench-stream-") as made:
        certificates = make_certificates(Path(made), "stream")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate, certificates.private_key)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            threading.Thread(target=_accept, args=(listening, context, entry, count, piece), daemon=True).start()
            yield Server("stream", listening.getsockname()[1], str(certificates.ca_file), os.getpid())
            # Wakes the thread that waits in accept().
            listening.shutdown(socket.SHUT_RDWR)


def _accept(
    listening: socket.socket, context: ssl.SSLContext, entry: SearchResultEntry, count: int, piece: int
) -> None:
    # It ends with the listening socket.
    with contextlib.suppress(OSError):
        while True:
            plain, _ = listening.accept()
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_serve, args=(plain, context, entry, count, piece), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext, entry: SearchResultEntry, count: int, piece: int) -> None:
    # A gateway that ends its session in the middle is what some measurements want.
    with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
        framer = Framer(1_000_000)
        while data := connection.recv(65_536):
            framer.feed(data)
            while (octets := framer.next_message()) is not None:
                request = decode_request(octets)
                if isinstance(request.operation, BindRequest):
                    connection.sendall(encode(LDAPMessage(request.message_id, BindResponse(_SUCCESS))))
                elif isinstance(request.operation, SearchRequest):
                    if request.operation.base:
                        _send_copies(connection, encode(LDAPMessage(request.message_id, entry)), count, piece)
                    connection.sendall(encode(LDAPMessage(request.message_id, SearchResultDone(_SUCCESS))))


def _send_copies(connection: ssl.SSLSocket, message: bytes, count: int, piece: int) -> None:
    together = max(1, min(count, _CHUNK // len(message)))
    several = memoryview(message * together)
    for _ in range(count // together):
        for at in range(0, len(several), piece):
            connection.sendall(several[at : at + piece])
    connection.sendall(message * (count % together))
