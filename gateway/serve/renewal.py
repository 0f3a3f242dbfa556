"""Renewed certificates, keys and authorities, taken up without a signal.

Whoever renews a certificate (certbot, cert-manager, a script) may write its two files one after the other, and none
of them in one go. So files that have changed are read once they have come to rest, are checked as a start checks them,
and are used once they fit each other; until then those from before stay in force.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from twisted.logger import Logger

from gateway.config.certificates import PairMismatch, check_pair, read_certificates
from gateway.host.file_errors import file_trouble
from gateway.net.transport.watched_files import Stamp, stamp

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files that one listener, one directory or one link needs for TLS.

    name: for people, like `listener 0.0.0.0:636`. pairs: certificate and private key. authorities: CA bundles. pins:
    of a link's other ends; renew is called whatever has become of them, and none from before stays in force. renew:
    uses the files as they are; returns what the log says of them, and raises OSError or ValueError where it has to be
    called again, which changes nothing else.
    """

    name: str
    pairs: tuple[tuple[Path, Path], ...]
    authorities: tuple[Path, ...]
    renew: Callable[[], str]
    pins: tuple[Path, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        return (*(path for pair in self.pairs for path in pair), *self.authorities, *self.pins)


class Renewal:
    """Looks after the files of a configuration from the moment on when it is made, which is before they are read.

    waiting: is told, by name, why the files on disk are not the ones in use; None once they are.
    """

    def __init__(self, all_files: list[TlsFiles], waiting: Callable[[str, str | None], None]) -> None:
        self._watched = [_Watched(files, waiting) for files in all_files]

    def look(self) -> None:
        """To be called every few seconds; a change is taken up at the second look that finds the same files."""
        for watched in self._watched:
            watched.look()


class _Watched:
    def __init__(self, files: TlsFiles, waiting: Callable[[str, str | None], None]) -> None:
        self._files = files
        self._waiting = waiting
        self._seen = self._stamp()
        # None where what is in force is in none of the files.
        self._in_force: Stamp | None = self._seen
        self._said: str | None = None

    def look(self) -> None:
        now = self._stamp()
        if now == self._in_force:
            if self._said is not None:
                log.info("{name}: the files are those in use again", name=self._files.name)
                self._settled()
            return
        if now != self._seen:
            self._seen = now
            return
        # A certificate that is not valid yet, or a directory that is unreadable for now: time alone may mend it.
        try:
            self._check()
            said = self._files.renew()
        except PairMismatch as error:
            self._hold(f"{error}; waiting for files that fit each other", log.warn)
        except OSError as error:
            self._hold(file_trouble(error), log.error)
        except ValueError as error:
            self._hold(str(error), log.error)
        else:
            self._in_force = now
            log.info("{name}: the renewed files are in use: {said}", name=self._files.name, said=said)
            self._settled()

    def _stamp(self) -> Stamp:
        return stamp(self._files.paths)

    def _check(self) -> None:
        for certificate, private_key in self._files.pairs:
            check_pair(certificate, private_key)
        for authorities in self._files.authorities:
            read_certificates(authorities)

    def _hold(self, why: str, say: Callable[..., None]) -> None:
        if why == self._said:
            return
        self._said = why
        text = "{name}: changed files are not used: {why}; those from before stay in force"
        if self._files.pins:
            text, self._in_force = "{name}: {why}", None
        say(text, name=self._files.name, why=why)
        self._waiting(self._files.name, why)

    def _settled(self) -> None:
        self._said = None
        self._waiting(self._files.name, None)
