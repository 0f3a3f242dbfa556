"""When the guard of an account begins and ends, as the log and the audit are told."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from gateway.policy.lockout import CountedKind, GuardedAccount, LockoutSettings, Verdict
from gateway.state.counted_account import Attempt
from gateway.state.guards import GuardEnd
from gateway.state.shared_attempts import SharedAttempts

WINDOW = 100.0
SETTINGS = LockoutSettings(2, WINDOW)
ACCOUNTS = [GuardedAccount("corp", f"name:u{number}", sync=number == 0) for number in range(3)]


class Watched:
    def __init__(self):
        self.clock = Clock()
        self.changes = []
        self.attempts = SharedAttempts(self.clock.seconds, self.clock, guard_changed=self.changes.append)

    def try_(self, account, verdict=Verdict.wrong):
        answers = []
        self.attempts.begin(account, SETTINGS, answers.append)
        if isinstance(answers[0], Attempt):
            self.attempts.end(answers[0], verdict)
            return True
        return False

    def told(self):
        said = [(change.account.shown, change.end) for change in self.changes]
        self.changes.clear()
        return said


def test_it_begins_with_the_last_failure_and_ends_by_itself():
    watched = Watched()
    watched.try_(ACCOUNTS[0])
    assert watched.told() == []
    watched.clock.advance(10)
    watched.try_(ACCOUNTS[0])
    (change,) = watched.changes
    assert (change.failures, change.left) == (2, WINDOW)
    assert watched.told() == [("u0", None)]
    assert not watched.try_(ACCOUNTS[0])
    watched.clock.advance(WINDOW)
    assert watched.told() == []
    watched.clock.advance(1)
    assert watched.told() == [("u0", GuardEnd.expired)]
    assert watched.clock.getDelayedCalls() == []


def test_it_ends_where_somebody_is_released_or_becomes_somebody_else():
    watched = Watched()
    for account in ACCOUNTS[:2]:
        watched.try_(account)
        watched.try_(account)
    watched.told()
    watched.attempts.forget(ACCOUNTS[0])
    assert watched.told() == [("u0", GuardEnd.lifted)]
    watched.attempts.join(ACCOUNTS[1], ACCOUNTS[2])
    assert watched.told() == [("u1", GuardEnd.lifted), ("u2", None)]
    watched.attempts.close()
    assert watched.clock.getDelayedCalls() == []


def test_how_many_are_guarded_and_for_how_long_can_be_asked_at_any_time():
    watched = Watched()
    attempts = watched.attempts
    assert (attempts.guarded().total(), attempts.longest_guard(), attempts.guard_left(ACCOUNTS[0])) == (0, 0, 0)
    for account in ACCOUNTS:
        watched.try_(account)
        watched.try_(account)
        watched.clock.advance(10)
    assert attempts.guarded() == {CountedKind.sync: 1, CountedKind.person: 2}
    assert [attempts.guard_left(account) for account in ACCOUNTS] == [70, 80, 90]
    assert attempts.longest_guard() == 90
    attempts.forget(ACCOUNTS[0])
    assert attempts.guard_left(ACCOUNTS[0]) == 0
    watched.clock.advance(91)
    assert (+attempts.guarded(), attempts.longest_guard()) == ({}, 0)


VERDICTS = st.sampled_from([*Verdict, Verdict.wrong, None])
EVENTS = st.lists(st.tuples(st.sampled_from(ACCOUNTS), VERDICTS, st.floats(0, 70)), max_size=60)


@given(EVENTS)
def test_what_was_told_is_who_is_refused(events):
    """Beginnings and ends take turns, and tell of each attempt whether it is made. A verdict of None releases."""
    watched, guarded = Watched(), set()
    for account, verdict, later in events:
        watched.clock.advance(later)
        for change in watched.changes:
            assert (change.account in guarded) == (change.end is not None)
            guarded ^= {change.account}
        watched.changes.clear()
        assert watched.attempts.guarded().total() == len(guarded)
        assert bool(watched.attempts.longest_guard()) <= bool(guarded)
        if verdict is None:
            watched.attempts.forget(account)
        else:
            made = watched.try_(account, verdict)
            # The clock of the guards may be late by a moment, never early.
            assert made or account in guarded
            if account in guarded and made:
                assert watched.changes and watched.changes[0].end is GuardEnd.expired
