"""What the running gateway answers to `ldap-gateway lockout`."""

import contextlib
import json
import socket
import threading
from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from gateway.policy.lockout import GuardedAccount, LockoutSettings, Verdict
from gateway.serve import lockout_control
from gateway.serve.lockout_control import MOST_LISTED, LockoutControl
from gateway.state.lockout_socket import SOCKET_NAME, ask
from gateway.state.shared_attempts import MOST_RECOUNTED, SharedAttempts
from gateway.state.sizes import SizesInMemory


class Settings:
    lockout_store, clients = None, ()


def test_a_full_table_is_listed_in_part_with_services_first_and_guarded_people_before_others():
    """A stranger can fill it, and the list takes the reactor's time."""
    clock = Clock()
    attempts = SharedAttempts(clock.seconds, clock)
    settings = LockoutSettings(3, 100.0)

    def fail(name, count, sync=False):
        for _ in range(count):
            account = GuardedAccount("corp", name, sync)
            attempts.begin(account, settings, lambda answer: attempts.end(answer, Verdict.wrong))

    for number in range(2 * MOST_LISTED):
        fail(f"name:u{number}", 1)
    fail("name:guarded", 3)
    fail("name:svc", 1, sync=True)
    answers = []
    LockoutControl(attempts, Settings, clock.seconds, SizesInMemory()).answer({"do": "list"}, answers.append)
    (answer,) = answers
    assert [found["account"] for found in answer["accounts"]][:2] == ["svc", "guarded"]
    assert (len(answer["accounts"]), answer["more"]) == (MOST_LISTED, MOST_LISTED + 2)
    assert answer["others"] is None


def test_other_settings_take_effect_little_by_little_and_the_latest_ones_for_all():
    clock = Clock()
    attempts = SharedAttempts(clock.seconds, clock)
    number = 3 * MOST_RECOUNTED
    for name in range(number):
        account = GuardedAccount("corp", f"name:u{name}")
        attempts.begin(account, LockoutSettings(1, 100.0), lambda answer: attempts.end(answer, Verdict.wrong))

    def guarded():
        return sum(found.guarded(clock.seconds()) for found in attempts.counted())

    attempts.count_by(lambda account: LockoutSettings(2, 100.0))
    assert guarded() == number - MOST_RECOUNTED
    attempts.count_by(lambda account: LockoutSettings(1, 100.0))
    for _ in range(4):
        clock.advance(0)
    assert guarded() == number
    attempts.count_by(lambda account: LockoutSettings(0, 100.0))
    for _ in range(4):
        clock.advance(0)
    assert guarded() == 0 and not [call for call in clock.getDelayedCalls() if call.getTime() == clock.seconds()]


def connected(state_dir):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(10)
    connection.connect(str(state_dir / SOCKET_NAME))
    return connection


@pytest.fixture
def listening(tmp_path):
    """The directory of a socket at which commands are answered."""
    clock = Clock()
    control = LockoutControl(SharedAttempts(clock.seconds, clock), Settings, clock.seconds, SizesInMemory())
    control.listen(tmp_path, SimpleNamespace(callFromThread=lambda call: call()))
    yield tmp_path
    control.close()


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{",
        b"\n",
        b"null\n",
        b"\xff\n",
        b"[" * 16_000 + b"\n",
        b'{"do": "list"',
        b"9" * 5000 + b"\n",
        b"x" * 20_000,
    ],
)
def test_what_is_no_request_is_answered_so_and_the_next_one_is_served(listening, octets):
    with connected(listening) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        assert "cannot read" in json.loads(connection.recv(1000))["error"]
    assert ask(listening, {"do": "list"})["accounts"] == []


def test_a_request_that_never_ends_keeps_nobody_waiting_for_longer_than_one(listening, monkeypatch):
    monkeypatch.setattr(lockout_control, "PATIENCE", 0.3)
    stopped = threading.Event()

    def drip(connection):
        with contextlib.suppress(OSError):
            while not stopped.wait(0.05):
                connection.sendall(b" ")

    with connected(listening) as connection:
        dripping = threading.Thread(target=drip, args=(connection,))
        dripping.start()
        try:
            # It would take a quarter of an hour to be too long.
            assert ask(listening, {"do": "list"})["accounts"] == []
        finally:
            stopped.set()
            dripping.join()
