"""The response path once more: slow, with nothing remembered and nothing in common with the quick one.

It reads BER into nested values, decides on values, and writes everything anew.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.ldap.dn import DN, DNError, parse

OPTION = re.compile(r"[a-z0-9-]+|range=[0-9]{1,10}-([0-9]{1,10}|\*)", re.ASCII)
SEQUENCE, SET, INTEGER, BOOLEAN, OCTETS, ENTRY, CONTROLS = 0x30, 0x31, 0x02, 0x01, 0x04, 0x64, 0xA0


# A tag and contents.
Element = tuple[int, bytes]


class Unreadable(Exception):
    """The quick one raises DecodeError here."""


class NotForIt(Exception):
    """No entry of an open search: the quick one gives the message back."""


@dataclass
class Search:
    """message_id: the client's. in_order: what comes behind an entry that was set apart waits with it. What was sent,
    by attribute, is counted as [entries, values]."""

    message_id: int
    ranges: bool
    most: int | None = None
    octet_limit: int = 0
    in_order: bool = False
    waits: bool = False
    received: int = 0
    passed: int = 0
    sent: int = 0
    octets: int = 0
    counts: dict[int, list[int]] = field(default_factory=dict)


@dataclass
class Rules:
    """attributes: the permitted types, in lower case, in the order of their numbers. bases, excluded: parsed DNs."""

    attributes: list[str]
    bases: list[DN]
    excluded: list[DN]

    def number(self, description: str) -> int:
        kind, *options = description.lower().split(";")
        if not all(OPTION.fullmatch(option) for option in options):
            return -1
        return self.attributes.index(kind) if kind in self.attributes else -1

    def judge(self, text: str) -> str:
        """ "seen", "held back" or "loosely inside"."""
        try:
            dn = parse(text)
        except DNError:
            raise Unreadable from None
        if any(dn.is_inside_loosely(base) for base in self.excluded):
            return "held back"
        if any(dn.is_inside(base) for base in self.bases):
            return "seen"
        return "loosely inside" if any(dn.is_inside_loosely(base) for base in self.bases) else "held back"


def first(octets: bytes) -> tuple[Element, bytes]:
    """The element that octets begin with, and what is behind it."""
    if len(octets) < 2 or octets[0] & 0x1F == 0x1F:
        raise Unreadable
    tag, length, octets = octets[0], octets[1], octets[2:]
    if length == 0x80 or length > 0x84:
        raise Unreadable
    if length > 0x80:
        size, length = length - 0x80, int.from_bytes(octets[: length - 0x80], "big")
        if len(octets) < size:
            raise Unreadable
        octets = octets[size:]
    if length > len(octets):
        raise Unreadable
    return (tag, octets[:length]), octets[length:]


def elements(octets: bytes) -> list[Element]:
    """What fills octets."""
    found = []
    while octets:
        element, octets = first(octets)
        found.append(element)
    return found


def the(octets: bytes, *tags: int) -> list[bytes]:
    """The contents of exactly these elements."""
    found = elements(octets)
    if tuple(tag for tag, _ in found) != tags:
        raise Unreadable
    return [contents for _, contents in found]


def write(tag: int, contents: bytes) -> bytes:
    size = len(contents)
    if size < 0x80:
        return bytes((tag, size)) + contents
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 + len(length))) + length + contents


def text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise Unreadable from None


def number(octets: bytes) -> int:
    """An INTEGER from 0 on in its shortest form."""
    value = int.from_bytes(octets, "big", signed=True)
    if not 0 < len(octets) <= 4 or value < 0 or value.to_bytes(value.bit_length() // 8 + 1, "big") != octets:
        raise Unreadable
    return value


def written_number(value: int) -> bytes:
    return write(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def rewrite(message: bytes, searches: Mapping[int, Search], rules: Rules) -> str | tuple[str, bytes]:
    """What becomes of one whole message: ("sent", octets), or one of the words "held back", "loosely inside", "ranged",
    "too many" and "too large". searches: by the server's message IDs. Raises Unreadable, NotForIt."""
    (tag, message_id), rest = first(the(message, SEQUENCE)[0])
    if tag != INTEGER:
        raise Unreadable
    search = searches.get(number(message_id))
    (tag, entry), rest = first(rest)
    if search is None or tag != ENTRY:
        raise NotForIt
    search.received += 1
    dn, listed = the(entry, OCTETS, SEQUENCE)
    attributes = [read_attribute(*item) for item in elements(listed)]
    kept = [(description, values) for description, values in attributes if rules.number(text(description)) >= 0]
    check_controls(elements(rest))
    judged = rules.judge(text(dn))
    if judged != "seen":
        return judged
    if search.most is not None and search.passed >= search.most:
        return "too many"
    ranged = not search.ranges and any(b";range=" in description.lower() for description, _ in kept)
    if ranged or search.waits:
        search.waits = search.in_order
        search.passed += 1
        return "ranged"
    items = [
        write(SEQUENCE, write(OCTETS, description) + write(SET, b"".join(write(OCTETS, value) for value in values)))
        for description, values in kept
    ]
    entry = write(ENTRY, write(OCTETS, dn) + write(SEQUENCE, b"".join(items)))
    whole = write(SEQUENCE, written_number(search.message_id) + entry)
    if search.octet_limit and search.octets + len(whole) > search.octet_limit:
        return "too large"
    search.passed += 1
    search.sent += 1
    search.octets += len(whole)
    for description, values in kept:
        if values:
            count = search.counts.setdefault(rules.number(text(description)), [0, 0])
            count[0] += 1
            count[1] += len(values)
    return "sent", whole


def read_attribute(tag: int, contents: bytes) -> tuple[bytes, list[bytes]]:
    if tag != SEQUENCE:
        raise Unreadable
    description, values = the(contents, OCTETS, SET)
    found = elements(values)
    if any(tag != OCTETS for tag, _ in found):
        raise Unreadable
    return description, [value for _, value in found]


def check_controls(parts: list[Element]) -> None:
    """None of an entry's controls passes, but they must be some."""
    if not parts:
        return
    if len(parts) != 1 or parts[0][0] != CONTROLS:
        raise Unreadable
    found = elements(parts[0][1])
    if len(found) > 64:
        raise Unreadable
    for tag, contents in found:
        if tag != SEQUENCE:
            raise Unreadable
        fields = elements(contents)
        tags = [tag for tag, _ in fields]
        if tags not in ([OCTETS], [OCTETS, BOOLEAN], [OCTETS, OCTETS], [OCTETS, BOOLEAN, OCTETS]):
            raise Unreadable
        if BOOLEAN in tags and len(fields[1][1]) != 1:
            raise Unreadable
        if not is_oid(text(fields[0][1])):
            raise Unreadable


def is_oid(oid: str) -> bool:
    arcs = oid.split(".")
    return (
        len(arcs) > 1
        and len(oid) <= 256
        and all(arc.isascii() and arc.isdigit() and str(int(arc)) == arc for arc in arcs)
    )
