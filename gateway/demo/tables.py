"""The demo on a terminal: tables and colour."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.demo import words
from gateway.demo.people import SUFFIX
from gateway.demo.stage import Stage
from gateway.demo.steps import Happened, Part
from gateway.demo.sync import Report
from gateway.relay.audit import AuditRecord

# Wider lines are hard to read.
WIDEST: Final = 120

# Where a DN, a filter or a list may be broken: behind commas and blanks, and before a filter that is not the
# first of its set.
_BREAKS: Final = re.compile(r"(?<=[,\s])(?![,\s])|(?<![(&|!,\s])(?=\()")
_INDENT: Final = " "
_SUFFIX: Final = re.compile(f"(?<=,){re.escape(str(SUFFIX))}", re.IGNORECASE)


class TableReporter:
    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._console.width = min(self._console.width, WIDEST)

    def opening(self, stage: Stage) -> None:
        first, second = words.opening(stage)
        self._console.print(Text(first, style="bold"))
        self._console.print(Text(second))

    def report(self, report: Report) -> None:
        found = report.happened
        self._console.print(_sync_table([f for f in found if f.step.part is Part.sync]))
        for part, widths in ((Part.beyond, (36, 13, 47)), (Part.sign_in, (28, 32, 36))):
            self._console.print(_answer_table(part, widths, [f for f in found if f.step.part is part]))
        self._console.print(_claims_table(report))

    def not_serving(self) -> None:
        self._console.print(Text(f"\n{words.NOT_SERVING}", style="dim"))

    def serving(self, stage: Stage) -> None:
        intro, *hints = words.serving(stage)
        self._console.print(Text(f"\n{intro}", style="bold"))
        for hint in hints:
            self._console.print(Text(hint), soft_wrap=True)
        for shows, line in words.try_lines(stage.gateway):
            self._console.print(Text(f"\n# {shows}", style="dim"))
            # Not broken into lines, so that it can be pasted as it stands.
            self._console.print(Text(line, style="cyan"), soft_wrap=True)
        self._console.print(Text("\nWhat the gateway is asked from here on:", style="bold"))

    def audited(self, record: AuditRecord) -> None:
        now = time.strftime("%H:%M:%S")
        style = "yellow" if record.decision == "refuse" else ""
        self._console.print(Text.assemble((now, "dim"), " ", (words.audit_line(record), style)), soft_wrap=True)

    def stopping(self) -> None:
        self._console.print(Text(f"\n{words.STOPPING}"))


class _Lines:
    """DNs, filters and lists: broken where they may be, the directory's suffix cut short. first: the style of the
    first line. Never parsed as markup: brackets in names are names."""

    def __init__(self, lines: list[str], style: str = "", first: str = "") -> None:
        self._lines = lines
        self._style = style
        self._first = first or style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        suffix = "..." if options.ascii_only else "…"
        for number, line in enumerate(self._lines):
            style = self._style if number else self._first
            yield Text("\n".join(fold(_SUFFIX.sub(suffix, line), options.max_width)), style=style)


def fold(line: str, width: int) -> list[str]:
    """A line in pieces of at most width characters (2 or more), all but the first indented."""
    folded = [""]
    for piece in _BREAKS.split(line):
        if folded[-1].strip() and len(folded[-1]) + len(piece.rstrip()) > width:
            folded.append(_INDENT)
        folded[-1] += piece
        while len(folded[-1].rstrip()) > width:
            folded[-1:] = [folded[-1][:width], _INDENT + folded[-1][width:]]
    return [part.rstrip() for part in folded]


def _table(part: Part, *columns: tuple[str, int]) -> Table:
    table = Table(title=f"\n{words.PARTS[part]}", title_justify="left", title_style="bold cyan", header_style="dim")
    table.box = SIMPLE_HEAD
    table.show_edge = table.pad_edge = False
    table.show_lines = table.expand = True
    for name, ratio in columns:
        table.add_column(name, ratio=ratio)
    return table


def _sync_table(found: list[Happened]) -> Table:
    columns = (("The service asked", 29), ("Forwarded", 28), ("Came back", 20), ("Held back", 20))
    table = _table(Part.sync, *columns)
    for item in found:
        table.add_row(
            _asked(item),
            _forwarded(item),
            Group(*_result(item), _Lines(words.came_back(item, names=False))),
            _Lines(words.held_back(item), "magenta"),
        )
    return table


def _answer_table(part: Part, widths: tuple[int, int, int], found: list[Happened]) -> Table:
    names = ("The service asked", "Forwarded", "Told, and why")
    table = _table(part, *zip(names, widths, strict=True))
    for item in found:
        table.add_row(_asked(item), _forwarded(item), Group(*_result(item), _Lines(words.why(item))))
    return table


def _asked(found: Happened) -> _Lines:
    return _Lines([found.step.title, *words.asked(found.step)], first="bold")


def _forwarded(found: Happened) -> _Lines:
    return _Lines(words.forwarded(found), "" if found.heard else "dim")


def _result(found: Happened) -> list[Text]:
    told = [words.result(found)] if found.code is not None else []
    if not found.as_expected:
        return [Text(text, style="bold red") for text in (*told, "NOT AS EXPECTED")]
    return [Text(text, style="green" if found.code == 0 else "yellow") for text in told]


def _claims_table(report: Report) -> Table:
    table = Table(title="\nWhat this run proves", title_justify="left", title_style="bold cyan", show_header=False)
    table.box = None
    table.pad_edge = False
    for claim in report.claims:
        style = "bold green" if claim.holds else "bold red"
        table.add_row(Text("ok" if claim.holds else "FAILED", style=style), Text(claim.name, style="bold"), claim.text)
    return table
