"""Texts as Active Directory compares them: without regard to case, accents, width, kana type, and runs of blanks.

MS-ADTS 6.5.1 has the flags of the comparison: NORM_IGNORECASE, NORM_IGNOREKANATYPE, NORM_IGNORENONSPACE,
NORM_IGNOREWIDTH. Blanks are those of RFC 4518 2.6.1: at the beginning and at the end they do not count, in between a
run of them is one.
"""

from __future__ import annotations

import unicodedata
from typing import Final

# Marks that are put on letters, and what has no width at all.
_IGNORED: Final = ("Mn", "Cf")
_HIRAGANA: Final = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}


def fold(text: str) -> str:
    """Equal for texts that are the same. The fold of a text's beginning is the beginning of its fold, blanks at the end
    aside."""
    return " ".join(_folded(text).split())


def fold_part(text: str) -> str:
    """The fold of a part of a text, which keeps one blank at an end that has any."""
    folded = _folded(text)
    inner = " ".join(folded.split())
    if not inner:
        return " " if folded else ""
    return " " * folded[0].isspace() + inner + " " * folded[-1].isspace()


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold()).casefold()
    return "".join([each for each in plain if unicodedata.category(each) not in _IGNORED]).translate(_HIRAGANA)
