"""Names and texts of servers, fit for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """They are shown, and must not move the cursor."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
