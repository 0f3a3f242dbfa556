"""Sessions that come over a link: what an outside asks for, served by this gateway's own policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final

from gateway.link.caller import Receive
from gateway.link.frames import Go, NoSession
from gateway.link.keyring import Keyring
from gateway.net.listeners.listener import SessionRegistry
from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.way import Whom
from gateway.net.sessions.connection_settings import ConnectionSettings
from gateway.net.sessions.driver import SessionDriver
from gateway.net.sessions.rates import SessionRates
from gateway.net.sessions.settings import ConnectionLimits
from gateway.net.transport.stream import Stream
from gateway.net.transport.tls_layer import TlsLayer
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.relay.audit import CameBy
from gateway.relay.paging import ServerFacts
from gateway.relay.session import Session
from gateway.relay.settings import SessionLimits
from gateway.relay.standing import Peer


@dataclass(frozen=True, slots=True)
class LinkedClient:
    """A client whose sessions come over a link. facts: of its directory's servers."""

    policy: Policy
    connector: ServerConnector
    facts: ServerFacts


@dataclass(frozen=True, slots=True)
class LinkState:
    """What is served over one link: its clients by their names, and the limits of their sessions. A reload makes
    another one, which holds for later sessions."""

    clients: Mapping[str, LinkedClient]
    limits: SessionLimits
    connections: ConnectionLimits


# Characters of a session's name and of an address, as the other end says them, that records hold. An address of IPv6
# with a zone has 60 and less.
_MOST_SAID: Final = 64


def link_source(link: str) -> str:
    """What stands for the source of sessions that come over a link."""
    return f"link {link}"


class Receiving:
    """Makes the sessions of one link. state: may be replaced at any time."""

    def __init__(self, link: str, state: LinkState, registry: SessionRegistry) -> None:
        self.state = state
        self._link = link
        self._registry = registry
        # By which outside, and by which TLS, each session came.
        self._open: dict[SessionDriver, tuple[str, TlsLayer]] = {}

    def for_caller(self, host: str, left: Callable[[], None]) -> Receive:
        """What takes the questions of one outside. host: its address. left: is called at the end of each session."""

        def receive(go: Go, layer: TlsLayer) -> NoSession | tuple[str, Callable[[Stream], None]]:
            return self._receive(go, host, layer, left)

        return receive

    def judge(self, host: str, keyring: Keyring | None) -> None:
        """Ends the sessions that came by this outside with a key that is not pinned any more. keyring: None where it is
        not called any more."""
        for driver, (theirs, layer) in list(self._open.items()):
            if theirs == host and (keyring is None or not keyring.knows(layer, host)):
                driver.abort(Reason.client_removed, "the key that it came by is not pinned any more")

    def sessions_by(self, host: str) -> int:
        """How many that came by this outside are open."""
        return sum(theirs == host for theirs, _ in self._open.values())

    def why_not(self, client: LinkedClient) -> str:
        """Why sessions of this client would not be accepted; "" where they would."""
        standings = client.connector.servers
        if any(state.down is None for _, state in standings):
            return ""
        return "no server of its directory is up"

    def _receive(
        self, go: Go, host: str, layer: TlsLayer, left: Callable[[], None]
    ) -> NoSession | tuple[str, Callable[[Stream], None]]:
        state, registry = self.state, self._registry
        client = state.clients.get(go.client)
        if registry.closed:
            return NoSession.draining
        if client is None:
            return NoSession.client_unknown
        if self.why_not(client):
            return NoSession.not_ready
        if registry.admission.open >= state.connections.sessions:
            return NoSession.too_many
        session_id = registry.next_id()
        source = link_source(self._link)
        name = client.policy.settings.name
        limits = state.limits
        # Whose requests they are, only the other end says: all that come by the link are of one source.
        rates = SessionRates(registry.rates, state.connections, name, source)
        came_by = CameBy(self._link, _said(go.session), _said(go.source))

        def session(goes_on: Callable[[], bool]) -> Session:
            return Session(
                Peer(session_id, source, came_by=came_by),
                client.policy,
                limits,
                client.facts,
                monotonic(),
                rates=rates,
                goes_on=goes_on,
                in_all=registry.load,
            )

        def refused(reason: Reason, detail: str) -> None:
            registry.refusals.note(reason, source, f"session {session_id}: {detail}", monotonic(), name)

        def ended(driver: SessionDriver) -> None:
            registry.ended(name, driver)
            self._open.pop(driver, None)
            left()

        driver = SessionDriver(
            session,
            client.connector,
            # TLS is up already, and it is the link's.
            ConnectionSettings(
                None, None, False, limits.first_request, limits.write_stall, limits.search, limits.write_window
            ),
            registry.services,
            refused,
            registry.admission.admit(source, limits.bind),
            ended,
            Whom(name, session_id, source),
        )
        registry.begun(name, source, driver)
        self._open[driver] = host, layer

        def take(stream: Stream) -> None:
            stream.protocol = driver
            driver.makeConnection(stream)

        return session_id, take


def _said(text: str) -> str:
    """What the other end said, as records hold it. Its characters can be printed, as those of every frame."""
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]}\N{HORIZONTAL ELLIPSIS}"
