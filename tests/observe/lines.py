"""Audit lines with a number in them, and outputs that take them or do not."""

import json
import threading
from collections import deque

from gateway.observe.audit.line import AuditLine, Severity
from gateway.observe.audit.output import Output

PATIENCE = 30


def line(number: int, size: int = 0) -> AuditLine:
    octets = json.dumps({"n": number, "fill": "x" * size}).encode() + b"\n"
    return AuditLine(octets, "search", Severity.informational, 1_700_000_000.0 + number)


def numbers(octets: bytes) -> list[int]:
    """Of whole lines; anything else is an error."""
    assert not octets or octets.endswith(b"\n")
    return [json.loads(each)["n"] for each in octets.splitlines()]


class Taking(Output):
    """An output in memory. It takes nothing while `error` is set or while `held` is not."""

    name = "memory"

    def __init__(self) -> None:
        self.lines: list[AuditLine] = []
        self.error: Exception | None = None
        self.reopen_error: Exception | None = None
        self.reopened_after: list[int] = []
        self.closed = False
        self.held = threading.Event()
        self.held.set()
        self.tried = threading.Event()

    def write(self, waiting: deque[AuditLine]) -> None:
        self.tried.set()
        assert self.held.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        while waiting:
            self.lines.append(waiting.popleft())

    def reopen(self) -> None:
        if self.reopen_error is not None:
            raise self.reopen_error
        self.reopened_after.append(len(self.lines))

    def close(self) -> None:
        self.closed = True

    @property
    def octets(self) -> bytes:
        return b"".join(line.octets for line in self.lines)
