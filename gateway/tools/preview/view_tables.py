"""A preview on a terminal: tables, small bars and colour, within 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gateway.ask.printable import printable
from gateway.ldap.kinds import Kind
from gateway.tools.preview import view_words
from gateway.tools.preview.census import KindCount, Mark
from gateway.tools.preview.comparison import Difference
from gateway.tools.preview.preview import BaseView, View

# Wider lines are hard to read.
WIDEST: Final = 100
_BAR: Final = 12
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"

_HEADINGS: Final = {
    Mark.no_mail: "no\nmail",
    Mark.no_proxy_addresses: "no proxy-\nAddresses",
    Mark.disabled: "dis-\nabled",
    Mark.shared_address: "shared\naddress",
    Mark.no_members: "no\nmembers",
}


def view_tables(view: View) -> RenderableType:
    most = max((count.entries for base in view.bases for count in base.kinds.values()), default=0)
    shown: list[RenderableType] = [_text(view_words.title(view), "bold")]
    for base in view.bases:
        shown.extend((Text(), _text(view_words.heading(base), "bold cyan"), _base_table(base, most)))
        shown.extend(
            Padding(_text(said, "bold red" if base.problem and said.endswith(base.problem) else "yellow"), (0, 0, 0, 2))
            for said in view_words.remarks(base, view)
        )
    shown.extend((Text(), _attribute_table(view)))
    if view.shared:
        shown.extend((Text(), _text(view_words.shared_heading(view), "bold cyan")))
        shown.extend(_listed(line) for line in view_words.shared(view))
    closing = view_words.closing(view)
    if closing:
        shown.extend((Text(), *(_text(said, "yellow") for said in closing)))
    return Group(*shown)


def difference_lists(found: Difference) -> RenderableType:
    shown: list[RenderableType] = []
    for heading, names in view_words.difference(found):
        style = "bold red" if "vanish" in heading else "bold cyan"
        shown.extend((Text(), _text(heading, style), *map(_listed, names)))
    return Group(*shown)


def _base_table(base: BaseView, most: int) -> Table:
    table = _table()
    table.add_column("", no_wrap=True)
    table.add_column("entries", justify="right")
    table.add_column("", width=_BAR)
    for mark in Mark:
        table.add_column(_HEADINGS[mark], justify="right", vertical="bottom")
    for kind, count in view_words.kinds_of(base):
        table.add_row(
            view_words.KIND_NAMES[kind],
            f"{count.entries:,}",
            _Bar(count.entries, most),
            *(_cell(count, mark) for mark in Mark),
        )
    return table


def _attribute_table(view: View) -> Table:
    kinds = [kind for kind in Kind if any(kind in use.holders for use in view.attributes)]
    entries = len(view.seen)
    table = _table()
    table.add_column("attribute", overflow="fold")
    table.add_column("entries", justify="right")
    table.add_column("", width=_BAR)
    for kind in kinds:
        table.add_column(view_words.KIND_NAMES[kind], justify="right")
    for use in view.attributes:
        style = "" if use.entries else "yellow"
        figures = (f"{use.holders[kind]:,}" if kind in use.holders else "" for kind in kinds)
        table.add_row(_text(use.name, style), Text(f"{use.entries:,}", style), _Bar(use.entries, entries), *figures)
    return table


def _table() -> Table:
    table = Table(header_style="dim", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.show_edge = table.pad_edge = False
    return table


def _cell(count: KindCount, mark: Mark) -> Text:
    return Text(view_words.cell(count, mark), "yellow" if count.marks.get(mark) else "dim")


def _text(text: str, style: str = "") -> Text:
    # Never parsed as markup: brackets in names are names.
    return Text(printable(text), style, overflow="fold")


def _listed(line: str) -> Padding:
    return Padding(_text(line), (0, 0, 0, 2))


class _Bar:
    """part of whole as a line of blocks; something that is more than nothing is never an empty line."""

    def __init__(self, part: int, whole: int) -> None:
        self._share = part / whole if whole else 0.0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        width = min(_BAR, options.max_width)
        eighths = max(round(self._share * width * 8), 1 if self._share else 0)
        if options.ascii_only:
            yield Text("#" * max(eighths // 8, min(eighths, 1)), "green")
            return
        whole, rest = divmod(eighths, 8)
        yield Text(_EIGHTHS[8] * whole + (_EIGHTHS[rest] if rest else ""), "green")
