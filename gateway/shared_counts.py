"""The lockout guard's counts over a configuration's life: in memory, or in a store that several gateways share."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import Final

from twisted.logger import Logger

from gateway.net.reactor import Reactor
from gateway.observe.ledger import Ledger
from gateway.state.redis_settings import RedisSettings
from gateway.state.shared_attempts import SharedAttempts

log = Logger()

# Seconds between two lines of the log that say the same.
QUIET_SECONDS: Final = 60.0


class SharedCounts:
    """attempts: one for the whole life of the process, so that sessions of before a reload and after it count
    together."""

    def __init__(self, reactor: Reactor, ledger: Ledger) -> None:
        self.attempts = SharedAttempts(monotonic, reactor, full=self._full)
        self._reactor = reactor
        self._ledger = ledger
        self._settings: RedisSettings | None = None
        self._accounts = 0
        # Attempts that were refused for want of a place since the log said so last, and when that was.
        self._refused = 0
        self._said = -QUIET_SECONDS

    def keep_in(self, settings: RedisSettings | None, accounts: int) -> None:
        """Counts there from now on. settings: None for memory; what this gateway has counted goes with it to another
        store. accounts: how many are remembered here."""
        self._accounts = accounts
        self.attempts.hold(accounts)
        if settings == self._settings:
            return
        self._settings = settings
        self._ledger.lockout_store_changed(None if settings is None else settings.label)
        if settings is None:
            self.attempts.use(None)
            log.info("lockout_store: from now on this gateway counts wrong passwords by itself")
            return
        # It takes long to import, and most gateways need none.
        from gateway.state.redis_attempts import RedisAttempts

        self.attempts.use(RedisAttempts(settings, monotonic, self._reactor, partial(self._changed, settings.label)))

    def close(self) -> None:
        self.attempts.close()

    def _full(self) -> None:
        self._refused += 1
        now = self._reactor.seconds()
        if now - self._said < QUIET_SECONDS:
            return
        log.error(
            "too-many-guarded: as many accounts are guarded as limits.counted_accounts remembers ({accounts}); "
            "sign-ins by other names are refused ({refused} since this was said last). Somebody guesses at many names",
            accounts=self._accounts,
            refused=self._refused,
        )
        self._refused, self._said = 0, now

    def _changed(self, store: str, trouble: str | None) -> None:
        self._ledger.lockout_store_state(trouble)
        if trouble is None:
            log.info("lockout_store {store}: wrong passwords are counted together with the other gateways", store=store)
        else:
            log.error(
                "lockout_store {store}: {trouble}; until it is back this gateway counts wrong passwords by itself",
                store=store,
                trouble=trouble,
            )
