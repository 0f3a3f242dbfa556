"""The loose form of a value in a name: equal for all spellings that any server might take for the same value.

It serves whatever guards (counts of wrong passwords, exclusions, accounts that nobody may use from outside) and never
what permits: there a name that only looks alike must not pass. A guard may be too careful, so the loose form unites
more than any one server does:

- OpenLDAP compares values after NFKD, without regard to case and to runs of blanks (its UTF8StringNormalize).
- Samba compares them in upper case, character by character, without regard to runs of blanks (its ldb_handler_fold).
- Active Directory compares sort keys without case, kana type, width and nonspacing marks (MS-ADTS 6.5.1, MS-UCODEREF).
  There a letter with a stroke, a digit of another script, and a character in brackets or a circle is a variant of a
  plain one, a ligature is its letters, and what its tables do not know counts for nothing.

A few characters mean one thing to Active Directory and another one to the others: a Roman numeral is a number there and
letters here. A value with such characters has two loose forms, and is what either of them is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

# Characters of a loose form. The rest is cut off, so that longer values count as equal where they begin alike.
LONGEST: Final = 1024
# Characters that are folded at once; U+FDFA alone becomes 18.
_PIECE: Final = 1024
# Characters whose form is remembered, for each of the two forms. When it is one more, all are forgotten.
REMEMBERED: Final = 20_000
# Forms of one character are formed once more until nothing changes. Two rounds are enough for all of Unicode.
_MOST_ROUNDS: Final = 8

# Latin letters whose names in Unicode do not say of which letters of ASCII they are variants.
_NAMED_LETTERS: Final = {
    "ALPHA": "a", "BETA": "b", "CHI": "x", "DELTA": "d", "ENG": "n", "ESH": "s", "ETH": "d", "EZH": "z", "GAMMA": "g",
    "GHA": "g", "HENG": "h", "HWAIR": "hv", "IOTA": "i", "KRA": "k", "LAMBDA": "l", "OMEGA": "o", "PHI": "f",
    "SCHWA": "e", "SHARP": "ss", "THORN": "th", "UPSILON": "u", "VEND": "v", "WYNN": "w", "YOGH": "y", "YR": "r",
}  # fmt: skip
# LATIN SMALL LETTER TURNED A WITH STROKE, NEGATIVE CIRCLED LATIN CAPITAL LETTER A, REGIONAL INDICATOR SYMBOL LETTER A
_LATIN: Final = re.compile(r"(?:\bLATIN\b|\bSYMBOL LETTER\b)(?P<words>.*?)(?: WITH(?:OUT)? .*)?\Z")
# What sets a letter of any script apart from one that is its equal in some server's tables.
_VARIANT: Final = re.compile(r" WITH .*\Z|\bFINAL |\bSMALL |\bCAPITAL ")

_KANA: Final = re.compile(r"KATAKANA LETTER (?P<letter>.*)\Z")
# They stand for the character before them, or for its vowel; see MS-UCODEREF on extra weights of kana.
_REPEATS: Final = "\u3005\u309d\u30fd"
_LENGTHENS: Final = "\u30fc"
_VOWELS: Final = {"A": "\u3042", "I": "\u3044", "U": "\u3046", "E": "\u3048", "O": "\u304a"}

# The characters that have a weight of their own in every version of Active Directory's tables, beside ASCII and after
# folding. Newer tables have more of them: the oldest ones are those that a careful guard goes by.
_SORTED: Final = (
    (0x03B1, 0x03C9), (0x0430, 0x045F), (0x0561, 0x0586), (0x05D0, 0x05F2), (0x0621, 0x06D5), (0x0710, 0x072C),
    (0x0780, 0x07A5), (0x0905, 0x0EDF), (0x10D0, 0x10FF), (0x1100, 0x11FF), (0x3041, 0x3096), (0x3105, 0x312C),
    (0x4E00, 0x9FA5),
)  # fmt: skip
_IN_BRACKETS: Final = re.compile(r"\(?(?P<inner>[^()]+?)[.)]?\Z")
# A ligature that counts for nothing in its tables.
_UNSORTED: Final = "\ufdf2"


class _Forms:
    """What becomes of each character, found as characters come. find: of one character."""

    def __init__(self, find: Callable[[str], str]) -> None:
        self._find = find
        self._known: dict[int, str] = {}

    def of(self, text: str) -> str:
        codes = set(map(ord, text))
        new = codes.difference(self._known)
        if new:
            if len(self._known) + len(new) > REMEMBERED:
                self._known.clear()
                new = codes
            for code in new:
                self._known[code] = self._find(chr(code))
        return text.translate(self._known)


def _form(character: str) -> str:
    """The form that OpenLDAP and Samba give a character, and Active Directory where that is no contradiction."""
    text = _syllable(character)
    for _ in range(_MOST_ROUNDS):
        before = text
        text = "".join([_part(part) for part in unicodedata.normalize("NFKD", text)])
        if text == before:
            break
    return text


def _syllable(character: str) -> str:
    """OpenLDAP reckons all up to U+D7FF among the syllables of Hangul, which end at U+D7A3 (Unicode 3.12)."""
    number = ord(character) - 0xAC00
    if not 0xD7A4 - 0xAC00 <= number <= 0xD7FF - 0xAC00:
        return character
    parts = (0x1100 + number // 588, 0x1161 + number % 588 // 28, 0x11A7 + number % 28)
    return "".join([chr(part) for part in parts if part != 0x11A7])


def _part(character: str) -> str:
    """The form of a character that has no decomposition."""
    if character.isascii():
        return character.lower() if "!" <= character <= "~" else ""
    if character in _REPEATS or character in _LENGTHENS:
        return character
    folded = character.casefold()
    if folded != character:
        return folded
    category = unicodedata.category(character)
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    name = unicodedata.name(character, "")
    latin = _latin(name)
    if latin:
        return latin
    if category[0] not in "LN" or category == "Lm" or "FILLER" in name:
        # Marks, blanks, controls, symbols, what has no meaning (yet), and letters that modify another one.
        return ""
    number = unicodedata.numeric(character, -1.0)
    if category[0] == "N" and number.is_integer() and number >= 0:
        return str(int(number))
    # A dotless i, for one, is an I in upper case.
    upper = character.upper().casefold()
    return upper if upper != character else _plainest(character, name)


def _latin(name: str) -> str:
    """The letters of ASCII of which the Latin letter of this name is a variant; "" where there are none."""
    match = _LATIN.search(name)
    if match is None:
        return ""
    words = match["words"].replace("-", " ").split()
    for word in words:
        if word in _NAMED_LETTERS:
            return _NAMED_LETTERS[word]
    for word in words:
        if len(word) <= 2:
            return word.lower()
    return ""


def _plainest(character: str, name: str) -> str:
    """The letter of the same script without what its name adds to another letter's."""
    kana = _KANA.match(name)
    if kana is not None:
        name = f"HIRAGANA LETTER {kana['letter']}"
    for shorter in (_VARIANT.sub("", name), name):
        try:
            found = unicodedata.lookup(shorter)
        except KeyError:
            continue
        if found == found.casefold():
            return found
    return character


def _sorted_form(character: str) -> str:
    """The form that Active Directory gives a character."""
    if character in _UNSORTED:
        return ""
    category = unicodedata.category(character)
    number = unicodedata.numeric(character, -1.0)
    if category in ("Nl", "No") and number.is_integer() and number >= 0:
        return str(int(number))
    if "PARENTHESIZED" in unicodedata.name(character, ""):
        inner = _IN_BRACKETS.match(_form(character))
        return "" if inner is None else inner["inner"]
    parts = [part for part in unicodedata.normalize("NFKD", character) if unicodedata.category(part)[0] != "M"]
    form = "".join([_form(part) for part in parts])
    return "".join([letter for letter in form if letter.isascii() or _has_weight(letter)])


def _has_weight(character: str) -> bool:
    if character in _REPEATS or character in _LENGTHENS:
        return True
    return any(first <= ord(character) <= last for first, last in _SORTED)


def _without_repeats(text: str) -> str:
    """Repetition and length marks of kana written out."""
    written: list[str] = []
    for character in text:
        if character in _REPEATS:
            written += written[-1:]
        elif character in _LENGTHENS:
            name = unicodedata.name(written[-1], "") if written else ""
            if name.startswith("HIRAGANA") and name[-1] in _VOWELS:
                written.append(_VOWELS[name[-1]])
        else:
            written.append(character)
    return "".join(written)


_FORMS: Final = _Forms(_form)
_SORTED_FORMS: Final = _Forms(_sorted_form)
_NO_BLANKS: Final = dict.fromkeys([*range(0x21), 0x7F])


def loose_forms(value: str) -> tuple[str, ...]:
    """The loose form of a value; two where servers differ in what its characters stand for.

    Each has at most LONGEST characters, and none for a value of nothing but marks, symbols and blanks. The time is
    in proportion to the length of the value.
    """
    if value.isascii():
        return (value.translate(_NO_BLANKS).lower()[:LONGEST],)
    form = _formed(value, _FORMS)
    as_sorted = _formed(value, _SORTED_FORMS)
    return (form,) if as_sorted in ("", form) else (form, as_sorted)


def loose(value: str) -> str:
    """The first of the loose forms."""
    return loose_forms(value)[0]


def _formed(value: str, forms: _Forms) -> str:
    pieces: list[str] = []
    size = 0
    for start in range(0, len(value), _PIECE):
        piece = forms.of(value[start : start + _PIECE])
        pieces.append(piece)
        size += len(piece)
        if size >= LONGEST:
            break
    text = "".join(pieces)[:LONGEST]
    if any(mark in text for mark in _REPEATS + _LENGTHENS):
        return _without_repeats(text)
    return text
