"""Where the admin page is, for commands that ask a running gateway and need nothing else of its file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gateway.config.problems import ConfigurationError
from gateway.config.source import read_source

ADMIN_ADDRESS: Final = "127.0.0.1:8389"


def admin_address(config: Path) -> str | None:
    """`HOST:PORT` of the admin page of a gateway that runs with this file; None where it has none.

    Nothing else in the file is judged: a gateway that refused to load a file with a mistake in it serves on, with
    the admin address that it had. Where even this key cannot be read, that is most likely the default.
    """
    try:
        data = read_source(config).data
    except ConfigurationError:
        return ADMIN_ADDRESS
    admin = data.get("admin", {}) if isinstance(data, dict) else {}
    if admin is None:
        return None
    address = admin.get("address") if isinstance(admin, dict) else None
    return address if isinstance(address, str) else ADMIN_ADDRESS
