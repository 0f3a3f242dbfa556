"""From the `entra` of the file's directories to the settings of gateway/entra.

The tenant's credential, its authorities and its store are files of the process that keeps the copy. The gateway in the
DMZ, which reads the same file, may have no right to look at them: so nothing here opens them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.config import models
from gateway.config.names import dn_problem
from gateway.config.source import Location
from gateway.entra.mapping import not_served
from gateway.entra.settings import (
    CLOUDS,
    CertificateFiles,
    Cloud,
    CopySettings,
    EntraSettings,
    RoundSettings,
    TenantSettings,
)
from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.filter_text import FilterTextError, parse_filter
from gateway.ldap.filters import And, Filter, Not, Or

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DOMAIN: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+", re.IGNORECASE)
# sockaddr_un of unix(7), without the NUL at its end.
_LONGEST_SOCKET: Final = 107


@dataclass(frozen=True, slots=True)
class TenantCopy:
    """A directory that is the copy of a tenant. socket, token_file: where the process that keeps it serves it, and what
    a bind there has to show."""

    settings: EntraSettings
    socket: Path
    token_file: Path


class EntraCompiler:
    """The compiler of the copies of one file. path: of a file that the configuration names. problem, warning: take what
    is wrong, and where."""

    def __init__(
        self,
        path: Callable[[str], Path],
        problem: Callable[[Location, str], None],
        warning: Callable[[Location, str], None],
    ) -> None:
        self._path = path
        self._problem = problem
        self._warning = warning

    def compile(self, file: models.File) -> tuple[TenantCopy, ...]:
        """The copies of the file, in its order; of use only where no problem was found."""
        found = []
        for name, directory in file.directories.items():
            if directory.entra is not None:
                copy = self._copy(("directories", name, "entra"), name, directory.entra, file)
                found += [] if copy is None else [copy]
        self._check_apart(file)
        return tuple(found)

    def _copy(self, at: Location, name: str, entra: models.Entra, file: models.File) -> TenantCopy | None:
        self._check_ids(at, entra)
        self._check_clients(name, file)
        credential = self._credential(at, entra)
        cloud = self._cloud(at, entra)
        base = self._base((*at, "base_dn"), entra.base_dn)
        socket = self._path(entra.socket)
        if len(str(socket).encode()) > _LONGEST_SOCKET:
            said = f"the path of a socket has at most {_LONGEST_SOCKET} octets, and {socket} has more"
            self._problem((*at, "socket"), said)
        if credential is None or base is None:
            return None
        ca_file = None if entra.ca_file == "system" else self._path(entra.ca_file)
        tenant = TenantSettings(entra.tenant, entra.client_id, credential, cloud, ca_file, entra.proxy or "")
        attributes = frozenset(_asked_for(name, file))
        copy = CopySettings(base, attributes, entra.guests, entra.contacts, entra.groups, entra.hide_from_lists)
        rounds = RoundSettings(entra.interval, entra.sweep, entra.full, entra.keep_at_least, entra.refuse_after)
        settings = EntraSettings(name, tenant, copy, self._path(entra.store), rounds)
        return TenantCopy(settings, socket, self._path(entra.token_file))

    def _check_ids(self, at: Location, entra: models.Entra) -> None:
        if not _UUID.fullmatch(entra.tenant) and not _DOMAIN.fullmatch(entra.tenant):
            said = "the tenant's id, like 11111111-2222-3333-4444-555555555555, or one of its domains is expected"
            self._problem((*at, "tenant"), said)
        if not _UUID.fullmatch(entra.client_id):
            said = "the id of the app is expected (`Application (client) ID` on its page), like the tenant's"
            self._problem((*at, "client_id"), said)

    def _credential(self, at: Location, entra: models.Entra) -> CertificateFiles | Path | None:
        pair = (entra.certificate, entra.private_key)
        if (entra.secret_file is None) == (pair == (None, None)):
            self._problem(at, "either certificate and private_key or secret_file is needed, and not both")
            return None
        if entra.secret_file is not None:
            return self._path(entra.secret_file)
        if entra.certificate is None or entra.private_key is None:
            missing = "certificate" if entra.certificate is None else "private_key"
            self._problem((*at, missing), "certificate and private_key go together")
            return None
        return CertificateFiles(self._path(entra.certificate), self._path(entra.private_key))

    def _cloud(self, at: Location, entra: models.Entra) -> Cloud:
        cloud = CLOUDS[entra.cloud]
        urls = {"login_url": entra.login_url, "graph_url": entra.graph_url}
        if urls["login_url"] is None and urls["graph_url"] is None:
            return cloud
        if "cloud" in entra.model_fields_set:
            self._problem((*at, "cloud"), "either cloud, or login_url and graph_url")
        found = {}
        for key, url in urls.items():
            origin = None if url is None else _origin(url)
            if url is None:
                self._problem((*at, key), "login_url and graph_url go together")
            elif origin is None:
                self._problem((*at, key), "an origin like https://graph.microsoft.com is expected, without a path")
            found[key] = origin or ""
        return Cloud(found["login_url"], found["graph_url"])

    def _base(self, at: Location, text: str) -> DN | None:
        try:
            base = parse(text)
        except DNError as error:
            self._problem(at, dn_problem(text, error))
            return None
        if not base.rdns:
            self._problem(at, "the entry above all others is expected, like DC=corp,DC=example")
            return None
        return base

    def _check_clients(self, name: str, file: models.File) -> None:
        """Nobody signs in at a tenant through the gateway: it would be an oracle for its passwords."""
        for client_name, client in file.clients.items():
            if client.directory != name:
                continue
            at = ("clients", client_name)
            if client.credentials.mode != "mapped":
                said = f"directory {name} is the copy of a tenant, where nobody signs in: `mode: mapped` is needed"
                self._problem((*at, "credentials"), said)
            if client.login_base_dns:
                said = f"directory {name} is the copy of a tenant, which has nobody's password: take this out"
                self._problem((*at, "login_base_dns"), said)
            if client.allow_anonymous:
                said = f"directory {name} is the copy of a tenant, which shows nothing without its token: take this out"
                self._problem((*at, "allow_anonymous"), said)
            for key in ("attributes", "filter_attributes"):
                # The default of filter_attributes names what only a domain controller has.
                if key in client.model_fields_set:
                    missing = not_served(frozenset(getattr(client, key)))
                    if missing:
                        said = f"no entry of a tenant's copy has {', '.join(missing)}: docs/entra.md has the list"
                        self._warning((*at, key), said)

    def _check_apart(self, file: models.File) -> None:
        """Two copies share neither a file nor a socket."""
        for key in ("socket", "store"):
            seen: dict[Path, str] = {}
            for name, directory in file.directories.items():
                if directory.entra is not None:
                    first = seen.setdefault(self._path(getattr(directory.entra, key)), name)
                    if first != name:
                        self._problem(("directories", name, "entra", key), f"the same as directories.{first} has")


def _origin(url: str) -> str | None:
    """None for what is no origin of https."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        return None
    if parts.path not in ("", "/") or parts.query or parts.fragment or port == 0:
        return None
    return f"https://{parts.netloc.lower()}"


def _asked_for(directory: str, file: models.File) -> Iterator[str]:
    """The attributes that clients of the directory may read or filter by."""
    for client in file.clients.values():
        if client.directory == directory:
            yield from client.attributes
            yield from client.filter_attributes
            if client.required_filter is not None:
                try:
                    yield from _named_in(parse_filter(client.required_filter))
                except FilterTextError:
                    # The client's own compiler says so.
                    continue


def _named_in(filter: Filter) -> Iterator[str]:
    """The attributes that the filter compares."""
    if isinstance(filter, And | Or):
        for each in filter.filters:
            yield from _named_in(each)
    elif isinstance(filter, Not):
        yield from _named_in(filter.filter)
    elif filter.attribute:
        yield filter.attribute
