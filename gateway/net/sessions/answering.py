"""The answers to what a session asks besides its two connections, and what becomes of the notices that it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from gateway.net.sessions.services import SessionServices
from gateway.policy.credentials import SecretVerdict
from gateway.policy.lockout import AttemptRefused, GuardedAccount, Verdict
from gateway.relay.questions import (
    AdmitAttempt,
    Admitted,
    AttemptEnded,
    JoinAccounts,
    Notice,
    Question,
    Recalled,
    RecallSizes,
    Reply,
    ServerAsked,
    ServerBehaved,
    StoreSizes,
    Verified,
    VerifySecret,
)
from gateway.state.counted_account import Attempt

Answer: TypeAlias = Callable[[Reply], None]


class SessionAnswers:
    """The holder's answers to one session: each question by its row in one of the tables below.

    heard: is told how servers behave. under_way: attempts that the lockout guard has admitted, each with the
    account that the session knows it by. ended: the session asks nothing any more.
    """

    def __init__(self, services: SessionServices, heard: Callable[[ServerAsked | ServerBehaved], None]) -> None:
        self.services = services
        self.heard = heard
        self.under_way: list[tuple[GuardedAccount, Attempt]] = []
        self.ended = False
        self.give_up_verifying: Callable[[], None] | None = None

    def reply(self, question: Question) -> Reply:
        """The reply to a quiet question."""
        return QUIET_QUESTIONS[type(question)](self, question)

    def pose(self, question: Question, answer: Answer) -> None:
        """Calls answer with the reply to a question that is not quiet, once, at once or later; never for a secret once
        the client is gone."""
        QUESTIONS[type(question)](self, question, answer)

    def tell(self, notice: Notice) -> None:
        NOTICES[type(notice)](self, notice)

    def client_gone(self) -> None:
        """Nobody waits for a secret to be verified any more: that takes a processor's time."""
        if self.give_up_verifying is not None:
            self.give_up_verifying()

    def end(self) -> None:
        """The session has ended; an attempt that is still admitted for it ends at once."""
        self.ended = True


def _admit(session: SessionAnswers, question: AdmitAttempt, answer: Answer) -> None:
    attempts = session.services.attempts

    def said(admitted: Attempt | AttemptRefused) -> None:
        if isinstance(admitted, AttemptRefused):
            answer(Admitted(admitted))
        elif session.ended:
            attempts.end(admitted, Verdict.neither)
        else:
            session.under_way.append((question.account, admitted))
            answer(Admitted(None))

    beside = [attempt for _, attempt in session.under_way]
    attempts.begin(question.account, question.settings, said, question.digest, question.identity, beside)


def _verify(session: SessionAnswers, question: VerifySecret, answer: Answer) -> None:
    found = session.services.verifier.verify(question.check, lambda verdict: answer(Verified(verdict)))
    if isinstance(found, SecretVerdict):
        answer(Verified(found))
    else:
        session.give_up_verifying = found


def _recall(session: SessionAnswers, question: RecallSizes) -> Reply:
    return Recalled(session.services.sizes.read(question.shape))


def _end_attempt(session: SessionAnswers, notice: AttemptEnded) -> None:
    for place, (known, attempt) in enumerate(session.under_way):
        # Two attempts of a session may be of one account, and each has a value of its own for it.
        if known is notice.account:
            del session.under_way[place]
            session.services.attempts.end(attempt, notice.verdict, notice.entry)
            return


def _join(session: SessionAnswers, notice: JoinAccounts) -> None:
    session.services.attempts.join(notice.alias, notice.account)


def _store(session: SessionAnswers, notice: StoreSizes) -> None:
    session.services.sizes.store(notice.shape, notice.sizes)


def _heard(session: SessionAnswers, notice: ServerAsked | ServerBehaved) -> None:
    session.heard(notice)


# Each row takes what its kind has. A kind without a row is an error of the program.
QUESTIONS: Final[dict[type[Question], Callable[[SessionAnswers, Any, Answer], None]]] = {
    AdmitAttempt: _admit,
    VerifySecret: _verify,
}
QUIET_QUESTIONS: Final[dict[type[Question], Callable[[SessionAnswers, Any], Reply]]] = {RecallSizes: _recall}
NOTICES: Final[dict[type[Notice], Callable[[SessionAnswers, Any], None]]] = {
    AttemptEnded: _end_attempt,
    JoinAccounts: _join,
    StoreSizes: _store,
    ServerAsked: _heard,
    ServerBehaved: _heard,
}
