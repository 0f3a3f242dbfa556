"""Lists of networks, in the configuration itself and in files of their own, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final

from gateway.config.problems import Problem
from gateway.host.file_errors import unreadable
from gateway.net.sessions.settings import ClientSettings
from gateway.net.sessions.sources import Network

MAX_OCTETS = 1024 * 1024

# Of ::ffff:0:0/96.
_MAPPED_BITS: Final = 96
_PORT: Final = re.compile("[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class ListedNetwork:
    """A network that somebody listed, with the place where it stands.

    file, line: where it is written. path: of the key that it belongs to.
    """

    network: Network
    file: str
    line: int
    path: str

    def problem(self, message: str) -> Problem:
        return Problem(self.file, self.line, self.path, message)


def read_address(text: str) -> IPv4Address | IPv6Address:
    """An IPv4-mapped one (RFC 4291 2.5.5.2) is its IPv4 address: peers are compared so (net/sessions/sources.py).
    Raises ValueError."""
    found = ip_address(text)
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def split_port(text: str) -> tuple[str, int] | None:
    """What stands before the last colon, and the port behind it, 0 to 65535; None where there is no port."""
    host, colon, port = text.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > 65535:
        return None
    return host, int(port)


def read_network(text: str) -> Network:
    """A network, or an address by itself; IPv4-mapped ones as IPv4. Raises ValueError, whose text says what is
    expected."""
    try:
        found = ip_network(text)
    except ValueError:
        raise ValueError(_no_network(text)) from None
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    if mapped is None or found.prefixlen < _MAPPED_BITS:
        return found
    return IPv4Network((mapped, found.prefixlen - _MAPPED_BITS))


def _no_network(text: str) -> str:
    """What is wrong with a text that is no network."""
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        return "a network like 198.51.100.0/24 is expected, or an address"
    return f"{text} has host bits; did you mean {meant}? Or {text.partition('/')[0]} for this address alone?"


def read_networks(path: Path, key: str) -> tuple[list[ListedNetwork], list[Problem]]:
    """One network or address on each line; `#` begins a comment, blank lines are skipped. key: that names the file."""
    file = str(path)
    try:
        octets = path.read_bytes()
    except OSError as error:
        return [], [Problem(file, 0, key, unreadable(path, error))]
    if len(octets) > MAX_OCTETS:
        return [], [Problem(file, 0, key, f"larger than {MAX_OCTETS} octets")]
    found: list[ListedNetwork] = []
    problems: list[Problem] = []
    for number, line in enumerate(octets.decode("utf-8-sig", errors="replace").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            found.append(ListedNetwork(read_network(text), file, number, key))
        except ValueError as error:
            problems.append(Problem(file, number, key, str(error)))
    if not found and not problems:
        problems.append(Problem(file, 0, key, "no network in it"))
    return found, problems


def ties(clients: Iterable[tuple[ClientSettings, list[ListedNetwork]]], listeners: int) -> Iterator[Problem]:
    """Networks that two clients have on one listener: it could be either. listeners: how many there are."""
    taken: dict[tuple[Network, int], str] = {}
    for client, sources in clients:
        for source in sources:
            for listener in client.listeners or range(listeners):
                other = taken.setdefault((source.network, listener), client.policy.name)
                if other != client.policy.name:
                    yield source.problem(f"the same network as in clients.{other}, on the same listener")


def inside_proxies(sources: Iterable[ListedNetwork], proxies: Iterable[Network]) -> Iterator[Problem]:
    """Sources that are trusted proxies: nobody can come from there."""
    proxies = tuple(proxies)
    for source in sources:
        for proxy in proxies:
            if source.network.version == proxy.version and source.network.subnet_of(proxy):  # type: ignore[arg-type]
                yield source.problem(
                    f"inside trusted_proxies ({proxy}): a connection from there is for the source that its PROXY "
                    "header names, and a proxy is never its own client"
                )
