"""`lockout_store`: where the lockout guard counts, when several gateways are to count together."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from gateway.config import models
from gateway.config.certificates import CertificateProblem, read_certificates
from gateway.config.networks import read_address
from gateway.config.secrets import SecretReader
from gateway.config.source import Location
from gateway.state.redis_settings import REDIS_PORT, RedisSettings

MEMORY: Final = "memory"
_KEY: Final = "lockout_store"
_FORMS: Final = "memory, redis://USER:PASSWORD@HOST:PORT/DB, rediss:// (the same over TLS) or unix:///PATH is expected"

Say = Callable[[Location, str], None]


def lockout_store(
    wanted: str | models.LockoutStore, path: Callable[[str], Path], problem: Say, warning: Say
) -> RedisSettings | None:
    """None for memory. path: makes one of a text of the file. A URL has a password in it, so no text shows it."""
    if wanted == MEMORY:
        return None
    short = isinstance(wanted, str)
    store = models.LockoutStore(url=wanted) if isinstance(wanted, str) else wanted
    at: Location = (_KEY,) if short else (_KEY, "url")
    try:
        host, port, socket, database, user, password, tls = _read(store.url)
    except ValueError:
        problem(at, _FORMS)
        return None
    if store.password_file is not None:
        where: Location = (_KEY, "password_file")
        if password:
            problem(where, "the URL has a password already; keep it in one of them")
        octets = SecretReader(problem, warning).octets(where, path(store.password_file))
        try:
            password = "" if octets is None else _password(octets)
        except ValueError:
            problem(where, f"{path(store.password_file)}: one line with the password, in UTF-8, is expected")
    ca_file = None if store.ca_file is None else path(store.ca_file)
    if ca_file is not None:
        if not tls:
            problem((_KEY, "ca_file"), "only of use with rediss://")
        try:
            read_certificates(ca_file)
        except CertificateProblem as error:
            problem((_KEY, "ca_file"), str(error))
    if not socket and not password:
        warning(at, "without a password whoever reaches the server can change the counts")
    if not socket and not tls and not _is_loopback(host):
        warning(at, "the password crosses the network in plain, and so do the counts; use rediss://")
    return RedisSettings(host, port, socket, database, user, password, tls, ca_file)


def _read(url: str) -> tuple[str, int, str, int, str, str, bool]:
    """Host, port, path of the socket, database, user, password and whether it is TLS. Raises ValueError."""
    parts = urlsplit(url)
    if parts.netloc.count("@") > 1:
        # %40 in a password: where it ends must not be a matter of who reads it.
        raise ValueError
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "unix":
        options = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
        if parts.hostname or not parts.path.startswith("/") or parts.fragment or options.keys() - {"db"}:
            raise ValueError
        return "", REDIS_PORT, unquote(parts.path), _database(options.get("db", ["0"])[-1]), user, password, False
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    database = _database(parts.path.removeprefix("/") or "0")
    port = REDIS_PORT if parts.port is None else parts.port
    return parts.hostname, port, "", database, user, password, parts.scheme == "rediss"


def _database(text: str) -> int:
    if re.fullmatch("[0-9]{1,5}", text) is None:
        raise ValueError
    return int(text)


def _password(octets: bytes) -> str:
    """The password in a file, without the end of its line. Raises ValueError."""
    text = octets.decode().removesuffix("\n").removesuffix("\r")
    if not text or "\n" in text:
        raise ValueError
    return text


def _is_loopback(host: str) -> bool:
    try:
        return read_address(host).is_loopback
    except ValueError:
        return host == "localhost"
