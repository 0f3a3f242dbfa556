"""A client that reads when it is told to: blocking, on one TLS connection."""

import socket
import ssl
from types import TracebackType

from gateway.ldap.filter_text import parse_filter
from gateway.ldap.framing import Framer
from gateway.ldap.messages import (
    BindRequest,
    BindResponse,
    LDAPMessage,
    Request,
    SearchRequest,
    SearchResultDone,
    SimpleAuthentication,
    decode_response,
    encode,
    read_envelope,
)
from gateway.ldap.results import ResultCode

_PATIENCE = 120.0
_LARGEST_MESSAGE = 32 << 20
_ENTRY = 0x64


class Client:
    """Connects and binds. received: octets of LDAP so far. Raises OSError, or RuntimeError for what is no success."""

    def __init__(self, port: int, ca_file: str, name: str, password: str):
        plain = socket.socket()
        plain.settimeout(_PATIENCE)
        # Small, and set before the handshake of TCP: what the kernel holds for a client that does not read is not
        # what is measured.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        plain.connect(("127.0.0.1", port))
        context = ssl.create_default_context(cafile=ca_file)
        self._socket = context.wrap_socket(plain, server_hostname="localhost")
        self._framer = Framer(_LARGEST_MESSAGE)
        self._sent = 0
        self.received = 0
        self._send(BindRequest(3, name, SimpleAuthentication(password.encode())))
        _check(self._message())

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def ask(self, base: str, attributes: tuple[str, ...]) -> None:
        """Sends a search for everything below the base, without paging, and reads nothing."""
        self._send(SearchRequest(base, 2, parse_filter("(objectClass=*)"), attributes))

    def read_entries(self) -> int:
        """Reads to the end of the search; how many entries came."""
        count = 0
        while read_envelope(message := self._message()).tag == _ENTRY:
            count += 1
        _check(message)
        return count

    def _send(self, request: Request) -> None:
        self._sent += 1
        self._socket.sendall(encode(LDAPMessage(self._sent, request)))

    def _message(self) -> bytes:
        while (message := self._framer.next_message()) is None:
            data = self._socket.recv(256 * 1024)
            if not data:
                raise RuntimeError("the connection was closed")
            self.received += len(data)
            self._framer.feed(data)
        return message


def _check(message: bytes) -> None:
    answer = decode_response(message).operation
    if not isinstance(answer, BindResponse | SearchResultDone) or answer.result.code != ResultCode.success:
        raise RuntimeError(f"the answer is no success: {answer}")
