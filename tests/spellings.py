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
        own, upper = _reduced(character), character.upper()
        for reduced in {own, own if upper == character else _reduced(upper), _hiragana(own)}:
            if 0 < len(reduced) <= 3 and reduced != character:
                found.setdefault(reduced, []).append(character)
    for reduced, characters in UNDECOMPOSED.items():
        found.setdefault(reduced, []).extend(characters)
    return found


def _hiragana(reduced: str) -> str:
    """What a reduced character is to a server that does not tell katakana from hiragana."""
    if len(reduced) == 1 and "\u30a1" <= reduced <= "\u30f6":
        return chr(ord(reduced) - 0x60)
    return reduced


_any_case = cache(lambda character: st.sampled_from((character, character.upper(), character.lower())))
# Whether a character is replaced, and whether something is put in behind it: one draw is half as dear as two.
_changes = st.sampled_from([(replaced, seldom == 0) for replaced in (False, True) for seldom in (1, 2, 3, 4, 5, 0)])
_blank_runs = st.sampled_from(("", " ", "  "))
_put_in = {blanks: st.sampled_from(IGNORED + (BLANKS if blanks else ())) for blanks in (True, False)}


@cache
def _others(beginning: str, forbidden: str) -> st.SearchStrategy[tuple[str, int]] | None:
    """What may stand for the first one, two or three characters, with their number; None where nothing may.

    Kept, because a strategy of some hundred characters costs much more to make than to draw from.
    """
    choices = [
        (other, size)
        for size in range(1, len(beginning) + 1)
        for other in variants().get(_hiragana(_reduced(beginning[:size].lower())), ())
        if not set(other) & set(forbidden)
    ]
    return st.sampled_from(choices) if choices else None


@st.composite
def spellings(draw: st.DrawFn, name: str, blanks: bool = True, forbidden: str = "") -> str:
    """blanks: whether blanks may be put in as well. forbidden: characters that no spelling may have."""
    written = []
    at = 0
    while at < len(name):
        others = _others(name[at : at + 3], forbidden)
        replaced, something_behind = draw(_changes)
        if others is not None and replaced:
            other, size = draw(others)
            written.append(other)
            at += size
        else:
            written.append(draw(_any_case(name[at])))
            at += 1
        if something_behind:
            written.append(draw(_put_in[blanks]))
        if blanks and name[at - 1] == " ":
            written.append(draw(_blank_runs))
    return "".join(written)
