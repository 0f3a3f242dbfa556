"""A client that costs little: prepared requests out, messages counted by their lengths and not decoded."""

import selectors
import socket
import ssl
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from gateway.ldap.controls import PAGED_RESULTS, paged_results
from gateway.ldap.decoding import decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.messages import BindRequest, LDAPMessage, Request, SimpleAuthentication, UnbindRequest

_PATIENCE = 120.0
_READ = 256 * 1024
_ENTRY = 0x64
# A message's header and its message ID take no more: SEQUENCE with 1 + 4 octets of length, INTEGER of 4, a tag.
_LONGEST_START = 6 + 6 + 1


class Scanner:
    """Counts the entries in a stream of responses, and gives back the other messages whole.

    entries, octets: of all that came. A large entry is skipped piece by piece; nothing of it is kept.
    """

    def __init__(self) -> None:
        self.entries = 0
        self.octets = 0
        self._rest = b""
        self._skip = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that have ended and are no entries. Raises ValueError for what is no LDAP message."""
        self.octets += len(data)
        pos = 0
        if self._skip:
            if self._skip >= len(data):
                self._skip -= len(data)
                return []
            pos, self._skip = self._skip, 0
        elif self._rest:
            data, self._rest = self._rest + data, b""
        size = len(data)
        entries = 0
        found = []
        while pos < size:
            if size - pos < _LONGEST_START and not _is_whole(data, pos):
                self._rest = data[pos:]
                break
            length = data[pos + 1]
            start = pos + 2
            if length >= 0x80:
                start += length & 0x7F
                length = int.from_bytes(data[pos + 2 : start], "big")
            if data[pos] != 0x30 or data[start] != 0x02:
                raise ValueError(f"no LDAP message at octet {pos}: {data[pos : pos + 16].hex()}")
            end = start + length
            if data[start + 2 + data[start + 1]] == _ENTRY:
                entries += 1
                if end > size:
                    self._skip = end - size
                    break
            elif end > size:
                self._rest = data[pos:]
                break
            else:
                found.append(data[pos:end])
            pos = end
        self.entries += entries
        return found


def _is_whole(data: bytes, pos: int) -> bool:
    left = len(data) - pos
    if left < 2:
        return False
    length = data[pos + 1]
    if length < 0x80:
        return left >= 2 + length
    octets = length & 0x7F
    return left >= 2 + octets + int.from_bytes(data[pos + 2 : pos + 2 + octets], "big") and left > 2 + octets


def result_code(message: bytes) -> int:
    """Of a whole response that has one, with nothing decoded behind it. Raises ValueError for another message."""
    pos = _contents(message, 0)
    pos = _contents(message, pos) + message[pos + 1]
    pos = _contents(message, pos)
    if message[pos] != 0x0A:
        raise ValueError(f"no result: {message[:32].hex()}")
    return message[pos + 2]


def _contents(data: bytes, pos: int) -> int:
    length = data[pos + 1]
    return pos + 2 + (length & 0x7F if length >= 0x80 else 0)


def trust(ca_file: str) -> ssl.SSLContext:
    """For connections to one server; no session is resumed with it."""
    return ssl.create_default_context(cafile=ca_file)


class Connection:
    """One connection over LDAPS to 127.0.0.1, not bound.

    source: the address that it comes from. receive_buffer: octets that the kernel may hold for it.
    Raises OSError, or RuntimeError where an answer is no success.
    """

    def __init__(
        self, port: int, context: ssl.SSLContext, *, source: str = "127.0.0.1", receive_buffer: int | None = None
    ) -> None:
        plain = socket.socket()
        try:
            if receive_buffer is not None:
                # Before the handshake of TCP, which tells the other side of it.
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(_PATIENCE)
            plain.bind((source, 0))
            plain.connect(("127.0.0.1", port))
            self._begin(context.wrap_socket(plain, server_hostname="localhost"))
        except BaseException:
            plain.close()
            raise

    @classmethod
    def at(cls, path: Path) -> Self:
        """A connection to a unix socket, without TLS."""
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(_PATIENCE)
        plain.connect(str(path))
        made = cls.__new__(cls)
        made._begin(plain)
        return made

    def _begin(self, connection: socket.socket) -> None:
        self.socket = connection
        self.scanner = Scanner()
        self._message_id = 0

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def bind(self, name: str, password: str) -> None:
        if self.bind_code(name, password) != 0:
            raise RuntimeError(f"{name} cannot sign in")

    def bind_code(self, name: str, password: str) -> int:
        """The result code of a bind."""
        self.ask(BindRequest(3, name, SimpleAuthentication(password.encode())))
        return result_code(self._answer())

    def unbind(self) -> None:
        self.ask(UnbindRequest())

    def ask(self, request: Request) -> None:
        """Sends it and reads nothing."""
        self._message_id += 1
        self.socket.sendall(encode(LDAPMessage(self._message_id, request)))

    def result(self) -> bytes:
        """Reads to the end of one operation."""
        return successful(self._answer())

    def _answer(self) -> bytes:
        while True:
            found = self.scanner.feed(self.read())
            if found:
                return found[0]

    def read(self, size: int = _READ) -> bytes:
        data = self.socket.recv(size)
        if not data:
            raise RuntimeError("the connection was closed")
        return data


def signed_in(
    port: int, context: ssl.SSLContext, name: str, password: str, *, receive_buffer: int | None = None
) -> Connection:
    """A new connection that has bound. Raises as Connection; nothing is left open then."""
    connection = Connection(port, context, receive_buffer=receive_buffer)
    try:
        connection.bind(name, password)
    except BaseException:
        connection.close()
        raise
    return connection


def successful(message: bytes) -> bytes:
    if result_code(message) != 0:
        raise RuntimeError(f"the answer is no success: {decode_response(message).operation}")
    return message


def next_cookie(message: bytes) -> bytes:
    """Of the page that this SearchResultDone ends; empty behind the last one."""
    for control in decode_response(message).controls:
        if control.oid == PAGED_RESULTS:
            return paged_results(control).cookie
    return b""


class Work(Protocol):
    """What one connection is to do, one request after another."""

    def first(self) -> bytes: ...
    def next(self, answer: bytes) -> bytes | None:
        """The request behind this answer; None for the end."""


def drive(works: Iterable[tuple[Connection, Work]]) -> float:
    """Does them all at the same time; returns the seconds that it took.

    Raises RuntimeError where a connection is closed, nothing comes any more, or a result is no success.
    """
    waiting = selectors.DefaultSelector()
    running = dict[Connection, Work](works)
    for connection in running:
        connection.socket.setblocking(False)
        waiting.register(connection.socket, selectors.EVENT_READ, connection)
    began = time.perf_counter()
    for connection, work in running.items():
        _send(connection, work.first())
    while running:
        ready = waiting.select(_PATIENCE)
        if not ready:
            raise RuntimeError(f"nothing came within {_PATIENCE:g} seconds")
        for key, _ in ready:
            connection = key.data
            if _advance(connection, running[connection]):
                del running[connection]
                waiting.unregister(connection.socket)
                connection.socket.settimeout(_PATIENCE)
    seconds = time.perf_counter() - began
    waiting.close()
    return seconds


def _advance(connection: Connection, work: Work) -> bool:
    """Takes what there is; whether the work is done."""
    while True:
        try:
            data = connection.read()
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        for answer in connection.scanner.feed(data):
            request = work.next(successful(answer))
            if request is None:
                return True
            _send(connection, request)


def _send(connection: Connection, request: bytes) -> None:
    # A request is far smaller than the kernel's buffer.
    sent = connection.socket.send(request)
    if sent != len(request):
        raise RuntimeError("a request was not taken whole")
