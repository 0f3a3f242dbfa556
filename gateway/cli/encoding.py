r"""Output that is not made for where it goes: characters that the encoding of standard output does not have.

They are written as JSON escapes them (RFC 8259 7), such as \u00fc, so that JSON stays JSON and people see what is
meant.
"""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper
from typing import Final

_ESCAPED: Final = "ldap-gateway-escaped"


def show_all_characters() -> None:
    """From here on nothing that is written to standard output fails for its characters. Standard error is Python's,
    which escapes by itself."""
    codecs.register_error(_ESCAPED, _escape)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors=_ESCAPED)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    units = characters.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True)), error.end
