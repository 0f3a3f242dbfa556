"""What systemd is told while it runs the gateway: sd_notify(3), without its library.

Datagrams of `NAME=value` lines to the socket that NOTIFY_SOCKET names; without one nothing is told. The gateway need
not know whether the unit has Type=notify or Type=notify-reload: it says what both of them listen to.
"""

from __future__ import annotations

import socket
from collections.abc import MutableMapping
from time import CLOCK_MONOTONIC, clock_gettime_ns
from typing import Final

from twisted.logger import Logger

from gateway.host.system_errors import system_error

log = Logger(__name__)

# systemd reads at once; the event loop does not wait longer for one that does not, in seconds.
PATIENCE: Final = 0.5

# systemd expects a sign of life within WATCHDOG_USEC; sd_watchdog_enabled(3) advises half of it.
SIGNS_OF_LIFE: Final = 2


class ServiceManager:
    """systemd, as it is told of the gateway's state.

    environ: its variables of this protocol are taken out, so that they are meant for this process alone.
    """

    def __init__(self, environ: MutableMapping[str, str], pid: int) -> None:
        self._address = _address(environ.pop("NOTIFY_SOCKET", ""))
        microseconds = environ.pop("WATCHDOG_USEC", "")
        watched = environ.pop("WATCHDOG_PID", str(pid)) == str(pid)
        self._watchdog = int(microseconds) / 1e6 if watched and microseconds.isdigit() else 0.0
        self._failed = False

    @property
    def watchdog_step(self) -> float | None:
        """Seconds between two signs of life; None where none are expected."""
        return self._watchdog / SIGNS_OF_LIFE if self._address is not None and self._watchdog else None

    def waiting(self, status: str, patience: float) -> None:
        """It has not begun to serve. patience: seconds that this may take, whatever TimeoutStartSec says."""
        self._tell(f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={int(patience * 1e6)}")

    def ready(self, status: str) -> None:
        """It serves: after the start, and after each reload, whether it succeeded or not."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        # systemd takes it for the answer to a signal only if it is not older than that.
        self._tell("RELOADING=1", f"MONOTONIC_USEC={clock_gettime_ns(CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str, patience: float) -> None:
        """patience: seconds that the stop may take, whatever TimeoutStopSec says."""
        self._tell("STOPPING=1", f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={int(patience * 1e6)}")

    def alive(self) -> None:
        self._tell("WATCHDOG=1")

    def _tell(self, *assignments: str) -> None:
        if self._address is None:
            return
        text = "\n".join(assignment.replace("\n", " ") for assignment in assignments)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
                notify.settimeout(PATIENCE)
                notify.sendto(text.encode(), self._address)
        except OSError as error:
            if not self._failed:
                log.warn("systemd cannot be told of the gateway's state: {error}", error=system_error(error))
            self._failed = True
        else:
            self._failed = False


def _address(text: str) -> str | None:
    """A path, or a name of the abstract namespace; None for nothing and for what is none of these."""
    if text.startswith("@"):
        return "\0" + text[1:]
    if text and not text.startswith("/"):
        log.warn("NOTIFY_SOCKET is no Unix socket: systemd is told nothing")
    return text if text.startswith("/") else None
