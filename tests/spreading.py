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


# The modules whose tests start servers begin within this part of the run, counted in modules: behind it are only those
# that compute, because a test that waits at the end keeps everybody waiting.
_WITH_SERVERS = 0.7


def spread(items: list[pytest.Item]) -> None:
    """Marks the tests that start servers, and mixes their modules with the others: some compute while others wait."""
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if str(item.path).startswith(_SERVERS) or "start_gateway" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.servers)
        modules.setdefault(item.path, []).append(item)
    waiting: list[list[pytest.Item]] = []
    computing: list[list[pytest.Item]] = []
    for module in modules.values():
        starts_servers = any(item.get_closest_marker("servers") is not None for item in module)
        (waiting if starts_servers else computing).append(module)
    placed = [(_WITH_SERVERS * place / len(waiting), module) for place, module in enumerate(waiting)]
    placed += [(place / len(computing), module) for place, module in enumerate(computing)]
    placed.sort(key=lambda found: found[0])
    items[:] = [item for _, module in placed for item in module]


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
