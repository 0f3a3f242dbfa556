"""The attempts of one session at a lockout guard, as its connection keeps them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.policy.lockout import AttemptRefused, GuardedAccount
from gateway.relay.commands import AdmitAttempt, AttemptEnded
from gateway.state.attempts import Attempts
from gateway.state.counted_account import Attempt

Told = Callable[[GuardedAccount, AttemptRefused | None], None]


class CountedAttempts:
    """A session's attempts that are under way. told: passes the guard's answer on to the session."""

    def __init__(self, attempts: Attempts, told: Told) -> None:
        self._attempts = attempts
        self._told = told
        self._under_way: list[tuple[GuardedAccount, Attempt]] = []

    def begin(self, command: AdmitAttempt) -> None:
        admitted = partial(self._admitted, command.account)
        self._attempts.begin(command.account, command.settings, admitted, command.digest, command.identity)

    def end(self, command: AttemptEnded) -> None:
        # The account is the very one that the session began the attempt with.
        under_way = next(place for place in self._under_way if place[0] is command.account)
        self._under_way.remove(under_way)
        self._attempts.end(under_way[1], command.verdict, command.entry)

    def _admitted(self, account: GuardedAccount, answer: Attempt | AttemptRefused) -> None:
        if isinstance(answer, Attempt):
            self._under_way.append((account, answer))
        self._told(account, answer if isinstance(answer, AttemptRefused) else None)
