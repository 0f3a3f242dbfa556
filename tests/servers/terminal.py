"""A command on a terminal of its own: what it shows, and answers typed to what it asks."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.emitted import EMITTED
from tests.servers.gateway_process import PATIENCE, ROOT

# CSI sequences of ECMA-48, and the end of a line that was overwritten.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def _as_on_a_terminal() -> None:
    """Makes standard input the controlling terminal, so that Ctrl-C and the prompt for a password find the command."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # A shell that runs the tests in the background has them, and what they start, ignore it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """arguments: of `ldap-gateway`. Leaving the context kills what still runs."""

    def __init__(self, *arguments: str | Path, columns: int = 80, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env={**kept, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
            start_new_session=True,
            preexec_fn=_as_on_a_terminal,
        )
        os.close(theirs)
        self.raw = ""
        self._answered = 0
        self._read = codecs.getincrementaldecoder("utf-8")("replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self._ours)
        EMITTED.note("terminal", self.raw)

    @property
    def lines(self) -> list[str]:
        """What was shown, without colours; of a line that was overwritten only what came last."""
        shown = _ESCAPES.sub("", self.raw).replace("\r\n", "\n")
        return [line.rpartition("\r")[2] for line in shown.split("\n")]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def answer(self, question: str, text: str) -> None:
        """Waits until the question is asked, after the one that was answered last, and types."""
        self._until(lambda: question in self.raw[self._answered :].rsplit("\n", 1)[-1], question)
        self._answered = len(self.raw)
        os.write(self._ours, text.encode() + b"\n")

    def wait_for_lines(self, count: int) -> None:
        """Until so many whole lines have been shown."""
        self._until(lambda: len(self.lines) > count, f"{count} lines")

    def interrupt(self) -> None:
        """Types Ctrl-C."""
        os.write(self._ours, b"\x03")

    def end(self) -> int:
        """The exit status."""
        self._until(lambda: False, None)
        return self.process.wait(PATIENCE)

    def _until(self, reached: Callable[[], bool], what: str | None) -> None:
        until = time.monotonic() + 2 * PATIENCE
        while not reached():
            ready, _, _ = select.select([self._ours], [], [], max(0, until - time.monotonic()))
            assert ready, f"no {what!r} in time: {self.raw}"
            try:
                data = os.read(self._ours, 65_536)
            except OSError:
                # Linux says EIO once nobody holds the other end.
                data = b""
            if not data:
                assert what is None, f"it ended without {what!r}: {self.raw}"
                return
            self.raw += self._read.decode(data)
