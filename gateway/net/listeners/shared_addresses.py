"""Addresses of this machine's surroundings that stand for whoever comes through them.

Where a container runtime's proxy or a router rewrites source addresses, every connection comes from the gateway of the
container's network, and `sources` can tell nobody apart. It is asked at the start, by `check`, and when such an address
connects for the first time.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeAlias

from gateway.net.sessions.sources import Network

Address: TypeAlias = IPv4Address | IPv6Address

# linux/sockios.h, linux/route.h
_SIOCGIFADDR = 0x8915
_RTF_GATEWAY = 0x0002


def shared_addresses(
    root: Path = Path("/"), address_of: Callable[[str], str | None] | None = None
) -> dict[Address, str]:
    """Each with what it is: default gateways (in a container: of its network) and this host's bridges.

    root: of /proc and /sys. address_of: the IPv4 address of an interface. Empty where nothing of this can be read.
    """
    found: dict[Address, str] = {}
    for bridge in sorted(path.parent.name for path in root.glob("sys/class/net/*/bridge")):
        text = (address_of or _interface_address)(bridge)
        if text is not None:
            found[IPv4Address(text)] = f"this host's address on the bridge {bridge}"
    with suppress(ValueError):
        gateways: list[Address] = [*_ipv4_gateways(_lines(root / "proc/net/route"))]
        gateways += _ipv6_gateways(_lines(root / "proc/net/ipv6_route"))
        for gateway in gateways:
            found[gateway] = "the default gateway (in a container: of the container network)"
    return found


class SharedSources:
    """Those that have not been seen yet."""

    def __init__(self, addresses: dict[Address, str]) -> None:
        self._left = dict(addresses)

    def seen(self, source: Address) -> str | None:
        """The warning for a source that stands for everybody, the first time; None for any other."""
        what = self._left.pop(source, None)
        return None if what is None else _warning(source, what)


def warning_if_shared(network: Network, shared: dict[Address, str]) -> str | None:
    """The warning about a listed source that is nothing but such an address; None for any other."""
    address = network.network_address
    what = shared.get(address) if network.num_addresses == 1 else None
    return None if what is None else _warning(address, what)


def _warning(address: Address, what: str) -> str:
    return (
        f"{address} is {what}: whoever comes through it has this address, so sources cannot tell them apart; let the "
        "gateway use the host's network, or put a proxy before it and list that in trusted_proxies"
    )


def _lines(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, UnicodeDecodeError):
        return []


def _ipv4_gateways(lines: list[list[str]]) -> list[IPv4Address]:
    """The gateways in /proc/net/route: interface, destination, gateway, flags, ..., mask at 7; hexadecimal in the
    host's order."""
    found = []
    for line in lines[1:]:
        if len(line) > 7 and line[1] == line[7] == "00000000" and int(line[3], 16) & _RTF_GATEWAY:
            found.append(IPv4Address(struct.pack("=L", int(line[2], 16))))
    return found


def _ipv6_gateways(lines: list[list[str]]) -> list[IPv6Address]:
    """The gateways in /proc/net/ipv6_route: destination, its length, source, its length, next hop, ..., flags at 8."""
    found = []
    for line in lines:
        if len(line) > 8 and int(line[0], 16) == int(line[1], 16) == 0 and int(line[8], 16) & _RTF_GATEWAY:
            found.append(IPv6Address(bytes.fromhex(line[4])))
    return found


def _interface_address(name: str) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
