"""Attempts of one account over all sessions."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.lockout import GuardedAccount, LockoutSettings, Verdict
from gateway.state.attempts import AttemptsInMemory

JANE, JOHN = GuardedAccount("corp", "jane"), GuardedAccount("corp", "john")
JANES_DN = GuardedAccount("corp", "cn=jane")
THREE = LockoutSettings(3, 100)


class Tried:
    def __init__(self, **more):
        self.now = 0.0
        self.attempts = AttemptsInMemory(lambda: self.now, **more)
        self.said = []

    def begin(self, account=JANE, settings=THREE):
        self.attempts.begin(account, settings, self.said.append)

    def fail(self, count, account=JANE):
        for _ in range(count):
            self.begin(account)
            assert self.said.pop() is True
            self.attempts.end(account, Verdict.wrong)

    def guarded(self, account=JANE):
        before = len(self.said)
        self.begin(account)
        assert len(self.said) == before + 1
        admitted = self.said.pop()
        if admitted:
            self.attempts.end(account, Verdict.neither)
        return not admitted


def test_after_so_many_failures_an_account_is_guarded_until_the_window_has_passed():
    tried = Tried()
    tried.fail(2)
    tried.now = 50
    tried.fail(1)
    assert tried.guarded()
    assert not tried.guarded(JOHN)
    tried.now = 99
    assert tried.guarded()
    tried.now = 100
    assert not tried.guarded()


def test_a_right_password_forgets_wrong_ones_and_other_refusals_do_not_count():
    tried = Tried()
    tried.fail(2)
    tried.begin()
    tried.attempts.end(JANE, Verdict.neither)
    tried.begin()
    tried.attempts.end(JANE, Verdict.right)
    tried.fail(2)
    assert not tried.guarded()


def test_no_more_are_under_way_than_may_still_fail():
    tried = Tried()
    tried.fail(1)
    for _ in range(4):
        tried.begin()
    assert tried.said == [True, True, True] or tried.said == [True, True]
    waited = len(tried.said)
    tried.attempts.end(JANE, Verdict.right)
    assert len(tried.said) > waited


def test_those_that_wait_are_refused_once_the_account_is_guarded():
    tried = Tried()
    for _ in range(5):
        tried.begin()
    assert tried.said == [True, True, True]
    for _ in range(3):
        tried.attempts.end(JANE, Verdict.wrong)
    assert tried.said == [True, True, True, False, False]


def test_two_names_of_one_person_count_together_from_when_that_is_known():
    tried = Tried()
    tried.fail(1, JANES_DN)
    tried.fail(1)
    tried.attempts.join(JANES_DN, JANE)
    tried.fail(1, JANES_DN)
    assert tried.guarded()
    assert tried.guarded(JANES_DN)


def test_names_that_become_one_while_an_attempt_is_under_way():
    tried = Tried()
    tried.begin(JANES_DN)
    tried.attempts.join(JANES_DN, JANE)
    tried.attempts.end(JANES_DN, Verdict.wrong)
    tried.fail(2)
    assert tried.guarded(JANES_DN)


def test_only_accounts_with_something_to_remember_are_kept():
    tried = Tried(limit=2)
    for number in range(5):
        assert not tried.guarded(GuardedAccount("corp", f"u{number}"))
    tried.fail(3)
    for number in range(5):
        assert not tried.guarded(GuardedAccount("corp", f"u{number}"))
    assert tried.guarded()


@given(st.lists(st.tuples(st.sampled_from(["begin", "wrong", "neither"]), st.floats(0, 40)), max_size=60))
def test_within_any_window_no_more_attempts_fail_than_are_permitted(events):
    tried = Tried()
    under_way, failed = 0, []
    for event, later in events:
        tried.now += later
        if event == "begin":
            tried.begin()
        elif under_way:
            if event == "wrong":
                failed.append(tried.now)
            tried.attempts.end(JANE, Verdict[event])
            under_way -= 1
        under_way += tried.said.count(True)
        tried.said.clear()
    for at in failed:
        assert sum(at - 100 < other <= at for other in failed) <= 3


def test_the_last_attempt_may_end_as_soon_as_it_is_admitted():
    tried = Tried()
    one = LockoutSettings(1, 100)

    def gone(admitted):
        tried.said.append(admitted)
        tried.attempts.end(JANE, Verdict.neither)

    tried.begin(settings=one)
    tried.attempts.begin(JANE, one, gone)
    tried.attempts.end(JANE, Verdict.right)
    assert tried.said == [True, True]


def test_what_is_forgotten_counts_no_more_and_lets_in_who_waits():
    tried = Tried()
    tried.fail(3)
    assert tried.guarded()
    tried.attempts.forget(JANE)
    assert not tried.guarded()
    tried.fail(2)
    tried.begin()
    tried.begin()
    assert tried.said == [True]
    tried.attempts.forget(JANE)
    assert tried.said == [True, True]
    tried.attempts.forget(JOHN)
