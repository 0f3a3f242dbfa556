"""Wrong passwords of one account, and how many of them a directory still counts.

Active Directory keeps a number and the time of the latest wrong password (MS-SAMR 3.1.1.7.1; badPwdCount and
badPasswordTime). It adds one where the latest is no older than the observation window, and begins anew at one where it
is older. So one wrong password after another keeps all earlier ones alive: they expire together, or not at all. The
count here must never be lower than that number, at whatever moment between its beginning and its end an attempt
reached the server. So the quiet that makes failures expire has to lie between the end of one attempt and the beginning
of the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

# Failures of one account that are remembered; no configuration can ask for a higher number (config.models.Lockout).
MOST_FAILURES: Final = 10_000


class Failure(NamedTuple):
    """A wrong password. at, began: seconds on the clock of the attempts, when its answer was there and when it was
    admitted. attempt: the name of the attempt that it was."""

    at: float
    began: float
    attempt: str


def counted(
    failures: Sequence[Failure], under_way: Iterable[float], now: float, window: float, together: bool = True
) -> int:
    """The number of the latest failures that still count.

    failures: the earliest end first. under_way: when the attempts began that have not ended; each may have reached the
    server already. window: seconds of quiet after which all earlier failures count no more. together: False for a count
    that no directory keeps, in which each failure expires by itself.
    """
    # Nothing may have reached a server between the end of the failure that is looked at and this moment.
    quiet_until = min(under_way, default=now) if together else now
    quiet_until = min(quiet_until, now)
    number = 0
    for failure in reversed(failures):
        if quiet_until - failure.at > window:
            break
        number += 1
        if together:
            quiet_until = min(quiet_until, failure.began)
    return number
