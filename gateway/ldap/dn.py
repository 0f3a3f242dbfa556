"""Distinguished names (RFC 4514): parsed strictly, written canonically, compared on RDNs and never on text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

from gateway.ldap import ber
from gateway.ldap.attribute_types import canonical_type, is_type
from gateway.ldap.errors import DecodeError
from gateway.ldap.loose import loose_forms

MAX_CHARACTERS: Final = 8192
MAX_RDNS: Final = 100

# RFC 4514 2.4, and `=`: legal unescaped inside a value, but not every server (Samba) reads it.
_ESCAPED: Final = frozenset('"+,;<>\\=')
_SPECIAL: Final = frozenset('"+,;<>')
_HEX: Final = frozenset("0123456789abcdefABCDEF")
# OCTET STRING, UTF8String, PrintableString, IA5String: `#` forms of these are texts like any other.
_TEXT_TAGS: Final = frozenset({0x04, 0x0C, 0x13, 0x16})
# RFC 4514 3, in its spelling and by canonical type.
_SHORT_TYPES: Final = {short.lower(): short for short in ("CN", "L", "ST", "O", "OU", "C", "STREET", "DC", "UID")}
_SPACES: Final = re.compile(" +")
# Of a value: neither special nor a blank, which may be at its end.
_PLAIN: Final = re.compile(r'[^"+,;<>\\ ]++')
_NEEDS_ESCAPE: Final = re.compile(r'["+,;<>\\=\x00-\x1f\x7f]|\A[# ]| \Z')
_ESCAPE: Final = re.compile(r"\\.")


class DNError(ValueError):
    """Not a DN as RFC 4514 has it; the text says what is wrong and at which character."""


@dataclass(frozen=True, slots=True)
class HexValue:
    """A value written as `#hex` whose BER is not a text string."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class AVA:
    """One attributeTypeAndValue of an RDN (RFC 4514 2.3). type: as it was written."""

    type: str
    value: str | HexValue


RDN: TypeAlias = tuple[AVA, ...]
_RDNKey: TypeAlias = frozenset[tuple[str, str]]
Key: TypeAlias = tuple[_RDNKey, ...]
# The canonical type, and the loose forms of the value; none for a HexValue, which may be anything.
LooseAVA: TypeAlias = tuple[str, tuple[str, ...]]
LooseRDN: TypeAlias = tuple[LooseAVA, ...]


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class DN:
    """A distinguished name (RFC 4514). rdns: the leftmost first; none for the root."""

    rdns: Final[tuple[RDN, ...]]
    # What the two comparisons compare of each RDN, once it was needed: one name is compared with many.
    _keys: list[_RDNKey | None] = field(compare=False, repr=False)
    _loose: list[LooseRDN | None] = field(compare=False, repr=False)

    def __init__(self, rdns: tuple[RDN, ...]) -> None:
        self.rdns = rdns
        self._keys = [None] * len(rdns)
        self._loose = [None] * len(rdns)

    def __str__(self) -> str:
        return ",".join(["+".join([_write(ava) for ava in rdn]) for rdn in self.rdns])

    def parent(self) -> DN:
        """The DN above; the root's is the root."""
        return DN(self.rdns[1:])

    def same(self, other: DN) -> bool:
        """Strict comparison: types by any of their names, values without regard to case and to insignificant
        spaces (RFC 4518 2.6.1), in any order within an RDN. No Unicode normalisation: servers differ there."""
        return len(self.rdns) == len(other.rdns) and self.is_inside(other)

    def is_inside(self, base: DN) -> bool:
        """Strictly equal to base, or below it."""
        above = len(self.rdns) - len(base.rdns)
        if above < 0:
            return False
        for at in range(len(base.rdns)):
            if self.rdns[above + at] != base.rdns[at] and self.key_at(above + at) != base.key_at(at):
                return False
        return True

    def key_at(self, at: int) -> _RDNKey:
        """Equal for RDNs that are the same by strict comparison."""
        found = self._keys[at]
        if found is None:
            found = self._keys[at] = rdn_key(self.rdns[at])
        return found

    def is_inside_loosely(self, base: DN) -> bool:
        """Whether any server might take this name for base or something below it (gateway/ldap/loose.py). It is for
        whatever guards, and never for what permits. Of an RDN with several values those count that base has as well.
        """
        above = len(self.rdns) - len(base.rdns)
        if above < 0:
            return False
        for at in range(len(base.rdns)):
            mine = self.loose_at(above + at)
            for wanted in base.loose_at(at):
                if not any(_may_be(ava, wanted) for ava in mine):
                    return False
        return True

    def same_loosely(self, other: DN) -> bool:
        """Whether any server might take this name for the other one; otherwise as is_inside_loosely."""
        return len(self.rdns) == len(other.rdns) and self.is_inside_loosely(other)

    def loose_at(self, at: int) -> LooseRDN:
        found = self._loose[at]
        if found is None:
            found = self._loose[at] = tuple([_loose_ava(ava) for ava in self.rdns[at]])
        return found

    def rebase(self, base: DN) -> DN:
        """This DN with base's own spelling where it is inside base. Raises ValueError elsewhere."""
        if not self.is_inside(base):
            raise ValueError("not inside the base")
        return DN(self.rdns[: len(self.rdns) - len(base.rdns)] + base.rdns)


def key(dn: DN) -> Key:
    """Equal for names that are the same by strict comparison."""
    return tuple([dn.key_at(at) for at in range(len(dn.rdns))])


def rdn_key(rdn: RDN) -> _RDNKey:
    return frozenset([(canonical_type(ava.type), _value_key(ava.value)) for ava in rdn])


def _value_key(value: str | HexValue) -> str:
    if isinstance(value, HexValue):
        # No text can begin like this: a NUL is refused when parsing.
        return "\0" + value.octets.hex()
    return _SPACES.sub(" ", value.strip(" ").lower())


def _loose_ava(ava: AVA) -> LooseAVA:
    value = ava.value
    return canonical_type(ava.type), () if isinstance(value, HexValue) else loose_forms(value)


def _may_be(ava: LooseAVA, wanted: LooseAVA) -> bool:
    if ava[0] != wanted[0] and not ava[0][0].isdigit() and not wanted[0][0].isdigit():
        # An OID that the table does not know may be another name of the same type.
        return False
    mine, its = ava[1], wanted[1]
    return not mine or not its or any(form in its for form in mine)


def _write(ava: AVA) -> str:
    if isinstance(ava.value, HexValue):
        return f"{_written_type(ava.type)}=#{ava.value.octets.hex()}"
    return f"{_written_type(ava.type)}={escape_value(ava.value)}"


def _written_type(name: str) -> str:
    """The short name of RFC 4514 3 for a long one or an OID of it, which not every server (Samba) reads in a DN;
    anything else as it is."""
    lowered = name.lower()
    return name if lowered in _SHORT_TYPES else _SHORT_TYPES.get(canonical_type(lowered), name)


def escape_value(value: str) -> str:
    """One attribute value as RFC 4514 2.4 writes it."""
    if _NEEDS_ESCAPE.search(value) is None:
        return value
    written: list[str] = []
    last = len(value) - 1
    for i, character in enumerate(value):
        if character in _ESCAPED or (i == 0 and character == "#") or (character == " " and i in (0, last)):
            written.append("\\" + character)
        elif ord(character) < 0x20 or ord(character) == 0x7F:
            written.append(f"\\{ord(character):02x}")
        else:
            written.append(character)
    return "".join(written)


def portable(dn: DN) -> str:
    """The DN with a hexadecimal pair for every character that RFC 4514 2.4 escapes, so that it has none in it that a
    form or a program may take for its own."""
    return ",".join(["+".join([_write_portably(ava) for ava in rdn]) for rdn in dn.rdns])


def _write_portably(ava: AVA) -> str:
    if isinstance(ava.value, HexValue):
        return _write(ava)
    return f"{_written_type(ava.type)}={_ESCAPE.sub(_hex_pair, escape_value(ava.value))}"


def with_hex_pairs(dn: DN) -> str:
    """The DN with hexadecimal pairs for every character beyond ASCII, so that characters that look alike do not."""
    return "".join(
        [character if character.isascii() else _hex_pairs(character.encode("utf-8")) for character in str(dn)]
    )


def _hex_pairs(octets: bytes) -> str:
    return "".join([f"\\{octet:02x}" for octet in octets])


def _hex_pair(match: re.Match[str]) -> str:
    return match[0] if match[0][1] in _HEX else f"\\{ord(match[0][1]):02X}"


def parse(text: str) -> DN:
    """Parses RFC 4514, with blanks permitted around `,`, `+` and `=`.

    Raises DNError, also for NULs in any form and for AD's `<GUID=`, `<SID=` and `<WKGUID=` names.
    """
    if len(text) > MAX_CHARACTERS:
        raise DNError(f"DN of more than {MAX_CHARACTERS} characters")
    if "\0" in text:
        raise DNError(f"NUL at character {text.index(chr(0)) + 1}")
    if text.lstrip(" ").startswith("<"):
        raise DNError("names like <GUID=...>, <SID=...> and <WKGUID=...> are not DNs here")
    if not text:
        return DN(())
    return _Parser(text).parse()


def has_hex_value(text: str) -> bool:
    """Whether a value of the DN is written as `#hex`, be it a text or not. Raises DNError as parse."""
    if "#" not in text:
        return False
    parser = _Parser(text)
    parser.parse()
    return parser.found_hex


class _Parser:
    """The parser of one DN. found_hex: whether a value written as `#hex` has come."""

    __slots__ = ("found_hex", "pos", "text")

    def __init__(self, text: str) -> None:
        self.text: str = text
        self.pos: int = 0
        self.found_hex: bool = False

    def parse(self) -> DN:
        rdns: list[RDN] = []
        avas: list[AVA] = []
        while True:
            avas.append(self._ava())
            at_end = self.pos >= len(self.text)
            separator = "" if at_end else self.text[self.pos]
            self.pos += 1
            if separator == "+":
                continue
            rdn = tuple(avas)
            if len(rdn) > 1 and len(rdn_key(rdn)) != len(rdn):
                raise self._error("the same type and value twice in one RDN")
            rdns.append(rdn)
            if len(rdns) > MAX_RDNS:
                raise self._error(f"more than {MAX_RDNS} RDNs")
            if at_end:
                return DN(tuple(rdns))
            avas = []

    def _error(self, what: str) -> DNError:
        return DNError(f"{what} (at character {min(self.pos, len(self.text)) + 1})")

    def _skip_blanks(self) -> None:
        while self.pos < len(self.text) and self.text[self.pos] == " ":
            self.pos += 1

    def _ava(self) -> AVA:
        self._skip_blanks()
        start = self.pos
        while self.pos < len(self.text) and self.text[self.pos] not in '=,+;"\\<> ':
            self.pos += 1
        kind = self.text[start : self.pos]
        if kind[:4].upper() == "OID.":
            kind = kind[4:]
        if not is_type(kind):
            raise self._error("an attribute type is expected; an unescaped comma in the name before it?")
        self._skip_blanks()
        if self.pos >= len(self.text) or self.text[self.pos] != "=":
            raise self._error('"=" is expected; an unescaped special character in a name before it?')
        self.pos += 1
        self._skip_blanks()
        if self.pos < len(self.text) and self.text[self.pos] == "#":
            return AVA(kind, self._hex_value())
        return AVA(kind, self._text_value())

    def _hex_value(self) -> str | HexValue:
        self.found_hex = True
        self.pos += 1
        start = self.pos
        while self.pos < len(self.text) and self.text[self.pos] in _HEX:
            self.pos += 1
        digits = self.text[start : self.pos]
        self._skip_blanks()
        if not digits or len(digits) % 2 or (self.pos < len(self.text) and self.text[self.pos] not in ",+"):
            raise self._error("after # an even number of hexadecimal digits is expected; escape a leading # as \\#")
        octets = bytes.fromhex(digits)
        try:
            tag, first, end = ber.read_header(octets, 0, len(octets))
        except DecodeError:
            raise self._error("the value after # is not BER") from None
        if end != len(octets):
            raise self._error("the value after # is not one BER element")
        if tag not in _TEXT_TAGS:
            return HexValue(octets)
        return self._checked_text(octets[first:end])

    def _text_value(self) -> str:
        """Octets first, text afterwards: `\\c3\\a9` is one character."""
        octets = bytearray()
        text = self.text
        # How much of it survives the removal of unescaped blanks at the end.
        kept = 0
        while self.pos < len(text):
            plain = _PLAIN.match(text, self.pos)
            if plain is not None:
                octets += self._octets(plain[0])
                self.pos = plain.end()
                kept = len(octets)
                continue
            character = text[self.pos]
            if character in ",+":
                break
            if character in _SPECIAL:
                raise self._error(f"unescaped {character}: write \\{character}")
            self.pos += 1
            if character == "\\":
                octets += self._escape()
                kept = len(octets)
            else:
                # Blanks are all that is neither plain nor special.
                octets += b" "
        return self._checked_text(bytes(octets[:kept]))

    def _octets(self, plain: str) -> bytes:
        try:
            return plain.encode("utf-8")
        except UnicodeEncodeError as error:
            self.pos += error.start + 1
        raise self._error("half a surrogate pair")

    def _escape(self) -> bytes:
        text = self.text
        if self.pos >= len(text):
            raise self._error("a backslash at the end")
        first = text[self.pos]
        if first in _HEX:
            pair = text[self.pos : self.pos + 2]
            if len(pair) < 2 or pair[1] not in _HEX:
                raise self._error("a backslash before one hexadecimal digit; two are expected")
            self.pos += 2
            return bytes.fromhex(pair)
        if first in ' "#+,;<=>\\':
            self.pos += 1
            return first.encode("ascii")
        raise self._error("a backslash before a character that needs none; a backslash itself is \\\\")

    def _checked_text(self, octets: bytes) -> str:
        if not octets:
            raise self._error("an empty value")
        try:
            value = octets.decode("utf-8")
        except UnicodeDecodeError:
            value = ""
        if not value:
            raise self._error("a value that is not UTF-8")
        if "\0" in value:
            raise self._error("NUL in a value")
        return value
