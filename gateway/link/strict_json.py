"""JSON as a frame's body may be: an object, small and flat, without anything that two readers could read differently.

Nothing in it is worth an attack on the parser: nesting, strings and numbers are bounded, no key stands twice, and what
Python's reader takes beyond RFC 8259 (NaN, infinity, half a surrogate pair) is refused.
"""

from __future__ import annotations

import json
import re
from math import isinf
from typing import Any, Final, NoReturn

# Octets of a string in UTF-8, names of keys included.
_MOST_STRING: Final = 255
# STATE has an object in an object; keys that are not known may have two levels more.
_MOST_NESTING: Final = 4
# Digits of a number: enough for any that a double holds exactly (2**53).
_MOST_DIGITS: Final = 16

# What matters for nesting: brackets, and where a string begins and ends.
_BRACKETS: Final = re.compile(r'\\.|["\[\]{}]', re.DOTALL)


class JsonError(ValueError):
    """The octets are no such object. The text continues the name of what they are the body of, and shows nothing of
    them."""


def read_object(body: bytes) -> dict[str, Any]:
    """The object that the octets say. Raises JsonError."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise JsonError("its body is not UTF-8") from None
    _check_nesting(text)
    try:
        found = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise JsonError(f"its body is no JSON from character {error.pos} on") from None
    if not isinstance(found, dict):
        raise JsonError(f"its body must be an object, and is {kind_of(found)}")
    _check_strings(found)
    return found


def _check_nesting(text: str) -> None:
    """Before the parser sees it, which goes a call deeper with each level."""
    depth, quoted = 0, False
    for each in _BRACKETS.finditer(text):
        mark = each[0]
        if mark == '"':
            quoted = not quoted
        elif not quoted and mark in "[{":
            depth += 1
            if depth > _MOST_NESTING:
                raise JsonError(f"its body is nested more than {_MOST_NESTING} levels deep")
        elif not quoted and mark in "]}":
            depth -= 1


def _check_strings(value: object) -> None:
    if isinstance(value, str):
        try:
            length = len(value.encode())
        except UnicodeEncodeError:
            raise JsonError("a string in it has half a surrogate pair") from None
        if length > _MOST_STRING:
            raise JsonError(f"a string in it has {length} octets; at most {_MOST_STRING} are allowed")
    elif isinstance(value, dict):
        for name, each in value.items():
            _check_strings(name)
            _check_strings(each)
    elif isinstance(value, list):
        for each in value:
            _check_strings(each)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonError("a key stands twice in it")
    return found


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _MOST_DIGITS:
        raise JsonError(f"a number in it has more than {_MOST_DIGITS} digits")
    return int(digits)


def _real(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise JsonError("a number in it is too large")
    return number


def _constant(name: str) -> NoReturn:
    raise JsonError(f"{name} stands in it, which is no JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_real, parse_constant=_constant
)


def kind_of(value: object) -> str:
    """How texts say what kind a value of JSON is of: `a string`, `true`."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return {str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}[type(value)]
