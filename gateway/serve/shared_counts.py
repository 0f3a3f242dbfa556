"""The lockout guard's counts over a configuration's life: in memory, or in a store that several gateways share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic
from typing import Final

from twisted.logger import Logger

from gateway.net.sessions.settings import ClientSettings
from gateway.net.transport.reactor import Reactor
from gateway.observe.audit.view import printable
from gateway.observe.durations import duration
from gateway.observe.ledger import Ledger
from gateway.policy.lockout import CountedKind, LockoutSettings, strictest
from gateway.state.guards import GuardChange, GuardEnd
from gateway.state.lockout_socket import release_command
from gateway.state.redis_settings import RedisSettings
from gateway.state.shared_attempts import SharedAttempts

log = Logger(__name__)

# Seconds between two lines of the log that say the same.
QUIET_SECONDS: Final = 60.0
_ENDS: Final = {
    GuardEnd.expired: "its time is over",
    GuardEnd.lifted: "its wrong passwords are forgotten",
    GuardEnd.settings: "`lockout` of the configuration has changed",
}


class SharedCounts:
    """The counts of wrong passwords, in memory or in a common store.

    attempts: one for the whole life of the process, so that sessions of before a reload and after it count together.
    """

    def __init__(
        self, reactor: Reactor, ledger: Ledger, guard_changed: Callable[[GuardChange], None] = lambda change: None
    ) -> None:
        """guard_changed: is told of each guard that begins or ends, for the audit."""
        self.attempts = SharedAttempts(monotonic, reactor, full=self._full, guard_changed=self._guard_changed)
        ledger.guards = self.attempts
        self._audit = guard_changed
        # Of people and addresses: how many guards have begun since the log said so last, and when that was.
        self._begun = 0
        self._said_begun = -QUIET_SECONDS
        self._reactor = reactor
        self._ledger = ledger
        self._settings: RedisSettings | None = None
        # Of each directory, for accounts (False) and for addresses (True).
        self._rules: dict[tuple[str, bool], LockoutSettings | None] = {}
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

    def count_by(self, clients: Iterable[ClientSettings]) -> None:
        """From now on by the settings of these clients."""
        by_directory: dict[str, list[LockoutSettings]] = {}
        for client in clients:
            by_directory.setdefault(client.policy.directory, []).append(client.policy.lockout)
        before, self._rules = self._rules, {}
        for directory, several in by_directory.items():
            self._rules[directory, False] = strictest(several)
            self._rules[directory, True] = strictest(each.of_sources() for each in several)
        # There may be very many accounts.
        if self._rules != before:
            self.attempts.count_by(
                lambda account: self._rules.get((account.directory, account.kind is CountedKind.address))
            )

    def close(self) -> None:
        self.attempts.close()

    def _guard_changed(self, change: GuardChange) -> None:
        self._audit(change)
        account = change.account
        if account.kind not in (CountedKind.person, CountedKind.address):
            self._log_service(change)
        elif change.end is None:
            self._begun += 1
            now = self._reactor.seconds()
            if now - self._said_begun >= QUIET_SECONDS:
                log.warn(
                    "lockout guard: {number} people or addresses are guarded since this was said last, {shown} the "
                    "latest; the audit has each, and `ldap-gateway lockout list` shows them",
                    number=self._begun,
                    shown=printable(account.shown),
                )
                self._begun, self._said_begun = 0, now

    def _log_service(self, change: GuardChange) -> None:
        """Logs a change of the guard of an account without which there is no sync."""
        account = change.account
        what = {"kind": account.kind.value, "name": account.shown, "directory": account.directory}
        if change.end is None:
            log.warn(
                "lockout guard: the {kind} {name} (directory {directory}) is guarded for {left}, because {failures} "
                "wrong passwords came: nothing of it is sent to a server until then. Put the password right at the "
                "service; `{command}` ends the guard sooner",
                left=duration(change.left),
                failures=change.failures,
                command=release_command(account.shown),
                **what,
            )
        else:
            log.info(
                "lockout guard: the {kind} {name} (directory {directory}) is guarded no more: {why}",
                why=_ENDS[change.end],
                **what,
            )

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
