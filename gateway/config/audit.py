"""From the `audit` of the file to where records go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.config.certificates import CertificateProblem, read_certificates
from gateway.config.source import Location
from gateway.observe.audit.settings import AuditFormat, AuditSettings, SyslogSettings, SyslogTransport

if TYPE_CHECKING:
    from gateway.config import models

# RFC 5424 6.2.1, by the names of syslog.conf(5).
FACILITIES: Final = {
    "user": 1,
    "daemon": 3,
    "auth": 4,
    "authpriv": 10,
    **{f"local{number}": 16 + number for number in range(8)},
}

# RFC 5426 3.3 and RFC 5425 4.1; no port is registered for plain TCP, and 601 is what most servers listen on.
_PORTS: Final = {SyslogTransport.udp: 514, SyslogTransport.tcp: 601, SyslogTransport.tls: 6514}

_ADDRESS: Final = re.compile(r"(udp|tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


def audit_settings(audit: models.Audit, directory: Path) -> tuple[AuditSettings, list[tuple[Location, str]]]:
    """directory: that paths are relative to. The problems are locations below `audit`, with what is wrong there."""
    problems: list[tuple[Location, str]] = []
    syslog = None
    if audit.syslog is not None:
        if audit.file is not None:
            problems.append((("syslog",), "records go to one place: leave out file or syslog"))
        syslog = _syslog(audit.syslog, directory, problems)
    file = None if audit.file is None else directory / audit.file
    return AuditSettings(file, syslog, AuditFormat(audit.format), audit.filter_values, audit.buffer), problems


def _syslog(syslog: models.Syslog, directory: Path, problems: list[tuple[Location, str]]) -> SyslogSettings | None:
    facility = FACILITIES.get(syslog.facility)
    if facility is None:
        problems.append((("syslog", "facility"), f"one of these is expected: {', '.join(FACILITIES)}"))
    transport, host, port = SyslogTransport.unix, syslog.address, 0
    if not syslog.address.startswith("/"):
        match = _ADDRESS.fullmatch(syslog.address)
        if match is not None:
            transport, host = SyslogTransport(match[1]), match[2].strip("[]")
            port = int(match[3] or _PORTS[transport])
        if match is None or not 0 < port < 65536:
            expected = "a socket like /dev/log is expected, or udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT"
            problems.append((("syslog", "address"), expected))
            return None
    ca_file = None if syslog.ca_file == "system" else directory / syslog.ca_file
    if ca_file is not None:
        if transport is not SyslogTransport.tls:
            problems.append((("syslog", "ca_file"), "only of use with an address of tls://"))
        try:
            read_certificates(ca_file)
        except CertificateProblem as error:
            problems.append((("syslog", "ca_file"), str(error)))
    return SyslogSettings(transport, host, port, facility or 0, ca_file, syslog.message_octets)
