"""Where the audit file is, for a command that reads it and needs nothing else of the configuration."""

from __future__ import annotations

from pathlib import Path

from gateway.config.source import read_source


def audit_file(config: Path) -> Path | None:
    """`audit.file`; None where records go elsewhere. Nothing else in the configuration is judged. Raises
    ConfigurationError where it cannot be read."""
    data = read_source(config).data
    audit = data.get("audit") if isinstance(data, dict) else None
    file = audit.get("file") if isinstance(audit, dict) else None
    return config.resolve().parent / file if isinstance(file, str) else None
