"""Keeps a copy: opens its file, makes one round after the other, and says what it waits for.

It blocks, so it runs in a thread of its own. Whatever happens to it, what is visible stays as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from random import Random
from threading import Event
from typing import Final

import httpx

from gateway.entra.clock import Clock, real_clock
from gateway.entra.copy_file import open_copy
from gateway.entra.database import Meta
from gateway.entra.gate import Gate
from gateway.entra.graph import Graph
from gateway.entra.publishing import Held
from gateway.entra.rounds import Rounds, begin
from gateway.entra.settings import EntraSettings
from gateway.entra.status import CERTIFICATE_ENDS, Phase, tell, told
from gateway.entra.tokens import Credential, Tokens
from gateway.entra.trouble import Passing, Stopped, StopRequested
from gateway.entra.wanted import Wanted
from gateway.entra.web import Web
from gateway.state.sqlite_file import UnusableDatabase, is_damage, set_aside, transaction, trouble

# Seconds after which it is looked whether somebody has mended what made everything stop.
_STOPPED_PAUSE: Final = 900.0
# Seconds between two looks whether somebody has accepted the copy that is held back.
_HELD_PAUSE: Final = 10.0
# Seconds after which a file that cannot be used is tried again.
_FILE_PAUSE: Final = 30.0
# The part of the interval that chance may take off or add, so that many copies do not ask at the same moment.
_JITTER: Final = 0.1


class Keeper:
    """Keeps one copy. log: hears what an administrator should know, a sentence each. replaced: called when a new file
    has taken the place of the one that readers may have open; nothing is visible then."""

    def __init__(
        self,
        settings: EntraSettings,
        log: Callable[[str], None],
        replaced: Callable[[], None] = lambda: None,
        *,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
        random: Random | None = None,
        patience: int | None = None,
    ) -> None:
        """clock, transport, random: played in tests. patience: how often in a row one question is asked that has no
        answer, and a round begins anew; None for ever."""
        self._stopping = Event()
        self._settings = settings
        self._log = log
        self._replaced = replaced
        self._clock = clock or real_clock(self._stopping)
        self._transport = transport
        self._patience = patience
        self._random = random or Random()
        self._gate = Gate(self._clock, self._random)
        self._wanted = Wanted(settings.copy)
        self._tokens = Tokens(settings.tenant, self._clock.now)
        self._file: sqlite3.Connection | None = None
        # What was said last: what goes on is not said again and again.
        self._said = ""

    def stop(self) -> None:
        """Ends `run` soon, from whatever thread; the round goes on from there at the next start."""
        self._stopping.set()

    def run(self) -> None:
        """Makes rounds until `stop`."""
        try:
            while True:
                self._clock.sleep(self._round_and_pause())
        except StopRequested:
            pass
        finally:
            self.close()

    def once(self, *, full: bool = False) -> None:
        """Makes one round. full: reads everything anew. Raises Held, Stopped, Passing, and what files
        raise: UnusableDatabase, sqlite3.Error, OSError."""
        connection = self._opened()
        self._note_credential(connection)
        with closing(Web(self._settings.tenant, self._transport)) as web:
            origin = self._settings.tenant.cloud.graph_url
            graph = Graph(origin, web, self._tokens, self._gate, self._waits, self._patience)
            self._rounds(connection, graph).once(full=full)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _round_and_pause(self) -> float:
        """Makes a round, and returns the seconds until the next one."""
        try:
            self.once()
        except StopRequested:
            raise
        except Held as held:
            self._say(str(held))
            return _HELD_PAUSE
        except Stopped as stopped:
            self._tell(Phase.stopped, str(stopped))
            return _STOPPED_PAUSE
        except Passing as passing:
            self._say(str(passing))
            return self._gate.shut(passing.after)
        except UnusableDatabase as error:
            return self._put_aside(str(error))
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.Error) and is_damage(error):
                return self._put_aside(f"{self._settings.store} is damaged ({error})")
            self.close()
            self._say(f"{self._settings.store}: {trouble(error)}; the copy stays as it is, and the file is tried again")
            return _FILE_PAUSE
        except Exception as error:  # noqa: BLE001 - a thread that ends with it would say nothing to anybody
            # Its text is written for programmers, and may show a value.
            self._say(
                f"the gateway failed at the copy ({type(error).__name__}): please report it. The copy stays as it is"
            )
            return _STOPPED_PAUSE
        self._said = ""
        return self._settings.rounds.interval * self._random.uniform(1 - _JITTER, 1 + _JITTER)

    def _opened(self) -> sqlite3.Connection:
        if self._file is None:
            self._file, replaced = open_copy(self._settings.store, self._settings.tenant, self._clock.now(), self._log)
            if replaced:
                self._replaced()
            begin(self._file, self._wanted, self._clock.now())
        return self._file

    def _rounds(self, connection: sqlite3.Connection, graph: Graph) -> Rounds:
        return Rounds(connection, self._wanted, self._settings.rounds, graph, self._gate, self._clock, self._patience)

    def _put_aside(self, error: str) -> float:
        """A file whose damage showed only when it was used gives way to a new one."""
        self.close()
        try:
            moved = set_aside(self._settings.store, self._clock.now())
        except OSError as cannot:
            self._say(f"{error}, and it cannot be put aside: {trouble(cannot)}")
            return _FILE_PAUSE
        self._say(f"{error}; it is now {moved.name}, and everything is read anew")
        self._replaced()
        return 0.0

    def _note_credential(self, connection: sqlite3.Connection) -> None:
        ends = Credential(self._settings.tenant.credential).ends
        with transaction(connection):
            Meta(connection).set(CERTIFICATE_ENDS, None if ends is None else str(ends.timestamp()))

    def _waits(self, text: str, seconds: float) -> None:
        """Hears from the questions why they wait."""
        if self._file is not None:
            phase = told(self._file).phase
            said = f"{text} (again in {seconds:.0f} s)" if text else "goes on"
            with transaction(self._file):
                tell(self._file, phase, said, self._clock.now())
        if text:
            self._say(text)

    def _tell(self, phase: Phase, text: str) -> None:
        self._say(text)
        if self._file is not None:
            try:
                with transaction(self._file):
                    tell(self._file, phase, text, self._clock.now())
            except sqlite3.Error:
                # The next round finds out what is wrong with the file.
                self.close()

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._log(text)
