"""What a command that reads the audit needs of the configuration, and nothing else of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config.source import read_source


@dataclass(frozen=True, slots=True)
class AuditPlace:
    """The place where a configuration sends its audit records: file; else the syslog server at this address, "" for
    none; else standard output."""

    file: Path | None
    syslog: str = ""


def audit_place(config: Path) -> AuditPlace:
    """Nothing else in the configuration is judged. Raises ConfigurationError where it cannot be read."""
    audit = _mapping(_mapping(read_source(config).data).get("audit"))
    file, syslog = audit.get("file"), audit.get("syslog")
    if isinstance(file, str):
        return AuditPlace(config.resolve().parent / file)
    if not isinstance(syslog, dict):
        return AuditPlace(None)
    return AuditPlace(None, str(syslog.get("address", "/dev/log")))


def sync_gaps(config: Path) -> dict[str, float]:
    """sync_gap of each client that has one, in seconds. Raises ConfigurationError where the file cannot be read."""
    clients = _mapping(_mapping(read_source(config).data).get("clients"))
    gaps = {name: _mapping(client).get("sync_gap") for name, client in clients.items()}
    return {name: float(gap) for name, gap in gaps.items() if isinstance(gap, int | float)}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
