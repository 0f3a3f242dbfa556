"""What a text lacks to be YAML, told by its lines: indentation, dashes, colons, quotes, brackets, tabs.

PyYAML says where it stopped and what token it had expected; an administrator needs the line that is wrong and what to
write in it. The words of PyYAML never come out.
"""

from __future__ import annotations

import re
from typing import Final

import yaml

_KEY: Final = re.compile(r"\s*(?:-\s+)?[A-Za-z0-9_.-]+:")
_GLUED_COLON: Final = re.compile(r"\s*(?:-\s+)?[A-Za-z_]+:[^\s/]")
_GLUED_DASH: Final = re.compile(r"\s*-[^\s-]")
_DASH: Final = re.compile(r"\s*-(\s|$)")

_SAME_COLUMN: Final = "the keys of one block begin in the same column, and what is below a key further right"
_QUOTES: Final = "put the value in double quotes"


def yaml_fault(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    """The line, from 1, that is to be corrected, and what is wrong with it. text: what was read."""
    return _Fault(error, text.splitlines()).found()


class _Fault:
    """One place at which PyYAML stopped. at: of that line, from 0."""

    def __init__(self, error: yaml.MarkedYAMLError, lines: list[str]) -> None:
        self._lines = lines
        self._context = error.context or ""
        self._problem = error.problem or ""
        self._began = error.context_mark.line if error.context_mark is not None else None
        mark = error.problem_mark or error.context_mark
        last = max(0, len(lines) - 1)
        self._at = 0 if mark is None else min(mark.line, last)
        self._column = 0 if mark is None else mark.column

    def found(self) -> tuple[int, str]:
        if "'\\t'" in self._problem:
            number = self._at + 1
            return number, f"line {number} has a tab, in column {self._column + 1}; indent with blanks, not tabs"
        if "quoted scalar" in self._context:
            return self._in_quotes()
        if "flow sequence" in self._context or "flow mapping" in self._context:
            return self._in_brackets()
        if "simple key" in self._context:
            return self._no_key(self._at if self._began is None else self._began)
        if "mapping values are not allowed" in self._problem:
            return self._second_colon()
        if "<block end>" in self._problem or "<document start>" in self._problem:
            return self._outside()
        if "another document" in self._problem:
            return self._here("begins a second document with ---; one is expected")
        if "chomping or indentation" in self._problem:
            return self._here(f"has more than | or > behind its key; {_QUOTES}")
        if "cannot start any token" in self._problem or "alias" in self._problem + self._context:
            return self._here(f"has a value that begins with a character of YAML's own; {_QUOTES}")
        if "anchor" in self._context or "node content" in self._problem:
            return self._here(f"has a value that begins with a character of YAML's own; {_QUOTES}")
        return self._here("cannot be read; look at quotes, brackets and indentation in it and in the line before")

    def _here(self, what: str) -> tuple[int, str]:
        return self._at + 1, f"line {self._at + 1} {what}"

    def _in_quotes(self) -> tuple[int, str]:
        if "escape character" in self._problem or "escape sequence" in self._problem:
            advice = "double each backslash, or put the value in single quotes, where a backslash is only itself"
            return self._here(f"has a backslash in double quotes that YAML takes for the beginning of a sign: {advice}")
        number = (self._at if self._began is None else self._began) + 1
        return number, f"the quote that opens in line {number} is not closed"

    def _in_brackets(self) -> tuple[int, str]:
        number = (self._at if self._began is None else self._began) + 1
        bracket = "[" if "sequence" in self._context else "{"
        stopped = f"; line {self._at + 1} does not go on with it" if self._at + 1 > number else ""
        return number, f"the {bracket} that opens in line {number} is not closed, or a comma is missing{stopped}"

    def _no_key(self, at: int) -> tuple[int, str]:
        """A line that is no key with its value, where one is expected."""
        number = at + 1
        if _GLUED_DASH.match(self._lines[at]):
            return number, f"line {number} lacks a blank behind its dash: an item is written `- value`"
        if _GLUED_COLON.match(self._lines[at]):
            return number, f"line {number} lacks a blank behind its colon: a key is written `key: value`"
        item = self._in_same_column(at)
        if item is not None:
            return number, _no_dash(number, item + 1)
        return number, f"line {number} has no colon behind a key, and no dash before an item of a list"

    def _second_colon(self) -> tuple[int, str]:
        before = self._before(self._at)
        line = self._lines[self._at]
        if before is not None and ":" not in line[: self._column]:
            # It is the first colon of its line: the value of the line before seems to go on.
            if not _KEY.match(self._lines[before]) or _GLUED_COLON.match(self._lines[before]):
                return self._no_key(before)
            if _indentation(line) > _indentation(self._lines[before]):
                return self._indented(before)
        return self._here(f"has a second colon with a blank behind it; {_QUOTES}")

    def _outside(self) -> tuple[int, str]:
        """A line that belongs to no block that is open."""
        before = self._before(self._at)
        line = self._lines[self._at]
        if "<scalar>" in self._problem or "'['" in self._problem or "'{'" in self._problem:
            return self._here(f"has a text behind the end of its value; {_QUOTES}, all of it")
        if before is None:
            return self._here(f"is not where a block of keys can begin: {_SAME_COLUMN}")
        if "block collection" in self._context and not _DASH.match(line) and self._began is not None:
            number, first = self._at + 1, self._began + 1
            if _indentation(line) == _indentation(self._lines[self._began]):
                return number, _no_dash(number, first)
        if _indentation(line) != _indentation(self._lines[before]):
            return self._indented(before)
        if _DASH.match(line):
            return self._here(f"begins with a dash, in the column of the keys before it: {_SAME_COLUMN}")
        return self._here(f"is not where it can belong to the block before it: {_SAME_COLUMN}")

    def _indented(self, before: int) -> tuple[int, str]:
        """The line is indented otherwise than the one before, and in a way that fits none of the blocks."""
        number, other = self._at + 1, before + 1
        here, there = _indentation(self._lines[self._at]), _indentation(self._lines[before])
        blanks = f"({here} {_blanks(here)}, and {there} there)"
        if here > there:
            has = "which has a value already" if _KEY.match(self._lines[before]) else "which opens no block"
            return number, f"line {number} is indented more than line {other} {blanks}, {has}: {_SAME_COLUMN}"
        said = f"line {number} is indented less than line {other} {blanks}"
        above = self._less_indented(before, here)
        if above is not None:
            said += f" and more than line {above + 1}, so that it belongs to neither"
        return number, f"{said}: {_SAME_COLUMN}"

    def _before(self, at: int) -> int | None:
        """The last line before that says something."""
        for index in range(at - 1, -1, -1):
            if self._lines[index].split("#", 1)[0].strip():
                return index
        return None

    def _less_indented(self, at: int, than: int) -> int | None:
        """The last line before that is indented by less than so many blanks."""
        found = self._before(at + 1)
        while found is not None and _indentation(self._lines[found]) >= than:
            found = self._before(found)
        return found

    def _in_same_column(self, at: int) -> int | None:
        """The last line before that begins an item of a list in the column in which this line begins."""
        here = _indentation(self._lines[at])
        found = self._before(at)
        while found is not None and _indentation(self._lines[found]) >= here:
            if _indentation(self._lines[found]) == here:
                return found if _DASH.match(self._lines[found]) else None
            found = self._before(found)
        return None


def _no_dash(number: int, first: int) -> str:
    return (
        f"line {number} has no dash, and line {first}, in the same column, has one: each item of a list begins with -"
    )


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _blanks(number: int) -> str:
    return "blank" if number == 1 else "blanks"
