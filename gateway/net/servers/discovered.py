"""The candidates of a directory whose servers DNS names: the last ones that it named, and a wait for the first ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.net.observer import Observer
from gateway.net.servers.candidates import NoCandidates
from gateway.net.servers.discovery import Discovery, find_servers
from gateway.net.servers.found_servers import Found, NotFound
from gateway.net.servers.server_state import DirectoryState, Trial
from gateway.net.servers.settings import Candidate, DirectorySettings, DiscoverySettings
from gateway.net.servers.way import Whom
from gateway.net.transport.reactor import Reactor

log = Logger(__name__)


class DiscoveredCandidates:
    """The net/servers/candidates.Candidates that DNS names. discover: of the directory. state: keeps what DNS has said
    over reloads."""

    def __init__(
        self,
        directory: DirectorySettings,
        discover: DiscoverySettings,
        state: DirectoryState,
        observer: Observer,
        reactor: Reactor,
    ) -> None:
        self._directory = directory
        self._discover = discover
        self._state = state
        self._observer = observer
        self._reactor = reactor
        self._candidates = state.found.get(discover, ())
        self._discovery = Discovery(discover, self.found, self.not_found, reactor)
        # None where nobody is to be told, which is so after a reload.
        self._changed: Callable[[], None] | None = _nothing
        # What the log has said last of why DNS names none.
        self._lost = ""
        # The lookup that sessions wait for, and why the last one has named no servers.
        self._lookup: Trial | None = None
        self._not_named = ""

    def known(self, whom: Whom | None) -> tuple[Candidate, ...]:
        return self._candidates

    def begin(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._discovery.begin()

    def stop(self) -> None:
        self._changed = None
        self._discovery.stop()

    async def wait(self, whom: Whom | None, patience: float) -> None:
        """All who wait share one lookup, which goes on when one of them leaves."""
        untyped: Any = self._reactor
        begun = self._lookup
        lookup = begun or Trial()
        answered = lookup.wait().addTimeout(patience, untyped)
        if begun is None:
            self._lookup = lookup
            Deferred.fromCoroutine(self._look_up(lookup))
        why = f"{self._discover.service}: no answer within connect_patience"
        try:
            await answered
            why = self._not_named
        except TimeoutError:
            pass
        if not self._candidates:
            raise NoCandidates(why)

    def found(self, found: Found) -> None:
        """These are the servers from now on. Sessions stay where they are."""
        if self._changed is None:
            self._candidates = found.candidates
            return
        name, service = self._directory.name, self._discover.service
        if self._lost:
            log.info("directory {name}: {service} is answered again", name=name, service=service)
        self._lost = ""
        self._observer.discovery_ended(self._directory, "")
        if found.candidates == self._candidates:
            return
        self._candidates = found.candidates
        self._state.found = {self._discover: found.candidates}
        servers = tuple(candidate.server for candidate in found.candidates)
        log.info(
            "directory {name}: {service} names {servers}",
            name=name,
            service=service,
            servers=", ".join(server.url for server in servers),
        )
        if found.left_out:
            log.warn(
                "directory {name}: {service} also names servers that were left out: {left_out}",
                name=name,
                service=service,
                left_out=found.left_out,
            )
        self._observer.servers_found(self._directory, servers)
        self._changed()

    def not_found(self, why: str) -> None:
        """DNS names no servers; the last ones that it named stay."""
        if self._changed is None:
            return
        self._observer.discovery_ended(self._directory, why)
        if why == self._lost:
            return
        self._lost = why
        so = "the servers that it named before stay in use" if self._candidates else "no server is known"
        log.error("directory {name}: {why}; {so}", name=self._directory.name, why=why, so=so)

    async def _look_up(self, lookup: Trial) -> None:
        service = self._discover.service
        try:
            self.found(await find_servers(self._discover, self._reactor))
        except NotFound as error:
            self._not_named = str(error)
            self.not_found(self._not_named)
        except Exception:  # noqa: BLE001 - those who wait are told, and the next sign-in asks again
            log.failure("the servers that DNS names cannot be used", Failure())
            self._not_named = f"{service}: the servers that it names cannot be used"
            self.not_found(self._not_named)
        finally:
            self._lookup = None
            lookup.end()


def _nothing() -> None:
    """Nobody looks after these servers yet."""
