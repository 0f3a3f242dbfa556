"""One directory server and, before it, everything that is compared, all at the same time."""

import os
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.gateway_process import gateway
from bench.measure import cpu_seconds
from bench.peers import Target, haproxy, slapd_proxy
from bench.requests import ATTRIBUTES
from bench.servers import Server, slapd
from bench.wire import Connection, trust

# The counting of requests is measured, not how many of them a second are let through.
MANY_REQUESTS = {"requests_per_source": 1_000_000, "requests_per_account": 1_000_000}

_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass
class Lab:
    """users: how many the server has. code: of the gateway that is measured. targets: the server itself first."""

    users: int
    server: Server
    code: Path
    targets: list[Target]
    contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)

    @property
    def pids(self) -> list[int]:
        return [pid for target in self.targets for pid in target.pids]

    def connect(self, target: Target, source: str = "127.0.0.1") -> Connection:
        """A connection that is bound."""
        context = self.contexts.setdefault(target.ca_file, trust(target.ca_file))
        connection = Connection(target.port, context, source=source)
        try:
            connection.bind(self.server.sync_name, self.server.sync_password)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def connections(self, target: Target, count: int) -> Iterator[list[Connection]]:
        with ExitStack() as opened:
            yield [opened.enter_context(self.connect(target)) for _ in range(count)]

    def in_turn(self, number: int) -> list[Target]:
        """Each round begins with another one."""
        first = number % len(self.targets)
        return self.targets[first:] + self.targets[:first]


@contextmanager
def running_lab(users: int, code: Path) -> Iterator[Lab]:
    with ExitStack() as started:
        server = started.enter_context(slapd(users))
        targets = [
            Target("direct", server.port, server.ca_file, server.pid),
            started.enter_context(haproxy(server)),
            started.enter_context(slapd_proxy(server, ATTRIBUTES)),
            started.enter_context(gateway(server, code=code, limits=MANY_REQUESTS)),
        ]
        yield Lab(users, server, code, targets)


class Bystanders:
    """How much of the machine was used by others than these processes and this one, since it was made."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._began = time.monotonic()
        self._busy, self._ours = self._now()

    def processors(self) -> float:
        """On average: 1.0 is one processor the whole time."""
        busy, ours = self._now()
        return max(0.0, busy - self._busy - (ours - self._ours)) / (time.monotonic() - self._began)

    def _now(self) -> tuple[float, float]:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        user, nice, system, _, _, irq, softirq, steal = fields[:8]
        ours = time.process_time() + cpu_seconds(*self._pids)
        return (user + nice + system + irq + softirq + steal) * _TICK, ours
