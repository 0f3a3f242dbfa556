"""Secrets verified in threads: what is right, what is remembered, what is given up, and that nobody waits for it."""

import threading
import time
from contextlib import contextmanager
from queue import Empty, Queue

import pytest
from argon2 import PasswordHasher

from gateway.net.sessions import secret_verifier
from gateway.net.sessions.secret_verifier import SecretVerifier
from gateway.policy.credentials import Secret, SecretCheck, SecretVerdict

CHEAP = PasswordHasher(1, 8, 1)
ONE, TWO = CHEAP.hash(b"one"), CHEAP.hash(b"two")
# Of b"slow": about half a second of one core, for each verification and for making it.
SLOW = "$argon2id$v=19$m=131072,t=4,p=1$ylQ3F7SZwSFuiP5NBylI8Q$pJAxv0Bhf/C0ndttKE/+QT3M8+IlHmLL8i1HzHVZnmo"
RIGHT, WRONG, UNDECIDED = SecretVerdict


class Turns:
    """As much of a reactor as the verifier needs: calls from threads wait for the test to run them."""

    def __init__(self):
        self._calls = Queue()

    def callFromThread(self, call):
        self._calls.put(call)

    def run(self, count=1):
        for _ in range(count):
            self._calls.get(timeout=30)()

    def idle(self):
        with pytest.raises(Empty):
            self._calls.get_nowait()


@contextmanager
def verifier(**limits):
    turns = Turns()
    made = SecretVerifier(turns, **limits)
    try:
        yield made, turns
    finally:
        made.stop()


def check(secret, *hashes):
    return SecretCheck(hashes or (ONE, TWO), Secret(secret))


@pytest.mark.parametrize(
    ("secret", "verdict"), [(b"one", RIGHT), (b"two", RIGHT), (b"three", WRONG), (b"", WRONG), (b"one\0", WRONG)]
)
def test_a_secret_is_right_where_it_fits_any_of_the_hashes(secret, verdict):
    said = []
    with verifier() as (verifies, turns):
        assert callable(verifies.verify(check(secret), said.append))
        assert said == []
        turns.run()
    assert said == [verdict]


def test_a_right_secret_is_remembered_and_no_other_one():
    said = []
    with verifier() as (verifies, turns):
        verifies.verify(check(b"one"), said.append)
        turns.run()
        assert verifies.verify(check(b"one"), said.append) is RIGHT
        assert verifies.verify(check(b"one", ONE), said.append) is RIGHT
        for later in (check(b"one", TWO), check(b"two"), check(b"on")):
            assert callable(verifies.verify(later, said.append))
            turns.run()
    assert said == [RIGHT, WRONG, RIGHT, WRONG]


def test_a_removed_hash_is_forgotten_with_what_fitted_it():
    said = []
    with verifier() as (verifies, turns):
        verifies.verify(check(b"one"), said.append)
        turns.run()
        verifies.verify(check(b"one", TWO), said.append)
        turns.run()
    assert said == [RIGHT, WRONG]


def test_nothing_of_a_secret_is_kept_in_readable_form():
    with verifier() as (verifies, turns):
        verifies.verify(check(b"one"), lambda verdict: None)
        turns.run()
        kept = repr(vars(verifies))
    assert "b'one'" not in kept


def test_the_oldest_that_was_remembered_goes_first(monkeypatch):
    monkeypatch.setattr(secret_verifier, "REMEMBERED", 1)
    with verifier() as (verifies, turns):
        for secret in (b"one", b"two"):
            verifies.verify(check(secret), lambda verdict: None)
            turns.run()
        assert verifies.verify(check(b"two"), lambda verdict: None) is RIGHT
        assert callable(verifies.verify(check(b"one"), lambda verdict: None))


def test_beyond_the_queue_nothing_is_taken_but_what_is_remembered():
    said = []
    with verifier(threads=1, waiting=2) as (verifies, turns):
        verifies.verify(check(b"one"), said.append)
        turns.run()
        # The others wait behind the slow one.
        for hashes in ((SLOW,), (), ()):
            assert callable(verifies.verify(check(b"guess", *hashes), said.append))
        assert verifies.verify(check(b"guess"), said.append) is UNDECIDED
        assert verifies.verify(check(b"one"), said.append) is RIGHT
        turns.run(3)
        assert callable(verifies.verify(check(b"guess"), said.append))
        turns.run()
    assert said == [RIGHT, WRONG, WRONG, WRONG, WRONG]


def test_what_is_given_up_is_not_answered_and_makes_room_at_once():
    said = []
    with verifier(threads=1, waiting=1) as (verifies, turns):
        verifies.verify(check(b"guess", SLOW), said.append)
        given_up = verifies.verify(check(b"one"), said.append)
        assert verifies.verify(check(b"two"), said.append) is UNDECIDED
        given_up()
        turns.run()
        # The slow one is still under way.
        assert said == []
        assert callable(verifies.verify(check(b"two"), said.append))
        turns.run(2)
        turns.idle()
    assert said == [WRONG, RIGHT]


def test_one_that_is_under_way_can_be_given_up_as_well():
    said = []
    with verifier(threads=1) as (verifies, turns):
        given_up = verifies.verify(check(b"slow", SLOW), said.append)
        given_up()
        turns.run()
        turns.idle()
    assert said == []


def test_other_threads_run_while_a_secret_is_verified():
    """Were argon2 to hold the interpreter's lock, this thread would get no turn before the verdict."""
    said = []
    with verifier() as (verifies, turns):
        ended = threading.Event()
        turns.callFromThread = lambda call: (ended.set(), said.append(call))
        verifies.verify(check(b"slow", SLOW), lambda verdict: None)
        turned = 0
        until = time.monotonic() + 60
        while not ended.is_set() and time.monotonic() < until:
            turned += 1
            time.sleep(0)
    assert said
    assert turned > 100


def test_a_hash_that_cannot_be_verified_is_no_verdict():
    said = []
    with verifier() as (verifies, turns):
        verifies.verify(check(b"one", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"), said.append)
        turns.run()
    assert said == [UNDECIDED]


def test_nothing_is_verified_once_it_has_stopped():
    with verifier() as (verifies, _):
        verifies.stop()
        assert verifies.verify(check(b"one"), lambda verdict: None) is UNDECIDED
