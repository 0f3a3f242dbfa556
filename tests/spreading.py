"""How the tests are spread over the processes of pytest-xdist, and which of them are fast.

The tests of a module go to one process, because they share servers and gateways. So do all modules that use the Samba
domain of the whole run: starting another one takes longer than their tests.
"""

import os
from pathlib import Path

import pytest

_SERVERS = f"{Path(__file__).with_name('servers')}{os.sep}"


def is_worker():
    """Whether this process runs tests that another one hands out."""
    return "PYTEST_XDIST_WORKER" in os.environ


def spread(items):
    """Marks the tests, and puts those that start servers first: they wait while the others compute."""
    with_samba = {item.path for item in items if "samba" in item.fixturenames}
    for item in items:
        item.add_marker(pytest.mark.xdist_group("samba" if item.path in with_samba else str(item.path)))
        if str(item.path).startswith(_SERVERS) or "start_gateway" in item.fixturenames:
            item.add_marker(pytest.mark.servers)
    items.sort(key=lambda item: item.get_closest_marker("servers") is None)
