"""The operational log: one line per event on standard error, for people and for `docker logs`."""

from __future__ import annotations

import sys
from typing import Any, cast

from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)


def begin_logging(lowest: Any = LogLevel.info) -> None:
    """Sends the log of the gateway and of Twisted to standard error. lowest: of twisted.logger.LogLevel."""
    observer: Any = FilteringLogObserver(
        cast(Any, textFileLogObserver(sys.stderr)), [cast(Any, LogLevelFilterPredicate(lowest))]
    )
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
