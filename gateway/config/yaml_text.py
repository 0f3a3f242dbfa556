"""Values as YAML that somebody would write by hand, for files that the gateway makes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

# What YAML 1.1 takes for a truth value or for nothing.
_YAML_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
# Characters of a list that stands in one line.
_SHORT: Final = 80


def quoted(text: str) -> str:
    """Plain where YAML cannot take it for anything else. Single quotes keep a DN's backslashes as they are; in double
    ones JSON's escapes are YAML's, and what is not printable might be a line break to YAML."""
    plain = text.replace("-", "").replace("_", "").isalnum() and text.isascii() and text[0].isalpha()
    if plain and text.lower() not in _YAML_WORDS:
        return text
    if text.isprintable() and ("\\" in text or '"' in text):
        return "'" + text.replace("'", "''") + "'"
    return "".join(
        each if each.isprintable() else f"\\U{ord(each):08x}" for each in json.dumps(text, ensure_ascii=False)
    )


def block(key: str, value: Any, indent: str) -> Iterator[str]:
    """The lines of a key with its value: a text, a number, a truth value, or lists and mappings of such."""
    at = f"{indent}{quoted(key)}:"
    if isinstance(value, Mapping) and value:
        yield at
        for name, inner in value.items():
            yield from block(name, inner, f"{indent}  ")
    elif isinstance(value, list) and len(_in_line(value)) > _SHORT:
        yield at
        for item in value:
            yield f"{indent}  - {_in_line(item)}"
    else:
        yield f"{at} {_in_line(value)}"


def _in_line(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{quoted(name)}: {_in_line(inner)}' for name, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_in_line, value))}]"
    return json.dumps(value)
