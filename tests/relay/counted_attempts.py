"""The attempts of one session at a lockout guard, as its connection keeps them."""

from __future__ import annotations

from collections.abc import Callable

from gateway.policy.lockout import AttemptRefused, GuardedAccount
from gateway.relay.questions import AdmitAttempt, Admitted, AttemptEnded, Reply
from gateway.state.attempts import Attempts
from gateway.state.counted_account import Attempt

Answered = Callable[[int, Reply], None]


class CountedAttempts:
    """A session's attempts that are under way. answered: passes the guard's reply on to the session."""

    def __init__(self, attempts: Attempts, answered: Answered) -> None:
        self._attempts = attempts
        self._answered = answered
        self._under_way: list[tuple[GuardedAccount, Attempt]] = []

    def begin(self, key: int, question: AdmitAttempt) -> None:
        def said(answer: Attempt | AttemptRefused) -> None:
            if isinstance(answer, Attempt):
                self._under_way.append((question.account, answer))
            self._answered(key, Admitted(answer if isinstance(answer, AttemptRefused) else None))

        self._attempts.begin(question.account, question.settings, said, question.digest, question.identity)

    def end(self, notice: AttemptEnded) -> None:
        # The account is the very one that the session began the attempt with.
        under_way = next(place for place in self._under_way if place[0] is notice.account)
        self._under_way.remove(under_way)
        self._attempts.end(under_way[1], notice.verdict, notice.entry)
