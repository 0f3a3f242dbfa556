"""Everything that the gateway emits while the tests run, searched for the passwords that they use.

Every password of the tests has one of MARKS in it: that is all that a test has to do to be covered. What is watched:
the command lines, outputs and log files of every gateway process, what tests print and log in this process, Twisted's
log, the texts of exceptions that tests expect, audit records, admin pages and terminals. A mark in any of them fails
the run at its end, with the test and the channel. Files that a test writes itself, such as a password file, are its own
affair.
"""

import base64
import contextlib
import functools
import itertools
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import click.testing
import pytest
from twisted.logger import ILogObserver, LogEvent, eventAsText, globalLogPublisher

MARKS = ("Passw0rd", "LEAK-sync-password", "LEAK-password-", "hunter2", "pÄss wörd")

# Longer than any mark in any disguise.
_OVERLAP = 64


def disguises(mark: str) -> Iterator[str]:
    """A mark as it is, in hexadecimal digits, with escapes, and in Base64 at each of its three alignments."""
    octets = mark.encode()
    yield mark
    yield octets.hex()
    yield repr(octets)[2:-1]
    for before in range(3):
        digits = base64.b64encode(bytes(before) + octets).decode().rstrip("=")
        # The octets around the mark change the digits at both ends.
        yield digits[before and before + 1 : -1]


_DISGUISED = tuple(dict.fromkeys(found for mark in MARKS for found in disguises(mark)))
_ANY = re.compile("|".join(map(re.escape, _DISGUISED)))


@dataclass(frozen=True)
class Leak:
    test: str
    channel: str
    around: str


class Emitted:
    """leaks: all that were found. octets: that were searched, by channel. A followed file is searched after each test,
    what it has had since the last time; other texts are searched as they come."""

    def __init__(self) -> None:
        self.leaks: list[Leak] = []
        self.octets: dict[str, int] = {}
        self._followed: dict[Path, int] = {}

    def note(self, channel: str, text: str | bytes, test: str | None = None) -> None:
        """test: whose it is; by default the one that runs."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        self.octets[channel] = self.octets.get(channel, 0) + len(text)
        # One after the other they are looked for four times as fast as by the expression, which says where they are.
        if not any(disguised in text for disguised in _DISGUISED):
            return
        for found in _ANY.finditer(text):
            around = text[max(0, found.start() - 60) : found.end() + 20]
            self.leaks.append(Leak(test or _running_test(), channel, around))

    def follow(self, path: str | Path) -> None:
        self._followed.setdefault(Path(path), 0)

    def search_files(self, test: str | None = None) -> None:
        for path, read in list(self._followed.items()):
            try:
                size = path.stat().st_size
                if size <= read:
                    continue
                with path.open("rb") as file:
                    file.seek(max(0, read - _OVERLAP))
                    self.note("output file", file.read(), test)
            except OSError:
                continue
            self._followed[path] = size


EMITTED = Emitted()
# What is put in the place of others' functions, for the whole run.
_REPLACED = pytest.MonkeyPatch()


def _running_test() -> str:
    return os.environ.get("PYTEST_CURRENT_TEST", "between tests").rpartition(" (")[0] or "between tests"


def watch() -> None:
    """From here on everything is noted in EMITTED."""
    _watch_processes()
    _watch_commands()
    _watch_expected_exceptions()
    # Twisted declares what an observer is in a way that mypy cannot read.
    globalLogPublisher.addObserver(cast(ILogObserver, _note_event))


def _note_event(event: LogEvent) -> None:
    EMITTED.note("Twisted's log", eventAsText(event))


def _words(command: Any) -> list[str]:
    """Of what subprocess.Popen takes as a command."""
    if isinstance(command, str):
        return command.split()
    single = isinstance(command, bytes | os.PathLike)
    return [os.fsdecode(each) for each in ([command] if single else command)]


def _is_gateway(words: list[str]) -> bool:
    """By the command's name; its files may be arguments of other commands as well."""
    return any(Path(word).name == "ldap-gateway" for word in words) or ("-m", "gateway") in itertools.pairwise(words)


def _watch_processes() -> None:
    begin, communicate = subprocess.Popen.__init__, subprocess.Popen.communicate

    @functools.wraps(begin)
    def noted_begin(self: subprocess.Popen[Any], arguments: Any, *others: Any, **keywords: Any) -> None:
        begin(self, arguments, *others, **keywords)
        words = _words(arguments)
        if not _is_gateway(words):
            return
        EMITTED.note("command line", " ".join(words))
        with contextlib.suppress(OSError):
            EMITTED.note("command line", Path(f"/proc/{self.pid}/cmdline").read_bytes())
        for stream in (keywords.get("stdout"), keywords.get("stderr")):
            name = getattr(stream, "name", None)
            if isinstance(name, str | Path):
                EMITTED.follow(name)

    @functools.wraps(communicate)
    def noted_communicate(self: subprocess.Popen[Any], *arguments: Any, **keywords: Any) -> tuple[Any, Any]:
        found = communicate(self, *arguments, **keywords)
        if _is_gateway(_words(self.args)):
            for text in found:
                EMITTED.note("output", text or "")
        return found

    _REPLACED.setattr(subprocess.Popen, "__init__", noted_begin)
    _REPLACED.setattr(subprocess.Popen, "communicate", noted_communicate)


def _watch_commands() -> None:
    invoke = click.testing.CliRunner.invoke

    @functools.wraps(invoke)
    def noted_invoke(*arguments: Any, **keywords: Any) -> click.testing.Result:
        result = invoke(*arguments, **keywords)
        EMITTED.note("output", result.output)
        return result

    _REPLACED.setattr(click.testing.CliRunner, "invoke", noted_invoke)


class _NotedRaises:
    """What pytest.raises gives, which notes the exception once it was raised."""

    def __init__(self, context: AbstractContextManager[pytest.ExceptionInfo[BaseException]]) -> None:
        self._context = context

    def __enter__(self) -> pytest.ExceptionInfo[BaseException]:
        return self._context.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if value is not None and type(value).__module__.startswith("gateway"):
            EMITTED.note("exception", f"{value!r} {value}")
        return self._context.__exit__(kind, value, traceback)


def _watch_expected_exceptions() -> None:
    raises = pytest.raises

    @functools.wraps(raises)
    def noted_raises(*arguments: Any, **keywords: Any) -> object:
        context = raises(*arguments, **keywords)
        return _NotedRaises(context) if hasattr(context, "__exit__") else context

    _REPLACED.setattr(pytest, "raises", noted_raises)
