"""The way to servers by a link: a berth of an agent that has called in, in the place of a connection from here."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from gateway.link.frames import Go
from gateway.link.host import LinkHost
from gateway.net.servers.candidates import NoCandidates
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.settings import Candidate, ServerSettings
from gateway.net.servers.way import Whom


class BerthWay:
    """The net/servers/way.Way of a directory that is reached by a link."""

    def __init__(self, host: LinkHost) -> None:
        self._host = host

    @property
    def opens_ahead(self) -> bool:
        """Berths are parked by the other end, and what is up is told on its line."""
        return False

    @property
    def fingerprint(self) -> str:
        return ""

    def open(self, server: ServerSettings, whom: Whom | None, patience: float) -> Deferred[ServerLink]:
        if whom is None:
            raise TypeError("a berth is for a session")
        return self._host.open(server, Go(whom.client, whom.session, whom.source), patience)

    def renew(self) -> None:
        """The keys of a link are looked at by the link."""


class AgentCandidates:
    """The net/servers/candidates.Candidates of a directory that is reached by a link: the agents that are here."""

    def __init__(self, host: LinkHost) -> None:
        self._host = host
        self._changed: Callable[[], None] | None = None

    def known(self, whom: Whom | None) -> tuple[Candidate, ...]:
        client = None if whom is None else whom.client
        return tuple(Candidate(agent_server(self._host.settings.name, name)) for name in self._host.agents_for(client))

    async def wait(self, whom: Whom | None, patience: float) -> None:
        """It does not wait for an agent that is not here: whoever waits for it would not know why."""
        client = "" if whom is None else whom.client
        raise NoCandidates(self._host.why_none(client))

    def begin(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._host.watchers.append(changed)

    def stop(self) -> None:
        if self._changed is not None:
            self._host.watchers.remove(self._changed)
            self._changed = None


def agent_server(link: str, agent: str) -> ServerSettings:
    """An agent in the place of a server."""
    return ServerSettings(link, 0, agent, scheme="link")
