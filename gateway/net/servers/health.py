"""Checks of a directory's servers in the background, so that no session need find out that one is down."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from random import uniform
from typing import Any, TypeAlias

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.net.servers.attempts import Attempts, OtherFailed
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.server_state import FIRST_RETRY, JITTER, ServerState
from gateway.net.servers.standings import Standings
from gateway.net.transport.failures import FailureCause, explain_failure, failure_cause
from gateway.net.transport.reactor import Reactor, Timer

log = Logger(__name__)

# What is asked of a server over a link of its own; raises NoAnswer. It need not close the link. Returns whether a bind
# was accepted, and something answered behind it, as sessions need it.
Question: TypeAlias = Callable[[ServerLink], Coroutine[Any, Any, bool]]


class NoAnswer(Exception):
    """The server accepts connections and does not answer as it should; the text says how it does not."""


class HealthChecks:
    """The checks of one directory's servers. question: None where it is enough that a server can be connected to.

    Without directory.health only servers that are down are looked at, and those that a session found fault with.
    """

    def __init__(self, standings: Standings, attempts: Attempts, question: Question | None, reactor: Reactor) -> None:
        self._standings = standings
        self._attempts = attempts
        self._question = question
        self._reactor = reactor
        self._watches: dict[ServerState, _Watch] = {}

    def look(self) -> None:
        """Begins to look after the directory's servers, as they are now."""
        states = [state for _, state in self._standings.of(None)]
        for gone in self._watches.keys() - set(states):
            self._watches.pop(gone).stop()
        for state in states:
            if state not in self._watches:
                self._watches[state] = _Watch(state, partial(self._check, state), self._interval, self._reactor)

    def stop(self) -> None:
        for watch in self._watches.values():
            watch.stop()
        self._watches.clear()

    @property
    def _interval(self) -> float | None:
        health = self._standings.directory.health
        return None if health is None else health.interval

    async def _check(self, state: ServerState) -> None:
        standings, directory = self._standings, self._standings.directory
        rise = 1 if directory.health is None else directory.health.rise
        fall = 1 if directory.health is None else directory.health.fall
        try:
            bound = await self._attempts.alone(state, partial(self._ask, state), directory.connect_timeout)
        except (CancelledError, OtherFailed):
            return
        except NoAnswer as error:
            news = state.check_failed(fall, FailureCause.no_answer, str(error), connects=True)
        except Exception:  # noqa: BLE001 - whatever broke the connection, the server cannot be used
            failure = Failure()
            news = state.check_failed(fall, failure_cause(failure), explain_failure(failure), connects=False)
        else:
            standings.observer.server_checked(directory, state.server, True)
            if state.check_passed(rise):
                standings.tell_up(state)
            if state.doubts.check_passed(bound):
                standings.tell_trusted(state, "a check was served as sessions need it")
            return
        standings.observer.server_checked(directory, state.server, False)
        if news:
            standings.tell_down(state)

    async def _ask(self, state: ServerState) -> bool:
        link = await self._attempts.open(state, None, self._standings.directory.connect_timeout)
        try:
            return False if self._question is None else await self._question(link)
        finally:
            link.close()


class _Watch:
    """When one server is checked: from the beginning on, and at once where it is suspected or has just gone down."""

    def __init__(
        self,
        state: ServerState,
        check: Callable[[], Coroutine[Any, Any, None]],
        interval: float | None,
        reactor: Reactor,
    ) -> None:
        self._state = state
        self._check = check
        self._interval = interval
        self._reactor = reactor
        self._timer: Timer | None = None
        self._running: Deferred[None] | None = None
        self._began = 0.0
        self._stopped = False
        state.woken = self._plan
        if interval is None:
            self._plan()
        else:
            # Soon, for until then nobody knows; but those of one directory not all at once.
            self._begin_in(uniform(0, FIRST_RETRY))

    def stop(self) -> None:
        self._stopped = True
        self._state.woken = lambda: None
        self._cancel()
        if self._running is not None:
            self._running.cancel()

    def _plan(self) -> None:
        if self._running is None and not self._stopped:
            self._begin_in(self._state.plan_check(self._interval))

    def _begin_in(self, delay: float | None) -> None:
        self._cancel()
        if delay is not None:
            # However many sessions find fault with a server, it is not checked all the time.
            earliest = self._began + FIRST_RETRY * (1 - JITTER) - self._reactor.seconds()
            self._timer = self._reactor.callLater(max(delay, earliest, 0.0), self._begin)

    def _cancel(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _begin(self) -> None:
        self._began = self._reactor.seconds()
        running = Deferred.fromCoroutine(self._check())
        self._running = running
        running.addErrback(lambda failure: log.failure("a health check broke off", failure))
        running.addBoth(self._ended)

    def _ended(self, _: object) -> None:
        self._running = None
        self._plan()
