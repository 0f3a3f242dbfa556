"""Audit lines with a number in them, and outputs that take them or do not."""

import json
import threading

from gateway.observe.audit_line import AuditLine, Severity
from gateway.observe.audit_output import Output

PATIENCE = 30


def line(number, size=0):
    octets = json.dumps({"n": number, "fill": "x" * size}).encode() + b"\n"
    return AuditLine(octets, "search", Severity.informational, 1_700_000_000.0 + number)


def numbers(octets):
    """Of whole lines; anything else is an error."""
    assert not octets or octets.endswith(b"\n")
    return [json.loads(each)["n"] for each in octets.splitlines()]


class Taking(Output):
    """An output in memory. It takes nothing while `error` is set or while `held` is not."""

    name = "memory"

    def __init__(self):
        self.lines = []
        self.error = None
        self.reopen_error = None
        self.reopened_after = []
        self.closed = False
        self.held = threading.Event()
        self.held.set()
        self.tried = threading.Event()

    def write(self, waiting):
        self.tried.set()
        assert self.held.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        while waiting:
            self.lines.append(waiting.popleft())

    def reopen(self):
        if self.reopen_error is not None:
            raise self.reopen_error
        self.reopened_after.append(len(self.lines))

    def close(self):
        self.closed = True

    @property
    def octets(self):
        return b"".join(line.octets for line in self.lines)
