"""The shrink guard: whether a complete search gave so much less than last time that people have probably been lost.

A service deletes or disables whoever is missing from its next sync. So what the same search gave last time is
remembered, and a result that lost more than the configuration permits is not called a success.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final

from gateway.ldap.attribute_types import canonical_type
from gateway.ldap.filter_text import filter_text
from gateway.ldap.filters import write_filter
from gateway.ldap.messages import SCOPE_NAMES, SearchRequest


class ShrinkMode(StrEnum):
    """enforce: a result that shrank ends in an error. report: it is recorded and passes. off: nothing is kept."""

    enforce = "enforce"
    report = "report"
    off = "off"


@dataclass(frozen=True, slots=True)
class ShrinkSettings:
    """keep_at_least: per cent of each figure of the last complete result, 1 to 100. minimum: results with fewer
    entries are not remembered, and figures below it are not compared."""

    mode: ShrinkMode = ShrinkMode.enforce
    keep_at_least: int = 80
    minimum: int = 50


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Shape:
    """What makes two searches the same one, from one sync run to the next.

    key: 32 octets, equal for searches of one client with the same base, scope, filter and attributes, in whatever
    order and case. description: for people; the values in the filter are shown as `?`.
    """

    client: Final[str]
    key: Final[bytes]
    description: Final[str]

    def __init__(self, client: str, key: bytes, description: str) -> None:
        self.client = client
        self.key = key
        self.description = description


@dataclass(frozen=True, slots=True)
class AttributeSize:
    """entries: that had the attribute. values: sent of it in all."""

    name: str
    entries: int
    values: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """What one complete search sent."""

    entries: int
    attributes: tuple[AttributeSize, ...] = ()


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Remembered:
    """sizes: what the last complete search of a shape gave, None where nothing is known. accepted: an administrator
    has said that the next complete result is right, whatever its sizes."""

    sizes: Final[Sizes | None]
    accepted: Final[bool]

    def __init__(self, sizes: Sizes | None, accepted: bool = False) -> None:
        self.sizes = sizes
        self.accepted = accepted


@dataclass(frozen=True, slots=True)
class Loss:
    """figure: `entries`, `entries with mail` or `values of mail`."""

    figure: str
    before: int
    now: int

    def __str__(self) -> str:
        return f"{self.figure}: {self.now}, last time {self.before}"


def shape_of(client: str, request: SearchRequest) -> Shape:
    """request: as the client means it, its base parsed and written anew, before the gateway narrows it or adds a
    filter of its own; so that a mistake in these is a change of the result and not of the shape."""
    attributes = ",".join(sorted({canonical_type(name) for name in request.attributes}))
    scope = SCOPE_NAMES[request.scope]
    digest = hashlib.sha256()
    for part in (client, request.base.lower(), scope, attributes, str(request.types_only)):
        digest.update(part.encode() + b"\0")
    digest.update(write_filter(request.filter))
    shown = f"{request.base or 'the root'} ({scope}) {filter_text(request.filter, values=False)}"
    return Shape(client, digest.digest(), shown)


def losses(before: Sizes, now: Sizes, settings: ShrinkSettings) -> tuple[Loss, ...]:
    """Every figure of which less than keep_at_least is left. now: with every attribute that is still listed; what was
    taken from the list on purpose is no loss."""
    if before.entries < settings.minimum:
        return ()
    left = {size.name: size for size in now.attributes}
    figures = [("entries", before.entries, now.entries)]
    for size in before.attributes:
        current = left.get(size.name)
        if current is None:
            continue
        figures.append((f"entries with {size.name}", size.entries, current.entries))
        figures.append((f"values of {size.name}", size.values, current.values))
    return tuple(
        Loss(figure, then, since)
        for figure, then, since in figures
        if then >= settings.minimum and since * 100 < then * settings.keep_at_least
    )
