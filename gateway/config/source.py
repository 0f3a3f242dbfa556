"""YAML with positions: PyYAML's nodes, so that every problem can name its line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from gateway.config.problems import ConfigurationError, Problem
from gateway.config.yaml_faults import yaml_fault
from gateway.host.file_errors import unreadable

MAX_OCTETS = 1024 * 1024

Location: TypeAlias = tuple[str | int, ...]


# As everybody reads it. YAML 1.1 has octal, hexadecimal and binary numbers too, and such to the base of 60.
_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9_]*|[0-9]*\.[0-9]*([eE][-+]?[0-9]+)?|\.(inf|nan))", re.IGNORECASE)


# The characters that double quotes can bring into a text by an escape, and that no file, server or output takes.
_IN_NO_TEXT: Final = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Misread:
    """What YAML takes for another thing than people do: 2001:10:20:30:40:50:10:20 for a number to the base of 60, 010
    for 8, 2001-10-20 for a date. No key accepts it. text: as it is written. reading: what YAML takes it for, in words.
    """

    text: str
    reading: str


class Source:
    """A read file: data as plain values, and the line of every key and item."""

    def __init__(
        self,
        file: str,
        data: Any,
        lines: dict[Location, int],
        unquoted: dict[Location, Misread] | None = None,
        continued: dict[Location, int] | None = None,
    ) -> None:
        """unquoted: each value that YAML took for something else than a text. continued: the last line of each text
        without quotes that has several."""
        self.file = file
        self.data = data
        self._lines = lines
        self._unquoted = unquoted or {}
        self._continued = continued or {}

    def unquoted(self, location: Location) -> Misread | None:
        """How the value is written, and what YAML takes it for; None where it is a text or no single value."""
        return self._unquoted.get(location)

    def line(self, location: Location) -> int:
        """The line of a location, or of the nearest thing around it that exists."""
        while location and location not in self._lines:
            location = location[:-1]
        return self._lines.get(location, 1)

    def problem(self, location: Location, message: str) -> Problem:
        last = self._continued.get(location)
        if last is not None:
            # Seldom meant: the next item or key is indented too far.
            message += f"; YAML takes the lines up to {last} for one text: is a dash or a colon missing in them?"
        return Problem(self.file, self.line(location), ".".join(str(part) for part in location), message)


def read_source(path: Path) -> Source:
    """Raises ConfigurationError."""
    file = str(path)
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ConfigurationError([Problem(file, 0, "", unreadable(path, error))]) from None
    if len(octets) > MAX_OCTETS:
        raise ConfigurationError([Problem(file, 0, "", f"larger than {MAX_OCTETS} octets")])
    node = _composed(file, octets)
    if node is None:
        raise ConfigurationError([Problem(file, 0, "", "is empty")])
    reader = _NodeReader(file)
    data = reader.read(node, ())
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return Source(file, data, reader.lines, reader.unquoted, reader.continued)


def _composed(file: str, octets: bytes) -> yaml.Node | None:
    """The root of the document. Raises ConfigurationError."""
    line, said = 0, "nesting that is too deep"
    try:
        text = octets.decode("utf-8")
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = octets[: error.start].count(b"\n") + 1
        raise ConfigurationError([Problem(file, line, "", "is not UTF-8")]) from None
    except yaml.MarkedYAMLError as error:
        line, said = yaml_fault(error, text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        said = f"line {line} has the character U+{ord(text[error.position]):04X}, which YAML forbids; take it out"
    except RecursionError:
        pass
    raise ConfigurationError([Problem(file, line, "", f"not YAML: {said}")])


def _reading(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"the number {value}" if isinstance(value, int | float) else "a date or other data"


class _NodeReader:
    def __init__(self, file: str) -> None:
        self.lines: dict[Location, int] = {}
        self.unquoted: dict[Location, Misread] = {}
        self.continued: dict[Location, int] = {}
        self.problems: list[Problem] = []
        self._file = file
        self._seen: set[int] = set()
        self._scalars = yaml.SafeLoader("")

    def read(self, node: yaml.Node, location: Location) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(location, line)
        if id(node) in self._seen:
            # An alias: a few of them can stand for more than any memory holds.
            self._add(line, location, "YAML aliases (*name) are not accepted here; write the value out")
            return None
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*location, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.style is None and node.end_mark.line > node.start_mark.line:
            self.continued[location] = node.end_mark.line + 1
        try:
            value = self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._add(line, location, "a value that YAML cannot read; put it in double quotes")
            return None
        if isinstance(value, str):
            return self._text(value, line, location)
        return self._not_text(value, str(node.value), location)

    def _text(self, text: str, line: int, location: Location) -> str:
        found = _IN_NO_TEXT.search(text)
        if found is None:
            return text
        said = f"it has the character U+{ord(found[0]):04X}, which no name or file can have; take its escape out"
        self._add(line, location, said)
        return ""

    def _not_text(self, value: Any, text: str, location: Location) -> Any:
        self.unquoted[location] = unquoted = Misread(text, _reading(value))
        if value is None or isinstance(value, bool):
            return value
        is_number = isinstance(value, int | float) and _DECIMAL.fullmatch(text) is not None
        return value if is_number else unquoted

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._add(line, location, "a key must be a single word")
                continue
            key = self._text(str(key_node.value), line, location)
            if key in found:
                self._add(line, (*location, key), "the same key twice")
                continue
            self.lines[(*location, key)] = line
            found[key] = self.read(value_node, (*location, key))
        return found

    def _add(self, line: int, location: Location, message: str) -> None:
        self.problems.append(Problem(self._file, line, ".".join(str(part) for part in location), message))
