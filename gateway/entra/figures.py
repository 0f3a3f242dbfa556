"""The figures of a copy, and whether a new one lost so much that it is more likely wrong than true.

A service deletes whoever is missing from its next sync. So a copy that shrank much, or that Graph's own count of people
contradicts, is held back until somebody has said that it is right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

# Figures below it are not compared: three that become two are a normal day.
MINIMUM: Final = 10

LINKS: Final = "links"
WITH_MAIL: Final = " with mail"


def written(figures: Mapping[str, int]) -> str:
    return json.dumps(figures, sort_keys=True)


def read(text: str | None) -> dict[str, int]:
    """The figures that `written` wrote; none where nothing was written."""
    return {} if text is None else {str(name): int(number) for name, number in json.loads(text).items()}


def objection(
    before: Mapping[str, int], after: Mapping[str, int], people: int, counted: int, keep_at_least: int
) -> str | None:
    """Why a copy must not become visible, for people; None where nothing speaks against it. before: the figures of the
    visible one, none where they cannot be compared. people: how many the new one has, whether or not they have entries.
    counted: how many Graph says that there are."""
    found = [*_losses(before, after, keep_at_least), *_difference(people, counted, keep_at_least)]
    if not found:
        return None
    return (
        f"{'; '.join(found)} (keep_at_least: {keep_at_least}%). The copy from before stays visible. If it is true, "
        "say so with `ldap-gateway entra accept`"
    )


def _losses(before: Mapping[str, int], after: Mapping[str, int], keep_at_least: int) -> Iterator[str]:
    for name, old in sorted(before.items()):
        new = after.get(name, 0)
        if old >= MINIMUM and new * 100 < old * keep_at_least:
            yield f"of {old} {name} {new} are left"


def _difference(people: int, counted: int, keep_at_least: int) -> Iterator[str]:
    fewer, more = min(people, counted), max(people, counted)
    if more >= MINIMUM and fewer * 100 < more * keep_at_least:
        yield f"the new copy has {people} people, and Graph counts {counted}"
