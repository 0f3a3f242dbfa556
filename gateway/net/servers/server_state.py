"""What is known of the servers of a directory, over its sessions, its clients and reloads.

A server is up until something shows otherwise: a session that cannot connect takes it down at once, so that the next
one need not find out the same, and so do failed checks. Then a few sparse attempts in the background find out whether
it is back; sessions try it only where no other server is up. What sessions find out behind a connection that came up is
in net.doubt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import uniform
from typing import Final

from twisted.internet.defer import Deferred

from gateway.net.servers.doubt import Doubts
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.settings import Candidate, DiscoverySettings, ServerSettings
from gateway.net.transport.failures import FailureCause

# Seconds without a result after which an attempt to connect makes its server look like one that swallows packets: a
# healthy one takes milliseconds, a busy one on another continent half a second.
SLOW_ATTEMPT: Final = 1.0

# Seconds between attempts to find out whether a server is back: the first, and the longest where health.interval is not
# shorter; each is up to a quarter longer or shorter, so that several gateways do not come at once.
FIRST_RETRY: Final = 1.0
LONGEST_RETRY: Final = 30.0
JITTER: Final = 0.25


@dataclass(frozen=True, slots=True)
class Down:
    """Why no session is given to a server while another is up. since: of the reactor's clock, in seconds. connects: TLS
    comes up, and what failed is behind it, so that a connection proves nothing."""

    since: float
    cause: FailureCause
    detail: str
    connects: bool = False


class Trial:
    """One attempt that others wait for: at a server that is down, or to learn the servers' names. failed: it has, and
    was not only given up."""

    def __init__(self) -> None:
        self.failed = False
        self._waiting: list[Deferred[None]] = []

    def wait(self) -> Deferred[None]:
        """Fires when it has ended, however that was; may be cancelled."""
        waiting: Deferred[None] = Deferred(lambda cancelled: self._waiting.remove(cancelled))
        self._waiting.append(waiting)
        return waiting

    def end(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)


@dataclass(slots=True)
class Load:
    """How many sessions a server has.

    sessions: that this gateway has at a server, those that are being connected included.
    """

    sessions: int = 0


@dataclass(slots=True, eq=False)
class ServerState:
    """What is known of one server: whether it is up, and what makes one think otherwise.

    trust: as DirectoryState.server has it. clock: the reactor's, in seconds. suspected: something went wrong that a
    server which is down would explain; a check settles it. woken: called when a check is wanted sooner than planned.
    spares: links that are ready for a session, the oldest first. doubts: what sessions have found out behind their
    connections.
    """

    server: ServerSettings
    trust: str
    clock: Callable[[], float]
    load: Load = field(default_factory=Load)
    down: Down | None = None
    suspected: bool = False
    trial: Trial | None = None
    woken: Callable[[], None] = lambda: None
    spares: list[ServerLink] = field(default_factory=list)
    _attempts: list[float] = field(default_factory=list)
    _passed: int = 0
    _failed: int = 0
    _retries: int = 0
    doubts: Doubts = field(init=False)

    def __post_init__(self) -> None:
        self.doubts = Doubts(self.clock)

    @property
    def doubtful(self) -> bool:
        """Whether it is better not to wait for it while another server is up."""
        slow = any(self.clock() - began > SLOW_ATTEMPT for began in self._attempts)
        return self.down is not None or self.suspected or slow or self.doubts.doubtful

    def attempt_began(self) -> float:
        began = self.clock()
        self._attempts.append(began)
        return began

    def attempt_ended(self, began: float) -> None:
        self._attempts.remove(began)

    def suspect(self) -> None:
        if not self.suspected and self.down is None:
            self.suspected = True
            self._drop_spares()
            self.woken()

    def connected(self) -> bool:
        """A session's connection came up. True where the server was down until now."""
        self._failed = 0
        if self.down is None:
            self.suspected = False
            return False
        return not self.down.connects and self._rise()

    def failed(self, cause: FailureCause, detail: str) -> bool:
        """A session could not connect. True where that is news: it was up until now, or down for another cause."""
        self._passed = 0
        return self._fall(cause, detail, False)

    def check_passed(self, rise: int) -> bool:
        """True where the server was down until now. Of doubts it says nothing."""
        self.suspected = False
        self._failed = 0
        self._passed += 1
        if self.down is None or self._passed < rise:
            return False
        return self._rise()

    def check_failed(self, fall: int, cause: FailureCause, detail: str, connects: bool) -> bool:
        """True where that is news. One failure is enough for a server that was suspected already."""
        self._passed = 0
        self._failed += 1
        if self.down is None and not self.suspected and self._failed < fall:
            return False
        return self._fall(cause, detail, connects)

    def plan_check(self, interval: float | None) -> float | None:
        """Seconds until the next check, None for no check; called once for each. interval: of the checks of servers
        that are up, None for no such checks."""
        if self.suspected:
            return 0.0
        wait = interval
        if self.down is not None:
            wait = min(FIRST_RETRY * 2**self._retries, interval or LONGEST_RETRY, LONGEST_RETRY)
            self._retries = min(self._retries + 1, 16)
        return None if wait is None else wait * uniform(1 - JITTER, 1 + JITTER)

    def _rise(self) -> bool:
        self.down = None
        self.suspected = False
        self._failed = self._retries = 0
        return True

    def _fall(self, cause: FailureCause, detail: str, connects: bool) -> bool:
        before = self.down
        self.suspected = False
        since = self.clock() if before is None else before.since
        self.down = Down(since, cause, detail, connects)
        self.doubts.forget()
        if before is None:
            self._drop_spares()
            self.woken()
        return before is None or before.cause is not cause

    def _drop_spares(self) -> None:
        for link in list(self.spares):
            link.close()


class DirectoryState:
    """The servers of one directory, over reloads. last_session: when a session last got a connection, None for never.
    found: what DNS said last, by what it was asked."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.last_session: float | None = None
        self.found: dict[DiscoverySettings, tuple[Candidate, ...]] = {}
        self._clock = clock
        self._servers: dict[tuple[ServerSettings, str], ServerState] = {}
        self._kept: set[tuple[ServerSettings, str]] | None = None
        self._loads: dict[ServerSettings, Load] = {}

    def server(self, server: ServerSettings, trust: str) -> ServerState:
        """trust: what its certificate is verified with and what is shown to it. Where that changes, what went wrong
        before says nothing any more."""
        found = self._servers.get((server, trust))
        if found is None:
            load = self._loads.setdefault(server, Load())
            found = self._servers[server, trust] = ServerState(server, trust, self._clock, load)
        return found

    def keep(self, kept: set[tuple[ServerSettings, str]]) -> None:
        """Forgets all others."""
        self._kept = kept
        self._servers = {key: state for key, state in self._servers.items() if key in kept}
        servers = {server for server, _ in kept}
        self._loads = {server: load for server, load in self._loads.items() if server in servers or load.sessions}

    def is_current(self, state: ServerState) -> bool:
        """False for what a session of an earlier load still tries, by what that load trusts: it says nothing of the
        servers that others get."""
        return self._kept is None or (state.server, state.trust) in self._kept
