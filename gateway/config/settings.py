"""A whole configuration, compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gateway.link.settings import InsideSettings, OutsideSettings
from gateway.net.sessions.settings import ClientSettings, ConnectionLimits, ListenerSettings
from gateway.net.sessions.sources import Network
from gateway.observe.audit.settings import AuditSettings
from gateway.relay.settings import SessionLimits
from gateway.state.attempts import MAX_ACCOUNTS
from gateway.state.redis_settings import RedisSettings


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """A whole configuration, compiled: what `run` serves.

    admin: (host, port) of the loopback admin pages, None for none.
    drain_timeout: seconds that open operations have when the gateway stops.
    state_dir: what is kept over restarts lies there, None for memory only. Whether it can be used is not known yet.
    trusted_proxies: a connection from one of these begins with a PROXY header, none from elsewhere does.
    lockout_store: where the lockout guard counts together with other gateways, None for memory. counted_accounts: whose
    wrong passwords it remembers. links: those that this gateway waits on, and those that it calls.
    """

    listeners: tuple[ListenerSettings, ...]
    clients: tuple[ClientSettings, ...]
    limits: SessionLimits
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    trusted_proxies: tuple[Network, ...] = ()
    admin: tuple[str, int] | None = ("127.0.0.1", 8389)
    audit: AuditSettings = field(default_factory=AuditSettings)
    drain_timeout: float = 30
    state_dir: Path | None = None
    lockout_store: RedisSettings | None = None
    counted_accounts: int = MAX_ACCOUNTS
    links: tuple[OutsideSettings | InsideSettings, ...] = ()
