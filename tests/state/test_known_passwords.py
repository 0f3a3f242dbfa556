"""Passwords of sync accounts that have proved wrong: answered from memory, and no hindrance for the right one."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.lockout import AttemptRefused, GuardedAccount, GuardRefusal, LockoutSettings, Verdict
from gateway.policy.password_digest import password_digest
from gateway.state.attempts import AttemptsInMemory
from gateway.state.counted_account import Attempt

SVC = GuardedAccount("corp", "name:svc", sync=True)
WINDOW = 100.0
OLD, NEW = b"old", b"new"


class Service:
    """answers: to each attempt, by the password. under_way: attempts that have not ended, with their passwords."""

    def __init__(self, failures=3, limit=1000):
        self.now = 0.0
        self.settings = LockoutSettings(failures, WINDOW)
        self.attempts = AttemptsInMemory(lambda: self.now, limit)
        self.under_way = []
        self.answers = []

    def begin(self, password):
        def answered(answer):
            self.answers.append((password, answer))
            if isinstance(answer, Attempt):
                self.under_way.append((password, answer))

        self.attempts.begin(SVC, self.settings, answered, password_digest(SVC, password))

    def end(self, place, verdict):
        password, attempt = self.under_way.pop(place)
        self.attempts.end(attempt, verdict)
        return password

    def try_(self, password, verdict):
        """What an attempt gets that is alone: None where it was tried, else why not."""
        before = len(self.answers)
        self.begin(password)
        _, answer = self.answers[before]
        if isinstance(answer, AttemptRefused):
            return answer.why
        self.end(-1, verdict)
        return None


PASSWORDS = st.sampled_from([b"a", b"b", b"c", b"d", b"e"])
VERDICTS = st.sampled_from([Verdict.wrong, Verdict.wrong, Verdict.wrong, Verdict.neither, Verdict.right])


@given(st.integers(1, 4), st.lists(st.tuples(PASSWORDS, VERDICTS, st.floats(0, 60)), max_size=40))
def test_what_has_proved_wrong_is_not_tried_again_while_it_counts_or_the_window_lasts(failures, events):
    service, wrong = Service(failures), {}
    # The first and the latest of the failures that count.
    first = latest = -WINDOW - 1
    for password, verdict, later in events:
        service.now += later
        counts = service.now - latest <= WINDOW
        known = password in wrong and ((counts and wrong[password] >= first) or service.now - wrong[password] < WINDOW)
        refused = service.try_(password, verdict)
        assert (refused is GuardRefusal.known) == known
        if refused is None and verdict is Verdict.wrong:
            wrong[password] = latest = service.now
            first = first if counts else latest
        elif refused is None and verdict is Verdict.right:
            wrong.pop(password, None)
            latest = -WINDOW - 1


@given(st.integers(1, 5), st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(0, 5))
def test_an_old_password_never_keeps_the_new_one_out(failures, ends, parallel):
    """However often it comes, one after another and in parallel."""
    service = Service(failures)
    for place in ends:
        for _ in range(parallel + 1):
            service.begin(OLD)
        if service.under_way:
            service.end(place % len(service.under_way), Verdict.wrong)
        service.now += 1
    while service.under_way:
        service.end(0, Verdict.wrong)
    tried = [answer for _, answer in service.answers if isinstance(answer, Attempt)]
    assert len(tried) <= max(1, min(parallel + 1, failures - 1))
    assert failures == 1 or service.try_(NEW, Verdict.right) is None


@given(st.integers(1, 4), st.lists(PASSWORDS, min_size=1, max_size=40), st.data())
def test_never_more_than_failures_reach_the_directory(failures, passwords, data):
    service = Service(failures)
    for password in passwords:
        service.begin(password)
        while service.under_way and data.draw(st.booleans()):
            service.end(data.draw(st.integers(0, len(service.under_way) - 1)), Verdict.wrong)
    while service.under_way:
        service.end(0, Verdict.wrong)
    assert len(service.answers) == len(passwords)
    tried = [password for password, answer in service.answers if isinstance(answer, Attempt)]
    assert len(tried) <= failures
    assert len(tried) == failures or set(tried) == set(passwords)


def test_a_password_is_tried_in_parallel_and_leaves_one_failure():
    service = Service(3)
    for _ in range(5):
        service.begin(NEW)
    assert len(service.under_way) == 2
    service.begin(OLD)
    assert [password for password, _ in service.under_way] == [NEW, NEW, OLD]
    while service.under_way:
        service.end(0, Verdict.neither)
    assert len(service.answers) == 6


def test_an_administrator_who_releases_the_account_lets_a_password_be_tried_again():
    service = Service(3)
    for password in (b"a", b"b", b"c"):
        assert service.try_(password, Verdict.wrong) is None
    assert service.try_(b"a", Verdict.wrong) is GuardRefusal.known
    assert service.try_(NEW, Verdict.right) is GuardRefusal.guarded
    service.attempts.forget(SVC)
    assert service.try_(b"a", Verdict.right) is None


def test_others_do_not_push_a_service_out_of_the_table():
    service = Service(3, limit=5)
    assert service.try_(OLD, Verdict.wrong) is None
    for number in range(50):
        person = GuardedAccount("corp", f"name:u{number}")
        answers = []
        service.attempts.begin(person, service.settings, answers.append)
        service.attempts.end(answers[0], Verdict.wrong)
    assert service.try_(OLD, Verdict.wrong) is GuardRefusal.known


def test_a_digest_is_of_one_account_and_password():
    other = GuardedAccount("corp", "name:other", sync=True)
    digests = {
        password_digest(account, password) for account in (SVC, other) for password in (b"", b"a", b"b", b"\0", b"a\0")
    }
    assert len(digests) == 10 and {len(digest) for digest in digests} == {32}
    assert password_digest(SVC, b"a") == password_digest(SVC, b"a")
    assert password_digest(GuardedAccount("corp", "name:\ud800"), b"a")


def test_hundreds_that_wait_and_have_left_are_passed_over_at_once():
    service = Service(3)
    service.begin(OLD)
    left = []

    def gone(answer):
        left.append(answer)
        if isinstance(answer, Attempt):
            service.attempts.end(answer, Verdict.neither)

    service.begin(OLD)
    for _ in range(2000):
        service.attempts.begin(SVC, service.settings, gone, password_digest(SVC, OLD))
    assert left == []
    service.end(0, Verdict.neither)
    assert len(left) == 2000
    service.end(0, Verdict.neither)
    assert service.try_(OLD, Verdict.right) is None


def test_an_old_password_does_not_close_the_guard_after_one_other_wrong_one():
    service = Service(3)
    assert service.try_(OLD, Verdict.wrong) is None
    service.now = 50
    assert service.try_(b"a typing mistake", Verdict.wrong) is None
    for service.now in range(51, 149):
        service.try_(OLD, Verdict.wrong)
    assert service.try_(NEW, Verdict.right) is None


def test_two_names_of_one_person_that_one_spelling_may_mean_do_not_wait_for_each_other():
    attempts = AttemptsInMemory(lambda: 0.0)
    dn = GuardedAccount("corp", "dn:jane")
    settings = LockoutSettings(3, WINDOW)
    names = [GuardedAccount("corp", "name:x4"), GuardedAccount("corp", "name:xiv")]
    for name in names:
        attempts.join(name, dn)
    for _ in range(2):
        attempts.begin(dn, settings, lambda answer: attempts.end(answer, Verdict.wrong))
    begun = []
    for name in names:
        attempts.begin(name, settings, begun.append, beside=tuple(begun))
    assert [isinstance(answer, Attempt) for answer in begun] == [True, True]
    for attempt in begun:
        attempts.end(attempt, Verdict.neither)
    # Nothing is left under way, and nothing was counted twice.
    answers = []
    attempts.begin(dn, settings, answers.append)
    assert isinstance(answers[0], Attempt)
    attempts.end(answers[0], Verdict.wrong)
    attempts.begin(dn, settings, answers.append)
    assert answers[1].why is GuardRefusal.guarded


def test_who_comes_again_at_once_with_a_wrong_password_is_refused_again():
    """As a client does that sends several binds in one piece."""
    service, said = Service(3), []
    assert service.try_(OLD, Verdict.wrong) is None

    def begin():
        service.attempts.begin(SVC, service.settings, answered, password_digest(SVC, OLD))

    def answered(answer):
        said.append(answer)
        if len(said) < 2000:
            begin()

    begin()
    assert len(said) == 2000 and {answer.why for answer in said} == {GuardRefusal.known}
    assert service.try_(NEW, Verdict.right) is None
