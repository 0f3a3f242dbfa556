"""What the log says of the lockout guard's counts."""

import pytest
from twisted.internet.task import Clock
from twisted.logger import eventAsText, globalLogPublisher

from gateway.observe.ledger import Ledger
from gateway.policy.lockout import GuardedAccount, GuardRefusal, LockoutSettings, Verdict
from gateway.serve.shared_counts import QUIET_SECONDS, SharedCounts

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
    counts.attempts.begin(GuardedAccount("corp", f"name:{name}"), ONE, answers.append)
    return answers[0]


def test_names_that_find_no_place_are_told_once_in_a_while_with_their_number(told):
    clock = Clock()
    counts = SharedCounts(clock, Ledger())
    counts.keep_in(None, 5)
    for number in range(5):
        counts.attempts.end(begin(counts, f"u{number}"), Verdict.wrong)
    assert not [line for line in told if "too-many-guarded" in line]
    for number in range(1000):
        assert begin(counts, f"more{number}").why is GuardRefusal.full
    clock.advance(QUIET_SECONDS)
    assert begin(counts, "last").why is GuardRefusal.full
    lines = [line for line in told if "too-many-guarded" in line]
    assert ["(1 since" in lines[0], "(1000 since" in lines[1], len(lines)] == [True, True, 2]
    assert "limits.counted_accounts remembers (5)" in lines[0]


def test_a_reload_makes_room_for_more_accounts_or_fewer():
    counts = SharedCounts(Clock(), Ledger())
    counts.keep_in(None, 1)
    counts.attempts.end(begin(counts, "u0"), Verdict.wrong)
    assert begin(counts, "u1").why is GuardRefusal.full
    counts.keep_in(None, 2)
    counts.attempts.end(begin(counts, "u1"), Verdict.wrong)
    counts.keep_in(None, 1)
    assert begin(counts, "u0").why is GuardRefusal.guarded and begin(counts, "u1").why is GuardRefusal.guarded
    assert begin(counts, "u2").why is GuardRefusal.full


def fail(counts, name, sync=False):
    answers = []
    counts.attempts.begin(GuardedAccount("corp", name, sync), ONE, answers.append)
    counts.attempts.end(answers[0], Verdict.wrong)


def test_guards_of_people_and_addresses_are_told_together_and_of_services_each(told):
    clock, changes = Clock(), []
    counts = SharedCounts(clock, Ledger(), changes.append)
    counts.keep_in(None, 100)
    for number in range(5):
        fail(counts, f"name:u{number}")
    fail(counts, "address:198.51.100.1/32")
    fail(counts, "name:svc", sync=True)
    fail(counts, "dn:gateway,service accounts,corp,example", sync=True)
    fail(counts, "mapped:mimecast/sync", sync=True)
    clock.advance(QUIET_SECONDS)
    fail(counts, "name:jane\n\x1b[2J")
    lines = [line for line in told if "lockout guard" in line]
    assert len(lines) == 5
    assert "1 people or addresses are guarded" in lines[0] and "u0" in lines[0]
    assert "the sync account svc (directory corp) is guarded for" in lines[1]
    assert "the account of the gateway gateway,service accounts,corp,example" in lines[2]
    assert "the mapped account mimecast/sync" in lines[3]
    assert "6 people or addresses are guarded" in lines[4]
    assert all(line.isprintable() for line in lines)
    # The audit has each.
    assert len(changes) == 10
