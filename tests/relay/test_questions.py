"""Questions to whoever holds a session: a new kind is one class here and one row in the holder's table."""

from dataclasses import dataclass

import pytest

from gateway.ldap.messages import AbandonRequest
from gateway.ldap.results import LDAPResult
from gateway.net.sessions import answering
from gateway.policy.lockout import AttemptRefused, GuardRefusal
from gateway.policy.reasons import Reason
from gateway.relay import questions as q
from gateway.relay.audit import AuditRecord
from gateway.relay.operation import Operation
from gateway.relay.settings import SessionLimits
from gateway.relay.steps import Outcome
from tests.relay.harness import Harness, bind, search


@dataclass(frozen=True)
class AskMoon(q.Question):
    """A kind of question that the gateway does not have."""

    day: int


@dataclass(frozen=True)
class Urgent(AskMoon):
    """Its operation does not wait for longer than a bind."""

    @property
    def late(self):
        return Reason.too_many_attempts


@dataclass(frozen=True)
class Moon(q.Reply):
    full: bool


def by_moon(question):
    moon = yield question
    return Outcome(LDAPResult(0 if moon.full else 53))


class ByMoon(Harness):
    """A session with operations whose only step is such a question. posed: what was asked, with the keys."""

    def __init__(self, *questions):
        super().__init__(limits=SessionLimits(refusal_floor=0, bind=30, search=1000, silence=1000))
        self.posed = []
        self.bound()
        for number, question in enumerate(questions, 10):
            operation = Operation(search(), AuditRecord("s1", "mimecast", "", "search", number, self.now))
            self.session.operations.begin(operation, by_moon(question))
        self.do(self.session.turn_comes(self.now))

    def pose(self, key, question):
        if isinstance(question, AskMoon):
            self.posed.append((key, question))
        else:
            super().pose(key, question)


def test_a_reply_goes_to_the_operation_that_asked_whatever_the_order():
    asked = [AskMoon(1), AskMoon(1), AskMoon(2)]
    h = ByMoon(*asked)
    assert [question for _, question in h.posed] == asked
    assert len({key for key, _ in h.posed}) == 3
    for place, full in ((2, True), (0, False), (1, True)):
        h.reply(h.posed[place][0], Moon(full))
    assert h.results() == [(12, 0), (10, 53), (11, 0)]


def test_a_reply_that_comes_after_the_end_changes_nothing():
    h = ByMoon(AskMoon(1), AskMoon(2))
    h.send(AbandonRequest(10), start=20)
    h.reply(h.posed[0][0], Moon(True))
    assert h.results() == []
    h.reply(h.posed[1][0], Moon(True))
    assert h.results() == [(11, 0)]


def test_a_question_may_say_that_its_operation_does_not_wait_for_long():
    h = ByMoon(AskMoon(1), Urgent(2))
    h.tick(30)
    assert h.results() == [(11, 51)]
    assert h.audit[-1].reason == "too-many-attempts"
    h.reply(h.posed[1][0], Moon(True))
    h.reply(h.posed[0][0], Moon(True))
    assert h.results() == [(11, 51), (10, 0)]


@pytest.mark.parametrize("refusal, ended", [(None, [("neither",)]), (AttemptRefused(GuardRefusal.guarded, 60), [])])
def test_an_attempt_that_is_admitted_for_nobody_ends_at_once(refusal, ended):
    h = Harness(limits=SessionLimits(refusal_floor=0, bind=30))
    asked = []
    h.pose = lambda key, question: asked.append(key)
    h.send(bind("svc-sync@corp.example"))
    h.tick(30)
    assert h.results() == [(1, 51)]
    h.reply(asked[0], q.Admitted(refusal))
    assert [verdict for _, verdict in h.attempts] == [verdict for (verdict,) in ended]


def test_the_holder_answers_a_new_kind_by_its_row(monkeypatch):
    monkeypatch.setitem(answering.QUESTIONS, AskMoon, lambda session, question, answer: answer(Moon(question.day == 5)))
    replies = []
    answers = answering.SessionAnswers(None, replies.append)
    answers.pose(AskMoon(5), replies.append)
    answers.pose(AskMoon(6), replies.append)
    assert replies == [Moon(True), Moon(False)]


def test_the_holder_answers_a_new_quiet_kind_by_its_row(monkeypatch):
    monkeypatch.setitem(answering.QUIET_QUESTIONS, AskMoon, lambda session, question: Moon(question.day == 5))
    answers = answering.SessionAnswers(None, None)
    assert [answers.reply(AskMoon(day)) for day in (5, 6)] == [Moon(True), Moon(False)]


def kinds(kind):
    """The kinds that the gateway has of it."""
    return {each for each in vars(q).values() if isinstance(each, type) and issubclass(each, kind)} - {kind}


def test_each_kind_has_a_row():
    assert answering.QUESTIONS.keys().isdisjoint(answering.QUIET_QUESTIONS)
    assert {*answering.QUESTIONS, *answering.QUIET_QUESTIONS} == kinds(q.Question)
    assert set(answering.NOTICES) == kinds(q.Notice)
