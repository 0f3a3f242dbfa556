"""The responder in a process of its own, which serves a copy until it is told to end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.entra.copies import BASE
from tests.entra.talk import TOKEN

PATIENCE = 60


class ResponderProcess:
    """Serves from the constructor on; leaving the context ends it, which must leave nothing behind.

    directory: an empty one, for the socket, the token and, unless store says where it is, the copy.
    """

    def __init__(self, directory: Path, *, store: Path | None = None, refuse_after: float = 86_400.0) -> None:
        self.socket = directory / "entra.sock"
        self.store = store or directory / "copy.db"
        self.token_file = directory / "entra.token"
        self.token_file.write_text(TOKEN)
        self._log = directory / "responder.log"
        with self._log.open("w") as log:
            arguments = [str(self.store), str(self.socket), str(self.token_file), BASE, str(refuse_after)]
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.entra.responder_process", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=Path(__file__).parents[2],
            )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n", self.log()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """As ldapsearch wants it."""
        return f"ldapi://{str(self.socket).replace('/', '%2f')}"

    def log(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()


def main(store: str, path: str, token_file: str, base: str, refuse_after: str) -> None:
    """Serves until SIGTERM."""
    from twisted.logger import globalLogBeginner, textFileLogObserver

    from gateway.entra.responder import Responder, ResponderSettings
    from gateway.ldap.dn import parse
    from gateway.net.transport.event_loop import reactor

    observer: Any = textFileLogObserver(sys.stderr)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    settings = ResponderSettings(Path(store), Path(path), Path(token_file), parse(base), float(refuse_after))
    responder = Responder(settings, reactor)
    responder.start()

    def end() -> None:
        responder.stop().addCallback(lambda _: reactor.stop())

    signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(end))
    print("ready", flush=True)
    reactor.run(installSignalHandlers=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
