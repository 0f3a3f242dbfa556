"""What the log says of the lockout guard's counts."""

import pytest
from twisted.internet.task import Clock
from twisted.logger import eventAsText, globalLogPublisher

from gateway.observe.ledger import Ledger
from gateway.policy.lockout import GuardedAccount, GuardRefusal, LockoutSettings, Verdict
from gateway.shared_counts import QUIET_SECONDS, SharedCounts

ONE = LockoutSettings(1, 10**6)


@pytest.fixture
def told():
    """The lines of the log, as they come."""
    lines = []

    def hear(event):
        lines.append(eventAsText(event, includeTimestamp=False, includeSystem=False))

    globalLogPublisher.addObserver(hear)
    yield lines
    globalLogPublisher.removeObserver(hear)


def begin(counts, name):
    answers = []
    counts.attempts.begin(GuardedAccount("corp", name), ONE, answers.append)
    return answers[0]


def test_names_that_find_no_place_are_told_once_in_a_while_with_their_number(told):
    clock = Clock()
    counts = SharedCounts(clock, Ledger())
    counts.keep_in(None, 5)
    for number in range(5):
        counts.attempts.end(begin(counts, f"u{number}"), Verdict.wrong)
    assert told == []
    for number in range(1000):
        assert begin(counts, f"more{number}") is GuardRefusal.full
    clock.advance(QUIET_SECONDS)
    assert begin(counts, "last") is GuardRefusal.full
    lines = [line for line in told if "too-many-guarded" in line]
    assert ["(1 since" in lines[0], "(1000 since" in lines[1], len(lines)] == [True, True, 2]
    assert "limits.counted_accounts remembers (5)" in lines[0]


def test_a_reload_makes_room_for_more_accounts_or_fewer():
    counts = SharedCounts(Clock(), Ledger())
    counts.keep_in(None, 1)
    counts.attempts.end(begin(counts, "u0"), Verdict.wrong)
    assert begin(counts, "u1") is GuardRefusal.full
    counts.keep_in(None, 2)
    counts.attempts.end(begin(counts, "u1"), Verdict.wrong)
    counts.keep_in(None, 1)
    assert begin(counts, "u0") is GuardRefusal.guarded and begin(counts, "u1") is GuardRefusal.guarded
    assert begin(counts, "u2") is GuardRefusal.full
