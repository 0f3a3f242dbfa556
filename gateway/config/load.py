"""From a file to settings: read, check, compile; everything that is wrong is said at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from gateway.config import models
from gateway.config.compile import Compiler
from gateway.config.effective import Effective, effective
from gateway.config.entra import EntraCompiler, TenantCopy
from gateway.config.linked import with_linked_defaults
from gateway.config.problems import ConfigurationError, Problem
from gateway.config.settings import GatewaySettings
from gateway.config.source import Location, Source, read_source
from gateway.config.wrong_values import wrong_values


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration that was read and compiled.

    path: of the file that it was read from. settings: what is served. file: what it was compiled from.
    """

    path: Path
    settings: GatewaySettings
    warnings: tuple[str, ...]
    file: models.File = field(repr=False)

    def effective(self, key: bytes) -> Effective:
        """See gateway/config/effective.py."""
        return effective(self.file, self.settings, self.path.parent, key)


def load_configuration(path: Path) -> Configuration:
    """Reads a configuration with everything that it names, certificates included. Raises ConfigurationError."""
    source, file = _read(path)
    resolved = path.resolve()
    compiler = Compiler(source, resolved.parent)
    settings = compiler.compile(file)
    if compiler.problems:
        raise ConfigurationError(compiler.problems)
    return Configuration(resolved, settings, tuple(str(warning) for warning in compiler.warnings), file)


def load_copies(path: Path) -> tuple[TenantCopy, ...]:
    """The directories of the file that are copies of tenants. Reads nothing else that the file names: whoever keeps the
    copies need not be able to read the gateway's keys. Raises ConfigurationError."""
    source, file = _read(path)
    directory = path.resolve().parent
    problems: list[Problem] = []

    def problem(location: Location, message: str) -> None:
        problems.append(source.problem(location, message))

    def warning(location: Location, message: str) -> None:
        """It is the gateway's to say it."""

    copies = EntraCompiler(lambda text: directory / text, problem, warning).compile(file)
    if problems:
        raise ConfigurationError(problems)
    return copies


def _read(path: Path) -> tuple[Source, models.File]:
    """Raises ConfigurationError."""
    source = read_source(path)
    if not isinstance(source.data, dict):
        raise ConfigurationError([source.problem((), "a mapping of keys is expected, like `listeners:`")])
    try:
        return source, with_linked_defaults(models.File.model_validate(source.data))
    except ValidationError as error:
        raise ConfigurationError(wrong_values(source, error)) from None
