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
from dataclasses import dataclass
from pathlib import Path

import click.testing
import pytest
from twisted.logger import eventAsText, globalLogPublisher

MARKS = ("Passw0rd", "LEAK-sync-password", "LEAK-password-", "hunter2", "pÄss wörd")

# Longer than any mark in any disguise.
_OVERLAP = 64


def disguises(mark):
    """A mark as it is, in hexadecimal digits, with escapes, and in Base64 at each of its three alignments."""
    octets = mark.encode()
    yield mark
    yield octets.hex()
    yield repr(octets)[2:-1]
    for before in range(3):
        digits = base64.b64encode(bytes(before) + octets).decode().rstrip("=")
        # The octets around the mark change the digits at both ends.
        yield digits[before and before + 1 : -1]


_ANY = re.compile("|".join(re.escape(found) for mark in MARKS for found in disguises(mark)))


@dataclass(frozen=True)
class Leak:
    test: str
    channel: str
    around: str


class Emitted:
    """leaks: all that were found. octets: that were searched, by channel. A followed file is searched after each test,
    what it has had since the last time; other texts are searched as they come."""

    def __init__(self):
        self.leaks = []
        self.octets = {}
        self._followed = {}

    def note(self, channel, text, test=None):
        """test: whose it is; by default the one that runs."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        self.octets[channel] = self.octets.get(channel, 0) + len(text)
        for found in _ANY.finditer(text):
            around = text[max(0, found.start() - 60) : found.end() + 20]
            self.leaks.append(Leak(test or _running_test(), channel, around))

    def follow(self, path):
        self._followed.setdefault(Path(path), 0)

    def search_files(self, test=None):
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


def _running_test():
    return os.environ.get("PYTEST_CURRENT_TEST", "between tests").rpartition(" (")[0] or "between tests"


def watch():
    """From here on everything is noted in EMITTED."""
    _watch_processes()
    _watch_commands()
    _watch_expected_exceptions()
    globalLogPublisher.addObserver(lambda event: EMITTED.note("Twisted's log", eventAsText(event)))


def _is_gateway(arguments):
    """By the command's name; its files may be arguments of other commands as well."""
    words = arguments.split() if isinstance(arguments, str) else [os.fsdecode(each) for each in arguments]
    return any(Path(word).name == "ldap-gateway" for word in words) or ("-m", "gateway") in itertools.pairwise(words)


def _watch_processes():
    begin, communicate = subprocess.Popen.__init__, subprocess.Popen.communicate

    @functools.wraps(begin)
    def noted_begin(self, arguments, *others, **keywords):
        begin(self, arguments, *others, **keywords)
        if not _is_gateway(arguments):
            return
        EMITTED.note("command line", " ".join(map(str, arguments)))
        with contextlib.suppress(OSError):
            EMITTED.note("command line", Path(f"/proc/{self.pid}/cmdline").read_bytes())
        for stream in (keywords.get("stdout"), keywords.get("stderr")):
            if isinstance(getattr(stream, "name", None), str | Path):
                EMITTED.follow(stream.name)

    @functools.wraps(communicate)
    def noted_communicate(self, *arguments, **keywords):
        found = communicate(self, *arguments, **keywords)
        if _is_gateway(self.args):
            for text in found:
                EMITTED.note("output", text or "")
        return found

    subprocess.Popen.__init__ = noted_begin
    subprocess.Popen.communicate = noted_communicate


def _watch_commands():
    invoke = click.testing.CliRunner.invoke

    @functools.wraps(invoke)
    def noted_invoke(*arguments, **keywords):
        result = invoke(*arguments, **keywords)
        EMITTED.note("output", result.output)
        return result

    click.testing.CliRunner.invoke = noted_invoke


class _NotedRaises:
    """What pytest.raises gives, which notes the exception once it was raised."""

    def __init__(self, context):
        self._context = context

    def __enter__(self):
        return self._context.__enter__()

    def __exit__(self, kind, value, traceback):
        if value is not None and kind.__module__.startswith("gateway"):
            EMITTED.note("exception", f"{value!r} {value}")
        return self._context.__exit__(kind, value, traceback)


def _watch_expected_exceptions():
    raises = pytest.raises

    @functools.wraps(raises)
    def noted_raises(*arguments, **keywords):
        context = raises(*arguments, **keywords)
        return _NotedRaises(context) if hasattr(context, "__exit__") else context

    pytest.raises = noted_raises
