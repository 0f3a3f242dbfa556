"""Whether the store in which several gateways count wrong passwords answers this one."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

from twisted.internet.defer import Deferred, TimeoutError

from gateway.ask.findings import Section
from gateway.net.transport.reactor import Reactor
from gateway.state.redis_settings import RedisSettings

STEP: Final = "answers"

# Seconds; the search for a name has no time limit of its own.
LONGEST: Final = 5.0

_ADVICE: Final = (
    "look at Redis, at the way to it, and at user, password and ca_file; until it answers each gateway counts by itself"
)


async def check_lockout_store(section: Section, settings: RedisSettings, reactor: Reactor) -> None:
    """By the gateway's own way; no account's count is looked at or changed."""
    # It takes long to import, and most gateways need none.
    from gateway.state.redis_attempts import RedisAttempts

    first = _First()
    store = RedisAttempts(settings, monotonic, reactor, first.changed)
    store.open(first)
    untyped: Any = reactor
    try:
        trouble = await first.said.addTimeout(LONGEST, untyped)
    except TimeoutError:
        trouble = f"no answer within {LONGEST:g} seconds"
    finally:
        store.close()
    if trouble is None:
        section.ok(STEP, "wrong passwords are counted there")
    else:
        section.warning(STEP, trouble, _ADVICE)


class _First:
    """What is heard of the store first. said: why it cannot be used, None where it can."""

    def __init__(self) -> None:
        self.said: Deferred[str | None] = Deferred()
        self._trouble: str | None = None

    def changed(self, trouble: str | None) -> None:
        self._trouble = trouble

    def store_ready(self) -> None:
        self._tell()

    def store_gone(self) -> None:
        self._tell()

    def _tell(self) -> None:
        if not self.said.called:
            self.said.callback(self._trouble)
