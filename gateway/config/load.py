"""From a file to settings: read, check, compile; everything that is wrong is said at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from gateway.config import models
from gateway.config.compile import Compiler
from gateway.config.effective import Effective, effective
from gateway.config.problems import ConfigurationError, Problem
from gateway.config.source import Location, Misread, Source, read_source
from gateway.net.settings import GatewaySettings

_UNION_BRANCHES = frozenset({"str", "Server", "LockoutStore"})
# Problems of a value that is no text where one is expected.
_TEXTS = frozenset({"string_type", "network_type"})


@dataclass(frozen=True, slots=True)
class Configuration:
    """path: of the file that it was read from. settings: what is served. file: what it was compiled from."""

    path: Path
    settings: GatewaySettings
    warnings: tuple[str, ...]
    file: models.File = field(repr=False)

    def effective(self, key: bytes) -> Effective:
        """See gateway/config/effective.py."""
        return effective(self.file, self.settings, self.path.parent, key)


def load_configuration(path: Path) -> Configuration:
    """Reads a configuration with everything that it names, certificates included. Raises ConfigurationError."""
    source = read_source(path)
    if not isinstance(source.data, dict):
        raise ConfigurationError([source.problem((), "a mapping of keys is expected, like `listeners:`")])
    try:
        file = models.File.model_validate(source.data)
    except ValidationError as error:
        raise ConfigurationError(_problems(source, error)) from None
    resolved = path.resolve()
    compiler = Compiler(source, resolved.parent)
    settings = compiler.compile(file)
    if compiler.problems:
        raise ConfigurationError(compiler.problems)
    return Configuration(resolved, settings, tuple(str(warning) for warning in compiler.warnings), file)


def _problems(source: Source, error: ValidationError) -> list[Problem]:
    found: dict[tuple[int, str, str], Problem] = {}
    items = error.errors(include_url=False, include_context=True)
    located = [(item, _location(item["loc"], source.data)) for item in items]
    texts = {location for item, location in located if item["type"] in _TEXTS}
    for item, location in located:
        if item["type"] not in _TEXTS and location in texts and source.unquoted(location) is not None:
            # Of a key that takes a text or a block.
            continue
        problem = source.problem(location, _message(item, location, source))
        found.setdefault((problem.line, problem.path, problem.message), problem)
    return list(found.values())


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


def _message(item: Any, location: Location, source: Source) -> str:
    kind = item["type"]
    unquoted = source.unquoted(location)
    if kind == "extra_forbidden":
        near = get_close_matches(str(location[-1]), _known_keys(location[:-1]), n=1, cutoff=0.5)
        return "unknown key" + (f'; did you mean "{near[0]}"?' if near else "")
    if kind == "missing":
        return "is required"
    if unquoted is not None and (kind in _TEXTS or isinstance(item["input"], Misread)):
        return _unquoted(unquoted, kind in _TEXTS, _is_secret(location))
    if kind == "model_type":
        return "a mapping of keys is expected"
    if kind == "string_type":
        return "a text is expected; put it in quotes"
    return str(item["msg"])


def _unquoted(found: Misread, text_wanted: bool, secret: bool) -> str:
    quoted = "" if secret else f', "{found.text}"'
    if text_wanted:
        reading = "something else" if secret else found.reading
        return f"a text is expected, and YAML reads this as {reading}; put it in quotes{quoted}"
    return f"YAML reads this as {found.reading}; write a number in decimal digits, and a text in quotes{quoted}"


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
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for each in get_args(annotation) for found in _models(each)]
