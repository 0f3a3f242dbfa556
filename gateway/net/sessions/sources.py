"""Which client a source address belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Generic, TypeAlias, TypeVar

Network: TypeAlias = IPv4Network | IPv6Network

Client = TypeVar("Client")


class SourceTable(Generic[Client]):
    """The most specific network wins; that there is only one of its kind is checked with the configuration.

    A look-up costs one step per prefix length that is in use, however many networks there are."""

    def __init__(self, networks: Iterable[tuple[Network, Client]]) -> None:
        # By version and prefix length; each network by the bits that it fixes.
        self._lengths: dict[tuple[int, int], dict[int, Client]] = {}
        for network, client in networks:
            shift = network.max_prefixlen - network.prefixlen
            fixed = self._lengths.setdefault((network.version, network.prefixlen), {})
            fixed[int(network.network_address) >> shift] = client
        self._longest_first = sorted(self._lengths, key=lambda key: key[1], reverse=True)

    def find(self, address: str) -> Client | None:
        """address: in text, as the socket gives it; an IPv4-mapped IPv6 address is its IPv4 address."""
        source = parse_source(address)
        number = int(source)
        for version, length in self._longest_first:
            if version == source.version:
                found = self._lengths[version, length].get(number >> (source.max_prefixlen - length))
                if found is not None:
                    return found
        return None


# Each connection asks several times, and a client has few sources; those of a flood are not worth remembering.
@lru_cache(maxsize=64)
def parse_source(address: str) -> IPv4Address | IPv6Address:
    source = ip_address(address.partition("%")[0])
    if isinstance(source, IPv6Address) and source.ipv4_mapped is not None:
        return source.ipv4_mapped
    return source
