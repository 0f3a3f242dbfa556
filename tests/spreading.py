"""How the tests are spread over the processes of pytest-xdist, and which of them start servers.

A module goes to one process as a whole (`--dist loadfile`), because its tests share servers and gateways. The fast
tests are those that start no program: one that does so without the mark `servers` fails, so that the fast tests stay
fast.
"""

import functools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


# The test that runs, where it must start no program.
_FAST: list[str] = []


@contextmanager
def running(item: pytest.Item) -> Iterator[None]:
    """Inside it a test without the mark `servers` fails where it, or a fixture that it is the first to need, starts a
    program."""
    if item.get_closest_marker("servers") is None:
        _FAST.append(item.nodeid)
    try:
        yield
    finally:
        _FAST.clear()


def watch_programs() -> None:
    """Lets `running` see which programs start."""
    begin = subprocess.Popen.__init__

    @functools.wraps(begin)
    def noted_begin(self: subprocess.Popen[Any], *arguments: Any, **keywords: Any) -> None:
        if _FAST:
            pytest.fail(f"{_FAST[0]} starts a program: mark it with pytest.mark.servers", pytrace=False)
        begin(self, *arguments, **keywords)

    pytest.MonkeyPatch().setattr(subprocess.Popen, "__init__", noted_begin)
