"""From the `directories` of the file to the settings of net."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config import models
from gateway.config.certificates import CertificateProblem, read_certificates
from gateway.config.secrets import SecretProblem, read_secret
from gateway.config.source import Location
from gateway.net.settings import ClientCertificate, DirectorySettings, HealthSettings, Order, ServerSettings

LDAPS_PORT = 636


class DirectoryCompiler:
    """path: of a file that the configuration names. problem: takes what is wrong, and where. pair: the paths of a
    certificate and its key, checked."""

    def __init__(
        self,
        path: Callable[[str], Path],
        problem: Callable[[Location, str], None],
        pair: Callable[[Location, models.ClientCertificate], tuple[Path, Path]],
    ) -> None:
        self._path = path
        self._problem = problem
        self._pair = pair

    def compile(self, location: Location, name: str, directory: models.Directory) -> DirectorySettings:
        ca_file = None if directory.ca_file == "system" else self._path(directory.ca_file)
        if ca_file is not None:
            try:
                read_certificates(ca_file)
            except CertificateProblem as error:
                self._problem((*location, "ca_file"), str(error))
        servers = [
            self._server((*location, "servers", i), models.Server(url=server) if isinstance(server, str) else server)
            for i, server in enumerate(directory.servers)
        ]
        own = directory.client_certificate
        return DirectorySettings(
            name,
            tuple(server for server in servers if server is not None),
            ca_file,
            directory.connect_timeout,
            None if own is None else ClientCertificate(*self._pair((*location, "client_certificate"), own)),
            Order(directory.order),
            directory.connect_patience,
            None if directory.health == "off" else self._health((*location, "health"), directory.health),
            directory.spares,
        )

    def _health(self, location: Location, health: models.Health) -> HealthSettings:
        if (health.bind_dn is None) != (health.password_file is None):
            missing = "password_file" if health.password_file is None else "bind_dn"
            self._problem(location, f"bind_dn and password_file go together: {missing} is missing")
        password = b""
        if health.password_file is not None:
            try:
                password = read_secret(self._path(health.password_file))
            except SecretProblem as error:
                self._problem((*location, "password_file"), str(error))
        return HealthSettings(
            health.interval, health.timeout, health.rise, health.fall, health.bind_dn or "", password
        )

    def _server(self, location: Location, server: models.Server) -> ServerSettings | None:
        try:
            return server_settings(server.url, server.server_name)
        except ValueError as error:
            self._problem(location, str(error))
            return None


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
    return ServerSettings(host, LDAPS_PORT if port is None else port, server_name or host)
