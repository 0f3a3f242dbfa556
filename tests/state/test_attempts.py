"""Attempts of one account over all sessions."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.lockout import GuardedAccount, GuardRefusal, LockoutSettings, Verdict
from gateway.state.attempts import AttemptsInMemory
from gateway.state.counted_account import Attempt
from gateway.state.joins import JOINED
from tests.state.directory_count import DirectoryCount

JANE, JOHN = GuardedAccount("corp", "jane"), GuardedAccount("corp", "john")
JANES_DN = GuardedAccount("corp", "cn=jane")
THREE = LockoutSettings(3, 100)


class Tried:
    """said: of each attempt True where it was admitted. admitted: those that are under way, the earliest first."""

    def __init__(self, **more):
        self.now = 0.0
        self.attempts = AttemptsInMemory(lambda: self.now, **more)
        self.said = []
        self.admitted = []

    def begin(self, account=JANE, settings=THREE):
        self.attempts.begin(account, settings, self.answered)

    def answered(self, answer):
        self.said.append(isinstance(answer, Attempt))
        if isinstance(answer, Attempt):
            self.admitted.append(answer)

    def end(self, verdict, place=0):
        self.attempts.end(self.admitted.pop(place), verdict)

    def try_(self, account=JANE, verdict=Verdict.wrong, settings=THREE):
        """One attempt from its beginning to its end; whether it was admitted."""
        before = len(self.said)
        self.begin(account, settings)
        assert len(self.said) == before + 1
        if self.said.pop():
            self.end(verdict, -1)
            return True
        return False

    def fail(self, count, account=JANE):
        for _ in range(count):
            assert self.try_(account)

    def guarded(self, account=JANE, settings=THREE):
        return not self.try_(account, Verdict.neither, settings)


def test_failures_expire_together_when_the_last_one_is_older_than_the_window():
    tried = Tried()
    tried.fail(2)
    tried.now = 50
    tried.fail(1)
    assert tried.guarded()
    assert not tried.guarded(JOHN)
    tried.now = 150
    assert tried.guarded()
    tried.now = 150.01
    assert not tried.guarded()
    tried.fail(3)
    assert tried.guarded()


def test_a_guess_just_within_each_window_keeps_all_earlier_ones_alive():
    tried = Tried()
    for _ in range(3):
        tried.fail(1)
        tried.now += 100
    assert tried.guarded()


def test_a_guess_that_a_guarded_account_refuses_does_not_prolong_the_guard():
    tried = Tried()
    tried.fail(3)
    for _ in range(10):
        tried.now += 10
        assert tried.guarded()
    tried.now += 1
    assert not tried.guarded()


def test_failures_do_not_expire_while_an_attempt_may_be_at_a_server():
    tried = Tried()
    tried.fail(2)
    tried.now = 99
    tried.begin()
    tried.now = 105
    tried.begin()
    assert tried.said == [True]
    tried.end(Verdict.wrong)
    assert tried.said == [True, False]
    tried.now = 204
    assert tried.guarded()
    tried.now = 206
    assert not tried.guarded()


def test_an_attempt_that_began_after_the_quiet_revives_nothing():
    tried = Tried()
    tried.fail(2)
    tried.now = 101
    tried.begin()
    tried.now = 150
    tried.end(Verdict.wrong)
    assert tried.try_() and tried.try_()
    assert tried.guarded()


def test_a_right_password_forgets_wrong_ones_and_other_refusals_do_not_count():
    tried = Tried()
    tried.fail(2)
    tried.try_(verdict=Verdict.neither)
    tried.try_(verdict=Verdict.right)
    tried.fail(2)
    assert not tried.guarded()


def test_a_right_password_does_not_forget_what_failed_while_it_was_under_way():
    tried = Tried()
    tried.fail(1)
    tried.begin()
    tried.begin()
    tried.now = 1
    tried.end(Verdict.wrong, 1)
    tried.end(Verdict.right)
    tried.now = 2
    tried.fail(2)
    assert tried.guarded()


def test_no_more_are_under_way_than_may_still_fail():
    tried = Tried()
    tried.fail(1)
    for _ in range(4):
        tried.begin()
    assert tried.said == [True, True]
    tried.end(Verdict.right)
    assert tried.said == [True, True, True, True]


def test_those_that_wait_are_refused_once_the_account_is_guarded():
    tried = Tried()
    for _ in range(5):
        tried.begin()
    assert tried.said == [True, True, True]
    for _ in range(3):
        tried.end(Verdict.wrong)
    assert tried.said == [True, True, True, False, False]


def test_each_client_judges_by_its_own_window_and_number():
    tried = Tried()
    short, more = LockoutSettings(3, 50), LockoutSettings(5, 100)
    tried.fail(3)
    assert tried.guarded() and tried.guarded(settings=short) and not tried.guarded(settings=more)
    tried.now = 60
    assert tried.guarded() and not tried.guarded(settings=short)
    assert tried.try_(settings=short)
    assert not tried.guarded(settings=short)
    assert tried.try_(settings=more)
    assert tried.guarded(settings=more) and tried.guarded()
    tried.now = 170
    assert not tried.guarded(settings=more)


def test_an_address_forgets_each_wrong_password_by_itself():
    source = GuardedAccount("corp", "<198.51.100.1>")
    tried = Tried()
    settings = LockoutSettings(0, 100, per_source=2).of_sources()
    for _ in range(10):
        assert tried.try_(source, settings=settings)
        tried.now += 51
    assert tried.try_(source, settings=settings)
    assert tried.guarded(source, settings)
    tried.now += 50
    assert not tried.guarded(source, settings)


def test_two_names_of_one_person_count_together_from_when_that_is_known():
    tried = Tried()
    tried.fail(1, JANES_DN)
    tried.fail(1)
    tried.attempts.join(JANE, JANES_DN)
    tried.fail(1)
    assert tried.guarded()
    assert tried.guarded(JANES_DN)


def test_names_that_become_one_while_an_attempt_is_under_way():
    tried = Tried()
    tried.begin()
    tried.attempts.join(JANE, JANES_DN)
    tried.end(Verdict.wrong)
    tried.fail(2, JANES_DN)
    assert tried.guarded()


def test_names_that_become_one_refuse_those_that_wait_where_both_together_are_guarded():
    tried = Tried()
    tried.fail(2, JANES_DN)
    tried.fail(1)
    tried.begin()
    tried.begin()
    tried.begin()
    assert tried.said == [True, True]
    tried.attempts.join(JANE, JANES_DN)
    assert tried.said == [True, True, False]


def test_names_are_known_as_one_persons_for_as_long_as_she_signs_in_now_and_then():
    tried = Tried()
    for _ in range(3):
        tried.attempts.join(JANE, JANES_DN)
        tried.now += JOINED
        tried.fail(1)
        tried.fail(2, JANES_DN)
        assert tried.guarded()
    tried.now += 101
    tried.fail(1)
    tried.fail(2, JANES_DN)
    assert not tried.guarded()


def test_two_people_with_one_name_count_as_one():
    """Each sign-in would else move the name from one count to the other, with guesses of its own in each."""
    other = GuardedAccount("corp", "cn=other jane")
    tried = Tried()
    tried.attempts.join(JANE, JANES_DN)
    tried.fail(2)
    tried.attempts.join(JANE, other)
    tried.fail(1)
    assert tried.guarded(other) and tried.guarded(JANES_DN) and tried.guarded()


def test_an_account_that_was_an_alias_is_one_no_more():
    tried = Tried()
    tried.attempts.join(JANES_DN, JANE)
    tried.attempts.join(JANE, JANES_DN)
    tried.fail(2)
    tried.fail(1, JANES_DN)
    assert tried.guarded() and tried.guarded(JANES_DN)


def test_only_accounts_with_something_to_remember_are_kept():
    tried = Tried(limit=2)
    for number in range(5):
        assert not tried.guarded(GuardedAccount("corp", f"u{number}"))
    tried.fail(3)
    for number in range(5):
        assert not tried.guarded(GuardedAccount("corp", f"u{number}"))
    assert tried.guarded()


WINDOW = 100
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.booleans()),
        st.tuples(st.just("arrive"), st.integers(0, 5)),
        st.tuples(st.just("end"), st.integers(0, 5), st.sampled_from(["wrong", "right", "neither"])),
        st.tuples(st.just("pass"), st.one_of(st.floats(0, 120), st.sampled_from([WINDOW, WINDOW / 2, WINDOW + 0.5]))),
    ),
    max_size=80,
)


@given(EVENTS, st.integers(1, 4))
def test_no_timing_of_guesses_makes_the_directory_count_more_than_are_permitted(events, permitted):
    """Each attempt reaches the server at any moment between its beginning and its end."""
    settings = LockoutSettings(permitted, WINDOW)
    tried = Tried()
    directory = DirectoryCount(WINDOW)
    reached, joined = {}, False

    def reach(attempt, verdict):
        if attempt.name not in reached:
            reached[attempt.name] = verdict
            if verdict == "wrong":
                directory.wrong(tried.now)
            elif verdict == "right":
                directory.right()

    for event, *more in events:
        if event == "begin":
            tried.begin(JANE if more[0] and joined else JANES_DN, settings)
            if not joined:
                tried.attempts.join(JANE, JANES_DN)
                joined = True
        elif event == "arrive" and tried.admitted:
            reach(tried.admitted[more[0] % len(tried.admitted)], "wrong")
        elif event == "end" and tried.admitted:
            place = more[0] % len(tried.admitted)
            reach(tried.admitted[place], more[1])
            tried.end(Verdict[reached[tried.admitted[place].name]], place)
        elif event == "pass":
            tried.now += more[0]
        assert len(tried.admitted) <= permitted
    assert directory.highest <= permitted


def test_the_last_attempt_may_end_as_soon_as_it_is_admitted():
    tried = Tried()
    one = LockoutSettings(1, 100)

    def gone(answer):
        tried.said.append(True)
        tried.attempts.end(answer, Verdict.neither)

    tried.begin(settings=one)
    tried.attempts.begin(JANE, one, gone)
    tried.end(Verdict.right)
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


# Many names.


def full(limit):
    """A table whose every place belongs to a guarded account."""
    tried = Tried(limit=limit)
    for number in range(limit):
        tried.fail(3, GuardedAccount("corp", f"guarded{number}"))
    return tried


def begun(tried, account, settings=THREE):
    answers = []
    tried.attempts.begin(account, settings, answers.append)
    return answers[0]


def test_a_guarded_account_is_not_forgotten_because_many_other_names_came():
    tried = Tried(limit=10)
    tried.fail(3)
    for number in range(100):
        tried.fail(1, GuardedAccount("corp", f"u{number}"))
    assert tried.guarded()


def test_who_has_fewer_failures_makes_room_first():
    tried = Tried(limit=10)
    tried.fail(2)
    for number in range(100):
        tried.fail(1, GuardedAccount("corp", f"u{number}"))
    tried.fail(1)
    assert tried.guarded()


def test_who_is_being_tried_keeps_his_place():
    tried = Tried(limit=2)
    tried.fail(2)
    tried.begin()
    for number in range(10):
        tried.try_(GuardedAccount("corp", f"u{number}"))
    tried.end(Verdict.wrong)
    assert tried.guarded()


def test_where_everybody_is_guarded_a_new_name_is_refused_until_one_expires():
    tried = full(10)
    assert begun(tried, JANE).why is GuardRefusal.full
    assert begun(tried, GuardedAccount("corp", "guarded7")).why is GuardRefusal.guarded
    tried.now = 100
    assert begun(tried, JANE).why is GuardRefusal.full
    tried.now = 101
    tried.fail(3)
    assert tried.guarded()


def test_accounts_that_the_configuration_names_find_a_place_in_a_full_table():
    tried = full(10)
    sync = GuardedAccount("corp", "svc-sync", sync=True)
    tried.fail(3, sync)
    assert tried.guarded(sync)
    assert begun(tried, JANE).why is GuardRefusal.full


def test_names_that_become_one_make_room():
    tried = Tried(limit=2)
    tried.fail(3)
    tried.fail(3, JANES_DN)
    assert begun(tried, JOHN).why is GuardRefusal.full
    tried.attempts.join(JANE, JANES_DN)
    tried.fail(3, JOHN)
    assert tried.guarded(JOHN) and tried.guarded() and tried.guarded(JANES_DN)


NAMES = [GuardedAccount("corp", f"u{number}") for number in range(6)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.sampled_from([Verdict.wrong, Verdict.wrong, Verdict.wrong, Verdict.right, Verdict.neither]),
            st.floats(0, 60),
        ),
        max_size=60,
    )
)
def test_the_table_never_outgrows_its_limit_and_never_forgets_a_guarded_account(events):
    tried = Tried(limit=3)
    known = {name: Tried() for name in NAMES}
    for name, verdict, later in events:
        tried.now += later
        guarded = {}
        for each, alone in known.items():
            alone.now = tried.now
            guarded[each] = alone.guarded()
        answer = begun(tried, name)
        if isinstance(answer, Attempt):
            assert not guarded[name]
            tried.attempts.end(answer, verdict)
            known[name].try_(verdict=verdict)
        elif answer.why is GuardRefusal.full:
            assert sum(guarded.values()) == 3 and not guarded[name]
        assert len(tried.attempts._accounts) <= 3
        for each in NAMES:
            if tried.attempts._accounts.get(each) is None:
                # Whoever was not guarded may be forgotten, with the failures so far.
                assert not guarded[each]
                known[each] = Tried()
