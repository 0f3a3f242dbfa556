"""DNs as people type them into forms, with characters in them that should have been escaped: what they may mean.

Everything here is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

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


class Unescaped:
    """A text with its escapes resolved.

    characters: one each. bare: it was not escaped, so it may be a separator. starts: where it begins in the text,
    and at the end the length of the text.
    """

    __slots__ = ("bare", "characters", "starts", "text")

    def __init__(self, text: str, *, needless: bool = False) -> None:
        """needless: a backslash before a character that needs none is dropped; otherwise it is a character itself."""
        self.text = text
        self.characters: list[str] = []
        self.bare: list[bool] = []
        self.starts: list[int] = []
        position = 0
        while position < len(text):
            character, end = _resolve(text, position, needless)
            self.characters.append(character)
            self.bare.append(end == position + 1 and character != "\\")
            self.starts.append(position)
            position = end
        self.starts.append(len(text))

    def __len__(self) -> int:
        return len(self.characters)

    def is_bare(self, at: int, wanted: Container[str]) -> bool:
        """Whether the character at this place is one of those wanted, and was not escaped."""
        return 0 <= at < len(self.characters) and self.bare[at] and self.characters[at] in wanted

    def skip_blanks(self, at: int) -> int:
        while self.is_bare(at, " "):
            at += 1
        return at

    def skip_type(self, at: int) -> int:
        while self.is_bare(at, TYPE_CHARACTERS):
            at += 1
        return at

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


def read(typed: Unescaped, types: frozenset[str]) -> list[tuple[RDN, ...]]:
    """What the text means where it is split only before a type and `=`. More than one reading, four at most, where
    it matters whether something that only looks like a type begins a new name, or whether quotes around quotes
    are part of a value. Empty where it cannot be read.

    types: canonical ones that after a comma or a semicolon are types for certain.
    """
    plainly = _Reader(typed, types)
    readings = [plainly.read()]
    if plainly.doubtful:
        for everywhere, unquote in ((False, True), (True, False), (True, True)):
            readings.append(_Reader(typed, types, everywhere=everywhere, unquote=unquote).read())
    return list(dict.fromkeys(reading for reading in readings if reading is not None))


class _Reader:
    """everywhere: what looks like a type is one, after a plus sign too. unquote: quotes around a value are not part
    of it, though there are others in it. doubtful: one of these makes a difference."""

    def __init__(
        self, typed: Unescaped, types: frozenset[str], *, everywhere: bool = False, unquote: bool = False
    ) -> None:
        self._typed = typed
        self._types = types
        self._everywhere = everywhere
        self._unquote = unquote
        self.doubtful = False

    def read(self) -> tuple[RDN, ...] | None:
        typed = self._typed
        rdns: list[RDN] = []
        avas: list[AVA] = []
        at = 0
        while True:
            start = typed.skip_blanks(at)
            equals = typed.skip_blanks(typed.skip_type(start))
            if not typed.is_bare(equals, "="):
                return None
            first = typed.skip_blanks(equals + 1)
            end = self._value_end(first)
            ava = self._ava(start, first, end)
            if ava is None:
                return None
            avas.append(ava)
            at = end + 1
            if not typed.is_bare(end, "+"):
                rdns.append(tuple(avas))
                avas = []
            if end == len(typed):
                return tuple(rdns)
            if len(rdns) == MAX_RDNS:
                return None

    def _value_end(self, first: int) -> int:
        """The separator behind the value that begins here, or the end of the text."""
        closing = self._closing_quote(first)
        at = first if closing is None else closing + 1
        while at < len(self._typed) and not self._separates(at):
            at += 1
        return at

    def _closing_quote(self, first: int) -> int | None:
        """RFC 2253 4: a value in quotes, as LDAPv2 writes it. Anything else behind the second quote, and the quotes
        are part of the value."""
        typed = self._typed
        if not typed.is_bare(first, '"'):
            return None
        at = first + 1
        while at < len(typed) and not typed.is_bare(at, '"'):
            at += 1
        behind = typed.skip_blanks(at + 1)
        return at if at < len(typed) and (behind == len(typed) or self._separates(behind)) else None

    def _separates(self, at: int) -> bool:
        typed = self._typed
        if not typed.is_bare(at, ",;+"):
            return False
        start = typed.skip_blanks(at + 1)
        end = typed.skip_type(start)
        if start == end or not typed.is_bare(typed.skip_blanks(end), "="):
            return False
        if typed.characters[at] != "+" and _canonical(typed.slice(start, end)) in self._types:
            return True
        self.doubtful = True
        return self._everywhere

    def _ava(self, start: int, first: int, end: int) -> AVA | None:
        """Strictly where that is possible: the rest of the text may be all that is wrong."""
        typed = self._typed
        try:
            strict = parse(typed.text[typed.starts[start] : typed.starts[end]])
        except DNError:
            pass
        else:
            if len(strict.rdns) == 1 and len(strict.rdns[0]) == 1:
                return strict.rdns[0][0]
        kind = _plain_type(typed.slice(start, typed.skip_type(start)))
        while typed.is_bare(end - 1, " ") and end > first:
            end -= 1
        quoted = self._closing_quote(first) is not None
        if not quoted and typed.is_bare(first, '"') and typed.is_bare(end - 1, '"'):
            self.doubtful = True
            quoted = self._unquote
        if quoted:
            first, end = first + 1, end - 1
        return AVA(kind, typed.slice(first, end)) if is_type(kind) and first < end else None


def _plain_type(written: str) -> str:
    return written[4:] if written[:4].upper() == "OID." else written


def _canonical(written: str) -> str:
    return canonical_type(_plain_type(written))
