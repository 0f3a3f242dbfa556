"""What listeners and server connections need to know, as compiled from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final, TypeAlias

from gateway.net.required_certificate import RequiredCertificate
from gateway.policy.settings import ClientPolicy
from gateway.relay.settings import SessionLimits
from gateway.state.attempts import MAX_ACCOUNTS
from gateway.state.redis_settings import RedisSettings

Network: TypeAlias = IPv4Network | IPv6Network

# Services page through their searches without a pause, and sync hours apart.
DEFAULT_SYNC_GAP: Final = 600.0


class StartTls(StrEnum):
    """off: LDAPS, the connection begins with TLS. required: it begins in plain LDAP, and nothing but StartTLS
    and the root DSE is served before TLS."""

    off = "off"
    required = "required"


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """host: an IP address. port: 0 to 65535 (0: any free one). certificate: PEM chain, leaf first."""

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
    """Of connections over all listeners; times in seconds.

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
class ServerSettings:
    """host, port: where to connect. server_name: what the certificate must say, sent as SNI. addresses: of the host,
    where they are known already; none where the system resolves it. number: which one of the directory's it is that
    have this server_name and port."""

    host: str
    port: int
    server_name: str
    addresses: tuple[str, ...] = ()
    number: int = 1

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ldaps://{host}:{self.port}"

    @property
    def label(self) -> str:
        """Its name and port, for metrics and pages; an address only where the configuration gives no name."""
        name = f"{self.server_name}:{self.port}"
        return name if self.number == 1 else f"{name} #{self.number}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """priority: lower ones come first (RFC 2782). weight: how much of what goes to one priority."""

    server: ServerSettings
    priority: int = 0
    weight: int = 1


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What the gateway shows to servers that ask for it. certificate: PEM chain, leaf first."""

    certificate: Path
    private_key: Path


class Order(StrEnum):
    """Which server a session gets of those that are up. priority: the first one. least_sessions: the one that has the
    fewest sessions of this gateway."""

    priority = "priority"
    least_sessions = "least-sessions"


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """interval: seconds between two checks of a server that is up. timeout: seconds for the answers of one check. rise:
    checks in a row that a server which is down must pass. fall: checks in a row that one which is up must fail.
    bind_dn: the probe account that each check binds as, "" for none."""

    interval: float = 30
    timeout: float = 5
    rise: int = 2
    fall: int = 3
    bind_dn: str = ""
    password: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """Servers that DNS names. service: the SRV name to ask for. port: of LDAPS on each; the one in DNS is that of
    plain LDAP. domains: in one of which the name of each server must lie. resolver: address and port of a DNS server,
    None for those of the system; with one the servers' addresses are asked of it as well."""

    service: str
    port: int
    domains: tuple[str, ...]
    resolver: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class DirectorySettings:
    """servers: in order of preference; none where discover says how they are found. ca_file: PEM bundle, or None for
    the system's authorities. connect_timeout: seconds for one server. connect_patience: seconds for all that are tried
    for one session. health: None for no checks of servers that are up. spares: connections that are kept ready while
    sessions come."""

    name: str
    servers: tuple[ServerSettings, ...]
    ca_file: Path | None
    connect_timeout: float = 5
    client_certificate: ClientCertificate | None = None
    order: Order = Order.priority
    connect_patience: float = 15
    health: HealthSettings | None = None
    spares: int = 0
    discover: DiscoverySettings | None = None


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Who a client is and where its sessions go. listeners: indexes into the listeners; empty for all. sync_gap:
    seconds without a search that end a sync run. certificate: that it must show in TLS, None for none."""

    policy: ClientPolicy
    sources: tuple[Network, ...]
    directory: DirectorySettings
    listeners: frozenset[int] = field(default_factory=frozenset)
    sync_gap: float = DEFAULT_SYNC_GAP
    certificate: RequiredCertificate | None = None


class AuditFormat(StrEnum):
    json = "json"
    text = "text"


class SyslogTransport(StrEnum):
    """unix: datagrams to a local socket. tcp, tls: a stream with octet counting (RFC 6587 3.4.1, RFC 5425)."""

    unix = "unix"
    udp = "udp"
    tcp = "tcp"
    tls = "tls"


@dataclass(frozen=True, slots=True)
class SyslogSettings:
    """host: a name or an address; for unix the socket's path, and port is 0. facility: 0 to 23 (RFC 5424 6.2.1).
    ca_file: PEM bundle for tls, None for the system's authorities. message_octets: of one message, header included."""

    transport: SyslogTransport
    host: str
    port: int
    facility: int = 16
    ca_file: Path | None = None
    message_octets: int = 8192


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """Where audit records go: file, or syslog, or standard output where both are None.

    filter_values: whether the values in filters are shown. buffer: octets of records that may wait for an output that
    does not take them.
    """

    file: Path | None = None
    syslog: SyslogSettings | None = None
    format: AuditFormat = AuditFormat.json
    filter_values: bool = False
    buffer: int = 16 * 2**20


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """A whole configuration, compiled: what `run` serves.

    admin: (host, port) of the loopback admin pages, None for none.
    drain_timeout: seconds that open operations have when the gateway stops.
    state_dir: what is kept over restarts lies there, None for memory only. Whether it can be used is not known yet.
    trusted_proxies: a connection from one of these begins with a PROXY header, none from elsewhere does.
    lockout_store: where the lockout guard counts together with other gateways, None for memory. counted_accounts: whose
    wrong passwords it remembers.
    """

    listeners: tuple[ListenerSettings, ...]
    clients: tuple[ClientSettings, ...]
    limits: SessionLimits
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    trusted_proxies: tuple[Network, ...] = ()
    admin: tuple[str, int] | None = ("127.0.0.1", 8389)
    audit: AuditSettings = AuditSettings()
    drain_timeout: float = 30
    state_dir: Path | None = None
    lockout_store: RedisSettings | None = None
    counted_accounts: int = MAX_ACCOUNTS
