"""The fast tests are those that start no program."""

import subprocess
import sys

import pytest


def test_a_fast_test_that_starts_a_program_fails():
    with pytest.raises(pytest.fail.Exception, match=r"test_a_fast_test_that_starts_a_program_fails starts a program"):
        subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.servers
def test_a_test_with_the_mark_may_start_one():
    assert subprocess.run([sys.executable, "-c", ""], check=True).returncode == 0
