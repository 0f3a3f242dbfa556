"""From the `directories` of the file to the settings of net."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config import models
from gateway.config.certificates import CertificateProblem, read_certificates
from gateway.config.source import Location
from gateway.net.settings import ClientCertificate, DirectorySettings, ServerSettings

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
