"""The PROXY protocol's header, versions 1 and 2: whom a proxy has accepted the connection from.

proxied.py gives it the first octets of a proxy's connection. It has no input or output of its own. The protocol is
HAProxy's `proxy-protocol.txt`, whose sections the comments name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final

# 2.1: the longest line, its CRLF included.
LONGEST_V1: Final = 107
# 2.2: 16 octets of a header, and as much behind it as fits the smallest TCP segment that must pass unfragmented.
LONGEST_V2: Final = 536

V1_BEGINS: Final = b"PROXY "
V2_BEGINS: Final = b"\r\n\r\n\x00\r\nQUIT\n"

_V2_FIXED: Final = 16
# Version and command.
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
# Family and transport, and the octets that its addresses and ports take.
_UNSPEC: Final = 0x00
_TCP4: Final = 0x11
_TCP6: Final = 0x21
_ADDRESSES: Final = {_TCP4: 12, _TCP6: 36}


class ProxyHeaderError(Exception):
    """What came is no PROXY header, or none that can be served; the text never holds what came."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What a PROXY header says.

    source: who connected to the proxy; None where the proxy connects for itself (LOCAL, UNKNOWN): a probe. rest: what
    came behind the header.
    """

    source: IPv4Address | IPv6Address | None
    rest: bytes = field(default=b"", repr=False)


class ProxyHeaderReader:
    """Takes the beginning of one connection, in any pieces."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> ProxyHeader | None:
        """The header, or None if more must arrive. Raises ProxyHeaderError as soon as it is sure that none comes;
        of use until either happened."""
        self._data += data
        if self._data[: len(V1_BEGINS)] == V1_BEGINS[: len(self._data)]:
            return self._read_v1()
        if self._data[: len(V2_BEGINS)] == V2_BEGINS[: len(self._data)]:
            return self._read_v2()
        raise ProxyHeaderError("no PROXY header begins the connection")

    def _read_v1(self) -> ProxyHeader | None:
        begin = self._data[:LONGEST_V1]
        end = begin.find(b"\r\n")
        if end < 0:
            if len(begin) == LONGEST_V1:
                raise ProxyHeaderError(f"the line of the PROXY header has more than {LONGEST_V1} octets")
            return None
        return _parse_v1(begin[:end], self._data[end + 2 :])

    def _read_v2(self) -> ProxyHeader | None:
        data = self._data
        if len(data) < _V2_FIXED:
            return None
        command, family = data[12], data[13]
        if command not in (_LOCAL, _PROXY):
            raise ProxyHeaderError("a version or command of the PROXY header that does not exist")
        end = _V2_FIXED + int.from_bytes(data[14:16], "big")
        if end > LONGEST_V2:
            raise ProxyHeaderError(f"the PROXY header has {end} octets, more than {LONGEST_V2}")
        wanted = _ADDRESSES.get(family)
        if command == _PROXY and family != _UNSPEC:
            if wanted is None:
                raise ProxyHeaderError("the PROXY header is for something else than TCP over IPv4 or IPv6")
            if end < _V2_FIXED + wanted:
                raise ProxyHeaderError("the PROXY header is too short for its addresses")
        if len(data) < end:
            return None
        # 2.2.1: what stands behind the addresses (TLVs) is skipped.
        return _parse_v2(command, family, data[_V2_FIXED:end], data[end:])


def _parse_v1(line: bytes, rest: bytes) -> ProxyHeader:
    try:
        words = line.decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise ProxyHeaderError("the line of the PROXY header is not ASCII") from None
    if words[1] == "UNKNOWN":
        # 2.1: whatever follows is to be ignored.
        return ProxyHeader(None, rest)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise ProxyHeaderError("the line of the PROXY header does not have its six words")
    kind = IPv4Address if words[1] == "TCP4" else IPv6Address
    try:
        source, _destination = kind(words[2]), kind(words[3])
    except ValueError:
        raise ProxyHeaderError(f"the PROXY header has an address that is not of {words[1]}") from None
    if isinstance(source, IPv6Address) and source.scope_id is not None:
        raise ProxyHeaderError("the PROXY header has an address with a zone")
    if not (_is_port(words[4]) and _is_port(words[5])):
        raise ProxyHeaderError("the PROXY header has a port that is none")
    return ProxyHeader(source, rest)


def _is_port(word: str) -> bool:
    return word.isdigit() and len(word) <= 5 and (word[0] != "0" or word == "0") and int(word) <= 65_535


def _parse_v2(command: int, family: int, body: bytes, rest: bytes) -> ProxyHeader:
    if command == _LOCAL or family == _UNSPEC:
        return ProxyHeader(None, rest)
    if family == _TCP4:
        return ProxyHeader(IPv4Address(body[:4]), rest)
    return ProxyHeader(IPv6Address(body[:16]), rest)
