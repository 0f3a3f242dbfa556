"""By what name a request of HTTP asks for the admin pages.

A page in the internet can have its own name resolve to 127.0.0.1 in a browser on this host (DNS rebinding); the browser
would then let it read what is here. What such a page cannot change is the Host header, which has its name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from typing import Final

# RFC 9110 7.2: Host = uri-host [ ":" port ]. Any port: `ssh -L 9000:127.0.0.1:8389` asks for that of the other end.
_HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9.-]{1,255}))(?::[0-9]{0,5})?")


def is_own_host(values: Sequence[bytes], is_http_1_1: bool) -> bool:
    """Whether the values of all Host headers of a request are one loopback name: localhost, or an address of
    127.0.0.0/8 or ::1. None at all does as well in HTTP/1.0, which knows no Host and which no browser speaks."""
    if not values:
        return not is_http_1_1
    if len(values) > 1:
        return False
    match = _HOST.fullmatch(values[0].decode("latin-1").strip(" \t"))
    if match is None:
        return False
    return _is_loopback(match["v6"] or match["name"], bracketed=match["v6"] is not None)


def _is_loopback(host: str, bracketed: bool) -> bool:
    # RFC 6761 6.3: a browser resolves localhost, and names below it, to loopback itself.
    if host.lower().removesuffix(".") == "localhost":
        return True
    try:
        found = ip_address(host)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
        return bracketed and found.is_loopback
    return not bracketed and found.is_loopback
