"""The running gateway's side of `ldap-gateway lockout` and `shrink accept` (gateway/state/lockout_socket.py has the
protocol)."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic, sleep
from typing import Any, Final

from twisted.logger import Logger

from gateway.config.settings import GatewaySettings
from gateway.host.system_errors import system_error
from gateway.net.transport.reactor import Reactor
from gateway.policy.lockout import GuardedAccount, accounts_named, mapped_account
from gateway.state.counted_account import CountedAccount
from gateway.state.lockout_socket import MOST_OCTETS, PATIENCE, SOCKET_NAME, CountedNow, open_socket
from gateway.state.shared_attempts import SharedAttempts
from gateway.state.sizes import SizeMemory

log = Logger(__name__)

# Accounts that are listed: each takes some microseconds of the reactor's thread.
MOST_LISTED: Final = 1_000
# Seconds between two attempts to take a connection.
RETRY: Final = 0.5


class LockoutControl:
    """What `ldap-gateway lockout` and `shrink accept` ask of a running gateway.

    attempts: of all sessions. settings: gives the configuration in force. clock: that of the attempts. sizes: what the
    shrink guard compares with.
    """

    def __init__(
        self,
        attempts: SharedAttempts,
        settings: Callable[[], GatewaySettings],
        clock: Callable[[], float],
        sizes: SizeMemory,
    ) -> None:
        self._attempts = attempts
        self._sizes = sizes
        self._settings = settings
        self._clock = clock
        self._answering: _Answering | None = None

    def listen(self, state_dir: Path, reactor: Reactor) -> None:
        """From now on commands are answered there. Where that cannot be, the log says so: the gateway does its work as
        well without."""
        try:
            self._answering = _Answering(state_dir, self.answer, reactor)
        except OSError as error:
            log.warn(
                "state_dir {path}: `ldap-gateway lockout` will not work: {error}",
                path=state_dir,
                error=system_error(error),
            )

    def close(self) -> None:
        if self._answering is not None:
            self._answering.close()

    def answer(self, request: dict[str, Any], then: Callable[[dict[str, Any]], None]) -> None:
        """Calls then once, at once or later."""
        store = self._settings().lockout_store
        label = "" if store is None else store.label
        name = request.get("name")
        if request.get("do") == "list":
            known = self._attempts.listed(MOST_LISTED)
            accounts = [asdict(found) for found in self._described(known)]
            more = self._attempts.remembered - len(known)
            listed = {"accounts": accounts, "more": more, "store": label}
            self._attempts.count_others(lambda others: then({**listed, "others": others}))
        elif request.get("do") == "release" and isinstance(name, str):
            released = [asdict(found) for found in self._release(name)]
            then({"released": released, "store": label})
        elif request.get("do") == "acceptance":
            then({"acceptance": self._sizes.latest_acceptance})
        else:
            then({"error": "the gateway does not know this request"})

    def _release(self, name: str) -> list[CountedNow]:
        """Forgets the wrong passwords of everybody whom this name may mean; returns those who had some here."""
        known = self._attempts.counted()
        meant = {found.account for found in known if found.account.shown == name}
        for directory in {client.directory.name for client in self._settings().clients}:
            meant.update(accounts_named(directory, name))
            # As the list of another gateway shows a DN.
            meant.update(GuardedAccount(directory, f"dn:{name}", sync) for sync in (False, True))
        for client in self._settings().clients:
            own = name.removeprefix(f"{client.policy.name}/")
            meant.add(mapped_account(client.directory.name, client.policy.name, own))
        counted = {self._attempts.counted_as(account) for account in meant}
        released = list(self._described(found for found in known if found.account in counted))
        for account in sorted(meant, key=str):
            self._attempts.forget(account)
        for found in released:
            log.warn(
                "lockout guard: an administrator has released the {kind} {name} (directory {directory})",
                kind=found.kind,
                name=found.account,
                directory=found.directory,
            )
        return released

    def _described(self, accounts: Iterable[CountedAccount]) -> Iterable[CountedNow]:
        now = self._clock()
        for found in accounts:
            found.trim(now)
            guarded = found.guarded(now)
            if not found.failures and not found.wrong:
                continue
            account = found.account
            yield CountedNow(
                account.directory,
                account.kind.value,
                account.shown,
                len(found.failures),
                guarded,
                found.guard_left(now) if guarded else 0.0,
                len(found.wrong),
            )


class _Answering:
    """A thread that answers commands one after another. answer: is called on the reactor's thread. Twisted's own port
    would let everybody connect."""

    def __init__(
        self,
        state_dir: Path,
        answer: Callable[[dict[str, Any], Callable[[dict[str, Any]], None]], None],
        reactor: Reactor,
    ) -> None:
        """Raises OSError."""
        self._path = state_dir / SOCKET_NAME
        self._listening = open_socket(state_dir)
        self._inode = self._path.stat().st_ino
        self._answer = answer
        self._reactor = reactor
        self._closed = False
        Thread(target=self._serve, name="lockout commands", daemon=True).start()

    def close(self) -> None:
        self._closed = True
        # Another gateway may have begun meanwhile.
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        # Wakes the thread, which may be waiting for somebody.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with self._listening:
            while not self._closed:
                try:
                    connection = self._listening.accept()[0]
                except OSError:
                    # Without descriptors or memory: rather later than never.
                    sleep(RETRY)
                    continue
                with connection, contextlib.suppress(OSError, Empty):
                    answer = json.dumps(self._answered(connection)).encode() + b"\n"
                    connection.settimeout(PATIENCE)
                    connection.sendall(answer)

    def _answered(self, connection: socket.socket) -> dict[str, Any]:
        line = b""
        # For the whole request, however slowly it comes: others wait behind it.
        until = monotonic() + PATIENCE
        while not line.endswith(b"\n") and len(line) <= MOST_OCTETS:
            connection.settimeout(max(0.0, until - monotonic()))
            received = connection.recv(MOST_OCTETS)
            if not received:
                break
            line += received
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return {"error": "the gateway cannot read this request"}
        answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._reactor.callFromThread(partial(self._answer, request, answers.put))
        return answers.get(timeout=PATIENCE)
