"""The parts of which the pages for people are made, and the frame around them.

They are made of twisted.web.template's tags, which escape every text and attribute.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias

from twisted.web.template import Tag, flattenString, tags

from gateway.observe.durations import duration
from gateway.observe.page.documents import CODE, PROSE, anchor, pieces
from gateway.observe.page.status_style import STYLE

Node: TypeAlias = Tag | str

# What stands in backticks is shown as code.
_CODE: Final = re.compile(r"`([^`]+)`")


class Row(NamedTuple):
    """A row of a table. remedy: what to do about it, over the whole width below it; "" for nothing."""

    cells: Sequence[Any]
    remedy: Node = ""


def whole_page(title: str, body: list[Any], refresh: int = 0) -> bytes:
    """A page as HTML in UTF-8. refresh: seconds between two loads of a page that somebody leaves open, 0 for none."""
    head = [
        tags.meta(charset="utf-8"),
        tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
        tags.meta(**{"http-equiv": "refresh", "content": str(refresh)}) if refresh else "",
        tags.title(title),
        tags.style(STYLE),
    ]
    html = tags.html(tags.head(head), tags.body(element("main")(body)), lang="en")
    found: list[bytes] = []
    flattenString(None, html).addCallback(found.append)
    return b"<!DOCTYPE html>\n" + found[0]


def document_page(text: str) -> bytes:
    """A document in Markdown, nearly as it is written, with headings that links can lead to."""
    body: list[Node] = [tags.p(tags.a("back to the status page", href="/"), class_="faint")]
    title = ""
    for level, piece in pieces(text):
        if level == CODE:
            body.append(tags.pre(tags.code(piece)))
        elif level == PROSE:
            body.append(tags.div(sentence(piece), class_="prose"))
        else:
            title = title or piece
            body.append(Tag(f"h{level}")(piece, id=anchor(piece)))
    return whole_page(title, [element("article")(body)])


def element(name: str, attributes: Mapping[str, str] | None = None) -> Tag:
    """An element that twisted.web.template.tags does not know, of SVG for the most part."""
    return Tag(name)(**(attributes or {}))


def sentence(words: str) -> list[Node]:
    """Words with what stands in backticks as code."""
    return [tags.code(part) if i % 2 else part for i, part in enumerate(_CODE.split(words)) if part]


def more(link: str, words: str = "read more") -> Node:
    """A link into the documentation; "" where there is none."""
    return tags.a(words, href=f"/docs/{link}") if link else ""


def remedy(words: str, link: str = "") -> Tag:
    """What to do about a bad state, beside it."""
    return tags.p(sentence(words), " " if words and link else "", more(link), class_="remedy")


def note(kind: str, words: str, advice: str = "", link: str = "") -> Tag:
    """A state in a box. kind: good, warn or bad."""
    return tags.div(
        tags.p(sentence(words)), remedy(advice, link) if advice or link else "", class_=f"note {kind}", role="status"
    )


def pill(words: str, kind: str) -> Tag:
    """A state in few words. kind: good, warn, bad, or "" for none of these."""
    return tags.span(words, class_=f"pill {kind}".rstrip())


def faint(words: Any) -> Tag:
    return tags.p(words, class_="faint")


def facts(rows: Iterable[tuple[str, Any]]) -> Tag:
    """Figures with their names."""
    return tags.dl([tags.div(tags.dt(name), tags.dd(value)) for name, value in rows], class_="facts")


def table(title: str, heads: tuple[str, ...], rows: Iterable[Row], empty: str, below: Any = "") -> Tag:
    """A section with a table; with these words where there are no rows. below: what follows the table."""
    found = list(rows)
    if not found:
        return tags.section(tags.h2(title), faint(empty))
    return tags.section(tags.h2(title), row_table(heads, found), below)


def row_table(heads: tuple[str, ...], rows: Iterable[Row]) -> Tag:
    body = [row for each in rows for row in _rows(each, len(heads))]
    head = tags.thead(tags.tr([tags.th(name, scope="col") for name in heads]))
    return tags.table(head, tags.tbody(body))


def _rows(row: Row, columns: int) -> list[Tag]:
    found = [tags.tr([tags.td(cell) for cell in row.cells])]
    if row.remedy:
        found.append(tags.tr(tags.td(row.remedy, colspan=str(columns)), class_="below"))
    return found


def ago(then: float, now: float) -> str:
    return "just now" if now - then < 1 else f"{duration(now - then)} ago"


def clock(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M} UTC"


def time_of(when: float, words: str) -> Tag:
    """Words for a moment, which is told exactly where somebody points at them."""
    stamp = datetime.fromtimestamp(when, UTC)
    return tags.time(words, datetime=stamp.isoformat(timespec="seconds"), title=clock(when))


def many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
