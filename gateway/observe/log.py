"""The operational log: one line per event on standard error, for people and for `docker logs`."""

from __future__ import annotations

import sys
from typing import Any, Final, cast

from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    formatEvent,
    globalLogBeginner,
    textFileLogObserver,
)

LEGACY: Final = "log_legacy"


def begin_logging(lowest: Any = LogLevel.info) -> None:
    """Sends the log of the gateway and of Twisted to standard error. lowest: of twisted.logger.LogLevel."""
    observer: Any = FilteringLogObserver(
        cast(Any, textFileLogObserver(sys.stderr)), [cast(Any, LogLevelFilterPredicate(lowest)), cast(Any, _no_sockets)]
    )
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def _no_sockets(event: Any) -> Any:
    """Twisted tells of each socket that asks DNS, four lines a question, whatever `noisy` says."""
    if LEGACY in event:
        said = formatEvent(event)
        if "DNSDatagramProtocol" in said or said.startswith("(UDP Port "):
            return PredicateResult.no
    return PredicateResult.maybe
