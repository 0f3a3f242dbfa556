"""Two gateways with one store: nobody waits for ever, and an old password leaves the new one its try."""

from functools import partial

import pytest

from gateway.policy.lockout import GuardedAccount, GuardRefusal, Verdict
from gateway.policy.password_digest import password_digest
from gateway.state.counted_account import Attempt
from gateway.state.shared_attempts import ASK_AGAIN, RENEWAL
from tests.servers.redis_server import RedisServer
from tests.state.test_redis_attempts import THREE, Clock, Gateway, Turns, someone

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def redis():
    with RedisServer() as running:
        yield running


@pytest.fixture
def pair(redis):
    clock, turns = Clock(), Turns()
    made = [Gateway(redis, clock, turns).ready() for _ in range(2)]
    yield made
    for gateway in made:
        gateway.attempts.close()


def test_nobody_waits_for_ever_when_names_are_joined_while_the_store_is_asked(pair):
    one, other = pair
    jane, dn = someone(), someone("cn=jane")
    # Its attempt was admitted before the name was guarded at the other gateway; the right password joins later.
    one.begin(jane)
    one.settle()
    assert other.try_(jane) and other.try_(jane)
    one.end(jane, Verdict.wrong)
    one.settle()
    one.said.clear()
    one.begin(jane)
    one.begin(jane)
    one.attempts.join(jane, dn)
    one.settle()
    for _ in range(3):
        one.turns.expire(ASK_AGAIN)
        one.settle()
    assert one.said[jane] == [False, False]


def test_one_old_password_in_parallel_at_two_gateways_leaves_one_try(pair):
    one, other = pair
    svc = GuardedAccount("corp", someone("name:svc").name, sync=True)
    digest = password_digest(svc, b"old")
    for gateway in (one, other, one, other, one, other):
        gateway.attempts.begin(svc, THREE, partial(gateway.answered, svc), digest)
        gateway.settle()
    while one.under_way[svc] or other.under_way[svc]:
        for gateway in (one, other):
            if gateway.under_way[svc]:
                gateway.end(svc, Verdict.wrong)
                gateway.settle()
    for _ in range(3):
        one.turns.expire(ASK_AGAIN)
        one.settle()
        other.settle()
    said = []
    one.attempts.begin(svc, THREE, said.append, password_digest(svc, b"new"))
    one.settle()
    assert [isinstance(answer, Attempt) for answer in said] == [True]


def test_hundreds_who_wait_with_an_old_password_and_come_again_at_once_are_refused(pair):
    one, other = pair
    svc = GuardedAccount("corp", someone("name:svc").name, sync=True)
    digest, said = password_digest(svc, b"old"), []

    def begin():
        one.attempts.begin(svc, THREE, answered, digest)

    def answered(answer):
        said.append(answer)
        if len(said) < 2000:
            begin()

    one.attempts.begin(svc, THREE, partial(one.answered, svc), digest)
    one.settle()
    for _ in range(1000):
        begin()
    assert not said
    one.end(svc, Verdict.wrong)
    one.settle()
    assert {answer.why for answer in said} == {GuardRefusal.known} and len(said) >= 2000
    assert other.try_(svc) and other.try_(svc) and not other.try_(svc)


def test_a_name_that_is_no_text_does_not_end_the_telling(pair):
    """As sys.argv has an octet that is no UTF-8: `lockout release $'\\xff'`, while Redis is away."""
    one, other = pair
    one.latest.away = True
    one.attempts.forget(GuardedAccount("corp", "mapped:mimecast/\udcff", sync=True))
    jane = someone()
    for _ in range(3):
        one.attempts.begin(jane, THREE, partial(one.answered, jane))
        one.end(jane, Verdict.wrong)
    one.latest.away = False
    one.attempts.store_ready()
    one.settle()
    one.turns.expire(RENEWAL)
    one.settle()
    assert not other.try_(jane)


def test_the_right_password_of_one_takes_back_nothing_of_another_who_is_called_alike(pair):
    """Also where the wrong ones came at the other gateway; those of the same name it takes back."""
    one, other = pair
    jane = someone("name:jane")

    def try_(gateway, verdict, identity, entry=""):
        told = []
        gateway.attempts.begin(jane, THREE, told.append, identity=identity)
        gateway.turns.until(lambda: told)
        if not isinstance(told[0], Attempt):
            return False
        gateway.attempts.end(told[0], verdict, entry)
        gateway.settle()
        return True

    for _ in range(2):
        assert try_(one, Verdict.wrong, "jane@corp.example")
        assert try_(other, Verdict.right, "jane@other.example", "cn=jane 2")
    assert try_(other, Verdict.right, "jane@corp.example", "cn=jane 1")
    for gateway in (one, other, one):
        assert try_(gateway, Verdict.wrong, "jane@corp.example")
    assert not try_(other, Verdict.right, "jane@other.example", "cn=jane 2")
