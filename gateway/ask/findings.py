"""What a walk along a sync's path finds: one line a step, and what to do where it is not well."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What came of one look.

    skipped: not looked at, because something before it failed or because it was not asked for.
    """

    ok = "ok"
    warning = "warning"
    failed = "failed"
    skipped = "skipped"


class Area(StrEnum):
    """What a finding is about."""

    configuration = "configuration"
    listener = "listener"
    certificate = "certificate"
    server = "server"
    link = "link"
    account = "account"
    directory = "directory"
    lockout_store = "lockout_store"
    policy = "policy"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look of `doctor` found.

    subject: what was looked at, such as a server's URL. step: what of it. advice: one line, or "".
    """

    area: Area
    subject: str
    step: str
    status: Status
    said: str
    advice: str = ""


class Section:
    """The findings about one subject, given to say as they are made."""

    def __init__(self, say: Callable[[Finding], None], area: Area, subject: str) -> None:
        self._say = say
        self._area = area
        self._subject = subject

    def ok(self, step: str, said: str, advice: str = "") -> None:
        self._say(Finding(self._area, self._subject, step, Status.ok, said, advice))

    def warning(self, step: str, said: str, advice: str) -> None:
        self._say(Finding(self._area, self._subject, step, Status.warning, said, advice))

    def failed(self, step: str, said: str, advice: str) -> None:
        self._say(Finding(self._area, self._subject, step, Status.failed, said, advice))

    def skipped(self, because: str, *steps: str, advice: str = "") -> None:
        for step in steps:
            self._say(Finding(self._area, self._subject, step, Status.skipped, because, advice))


def exit_status(findings: Iterable[Finding]) -> int:
    """0: all that was looked at is well; 1: warnings; 2: something failed."""
    worst = {finding.status for finding in findings}
    return 2 if Status.failed in worst else 1 if Status.warning in worst else 0
