"""What a process uses, from /proc, and how results are summed up and shown."""

import os
import platform
import ssl
import statistics
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

MB = 1e6

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Figure:
    """A table. goal: what it is to show, for the line below the title. rows: cells as they are to be read."""

    title: str
    goal: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        lines = [f"### {self.title}", self.goal, "", _row(self.columns), _row("---" for _ in self.columns)]
        return "\n".join(lines + [_row(row) for row in self.rows])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


@dataclass
class Sample:
    """Repeated measurements of one thing, in one unit."""

    values: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def shown(self, scale: float = 1, digits: int = 0) -> str:
        """The median, and the least and greatest value in brackets."""
        low, high = min(self.values) * scale, max(self.values) * scale
        return f"{self.median * scale:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def cpu_seconds(*pids: int) -> float:
    """User and system time of running processes, together, and all their threads, ended ones too: the sum of utime and
    stime in /proc/PID/stat, but not rounded to hundredths of a second."""
    # A process's clock as linux/posix-timers.h numbers it; clock_getcpuclockid(3) gives the same.
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def settled_cpu_seconds(*pids: int) -> float:
    """The same once the processes have done what is still to do, such as closing connections."""
    until = time.monotonic() + 5
    used = cpu_seconds(*pids)
    while time.monotonic() < until:
        time.sleep(0.03)
        if (now := cpu_seconds(*pids)) - used < 0.0005:
            return now
        used = now
    return used


def resident(pid: int) -> int:
    """Octets of a running process that are in memory (RSS)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


class PeakMemory:
    """The most that a process had in memory while this context was open; octets grows as long as it is."""

    _STEP = 0.01

    def __init__(self, pid: int):
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.octets = resident(pid)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._STEP):
            self.octets = max(self.octets, resident(self._pid))


def machine(code: str) -> str:
    """One paragraph: what the figures were measured on. code: whether the gateway is compiled."""
    named = (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    cpu = next(named, platform.machine()).rpartition(": ")[2]
    memory = os.sysconf("SC_PHYS_PAGES") * _PAGE / MB
    packages = ", ".join(f"{name} {version(name)}" for name in ("Twisted", "pyOpenSSL", "cryptography", "pydantic"))
    return (
        f"{cpu}, {os.cpu_count()} processors, {memory / 1000:.0f} GB; load {os.getloadavg()[0]:.1f}; "
        f"{_operating_system()}; Python {platform.python_version()}, {packages}, {ssl.OPENSSL_VERSION}; "
        f"slapd {_package('slapd')}, HAProxy {_package('haproxy')}; gateway {_commit()}, {code}"
    )


def _operating_system() -> str:
    return f"{platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')}, kernel {platform.release()}"


def _package(name: str) -> str:
    return _output("dpkg-query", "-W", "-f", "${Version}", name) or "not from a package"


def _commit() -> str:
    root = str(Path(__file__).parents[1])
    changed = "+" if _output("git", "-C", root, "status", "--porcelain", "gateway") else ""
    return _output("git", "-C", root, "rev-parse", "--short", "HEAD") + changed


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
