"""Other spellings of a name that a server may take for the same one, made from Unicode's own data and from what servers
are known to do, and not from the gateway's code."""

import unicodedata
from functools import cache

from hypothesis import strategies as st

# Of what a server leaves out: combining marks, format characters, and characters that nothing is assigned to.
IGNORED = ("\u0301", "\u0327", "\u20dd", "\u3099", "\u00ad", "\u200b", "\u200d", "\u2060", "\ufe0f", "\ufeff", "\u0378")
BLANKS = ("\u00a0", "\u2003", "\u3000", "\u202f")
# Letters that Unicode does not decompose, with the letters of which they are variants in Windows' tables.
UNDECOMPOSED = {
    "o": "ø", "d": "đð", "h": "ħ", "l": "łƚ", "t": "ŧ", "i": "ıɨ", "b": "ƀ", "g": "ǥ", "z": "ƶ", "n": "ŋ", "a": "ⱥ",
    "ae": "æ", "oe": "œ", "th": "þ", "ss": "ßẞ",
}  # fmt: skip


def _reduced(text: str) -> str:
    """As OpenLDAP compares it: NFKD without case; and without marks, as Active Directory does."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(part for part in folded if unicodedata.category(part) not in ("Mn", "Me", "Mc"))


@cache
def variants() -> dict[str, list[str]]:
    """By what it is reduced to, each character of Unicode that some server may take for it."""
    found: dict[str, list[str]] = {}
    for code in range(0x110000):
        character = chr(code)
        # OpenLDAP's and Samba's tables are older than Python's, but what they know they read like it.
        if unicodedata.category(character) in ("Cn", "Co", "Cs", "Cc"):
            continue
        for reduced in {_reduced(character), _reduced(character.upper()), _hiragana(character)}:
            if 0 < len(reduced) <= 3 and reduced != character:
                found.setdefault(reduced, []).append(character)
    for reduced, characters in UNDECOMPOSED.items():
        found.setdefault(reduced, []).extend(characters)
    return found


def _hiragana(character: str) -> str:
    reduced = _reduced(character)
    if len(reduced) == 1 and "\u30a1" <= reduced <= "\u30f6":
        return chr(ord(reduced) - 0x60)
    return reduced


@st.composite
def spellings(draw: st.DrawFn, name: str, blanks: bool = True, forbidden: str = "") -> str:
    """blanks: whether blanks may be put in as well. forbidden: characters that no spelling may have."""
    written = []
    at = 0
    while at < len(name):
        pieces = [name[at : at + size] for size in (1, 2, 3) if at + size <= len(name)]
        choices = [
            (other, len(piece))
            for piece in pieces
            for other in variants().get(_hiragana(piece.lower()), ())
            if not set(other) & set(forbidden)
        ]
        replaced = draw(st.booleans())
        if choices and replaced:
            other, size = draw(st.sampled_from(choices))
            written.append(other)
            at += size
        else:
            written.append(draw(st.sampled_from((name[at], name[at].upper(), name[at].lower()))))
            at += 1
        if draw(st.integers(0, 5)) == 0:
            written.append(draw(st.sampled_from(IGNORED + (BLANKS if blanks else ()))))
        if blanks and name[at - 1] == " ":
            written.append(draw(st.sampled_from(("", " ", "  "))))
    return "".join(written)
