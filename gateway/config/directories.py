"""From the `directories` of the file to the settings of net."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config import models
from gateway.config.certificates import CertificateProblem, read_certificates
from gateway.config.networks import read_address
from gateway.config.secrets import SecretReader
from gateway.config.source import Location
from gateway.net.servers.settings import (
    ENTRA,
    ClientCertificate,
    DirectorySettings,
    DiscoverySettings,
    HealthSettings,
    Order,
    ServerSettings,
)

LDAPS_PORT = 636
# MS-ADTS 3.1.1.3.4: of a global catalog, with TLS.
GLOBAL_CATALOG_PORT = 3269
DNS_PORT = 53

# The keys of a directory that say what its servers are.
_OF_SERVERS = frozenset({"servers", "discover", "ca_file", "client_certificate", "health", "spares"})

_DOMAIN = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+")


class DirectoryCompiler:
    """The way from the file's directories to their settings.

    path: of a file that the configuration names. problem, warning: take what is wrong, and where. pair: the paths of a
    certificate and its key, checked.
    """

    def __init__(
        self,
        path: Callable[[str], Path],
        problem: Callable[[Location, str], None],
        warning: Callable[[Location, str], None],
        pair: Callable[[Location, models.ClientCertificate], tuple[Path, Path]],
    ) -> None:
        self._path = path
        self._problem = problem
        self._pair = pair
        self._secrets = SecretReader(problem, warning)

    def compile(self, location: Location, name: str, directory: models.Directory) -> DirectorySettings:
        if directory.entra is not None:
            return self._copied(location, name, directory, directory.entra)
        if directory.link is not None:
            return self._linked(location, name, directory, directory.link)
        if directory.ca_file is None:
            self._problem((*location, "ca_file"), "is required")
        ca_file = None if directory.ca_file in (None, "system") else self._path(directory.ca_file or "")
        if ca_file is not None:
            try:
                read_certificates(ca_file)
            except CertificateProblem as error:
                self._problem((*location, "ca_file"), str(error))
        servers = [
            self._server((*location, "servers", i), models.Server(url=server) if isinstance(server, str) else server)
            for i, server in enumerate(directory.servers)
        ]
        if bool(servers) == (directory.discover is not None):
            self._problem((*location, "servers"), "either servers or discover is needed, and not both")
        discover = directory.discover
        own = directory.client_certificate
        return DirectorySettings(
            name,
            _numbered([server for server in servers if server is not None]),
            ca_file,
            directory.connect_timeout,
            None if own is None else ClientCertificate(*self._pair((*location, "client_certificate"), own)),
            Order(directory.order),
            directory.connect_patience,
            None if directory.health is None else self._health((*location, "health"), directory.health),
            directory.spares,
            None if discover is None else self._discover((*location, "discover"), discover),
        )

    def _linked(self, location: Location, name: str, directory: models.Directory, link: str) -> DirectorySettings:
        """A directory whose servers only the inside knows."""
        for key in sorted(directory.model_fields_set & _OF_SERVERS):
            self._problem((*location, key), "only of use without `link`: the gateway inside has the servers")
        return DirectorySettings(
            name,
            (),
            None,
            directory.connect_timeout,
            order=Order(directory.order),
            connect_patience=directory.connect_patience,
            link=link,
        )

    def _copied(
        self, location: Location, name: str, directory: models.Directory, entra: models.Entra
    ) -> DirectorySettings:
        """The copy of a tenant, which a process of its own serves on a unix socket."""
        for key in sorted(directory.model_fields_set & (_OF_SERVERS | {"link"})):
            said = "only of use without `entra`: the copy of a tenant is served by `ldap-gateway entra run`"
            self._problem((*location, key), said)
        return DirectorySettings(
            name,
            (ServerSettings(str(self._path(entra.socket)), 0, name, scheme=ENTRA),),
            None,
            directory.connect_timeout,
            order=Order(directory.order),
            connect_patience=directory.connect_patience,
            health=HealthSettings(),
        )

    def _discover(self, location: Location, discover: models.Discover) -> DiscoverySettings:
        domains = []
        for i, domain in enumerate((discover.domain, *discover.server_domains)):
            where = (*location, "server_domains", i - 1) if i else location
            name = domain.rstrip(".").lower()
            if not _DOMAIN.fullmatch(name):
                self._problem(where, "a DNS name like corp.example is expected")
            domains.append(name)
        # MS-ADTS 6.3.2.3: domain controllers, and global catalogs, of the domain or of one site of it.
        kind = "_gc._tcp" if discover.global_catalog else "_ldap._tcp"
        site = "" if discover.site is None else f".{discover.site}._sites"
        scope = "" if discover.global_catalog else ".dc._msdcs"
        port = discover.port or (GLOBAL_CATALOG_PORT if discover.global_catalog else LDAPS_PORT)
        resolver = None if discover.resolver is None else self._resolver((*location, "resolver"), discover.resolver)
        return DiscoverySettings(f"{kind}{site}{scope}.{domains[0]}", port, tuple(domains), resolver)

    def _resolver(self, location: Location, text: str) -> tuple[str, int] | None:
        host, _, port = text.partition(":")
        try:
            address = str(IPv4Address(host))
            number = int(port or DNS_PORT)
        except ValueError:
            address, number = "", 0
        if not 0 < number < 65536:
            self._problem(location, "the IPv4 address of a DNS server is expected, like 10.1.2.3 or 10.1.2.3:5353")
            return None
        return address, number

    def _health(self, location: Location, health: models.Health) -> HealthSettings:
        if (health.bind_dn is None) != (health.password_file is None):
            missing = "password_file" if health.password_file is None else "bind_dn"
            self._problem(location, f"bind_dn and password_file go together: {missing} is missing")
        password = b""
        if health.password_file is not None:
            read = self._secrets.password((*location, "password_file"), self._path(health.password_file))
            password = read or b""
        return HealthSettings(health.interval, health.timeout, health.rise, health.fall, health.bind_dn or "", password)

    def _server(self, location: Location, server: models.Server) -> ServerSettings | None:
        try:
            return server_settings(server.url, server.server_name)
        except ValueError as error:
            self._problem(location, str(error))
            return None


def _numbered(servers: list[ServerSettings]) -> tuple[ServerSettings, ...]:
    """All domain controllers may have the domain's own name in their certificates."""
    alike: dict[str, list[ServerSettings]] = {}
    for server in servers:
        others = alike.setdefault(server.label, [])
        if server not in others:
            others.append(server)
    return tuple(replace(server, number=alike[server.label].index(server) + 1) for server in servers)


def server_settings(url: str, server_name: str | None) -> ServerSettings:
    """server_name: None for the URL's host. Raises ValueError, whose text says what is wrong."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if parts.scheme == "ldap":
        raise ValueError("only ldaps:// is served inside: passwords must not cross the network in plain")
    if parts.scheme != "ldaps" or not host or parts.path not in ("", "/") or parts.query or parts.username:
        raise ValueError("a URL like ldaps://dc1.corp.example or ldaps://10.1.2.3:636 is expected")
    return ServerSettings(host, LDAPS_PORT if port is None else port, _name_in_certificate(server_name or host))


def _name_in_certificate(name: str) -> str:
    """Certificates have names without the dot at the end (RFC 5280 4.2.1.6). Raises ValueError for what is none."""
    name = name.removesuffix(".")
    with suppress(ValueError):
        # An IPv4-mapped address is in a certificate as the IPv4 address that it is.
        if ":" in name and isinstance(found := read_address(name), IPv4Address):
            return str(found)
    try:
        # As ssl does it, and refuses to, when it comes to a connection.
        name.encode("idna")
    except UnicodeError:
        valid = False
    else:
        valid = name != "" and name.isprintable() and " " not in name
    if not valid:
        raise ValueError(f"server_name {name!r} is no name that a certificate can have")
    return name
