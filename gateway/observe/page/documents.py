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
_PLACES: Final = (Path(__file__).parents[2] / "docs", Path(__file__).parents[3] / "docs")
_NAME: Final = re.compile(r"[a-z][a-z-]*")
_HEADING: Final = re.compile(r"(#{1,4}) (.+)")
_FENCE: Final = "```"
# A line that goes on no line before it: an item, a row of a table, a command.
_NEW_LINE: Final = re.compile(r"- |\||[0-9]+\. | {4}")

# The level of what is no heading.
PROSE: Final = 0
CODE: Final = -1
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
    """The text in its order: (level, heading) from 1 to 4, (PROSE, what stands between headings) with each paragraph,
    item and row in one line, and (CODE, what is to stay as it is)."""
    prose: list[str] = []
    code: list[str] | None = None
    for line in text.splitlines():
        heading = _HEADING.fullmatch(line)
        if line.startswith(_FENCE):
            if code is None:
                yield from _prose(prose)
                code = []
            else:
                yield CODE, "\n".join(code)
                code = None
        elif code is not None:
            code.append(line)
        elif heading is not None:
            yield from _prose(prose)
            yield len(heading[1]), heading[2]
        elif line and prose and prose[-1] and not _NEW_LINE.match(line) and not prose[-1].startswith("|"):
            prose[-1] = f"{prose[-1]} {line.strip()}"
        else:
            prose.append(line)
    yield from _prose(prose)


def _prose(lines: list[str]) -> Iterator[tuple[int, str]]:
    if any(lines):
        yield PROSE, "\n".join(lines).strip("\n")
    lines.clear()
