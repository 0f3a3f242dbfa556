"""The operational log: one line per event on standard error, for people and for `docker logs`."""

from __future__ import annotations

import sys
from typing import Any, Final, cast

from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    globalLogBeginner,
    textFileLogObserver,
)

# The second one is that of the framework's older parts, which have another interface.
_FRAMEWORK: Final = ("twisted.", "log_legacy")


def begin_logging(lowest: Any = LogLevel.info) -> None:
    """Sends the log of the gateway, and the framework's warnings and errors, to standard error. lowest: of
    twisted.logger.LogLevel."""
    observer: Any = FilteringLogObserver(
        cast(Any, textFileLogObserver(sys.stderr)),
        [cast(Any, LogLevelFilterPredicate(lowest)), cast(Any, _no_chatter)],
    )
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def _no_chatter(event: Any) -> Any:
    """What the framework says of its own classes (`_QuietSite starting on 8389`, each socket that asks DNS) means
    nothing to an administrator: the gateway itself says what it listens on, and when it ends."""
    by_framework = str(event.get("log_namespace", "")).startswith(_FRAMEWORK)
    if by_framework and event["log_level"] < LogLevel.warn:
        return PredicateResult.no
    return PredicateResult.maybe
