"""What is wrong with the values of a file, in the words of whoever wrote it.

pydantic finds it and says it in words of its own, which name types of Python; none of them comes out here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeAlias, get_args, get_origin

from pydantic import BaseModel, ValidationError

from gateway.config import models
from gateway.config.problems import Problem
from gateway.config.source import Location, Misread, Source

# One of pydantic's errors.
_Item: TypeAlias = Any

_UNION_BRANCHES: Final = frozenset({"str", "Server", "LockoutStore"})
# What a value that is no text is refused with where a text is expected.
_TEXTS: Final = frozenset({"string_type", models.NO_NETWORK})

# By pydantic's name of the error, what is expected.
_EXPECTED: Final = {
    "string_type": "a text",
    models.NO_NETWORK: "a text",
    "model_type": "a mapping of keys",
    "dict_type": "a mapping of keys",
    "list_type": "a list",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number less than {lt}",
    "less_than_equal": "a number of at most {le}",
    "literal_error": "{expected}",
    "string_too_short": "a text of at least {min_length} character",
    "too_short": "a list of at least {min_length} item",
    "too_long": "a list of at most {max_length} items",
}


def wrong_values(source: Source, error: ValidationError) -> list[Problem]:
    """One problem for each place that is wrong. error: of models.File."""
    by_place: dict[Location, list[_Item]] = {}
    for item in error.errors(include_url=False, include_context=True):
        by_place.setdefault(_location(item["loc"], source.data), []).append(item)
    return [
        source.problem(location, _message(items, location, source))
        for location, items in by_place.items()
        if not _is_other_branch(items, location, by_place)
    ]


def _is_other_branch(items: Sequence[_Item], location: Location, by_place: dict[Location, list[_Item]]) -> bool:
    """Whether a mapping is meant there, in which something is wrong, and a text would be accepted as well."""
    below = len(location)
    inside = any(len(other) > below and other[:below] == location for other in by_place)
    return inside and all(item["type"] in _TEXTS and isinstance(item["input"], dict) for item in items)


def _location(loc: Location, data: Any) -> Location:
    """pydantic's location without the names of union branches, which stand in no file."""
    kept: list[str | int] = []
    for i, part in enumerate(loc):
        is_branch = isinstance(part, str) and part in _UNION_BRANCHES
        in_data = isinstance(data, dict) and part in data
        if is_branch and not in_data:
            continue
        kept.append(part)
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return (*kept, *(p for p in loc[i + 1 :] if isinstance(p, int)))
    return tuple(kept)


def _message(items: Sequence[_Item], location: Location, source: Source) -> str:
    kinds = {item["type"] for item in items}
    item = next((item for item in items if item["type"] in _TEXTS), items[0])
    kind = item["type"]
    unquoted = source.unquoted(location)
    if kind == "extra_forbidden":
        return _unknown_key(location)
    if kind == "missing":
        return "is required"
    if unquoted is not None and not unquoted.text:
        return f"{_expected(item, kinds)} is expected, and nothing stands behind the key"
    if unquoted is not None and (kind in _TEXTS or isinstance(item["input"], Misread)):
        return _unquoted(unquoted, kind in _TEXTS, _is_secret(location))
    if kind == "list_type":
        return f"a list is expected: {_dash_advice(item['input'], _is_secret(location))}"
    if kind == "model_type":
        return f"a mapping of keys is expected{_misplaced(location)}"
    if kind in _TEXTS or kind in ("dict_type", "literal_error"):
        return f"{_expected(item, kinds)} is expected{_but_is(item['input'])}"
    if kind == models.SAID:
        return str(item["ctx"]["said"])
    return f"{_expected(item, kinds)} is expected"


def _expected(item: _Item, kinds: set[str]) -> str:
    if kinds & _TEXTS and "model_type" in kinds:
        return "a text or a mapping of keys"
    # An error that is not in the table says only that there is one: its own words are pydantic's.
    return _EXPECTED.get(item["type"], "another value").format_map(item.get("ctx", {}))


def _but_is(value: object) -> str:
    if isinstance(value, list):
        return ", and this is a list"
    return ", and this is a mapping of keys" if isinstance(value, dict) else ""


def _unquoted(found: Misread, text_wanted: bool, secret: bool) -> str:
    quoted = "" if secret else f', "{found.text}"'
    if text_wanted:
        reading = "something else" if secret else found.reading
        return f"a text is expected, and YAML reads this as {reading}; put it in quotes{quoted}"
    return f"YAML reads this as {found.reading}; write a number in decimal digits, and a text in quotes{quoted}"


def _dash_advice(value: object, secret: bool) -> str:
    """How the value is written as the item of a list."""
    if isinstance(value, dict) and value:
        return f"begin each item with a dash before its first key, like `- {next(iter(value))}: ...`"
    words = value.split() if isinstance(value, str) and not secret else []
    example = f", like `- {words[0]}`" if words and words[0].isprintable() and "=" not in words[0] else ""
    return f"begin each item with a dash{example}"


def _unknown_key(location: Location) -> str:
    near = get_close_matches(str(location[-1]), _known_keys(location[:-1]), n=1, cutoff=0.5)
    return "unknown key" + (f'; did you mean "{near[0]}"?' if near else "") + _misplaced(location)


def _misplaced(location: Location) -> str:
    """Where a key belongs that stands at another place: most often its line is indented too little or too far."""
    key = location[-1]
    if key in _known_keys(location[:-1]):
        return ""
    places = [place for place, model in _places() if key in model.model_fields]
    if not places or len(places) > 3:
        return ""
    return f"; `{key}` is a key of {' or of '.join(places)}: is its line indented as the other keys there are?"


def _places() -> Iterator[tuple[str, type[BaseModel]]]:
    """Each block of the file, by a name like `clients.NAME.lockout`."""
    waiting: list[tuple[str, Any]] = [("", models.File)]
    while waiting:
        place, annotation = waiting.pop(0)
        for model in _models(annotation):
            if place:
                yield place, model
            for name, field in model.model_fields.items():
                below = f"{place}.{name}" if place else name
                kind = get_origin(field.annotation)
                item = get_args(field.annotation)[-1] if kind in (dict, list) else field.annotation
                waiting.append((f"{below}.NAME" if kind is dict else below, item))


def _is_secret(location: Location) -> bool:
    """A field without repr is a secret (gateway/config/models.py)."""
    for i, part in enumerate(location):
        for each in _inside(location[:i]):
            field = each.model_fields.get(str(part))
            if field is not None and not field.repr:
                return True
    return False


def _known_keys(location: Location) -> list[str]:
    """The keys that may stand at a location."""
    return [name for model in _inside(location) for name in model.model_fields]


def _inside(location: Location) -> list[type[BaseModel]]:
    """The models that may stand at a location."""
    inside: list[Any] = [models.File]
    for part in location:
        inside = [found for each in inside for found in _below(each, part)]
    return [model for each in inside for model in _models(each)]


def _below(annotation: Any, part: str | int) -> list[Any]:
    """The annotations of what lies under a key or index of what has this one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(part))
        return [] if field is None else [field.annotation]
    if get_origin(annotation) in (list, dict):
        return [get_args(annotation)[-1]]
    return [found for each in get_args(annotation) for found in _below(each, part)]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Those that a value may be, and not those that its items may be."""
    if get_origin(annotation) in (dict, list):
        return []
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for each in get_args(annotation) for found in _models(each)]
