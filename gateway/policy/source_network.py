"""What a limit or a guard takes for one source: whoever has one address of IPv6 has all of its /64 (RFC 4291 2.5.4)."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address


def source_network(source: str) -> str:
    """The network by which everything that counts or remembers sources knows this address: of IPv4 the address alone
    (/32), of IPv6 its /64. An IPv4-mapped address is its IPv4 address. What is no address (the source of a preview's
    sessions) is its own name."""
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return source
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is None:
            return str(IPv6Network((address, 64), strict=False))
        address = mapped
    return f"{address}/32"
