"""How the tests are spread over the processes of pytest-xdist, and which of them start servers.

A module goes to one process as a whole (`--dist loadfile`), because its tests share servers and gateways.
"""

import os
from pathlib import Path

import pytest

_SERVERS = f"{Path(__file__).with_name('servers')}{os.sep}"


def is_worker() -> bool:
    """Whether this process runs tests that another one hands out."""
    return "PYTEST_XDIST_WORKER" in os.environ


def spread(items: list[pytest.Item]) -> None:
    """Marks the tests that start servers, and puts them first: they wait while the others compute."""
    for item in items:
        if str(item.path).startswith(_SERVERS) or "start_gateway" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.servers)
    items.sort(key=lambda item: item.get_closest_marker("servers") is None)
