"""Which client a source address belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Generic, TypeVar

from gateway.net.settings import Network

Client = TypeVar("Client")

# Addresses of strangers that are remembered so that each is logged once a minute; beyond it the oldest go.
REMEMBERED_STRANGERS = 10_000
QUIET_SECONDS = 60.0


class SourceTable(Generic[Client]):
    """The most specific network wins; that there is only one of its kind is checked with the configuration."""

    def __init__(self, networks: Iterable[tuple[Network, Client]]) -> None:
        self._networks = sorted(networks, key=lambda item: item[0].prefixlen, reverse=True)

    def find(self, address: str) -> Client | None:
        """address: in text, as the socket gives it; an IPv4-mapped IPv6 address is its IPv4 address."""
        source = parse_source(address)
        for network, client in self._networks:
            if source.version == network.version and source in network:
                return client
        return None


def parse_source(address: str) -> IPv4Address | IPv6Address:
    source = ip_address(address.partition("%")[0])
    if isinstance(source, IPv6Address) and source.ipv4_mapped is not None:
        return source.ipv4_mapped
    return source


class Strangers:
    """Says of an unlisted address whether it is time to log it (again)."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def worth_logging(self, address: str, now: float) -> bool:
        last = self._last.pop(address, None)
        if last is not None and now - last < QUIET_SECONDS:
            self._last[address] = last
            return False
        if len(self._last) >= REMEMBERED_STRANGERS:
            del self._last[next(iter(self._last))]
        self._last[address] = now
        return True
