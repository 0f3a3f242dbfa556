"""The time as the copy's process has it, which tests play."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from gateway.entra.trouble import StopRequested


@dataclass(frozen=True, slots=True)
class Clock:
    """The time. now: seconds since the epoch. monotonic: seconds since whenever. sleep: waits so many seconds, and
    raises StopRequested where the process is to end. go_on: raises it too, and otherwise does nothing."""

    now: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    go_on: Callable[[], None] = lambda: None


def real_clock(stopping: Event) -> Clock:
    """The host's time. stopping: set by whoever wants the process to end."""

    def sleep(seconds: float) -> None:
        if stopping.wait(seconds):
            raise StopRequested

    return Clock(time.time, time.monotonic, sleep, lambda: sleep(0.0))
