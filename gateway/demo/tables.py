"""The demo on a terminal: tables and colour."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.demo import words
from gateway.demo.people import SUFFIX
from gateway.demo.stage import Stage
from gateway.demo.steps import Happened, Part, Record
from gateway.demo.sync import Report

# Wider lines are hard to read.
WIDEST: Final = 120

# Where a DN, a filter or a list may be broken: behind commas and blanks, and before a filter that is not the
# first of its set.
_BREAKS: Final = re.compile(r"(?<=[,\s])(?![,\s])|(?<![(&|!,\s])(?=\()")
_INDENT: Final = " "
# Between two columns: a blank on each side of what would part them.
_GAP: Final = 3
_SUFFIX: Final = re.compile(f"(?<=,){re.escape(str(SUFFIX))}", re.IGNORECASE)


class TableReporter:
    """The demo's report in tables, for terminals."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._console.width = min(self._console.width, WIDEST)

    def opening(self, stage: Stage) -> None:
        first, second = words.opening(stage)
        self._console.print(Text(first, style="bold"))
        self._console.print(Text(second))

    def report(self, report: Report) -> None:
        found = report.happened
        width = self._console.width
        self._console.print(_sync_table([f for f in found if f.step.part is Part.sync], width))
        for part, shares in ((Part.beyond, (36, 13, 47)), (Part.sign_in, (28, 32, 36))):
            self._console.print(_answer_table(part, shares, [f for f in found if f.step.part is part], width))
        self._console.print(_claims_table(report))

    def not_serving(self) -> None:
        self._console.print(Text(f"\n{words.NOT_SERVING}", style="dim"))

    def serving(self, stage: Stage) -> None:
        intro, *hints = words.serving(stage)
        self._console.print(Text(f"\n{intro}", style="bold"))
        for hint in hints:
            self._console.print(Text(hint), soft_wrap=True)
        for shows, line in words.try_lines(stage):
            self._console.print(Text(f"\n# {shows}", style="dim"))
            # Not broken into lines, so that it can be pasted as it stands.
            self._console.print(Text(line, style="cyan"), soft_wrap=True)
        self._console.print(Text("\nWhat the gateway is asked from here on:", style="bold"))

    def audited(self, record: Record) -> None:
        now = time.strftime("%H:%M:%S")
        style = "yellow" if record["decision"] == "refuse" else ""
        self._console.print(Text.assemble((now, "dim"), " ", (words.audit_line(record), style)), soft_wrap=True)

    def stopping(self) -> None:
        self._console.print(Text(f"\n{words.STOPPING}"))


class Cell:
    """What one step has in one column: DNs, filters and lists, broken where they may be, the directory's suffix cut
    short. told: the result, in lines before them. first: the style of the first line. Nothing is parsed as markup:
    brackets in names are names."""

    def __init__(self, lines: list[str], style: str = "", first: str = "", told: list[Text] | None = None) -> None:
        self.lines = [_SUFFIX.sub("…", line) for line in lines]
        self.told = told or []
        self._style = style
        self._first = first or style

    def narrowest(self) -> int:
        """The least width at which no word is broken."""
        pieces = [piece.rstrip() for line in self.lines for piece in _BREAKS.split(line)]
        pieces += [word for text in self.told for word in text.plain.split()]
        # All but the first piece of a line may be indented. Without a character of its own, `…` is three.
        return max((len(piece) + len(_INDENT) + 2 * piece.count("…") for piece in pieces), default=1)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        yield from self.told
        for number, line in enumerate(self.lines):
            style = self._style if number else self._first
            shown = line.replace("…", "...") if options.ascii_only else line
            yield Text("\n".join(fold(shown, options.max_width)), style=style)


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


def widths(narrowest: list[int], shares: list[int], width: int) -> list[int] | None:
    """Widths of columns side by side, each at least its narrowest; None where they do not fit. shares: of the rest."""
    left = width - _GAP * (len(narrowest) - 1) - sum(narrowest)
    if left < 0:
        return None
    given = [left * share // sum(shares) for share in shares]
    given[-1] += left - sum(given)
    return [least + more for least, more in zip(narrowest, given, strict=True)]


def steps_table(title: str, columns: list[tuple[str, int]], rows: list[list[Cell]], width: int) -> Table:
    """A row a step. Where the terminal is too narrow for the longest word of each column, a row is written as lines
    with the columns' names before them. columns: name, and share of the width that words leave."""
    names = [name for name, _ in columns]
    narrowest = [max(len(name), *(row[at].narrowest() for row in rows)) for at, name in enumerate(names)]
    found = widths(narrowest, [share for _, share in columns], width)
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold cyan", header_style="dim")
    table.box = SIMPLE_HEAD
    table.show_edge = table.pad_edge = False
    if found is None:
        table.show_header = False
        label = max(map(len, names))
        table.add_column("", width=label, style="dim")
        table.add_column("", width=width - label - _GAP)
        for row in rows:
            for name, cell in zip(names, row, strict=True):
                if cell.told or cell.lines:
                    table.add_row(name, cell)
            table.add_section()
        return table
    table.show_lines = True
    for name, column in zip(names, found, strict=True):
        table.add_column(name, width=column)
    for row in rows:
        table.add_row(*row)
    return table


def _sync_table(found: list[Happened], width: int) -> Table:
    columns = [("The service asked", 29), ("Forwarded", 28), ("Came back", 20), ("Held back", 20)]
    rows = [
        [
            _asked(item),
            _forwarded(item),
            Cell(words.came_back(item, names=False), told=_result(item)),
            Cell(words.held_back(item), "magenta"),
        ]
        for item in found
    ]
    return steps_table(words.PARTS[Part.sync], columns, rows, width)


def _answer_table(part: Part, shares: tuple[int, int, int], found: list[Happened], width: int) -> Table:
    names = ("The service asked", "Forwarded", "Told, and why")
    rows = [[_asked(item), _forwarded(item), Cell(words.why(item), told=_result(item))] for item in found]
    return steps_table(words.PARTS[part], list(zip(names, shares, strict=True)), rows, width)


def _asked(found: Happened) -> Cell:
    return Cell([found.step.title, *words.asked(found.step)], first="bold")


def _forwarded(found: Happened) -> Cell:
    return Cell(words.forwarded(found), "" if found.heard else "dim")


def _result(found: Happened) -> list[Text]:
    told = [words.result(found)] if found.code is not None else []
    if not found.as_expected:
        return [Text(text, style="bold red") for text in (*told, "NOT AS EXPECTED")]
    return [Text(text, style="green" if found.code == 0 else "yellow") for text in told]


def _claims_table(report: Report) -> Table:
    table = Table(title="\nWhat this run proves", title_justify="left", title_style="bold cyan", show_header=False)
    table.box = None
    table.pad_edge = False
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for claim in report.claims:
        style = "bold green" if claim.holds else "bold red"
        table.add_row(Text("ok" if claim.holds else "FAILED", style=style), Text(claim.name, style="bold"), claim.text)
    return table
