"""Audit lines to a syslog server, as RFC 5424 has them.

They go over a local socket, UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425).
"""

from __future__ import annotations

import os
import socket
import ssl
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from errno import EMSGSIZE
from importlib.metadata import version
from typing import Any, Final

from gateway.observe.audit.line import AuditLine
from gateway.observe.audit.output import Output, RecordTooLong, StreamOutput
from gateway.observe.audit.settings import SyslogSettings, SyslogTransport

# Seconds for a connection, or for a server to take something.
_PATIENCE: Final = 10.0

# RFC 5424 7.3.1.
_LAST_SEQUENCE_ID: Final = 2**31 - 1


class SyslogHeader:
    """What stands before each record. Messages are numbered, so that a server can tell that one is missing."""

    def __init__(self, facility: int) -> None:
        name = "".join(c for c in socket.gethostname() if "!" <= c <= "~")[:255]
        self._facility = facility
        self._origin = f'[origin software="ldap-gateway" swVersion="{version("ldap-gateway")}"]'
        self._sender = f"{name or '-'} ldap-gateway {os.getpid()}"

    @property
    def most(self) -> int:
        """Octets that it may have."""
        return len(self._sender) + len(self._origin) + 120

    def message(self, line: AuditLine, number: int) -> bytes:
        """RFC 5424 6. number: of messages before it. There is no byte order mark: what reads the records as JSON would
        trip over it (6.4 permits that of a sender)."""
        moment = datetime.fromtimestamp(line.time, UTC).isoformat(timespec="milliseconds")
        head = (
            f"<{self._facility * 8 + line.severity}>1 {moment} {self._sender} {line.kind} "
            f'[meta sequenceId="{number % _LAST_SEQUENCE_ID + 1}"]{self._origin} '
        )
        return head.encode("ascii") + line.octets.rstrip(b"\n")


def syslog_output(settings: SyslogSettings) -> Output:
    """It connects when it is first written to. Raises OSError where the CA file cannot be used."""
    if settings.transport in (SyslogTransport.unix, SyslogTransport.udp):
        return DatagramOutput(settings)
    return StreamSyslogOutput(settings)


def _place(settings: SyslogSettings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return host if settings.transport is SyslogTransport.unix else f"{settings.transport}://{host}:{settings.port}"


class DatagramOutput(Output):
    """A syslog server that takes datagrams."""

    def __init__(self, settings: SyslogSettings) -> None:
        self.name = f"syslog at {_place(settings)}"
        self._settings = settings
        self._header = SyslogHeader(settings.facility)
        self._count = 0
        self._socket: socket.socket | None = None

    def write(self, waiting: deque[AuditLine]) -> None:
        if self._socket is None:
            self._socket = self._connect()
        while waiting:
            try:
                self._socket.send(self._header.message(waiting[0], self._count))
            except OSError as error:
                if error.errno == EMSGSIZE:
                    raise RecordTooLong from None
                self.close()
                raise
            waiting.popleft()
            self._count += 1

    def reopen(self) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        if self._settings.transport is SyslogTransport.unix:
            return _connected(socket.AF_UNIX, self._settings.host)
        found = socket.getaddrinfo(self._settings.host, self._settings.port, type=socket.SOCK_DGRAM)
        family, _, _, _, address = found[0]
        return _connected(family, address)


class StreamSyslogOutput(StreamOutput):
    """Octet counting (RFC 6587 3.4.1). What the server's system has taken counts as written: syslog has no answer."""

    def __init__(self, settings: SyslogSettings) -> None:
        super().__init__()
        self.name = f"syslog at {_place(settings)}"
        self._settings = settings
        self._header = SyslogHeader(settings.facility)
        self._socket: socket.socket | None = None
        self._tls = _context(settings)

    def write(self, waiting: deque[AuditLine]) -> None:
        try:
            if self._socket is not None and _has_closed(self._socket):
                self.close()
            if self._socket is None:
                self._socket = self._connect()
            super().write(waiting)
        except OSError:
            self.close()
            raise

    def reopen(self) -> None:
        # The authorities as they are now.
        self._tls = _context(self._settings)
        self.close()

    def close(self) -> None:
        # Of a message that was begun, the server throws away what it has.
        self._begun = 0
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        plain = socket.create_connection((self._settings.host, self._settings.port), _PATIENCE)
        try:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return plain if self._tls is None else self._tls.wrap_socket(plain, server_hostname=self._settings.host)
        except BaseException:
            plain.close()
            raise

    def _frame(self, line: AuditLine, number: int) -> bytes:
        message = self._header.message(line, number)
        return b"%d %b" % (len(message), message)

    def _send(self, octets: memoryview) -> int:
        if self._socket is None:
            raise ConnectionError("not connected")
        return self._socket.send(octets)


def _context(settings: SyslogSettings) -> ssl.SSLContext | None:
    """Raises OSError where the CA file cannot be used."""
    if settings.transport is not SyslogTransport.tls:
        return None
    made = ssl.create_default_context(cafile=settings.ca_file)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def _connected(family: int, address: tuple[Any, ...] | str) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.settimeout(_PATIENCE)
        made.connect(address)
    except BaseException:
        made.close()
        raise
    return made


def _has_closed(connection: socket.socket) -> bool:
    """Whether the other side has: what is sent then is lost without an error."""
    connection.settimeout(0)
    try:
        return connection.recv(4096) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(_PATIENCE)
