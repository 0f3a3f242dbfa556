"""The fast tests are those that start no program, and they run while others wait."""

import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from tests.spreading import spread

TESTS = Path(__file__).parent


class Collected:
    """As much of a collected test as is needed to place it."""

    def __init__(self, module, number, *fixturenames, marked=False):
        self.path = TESTS / module
        self.number = number
        self.fixturenames = fixturenames
        self._marks = ["servers"] if marked else []

    def add_marker(self, mark):
        self._marks.append(mark.name)

    def get_closest_marker(self, name):
        return name if name in self._marks else None


def test_modules_with_servers_are_mixed_with_those_that_compute_and_none_is_last():
    items = [Collected(f"relay/test_{module:02}.py", number) for module in range(40) for number in range(3)]
    items += [Collected(f"servers/test_{module:02}.py", number) for module in range(18) for number in range(2)]
    items += [Collected("net/test_x.py", 0), Collected("net/test_x.py", 1, marked=True)]
    items += [Collected("serve/test_y.py", 0, "start_gateway")]
    collected = list(items)
    spread(items)
    assert sorted(items, key=collected.index) == collected
    modules = [(path, list(found)) for path, found in groupby(items, key=lambda item: item.path)]
    assert len(modules) == 60, "a module is one whole"
    assert all([item.number for item in found] == [*range(len(found))] for _, found in modules)
    waiting = [any(item.get_closest_marker("servers") for item in found) for _, found in modules]
    assert sum(waiting) == 20
    # From the beginning there is always something that computes beside what waits, and at the end nothing waits.
    assert all(0 < sum(waiting[place : place + 5]) < 5 for place in range(40))
    assert not any(waiting[-10:])


@pytest.mark.parametrize("module", ["relay/test_x.py", "servers/test_x.py"])
def test_tests_of_one_kind_stay_as_they_are(module):
    items = [Collected(module, number) for number in range(5)]
    spread(items)
    assert [item.number for item in items] == [*range(5)]
    spread([])


def test_a_fast_test_that_starts_a_program_fails():
    with pytest.raises(pytest.fail.Exception, match=r"test_a_fast_test_that_starts_a_program_fails starts a program"):
        subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.servers
def test_a_test_with_the_mark_may_start_one():
    assert subprocess.run([sys.executable, "-c", ""], check=True).returncode == 0
