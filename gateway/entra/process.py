"""The process that keeps copies of tenants and serves them: each kept in a thread, all served by the reactor.

Nothing of it is lost by a kill: each round goes on at the next start from where it was.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from gateway.entra.keeper import Keeper
from gateway.entra.responder import ListenError, Responder, ResponderSettings
from gateway.entra.settings import EntraSettings
from gateway.entra.token_file import make_token
from gateway.host.system_errors import system_error
from gateway.net.transport.reactor import Reactor

log = Logger(__name__)

# Seconds that a stop waits for a thread that is in the midst of a question. It is safe to leave it there.
_PATIENCE = 3.0


class CannotStart(Exception):
    """A copy cannot be kept or served. The text names the directory, or the file, and says what to do."""


class KeptCopy:
    """One copy, kept and served from start to stop."""

    def __init__(self, settings: EntraSettings, socket: Path, token_file: Path, reactor: Reactor) -> None:
        self._name = settings.name
        self._token_file = token_file
        self._keeper = Keeper(settings, self._log)
        self._thread = threading.Thread(target=self._keeper.run, name=f"entra {settings.name}", daemon=True)
        served = ResponderSettings(
            settings.store, socket, token_file, settings.copy.base_dn, settings.rounds.refuse_after
        )
        self._responder = Responder(served, reactor)

    def start(self) -> None:
        """Raises CannotStart."""
        try:
            if make_token(self._token_file):
                log.info("made {file}: the gateway's account has to be able to read it", file=str(self._token_file))
            self._responder.start()
        except OSError as error:
            raise CannotStart(f"token_file {self._token_file}: it cannot be made: {system_error(error)}") from None
        except ListenError as error:
            raise CannotStart(str(error)) from None
        self._thread.start()

    def stop(self) -> Deferred[None]:
        self._keeper.stop()
        return self._responder.stop()

    def wait(self) -> None:
        """After stop: until the round has been left, or for as long as one waits for that."""
        self._thread.join(_PATIENCE)

    def _log(self, text: str) -> None:
        log.info("directory {name}: {text}", name=self._name, text=text)


class CopyProcess:
    """All copies of the process."""

    def __init__(self, copies: list[KeptCopy], reactor: Reactor) -> None:
        self._copies = copies
        self._reactor = reactor

    def run(self) -> None:
        """Until stop. Raises CannotStart."""
        for each in self._copies:
            each.start()
        log.info("ready")
        self._reactor.run(installSignalHandlers=False)
        for each in self._copies:
            each.wait()

    def stop(self) -> None:
        log.info("stopping: a round that is under way goes on from there at the next start")
        stopped = DeferredList([each.stop() for each in self._copies])
        stopped.addBoth(lambda _: self._reactor.stop())


@contextmanager
def alone_with(store: Path) -> Iterator[None]:
    """Keeps every other process from keeping the same copy. Raises CannotStart.

    The kernel holds it for this process (flock(2)), so that it ends with the process.
    """
    path = store.with_name(f"{store.name}.lock")
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"store {store}: {path.name} cannot be opened there: {system_error(error)}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise CannotStart(
            f"store {store}: another process keeps this copy: is `ldap-gateway entra run` running?"
        ) from None
    finally:
        os.close(descriptor)
