"""Whether the sync was complete and nothing that must stay inside came out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.demo.people import LEAK_MARKERS
from gateway.ldap.dn import DN, Key, key, parse
from gateway.ldap.messages import SearchResultEntry

_MARKERS: Final = re.compile(b"|".join(map(re.escape, LEAK_MARKERS)), re.IGNORECASE)

Values: TypeAlias = dict[str, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that the demo proves. text: what is claimed, with the figures that were found."""

    name: str
    holds: bool
    text: str


def count_markers(octets: bytes) -> int:
    """How many values among the octets are marked as ones that must never leave the directory."""
    return len(_MARKERS.findall(octets))


def sealed(through: bytes, direct: bytes) -> Claim:
    """through, direct: all that the service received, from the gateway and from the directory itself. A check
    that finds nothing in the directory's own answers would be blind, so that fails too."""
    found, there = count_markers(through), count_markers(direct)
    text = (
        f"the {len(through):,} octets that the service received hold {found} marks of hidden values; "
        f"the directory's own answers to the same searches hold {there:,}"
    )
    return Claim("nothing leaked", found == 0 and there > 0, text)


def complete(
    through: Iterable[SearchResultEntry],
    direct: Iterable[SearchResultEntry],
    allowed: Iterable[str],
    hidden: DN,
) -> Claim:
    """through: what came of the sync. direct: what the directory itself gives to the same searches.

    Every entry of direct outside hidden must have come exactly once, with exactly its values of the allowed
    attributes, and nothing besides.
    """
    names = {name.lower() for name in allowed}
    wanted = [entry for entry in direct if not parse(entry.dn).is_inside(hidden)]
    expected = {key(parse(entry.dn)): _values(entry, names) for entry in wanted}
    came: dict[Key, Values] = {}
    twice = 0
    for entry in through:
        name = key(parse(entry.dn))
        twice += name in came
        came[name] = _values(entry, None)
    missing = len(expected.keys() - came.keys())
    extra = len(came.keys() - expected.keys())
    right = sum(came.get(name) == values for name, values in expected.items())
    changed = len(expected) - missing - right
    faults = {"missing": missing, "too many": extra, "with other values": changed, "twice": twice}
    said = "".join(f"; {count} {what}" for what, count in faults.items() if count)
    text = f"{right} of the {len(expected)} entries that may leave came with exactly the directory's values{said}"
    return Claim("complete", not said and bool(expected), text)


def _values(entry: SearchResultEntry, names: set[str] | None) -> Values:
    return {
        attribute.type.lower(): tuple(sorted(attribute.values))
        for attribute in entry.attributes
        if names is None or attribute.type.lower() in names
    }
