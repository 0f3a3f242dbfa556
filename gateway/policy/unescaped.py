"""DNs as people type them into forms, with characters in them that should have been escaped: what they may mean.

Everything here is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.ldap.attribute_types import canonical_type, is_type
from gateway.ldap.dn import AVA, MAX_RDNS, RDN, DNError, parse

# RFC 4514 3: the types that everybody writes by their short names.
NAMING_TYPES = frozenset({"cn", "l", "st", "o", "ou", "c", "street", "dc", "uid"})

# RFC 4514 3, and `/`, which ADSI wants escaped in DNs.
_SPECIAL = frozenset(' "#+,;<=>\\/')
# What needs no backslash and may have got one all the same.
_NEEDLESS = frozenset("!$%&'()*-.:?@[]^_`{|}~")
_HEX_PAIR = re.compile(r"\\[0-9A-Fa-f]{2}")
_DOUBLED = re.compile(r"\\(?:\\|5[Cc])")
# Escapes of the characters that DNs (RFC 4514 2.4) and filters (RFC 4515 3) have to escape.
_CODE = "(?:00|2[0238-9A-Ca-c]|3[B-Eb-e]|5[Cc])"
_ESCAPED = re.compile(rf"\\{_CODE}")
_ESCAPED_TWICE = re.compile(rf'\\(?:\\|5[Cc])(?:{_CODE}|["#+;<=>])')
TYPE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")
_BLANKS: Final = re.compile(r" *+")
# Possessive, so that no blank is looked at twice.
_TYPE: Final = re.compile(r" *+(?P<type>[A-Za-z0-9.-]*+) *+=")
_SEPARATOR: Final = re.compile(r"[,;+] *+(?P<type>[A-Za-z0-9.-]++) *+=")


class Unescaped:
    """A text with its escapes resolved.

    characters: one each. mask: as long as these; the character where it was not escaped, so that it may be a separator,
    and NUL where it was. starts: where each character begins in the text, and at the end the length of the text.
    """

    __slots__ = ("_separators", "characters", "mask", "starts", "text")

    def __init__(self, text: str, *, needless: bool = False) -> None:
        """needless: a backslash before a character that needs none is dropped; otherwise it is a character itself."""
        self.text = text
        self.characters: list[str] = []
        self.starts: list[int] = []
        self._separators: dict[int, bool] | None = None
        mask: list[str] = []
        position = 0
        while position < len(text):
            character, end = _resolve(text, position, needless)
            self.characters.append(character)
            mask.append(character if end == position + 1 and character != "\\" else "\0")
            self.starts.append(position)
            position = end
        self.starts.append(len(text))
        self.mask = "".join(mask)

    def __len__(self) -> int:
        return len(self.characters)

    def skip_blanks(self, at: int) -> int:
        """Where the blanks end that begin here."""
        match = _BLANKS.match(self.mask, at)
        return at if match is None else match.end()

    def separators(self, types: frozenset[str]) -> dict[int, bool]:
        """Where a type and `=` follow a comma, a semicolon or a plus sign, in their order; and whether it is a type for
        certain. types: always the same ones."""
        if self._separators is None:
            self._separators = {
                match.start(): match[0][0] != "+" and _canonical(match["type"]) in types
                for match in _SEPARATOR.finditer(self.mask)
            }
        return self._separators

    def slice(self, start: int, end: int) -> str:
        return "".join(self.characters[start:end])


def _resolve(text: str, position: int, needless: bool) -> tuple[str, int]:
    """The character that begins here, and where the next one does."""
    if text[position] != "\\" or position + 1 == len(text):
        return text[position], position + 1
    found = _octets(text, position)
    if found is not None:
        return found
    following = text[position + 1]
    if following in _SPECIAL or (needless and following in _NEEDLESS):
        return following, position + 2
    return "\\", position + 1


def _octets(text: str, position: int) -> tuple[str, int] | None:
    """The character that hexadecimal pairs from here on spell in UTF-8; None where they do not."""
    pair = _HEX_PAIR.match(text, position)
    if pair is None:
        return None
    first = int(pair[0][1:], 16)
    # RFC 3629 3: the first octet tells how many there are.
    count = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    octets = bytearray((first,))
    position = pair.end()
    while len(octets) < count:
        pair = _HEX_PAIR.match(text, position)
        if pair is None:
            return None
        octets.append(int(pair[0][1:], 16))
        position = pair.end()
    try:
        return octets.decode("utf-8"), position
    except UnicodeDecodeError:
        return None


def halved(text: str) -> tuple[str, list[int]]:
    r"""The text before a form doubled its backslashes, as `\\` or as `\5c`; and where in the doubled text each of
    its characters begins, with the length of that at the end."""
    written: list[str] = []
    origins: list[int] = []
    done = 0
    for match in _DOUBLED.finditer(text):
        written.append(text[done : match.start()] + "\\")
        origins.extend(range(done, match.start() + 1))
        done = match.end()
    written.append(text[done:])
    origins.extend(range(done, len(text) + 1))
    return "".join(written), origins


def spellings(text: str) -> Iterator[tuple[Unescaped, list[int]]]:
    """The text unescaped in every way that makes a difference, four at most, the way of RFC 4514 first; each with
    the places in the text where its characters begin."""
    ways = {text: list(range(len(text) + 1))}
    before_doubling, origins = halved(text)
    ways.setdefault(before_doubling, origins)
    for spelling, places in ways.items():
        yield Unescaped(spelling), places
        if "\\" in spelling:
            yield Unescaped(spelling, needless=True), places


def looks_escaped_twice(dn: str) -> bool:
    return _ESCAPED_TWICE.search(dn) is not None


def looks_escaped(value: str) -> bool:
    """For values that are no DNs: these have no escapes of their own."""
    return _ESCAPED.search(value) is not None


class Readings:
    """What texts mean where they are split only before a type and `=`.

    types: canonical ones that after a comma or a semicolon are types for certain. What parts of the texts mean strictly
    is found once, however many texts share them.
    """

    __slots__ = ("_strict", "_types")

    def __init__(self, types: frozenset[str]) -> None:
        self._types = types
        self._strict: dict[str, AVA | None] = {}

    def read(self, typed: Unescaped) -> list[tuple[RDN, ...]]:
        """More than one reading, four at most, where it matters whether something that only looks like a type begins a
        new name, or whether quotes around quotes are part of a value. Empty where the text cannot be read."""
        plainly = _Reader(typed, self)
        readings = [plainly.read()]
        if plainly.doubtful:
            for everywhere, unquote in ((False, True), (True, False), (True, True)):
                readings.append(_Reader(typed, self, everywhere=everywhere, unquote=unquote).read())
        return list(dict.fromkeys(reading for reading in readings if reading is not None))

    def separators(self, typed: Unescaped) -> dict[int, bool]:
        return typed.separators(self._types)

    def strictly(self, text: str) -> AVA | None:
        """The one attribute type and value that a text is by RFC 4514; None where it is something else."""
        if text not in self._strict:
            self._strict[text] = _strict_ava(text)
        return self._strict[text]


def _strict_ava(text: str) -> AVA | None:
    try:
        strict = parse(text)
    except DNError:
        return None
    return strict.rdns[0][0] if len(strict.rdns) == 1 and len(strict.rdns[0]) == 1 else None


class _Reader:
    """The reader of a name that lacks its escapes.

    everywhere: what looks like a type is one, after a plus sign too. unquote: quotes around a value are not part of it,
    though there are others in it. doubtful: one of these makes a difference.
    """

    def __init__(
        self, typed: Unescaped, readings: Readings, *, everywhere: bool = False, unquote: bool = False
    ) -> None:
        self._typed = typed
        self._readings = readings
        self._everywhere = everywhere
        self._unquote = unquote
        self._separators = readings.separators(typed)
        self._places = list(self._separators)
        # Of the places, the first one that no value has passed.
        self._next = 0
        self.doubtful = False

    def read(self) -> tuple[RDN, ...] | None:
        typed = self._typed
        rdns: list[RDN] = []
        avas: list[AVA] = []
        at = 0
        while True:
            match = _TYPE.match(typed.mask, at)
            if match is None:
                return None
            first = typed.skip_blanks(match.end())
            closing = self._closing_quote(first)
            end = self._value_end(first if closing is None else closing + 1)
            ava = self._ava(match.start("type"), match["type"], first, end, closing is not None)
            if ava is None:
                return None
            avas.append(ava)
            at = end + 1
            if typed.mask[end : end + 1] != "+":
                rdns.append(tuple(avas))
                avas = []
            if end == len(typed):
                return tuple(rdns)
            if len(rdns) == MAX_RDNS:
                return None

    def _value_end(self, at: int) -> int:
        """The first separator from here on, or the end of the text."""
        while self._next < len(self._places):
            place = self._places[self._next]
            if place >= at and self._separates(place):
                return place
            self._next += 1
        return len(self._typed)

    def _closing_quote(self, first: int) -> int | None:
        """RFC 2253 4: a value in quotes, as LDAPv2 writes it. Anything else behind the second quote, and the quotes
        are part of the value."""
        typed = self._typed
        if typed.mask[first : first + 1] != '"':
            return None
        at = typed.mask.find('"', first + 1)
        if at < 0:
            return None
        behind = typed.skip_blanks(at + 1)
        return at if behind == len(typed) or self._separates(behind) else None

    def _separates(self, at: int) -> bool:
        certain = self._separators.get(at)
        if certain is None:
            return False
        if not certain:
            self.doubtful = True
        return certain or self._everywhere

    def _ava(self, start: int, kind: str, first: int, end: int, quoted: bool) -> AVA | None:
        """Strictly where that is possible: the rest of the text may be all that is wrong."""
        typed = self._typed
        strict = self._readings.strictly(typed.text[typed.starts[start] : typed.starts[end]])
        if strict is not None:
            return strict
        end = first + len(typed.mask[first:end].rstrip(" "))
        if not quoted and typed.mask[first : first + 1] == '"' == typed.mask[end - 1 : end]:
            self.doubtful = True
            quoted = self._unquote
        if quoted:
            first, end = first + 1, end - 1
        kind = _plain_type(kind)
        return AVA(kind, typed.slice(first, end)) if is_type(kind) and first < end else None


def _plain_type(written: str) -> str:
    return written[4:] if written[:4].upper() == "OID." else written


def _canonical(written: str) -> str:
    return canonical_type(_plain_type(written))
