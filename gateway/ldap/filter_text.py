"""Search filters as text (RFC 4515), with the empty AND and OR of RFC 4526."""

from __future__ import annotations

from typing import Final

from gateway.ldap.attribute_types import is_type, split_description
from gateway.ldap.filters import (
    And,
    ApproxMatch,
    EqualityMatch,
    ExtensibleMatch,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)

MAX_DEPTH: Final = 50
_HEX: Final = frozenset("0123456789abcdefABCDEF")


class FilterTextError(ValueError):
    """Not a filter as RFC 4515 has it; the text says what is wrong and at which character."""


def parse_filter(text: str, depth: int = MAX_DEPTH) -> Filter:
    """Raises FilterTextError. depth: nested filters, the outermost is 1."""
    parser = _Parser(text, depth)
    parsed = parser.filter(1)
    if parser.pos != len(text):
        raise parser.error("nothing more is expected")
    return parsed


class _Parser:
    __slots__ = ("depth", "pos", "text")

    def __init__(self, text: str, depth: int) -> None:
        self.depth: int = depth
        self.text: str = text
        self.pos: int = 0

    def error(self, what: str) -> FilterTextError:
        return FilterTextError(f"{what} (at character {self.pos + 1})")

    def _peek(self) -> str:
        return self.text[self.pos] if self.pos < len(self.text) else ""

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise self.error(f'"{character}" is expected')
        self.pos += 1

    def filter(self, depth: int) -> Filter:
        if depth > self.depth:
            raise self.error(f"nested more than {self.depth} deep")
        self._expect("(")
        first = self._peek()
        parsed: Filter
        if first == "&":
            self.pos += 1
            parsed = And(self._list(depth))
        elif first == "|":
            self.pos += 1
            parsed = Or(self._list(depth))
        elif first == "!":
            self.pos += 1
            parsed = Not(self.filter(depth + 1))
        else:
            parsed = self._item()
        self._expect(")")
        return parsed

    def _list(self, depth: int) -> tuple[Filter, ...]:
        found: list[Filter] = []
        while self._peek() == "(":
            found.append(self.filter(depth + 1))
        return tuple(found)

    def _item(self) -> Filter:
        equals = self.text.find("=", self.pos)
        if equals < 0:
            raise self.error('"=" is expected')
        left = self.text[self.pos : equals]
        kind = left[-1:]
        if kind == ":":
            return self._extensible(left[:-1], equals)
        if kind in ("~", ">", "<"):
            attribute = self._attribute(left[:-1])
            self.pos = equals + 1
            value = self._value()
            if kind == "~":
                return ApproxMatch(attribute, value)
            return GreaterOrEqual(attribute, value) if kind == ">" else LessOrEqual(attribute, value)
        attribute = self._attribute(left)
        self.pos = equals + 1
        parts = [self._value()]
        while self._peek() == "*":
            self.pos += 1
            parts.append(self._value())
        if len(parts) == 1:
            return EqualityMatch(attribute, parts[0])
        if parts == [b"", b""]:
            return Present(attribute)
        if any(not part for part in parts[1:-1]):
            raise self.error("two asterisks side by side")
        return Substrings(attribute, parts[0] or None, tuple(parts[1:-1]), parts[-1] or None)

    def _attribute(self, text: str) -> str:
        if split_description(text) is None:
            raise self.error("an attribute description is expected")
        return text

    def _extensible(self, left: str, equals: int) -> ExtensibleMatch:
        parts = left.split(":")
        attribute = self._attribute(parts[0]) if parts[0] else None
        rest = parts[1:]
        dn_attributes = bool(rest) and rest[0].lower() == "dn"
        if dn_attributes:
            rest = rest[1:]
        if len(rest) > 1 or (rest and not is_type(rest[0])):
            raise self.error("a matching rule is expected")
        rule = rest[0] if rest else None
        if rule is None and attribute is None:
            raise self.error("neither attribute nor matching rule")
        self.pos = equals + 1
        return ExtensibleMatch(rule, attribute, self._value(), dn_attributes)

    def _value(self) -> bytes:
        octets = bytearray()
        while self.pos < len(self.text):
            character = self.text[self.pos]
            if character in ")*":
                break
            if character in "(\0":
                raise self.error("an unescaped parenthesis or NUL in a value")
            self.pos += 1
            if character != "\\":
                octets += character.encode("utf-8", "surrogateescape")
                continue
            pair = self.text[self.pos : self.pos + 2]
            if len(pair) < 2 or pair[0] not in _HEX or pair[1] not in _HEX:
                raise self.error("two hexadecimal digits are expected after a backslash")
            octets += bytes.fromhex(pair)
            self.pos += 2
        return bytes(octets)


def filter_text(value: Filter, values: bool = True) -> str:
    """The canonical text. values: False writes `?` for each value, so that logs tell the shape and no more."""
    if isinstance(value, And):
        return "(&" + "".join([filter_text(f, values) for f in value.filters]) + ")"
    if isinstance(value, Or):
        return "(|" + "".join([filter_text(f, values) for f in value.filters]) + ")"
    if isinstance(value, Not):
        return "(!" + filter_text(value.filter, values) + ")"
    if isinstance(value, Present):
        return f"({value.attribute}=*)"
    if isinstance(value, EqualityMatch):
        return f"({value.attribute}={_escape(value.value, values)})"
    if isinstance(value, GreaterOrEqual):
        return f"({value.attribute}>={_escape(value.value, values)})"
    if isinstance(value, LessOrEqual):
        return f"({value.attribute}<={_escape(value.value, values)})"
    if isinstance(value, ApproxMatch):
        return f"({value.attribute}~={_escape(value.value, values)})"
    if isinstance(value, Substrings):
        parts = [value.initial, *value.any, value.final]
        texts = ["" if part is None else _escape(part, values) for part in parts]
        return f"({value.attribute}={'*'.join(texts)})"
    left = value.attribute or ""
    if value.dn_attributes:
        left += ":dn"
    if value.rule is not None:
        left += ":" + value.rule
    return f"({left}:={_escape(value.value, values)})"


def _escape(value: bytes, shown: bool) -> str:
    if not shown:
        return "?"
    written: list[str] = []
    # Octets that are not UTF-8 come out of the decoder as lone surrogates.
    for character in value.decode("utf-8", "surrogateescape"):
        code = ord(character)
        if 0xDC80 <= code <= 0xDCFF:
            written.append(f"\\{code - 0xDC00:02x}")
        elif code < 0x20 or code == 0x7F or character in "*()\\":
            written.append(f"\\{code:02x}")
        else:
            written.append(character)
    return "".join(written)
