"""Attempts to connect to one server, and what is learned from how each goes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, TimeoutError
from twisted.python.failure import Failure

from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.server_state import SLOW_ATTEMPT, ServerState, Trial
from gateway.net.servers.standings import Standings
from gateway.net.servers.way import Way, Whom
from gateway.net.transport.failures import FailureCause, explain_failure, failure_cause
from gateway.net.transport.reactor import Reactor

T = TypeVar("T")


class OtherFailed(Exception):
    """The attempt that was waited for failed."""


class Attempts:
    """The attempts at the servers of one directory. Waiting is in seconds of the reactor's clock."""

    def __init__(self, standings: Standings, way: Way, reactor: Reactor) -> None:
        self._standings = standings
        self._way = way
        self._reactor = reactor

    async def alone(self, state: ServerState, attempt: Callable[[], Coroutine[Any, Any, T]], patience: float) -> T:
        """Makes the attempt; where the server is down and somebody tries it already, only if that one does not fail.
        patience: seconds to wait for that. Raises OtherFailed, and what the attempt does."""
        until = self._reactor.seconds() + patience
        untyped: Any = self._reactor
        trial = state.trial
        while state.down is not None and trial is not None:
            try:
                await trial.wait().addTimeout(max(0.0, until - self._reactor.seconds()), untyped)
            except TimeoutError:
                raise OtherFailed from None
            if trial.failed:
                raise OtherFailed
            trial = state.trial
        if state.down is None:
            return await attempt()
        trial = state.trial = Trial()
        try:
            return await attempt()
        except CancelledError:
            raise
        except Exception:
            trial.failed = True
            raise
        finally:
            state.trial = None
            trial.end()

    async def tried(self, state: ServerState, whom: Whom | None, patience: float) -> ServerLink:
        """A link; the state learns of how that went. Otherwise as open."""
        began = state.attempt_began()
        try:
            link = await self.open(state, whom, patience)
        except CancelledError:
            # Whoever asked has left, perhaps because it took so long.
            if self._reactor.seconds() - began > SLOW_ATTEMPT:
                state.suspect()
            raise
        except Exception:
            failure = Failure()
            cause = failure_cause(failure)
            if cause is FailureCause.timeout and patience < self._standings.directory.connect_timeout:
                # It had less time than it should have.
                state.suspect()
            elif state.failed(cause, explain_failure(failure)):
                self._standings.tell_down(state)
            raise
        finally:
            state.attempt_ended(began)
        if state.connected():
            self._standings.tell_up(state)
        return link

    async def open(self, state: ServerState, whom: Whom | None, patience: float) -> ServerLink:
        """A link to this very server, counted and nothing else. Raises as the way does."""
        directory, observer = self._standings.directory, self._standings.observer
        try:
            link = await self._way.open(state.server, whom, patience)
        except CancelledError:
            raise
        except Exception:
            observer.server_failed(directory, state.server, failure_cause(Failure()))
            raise
        observer.server_connected(directory, state.server, link.certificate_expires)
        return link
