"""Waiting for what nobody tells of: it is looked at again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred

from gateway.net.transport.reactor import Reactor

# Seconds between two looks.
_STEP: Final = 0.005


async def pause(seconds: float, reactor: Reactor) -> None:
    """Returns after so many seconds."""
    waited: Deferred[None] = Deferred()
    reactor.callLater(seconds, waited.callback, None)
    await waited


async def holds_within(patience: float, condition: Callable[[], bool], reactor: Reactor) -> bool:
    """Whether a condition holds by now, or began to within so many seconds. What it raises is raised."""
    end = reactor.seconds() + patience
    while not condition():
        if reactor.seconds() > end:
            return False
        await pause(_STEP, reactor)
    return True
