"""Whether audit records get to where they belong. Written by the audit's thread, read by whoever wants to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Seconds in one write after which an output is said to hang: a file on a server that is gone, a pipe nobody reads.
HANGS_AFTER: Final = 10.0


@dataclass(slots=True)
class AuditHealth:
    """How the writing of audit records goes.

    output: where records go, in words. written, lost: records since the start. waiting: octets that are not written
    yet. problem: why the output last refused a record, "" while it takes them. writing_since: when the write under way
    began, in seconds since the epoch, None while there is none.
    """

    output: str = ""
    written: int = 0
    lost: int = 0
    waiting: int = 0
    problem: str = ""
    writing_since: float | None = None

    def trouble(self, now: float) -> str:
        """Why records are not written now, "" where they are."""
        if self.problem:
            return f"audit records are not written: {self.problem}"
        since = self.writing_since
        if since is not None and now - since >= HANGS_AFTER:
            return f"audit records are not written: {self.output}: has taken nothing for {int(now - since)} s"
        return ""
