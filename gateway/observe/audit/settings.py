"""Where audit records go, and in which form."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class AuditFormat(StrEnum):
    """The form in which records are written."""

    json = "json"
    text = "text"


class SyslogTransport(StrEnum):
    """The way to a syslog server.

    unix: datagrams to a local socket. tcp, tls: a stream with octet counting (RFC 6587 3.4.1, RFC 5425).
    """

    unix = "unix"
    udp = "udp"
    tcp = "tcp"
    tls = "tls"


@dataclass(frozen=True, slots=True)
class SyslogSettings:
    """The syslog server that audit records go to.

    host: a name or an address; for unix the socket's path, and port is 0. facility: 0 to 23 (RFC 5424 6.2.1). ca_file:
    PEM bundle for tls, None for the system's authorities. message_octets: of one message, header included.
    """

    transport: SyslogTransport
    host: str
    port: int
    facility: int = 16
    ca_file: Path | None = None
    message_octets: int = 8192


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """Where audit records go: file, or syslog, or standard output where both are None.

    filter_values: whether the values in filters are shown. buffer: octets of records that may wait for an output that
    does not take them.
    """

    file: Path | None = None
    syslog: SyslogSettings | None = None
    format: AuditFormat = AuditFormat.json
    filter_values: bool = False
    buffer: int = 16 * 2**20
