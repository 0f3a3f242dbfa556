"""What is configured of sessions with clients, and of the listeners before them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.net.servers.settings import DirectorySettings
from gateway.net.sessions.required_certificate import RequiredCertificate
from gateway.net.sessions.sources import Network
from gateway.policy.settings import ClientPolicy

# Services page through their searches without a pause, and sync hours apart.
DEFAULT_SYNC_GAP: Final = 600.0


class StartTls(StrEnum):
    """How TLS begins at a listener.

    off: LDAPS, the connection begins with TLS. required: it begins in plain LDAP, and nothing but StartTLS and the root
    DSE is served before TLS.
    """

    off = "off"
    required = "required"


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """The settings of one listener.

    host: an IP address. port: 0 to 65535 (0: any free one). certificate: PEM chain, leaf first.
    """

    host: str
    port: int
    certificate: Path
    private_key: Path
    starttls: StartTls = StartTls.off

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of connections over all listeners; times in seconds.

    sessions, sessions_per_source: open at once. handshakes: connections whose TLS is not up yet; more than one source
    may have, so that no single one takes all of them. tls_handshake: for TLS to come up. proxy_header: for the header
    of a trusted proxy to arrive. requests_per_source, requests_per_account: in a second, on average; twice as many may
    come at once. mending_per_source, mending_per_account: likewise characters of names without their escapes that are
    read in binds and searches, for a source until a bind and for an account after it.
    """

    sessions: int = 1000
    sessions_per_source: int = 250
    handshakes: int = 300
    tls_handshake: float = 10
    proxy_header: float = 5
    requests_per_source: int = 1000
    requests_per_account: int = 1000
    mending_per_source: int = 16_384
    mending_per_account: int = 65_536


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Who a client is and where its sessions go. listeners: indexes into the listeners; empty for all. sync_gap:
    seconds without a search that end a sync run. certificate: that it must show in TLS, None for none. links:
    over which its sessions come, in the place of sources."""

    policy: ClientPolicy
    sources: tuple[Network, ...]
    directory: DirectorySettings
    listeners: frozenset[int] = field(default_factory=frozenset)
    sync_gap: float = DEFAULT_SYNC_GAP
    certificate: RequiredCertificate | None = None
    links: tuple[str, ...] = ()

    def listens_at(self, index: int) -> bool:
        """Whether its sources may connect to the listener of this index."""
        return not self.links and (not self.listeners or index in self.listeners)
