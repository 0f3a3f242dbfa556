"""What is configured of a directory and of its servers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

# The scheme of the copy of a tenant.
ENTRA: Final = "entra"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where a server is, and how it shows that it is that server.

    host, port: where to connect. server_name: what the certificate must say, sent as SNI. addresses: of the host, where
    they are known already; none where the system resolves it. number: which one of the directory's it is that have this
    server_name and port. scheme: `link` for an agent that serves by a link: host is the link's name then, and
    server_name the agent's. `entra` for the copy of a tenant: host is the path of its unix socket, and server_name the
    directory's.
    """

    host: str
    port: int
    server_name: str
    addresses: tuple[str, ...] = ()
    number: int = 1
    scheme: str = "ldaps"

    @property
    def url(self) -> str:
        if self.scheme == "link":
            return f"link://{self.host}/{self.server_name}"
        if self.scheme == ENTRA:
            return f"entra://{self.server_name}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ldaps://{host}:{self.port}"

    @property
    def label(self) -> str:
        """Its name and port, for metrics and pages; an address only where the configuration gives no name."""
        if self.scheme == "link":
            return f"{self.host}/{self.server_name}"
        if self.scheme == ENTRA:
            return self.server_name
        name = f"{self.server_name}:{self.port}"
        return name if self.number == 1 else f"{name} #{self.number}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server that a session may get, and how much it is preferred.

    priority: lower ones come first (RFC 2782). weight: how much of what goes to one priority.
    """

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
    """How often a server is checked, and what makes it up or down.

    interval: seconds between two checks of a server that is up. timeout: seconds for the answers of one check. rise:
    checks in a row that a server which is down must pass. fall: checks in a row that one which is up must fail.
    bind_dn: the probe account that each check binds as, "" for none.
    """

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
    """A directory: its servers, how they are found, trusted and chosen.

    servers: in order of preference; none where discover says how they are found. ca_file: PEM bundle, or None for the
    system's authorities. connect_timeout: seconds for one server. connect_patience: seconds for all that are tried for
    one session. health: None for no checks of servers that are up. spares: connections that are kept ready while
    sessions come. link: the name of the link by which it is reached, in the place of servers; "" for none.
    """

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
    link: str = ""

    @property
    def is_copy(self) -> bool:
        """Whether it is the copy of a tenant, which another process on this host serves on a unix socket."""
        return any(server.scheme == ENTRA for server in self.servers)
