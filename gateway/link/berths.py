"""The berths of a link at the end that waits: parked, given to sessions, and asked for where there are too few."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic
from typing import Final

from twisted.internet.defer import Deferred

from gateway.link.agent import Agent
from gateway.link.berth import OutsideBerth
from gateway.link.commands import Cause, End, Taken
from gateway.link.connection import LinkConnection
from gateway.link.frames import Go
from gateway.link.taken import TakenLink
from gateway.link.wanted import Waiting
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.settings import ServerSettings
from gateway.net.transport.deadline import Deadline
from gateway.net.transport.failures import FailureCause, ToldFailure
from gateway.net.transport.reactor import Reactor

# Seconds in which a session must hear something of an agent whose line was silent for too long.
SILENT_SESSION: Final = 15.0


class NoBerth(ToldFailure):
    """There is no connection of the agent for a session. The text says why."""


class _Attempt:
    """A session that wants a berth of an agent, which is in the place of a server. since: when it came; until: when it
    gives up. berth: that has been sent its GO."""

    def __init__(self, server: ServerSettings, go: Go, until: float, cancelled: Callable[[_Attempt], None]) -> None:
        self.server = server
        self.go = go
        self.since = monotonic()
        self.until = until
        self.berth: LinkConnection | None = None
        self.taken: Deferred[ServerLink] = Deferred(lambda _: cancelled(self))


class Berths:
    """Who gets which berth. agents: gives those of the link, whether they are here or not. waited: is told how many
    seconds each session waited, whether it got one or not."""

    def __init__(
        self, agents: Callable[[], Iterable[Agent]], waited: Callable[[float], None], reactor: Reactor
    ) -> None:
        self._agents = agents
        self._waited = waited
        self._reactor = reactor
        self._asked: dict[LinkConnection, _Attempt] = {}
        self._waiting: Waiting[_Attempt] = Waiting()
        self._deadline = Deadline(reactor, self._look)

    def open(self, agent: Agent, server: ServerSettings, go: Go, patience: float) -> Deferred[ServerLink]:
        """A berth for a session, at the latest after so many seconds. Fails with NoBerth; may be cancelled. server: the
        agent in the place of one."""
        attempt = _Attempt(server, go, monotonic() + patience, self._cancelled)
        self._find(attempt, agent)
        return attempt.taken

    def park(self, berth: LinkConnection, agent: Agent) -> None:
        """It is free."""
        attempt = self._waiting.parked(agent.name)
        if attempt is None:
            agent.berths.append(berth)
        else:
            self._go(attempt, agent, berth)

    def taken(self, berth: LinkConnection, agent: Agent, taken: Taken) -> None:
        """The inside serves the session that it was given to."""
        attempt = self._asked.pop(berth)
        left = partial(_left, agent)
        link = TakenLink(attempt.server, berth.hand_over(), berth.layer, taken, left, self._reactor)
        agent.sessions.add(link)
        self._waited(monotonic() - attempt.since)
        attempt.taken.callback(link)

    def ended(self, berth: LinkConnection, agent: Agent, end: End) -> None:
        """Before a session had it: nothing has happened inside, so another one may be tried, unless it was the inside
        itself that refused."""
        attempt = self._asked.pop(berth, None)
        if attempt is None:
            if berth in agent.berths:
                agent.berths.remove(berth)
            return
        attempt.berth = None
        if end.cause is Cause.refused or attempt.until <= monotonic() or self._is_better_elsewhere(attempt, agent):
            self._fail(attempt, end.said, FailureCause.timeout if end.cause is Cause.silent else FailureCause.other)
        else:
            self._find(attempt, agent)

    def look_elsewhere(self, agent: Agent) -> None:
        """The agent is here no more, or stops. Whoever waits for a berth of it need not wait in vain."""
        for attempt in self._waiting.of(agent.name):
            if self._is_better_elsewhere(attempt, agent):
                self._waiting.withdraw(attempt)
                self._fail(attempt, agent.why_not(attempt.go.client))

    def _is_better_elsewhere(self, attempt: _Attempt, agent: Agent) -> bool:
        """Whether another agent would take the session, and this one would not. Where it is the only one, it may be
        back in a moment."""
        client = attempt.go.client
        return not agent.takes(client) and any(other.takes(client) for other in self._agents() if other is not agent)

    def wanted(self, agent: Agent) -> int:
        """How many should wait now; the agent is told when that falls."""
        target = agent.demand.target(self._waiting.count(agent.name), monotonic())
        self._deadline.set(agent.demand.due)
        return target

    def end_silent(self, agent: Agent) -> None:
        """The agent's line has been silent for too long. Its sessions have connections of their own; what is frozen
        says nothing on these either."""
        self._reactor.callLater(SILENT_SESSION, _end_silent, agent, monotonic())

    def _find(self, attempt: _Attempt, agent: Agent) -> None:
        if agent.berths:
            # The one that was parked last is the surest to be alive.
            self._go(attempt, agent, agent.berths.pop())
        else:
            self._waiting.add(attempt, partial(_is, agent.name), attempt.until)
            self.want(agent)
            self._deadline.set(self._waiting.due)

    def _go(self, attempt: _Attempt, agent: Agent, berth: LinkConnection) -> None:
        now = monotonic()
        machine = berth.machine
        if not isinstance(machine, OutsideBerth):
            raise TypeError("something else than a berth was parked")
        attempt.berth = berth
        self._asked[berth] = attempt
        agent.demand.taken(now)
        berth.run(machine.go(attempt.go, max(0.0, attempt.until - now), now))
        self.want(agent)

    def _fail(self, attempt: _Attempt, said: str, cause: FailureCause = FailureCause.other) -> None:
        self._waited(monotonic() - attempt.since)
        attempt.taken.errback(NoBerth(said, cause))

    def _cancelled(self, attempt: _Attempt) -> None:
        self._waiting.withdraw(attempt)
        berth = attempt.berth
        if berth is not None and self._asked.pop(berth, None) is not None:
            berth.close("the session has ended")

    def want(self, agent: Agent) -> None:
        """Tells the agent how many should wait."""
        if agent.line is not None and agent.machine is not None:
            agent.line.run(agent.machine.want(self.wanted(agent), monotonic()))

    def _look(self) -> None:
        for attempt in self._waiting.expired(monotonic()):
            said = f"no connection of agent {attempt.server.server_name} came in time"
            self._fail(attempt, said, FailureCause.timeout)
        for agent in self._agents():
            self.want(agent)
        self._deadline.set(self._waiting.due)


def _left(agent: Agent, link: TakenLink) -> None:
    agent.sessions.discard(link)
    agent.connections -= 1


def _end_silent(agent: Agent, since: float) -> None:
    for link in [each for each in agent.sessions if each.heard_at < since]:
        link.transport.abortConnection()


def _is(agent: str, other: str) -> bool:
    return agent == other
