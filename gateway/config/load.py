"""From a file to settings: read, check, compile; everything that is wrong is said at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.config import models
from gateway.config.compile import Compiler
from gateway.config.effective import Effective, effective
from gateway.config.problems import ConfigurationError, Problem
from gateway.config.source import Location, Source, read_source
from gateway.net.settings import GatewaySettings

_UNION_BRANCHES = frozenset({"str", "Server"})


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
    for item in error.errors(include_url=False, include_context=True):
        location = _location(item["loc"], source.data)
        problem = source.problem(location, _message(item, location))
        found.setdefault((problem.line, problem.path, problem.message), problem)
    return list(found.values())


def _location(loc: Location, data: Any) -> Location:
    """pydantic's location without the names of union branches, which stand in no file."""
    kept: list[str | int] = []
    for i, part in enumerate(loc):
        is_branch = isinstance(part, str) and (part in _UNION_BRANCHES or part.startswith("IPv"))
        in_data = isinstance(data, dict) and part in data
        if is_branch and not in_data:
            continue
        kept.append(part)
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return (*kept, *(p for p in loc[i + 1 :] if isinstance(p, int)))
    return tuple(kept)


def _message(item: Any, location: Location) -> str:
    kind = item["type"]
    if kind == "extra_forbidden":
        near = get_close_matches(str(location[-1]), _known_keys(location[:-1]), n=1, cutoff=0.5)
        return "unknown key" + (f'; did you mean "{near[0]}"?' if near else "")
    if kind == "missing":
        return "is required"
    if kind.startswith("ip_"):
        return "a network like 198.51.100.0/24 or an address is expected, without host bits"
    if kind == "model_type":
        return "a mapping of keys is expected"
    if kind == "string_type":
        return "a text is expected; put it in quotes"
    return str(item["msg"])


def _known_keys(location: Location) -> list[str]:
    """The keys of the model that a location stands in."""
    model: type[BaseModel] = models.File
    children: dict[str, type[BaseModel]] = {
        "listeners": models.Listener,
        "directories": models.Directory,
        "clients": models.Client,
        "limits": models.Limits,
        "audit": models.Audit,
        "admin": models.Admin,
    }
    if location:
        model = children.get(str(location[0]), models.File)
        if "servers" in location:
            model = models.Server
        elif location[0] == "directories" and location[2:] == ("client_certificate",):
            model = models.ClientCertificate
        elif location[0] == "directories" and location[2:] == ("health",):
            model = models.Health
        elif location[0] == "directories" and location[2:] == ("discover",):
            model = models.Discover
        elif location[0] == "clients" and location[2:] == ("shrink_guard",):
            model = models.ShrinkGuard
        elif location[0] == "clients" and location[2:] == ("required_certificate",):
            model = models.RequiredCertificate
        elif location[0] == "clients" and location[2:] == ("lockout",):
            model = models.Lockout
        elif location[0] == "clients" and location[2:] == ("credentials",):
            model = models.Credentials
        elif location[0] == "clients" and location[2:4] == ("credentials", "accounts"):
            model = models.MappedAccount
        elif location == ("audit", "syslog"):
            model = models.Syslog
    return list(model.model_fields)
