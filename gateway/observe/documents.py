"""The documentation as pages of the admin address, so that links lead somewhere on a host without the internet.

The texts are those of docs/, laid into the package when it is built. They are shown as they are written, in Markdown,
with headings that links can lead to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Where a build lays them, and where they are in a checkout.
_PLACES: Final = (Path(__file__).parents[1] / "docs", Path(__file__).parents[2] / "docs")
_NAME: Final = re.compile(r"[a-z][a-z-]*")
_HEADING: Final = re.compile(r"(#{1,4}) (.+)")
_FENCE: Final = "```"
_NO_WORD: Final = re.compile(r"[^\w\- ]")


def document(name: str) -> str | None:
    """The text of docs/NAME.md; None where this installation has none of that name."""
    if _NAME.fullmatch(name) is None:
        return None
    for place in _PLACES:
        try:
            return (place / f"{name}.md").read_text(encoding="utf-8")
        except OSError:
            continue
    return None


def anchor(heading: str) -> str:
    """What a link to a heading has behind its #, as GitHub makes it."""
    return _NO_WORD.sub("", heading.lower()).replace(" ", "-")


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """The text in its order: (level, heading) from 1 to 4, and (0, what stands between headings)."""
    between: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith(_FENCE)
        heading = None if fenced else _HEADING.fullmatch(line)
        if heading is None:
            between.append(line)
            continue
        if any(between):
            yield 0, "\n".join(between).strip("\n")
        between.clear()
        yield len(heading[1]), heading[2]
    if any(between):
        yield 0, "\n".join(between).strip("\n")
