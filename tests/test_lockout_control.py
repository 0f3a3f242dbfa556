"""What the running gateway answers to `ldap-gateway lockout`."""

from twisted.internet.task import Clock

from gateway.lockout_control import MOST_LISTED, LockoutControl
from gateway.policy.lockout import GuardedAccount, LockoutSettings, Verdict
from gateway.state.shared_attempts import SharedAttempts


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
    LockoutControl(attempts, Settings, clock.seconds).answer({"do": "list"}, answers.append)
    (answer,) = answers
    assert [found["account"] for found in answer["accounts"]][:2] == ["svc", "guarded"]
    assert (len(answer["accounts"]), answer["more"]) == (MOST_LISTED, MOST_LISTED + 2)
    assert answer["others"] is None
