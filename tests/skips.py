"""The rule for skipped tests: where everything can be installed, only a missing feature of the kernel may skip one.

LDAP_GATEWAY_SKIPS=fail makes each other skip fail the run; `.ci/run` sets it where it runs as root on Debian. Without
it a skip is an offer: a developer without root sees which package is missing.
"""

import os
from enum import Enum
from typing import NoReturn

import pytest

# What a skip for the sake of the kernel begins with.
_KERNEL = "missing feature of the kernel: "


class KernelFeature(Enum):
    """A feature of the kernel, or a right that a container may lack, without which a test cannot run."""

    deny_write_execute = "PR_SET_MDWE, which Linux 6.3 is the first to have"
    ipv6 = "IPv6 on loopback"
    mount = "the right to mount a file system"
    small_backlog = "a queue of connections that fills"
    network_namespaces = "network namespaces with nftables, or the right to make them"
    open_files = "a hard limit of open files below 2**31"

    def skip(self) -> NoReturn:
        """Skips the test that runs, or the one whose fixture calls this."""
        pytest.skip(_KERNEL + self.value)


_PERMITTED = frozenset(_KERNEL + feature.value for feature in KernelFeature)


class Skips:
    """The skipped tests of this run that must not be skipped, as lines for a reader."""

    def __init__(self) -> None:
        self.forbidden = os.environ.get("LDAP_GATEWAY_SKIPS") == "fail"
        self.found: list[str] = []

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """report: of a test or of a module's collection, as pytest gives it."""
        if not (self.forbidden and report.skipped):
            return
        # An expected failure (xfail) counts as skipped too; none is permitted, and none has a place and a reason.
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if reason not in _PERMITTED:
            self.found.append(f"{report.nodeid}: {reason}")


SKIPS = Skips()
