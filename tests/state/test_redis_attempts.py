"""Counts that several gateways share in a real Redis server."""

import hashlib
import itertools
from collections import Counter, defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.demo.certificates import make_certificates
from gateway.policy.lockout import GuardedAccount, LockoutSettings, Verdict
from gateway.state.attempts import AttemptsInMemory
from gateway.state.counted_account import Attempt
from gateway.state.redis_attempts import PATIENCE, SETTLED, RedisAttempts
from gateway.state.redis_settings import RedisSettings
from gateway.state.shared_attempts import ASK_AGAIN, MOST_NEWS, RENEWAL, SharedAttempts
from tests.examples import examples
from tests.servers.gateway_process import free_port
from tests.servers.redis_server import PASSWORD, RedisServer
from tests.state.directory_count import DirectoryCount
from tests.state.turns import Turns

pytestmark = pytest.mark.servers

# No sum of whole seconds is a window, which Redis knows to the millisecond only.
THREE = LockoutSettings(3, 100.5)
NEVER = 10_000.0
_numbers = itertools.count()


class Gateway:
    """Attempts in one store. said: of each account whether its attempts were admitted; under_way: of each account those
    that have not ended; states: what was said of the store."""

    def __init__(self, server, clock, turns, **changes):
        self.turns = turns
        self.said = defaultdict(list)
        self.under_way = defaultdict(list)
        self.states = []
        self.settings = RedisSettings("127.0.0.1", server.port, password=server.password, **changes)
        self.clock = clock
        self.attempts = SharedAttempts(clock, turns)
        self.attempts.use(self.store(self.settings))

    def store(self, settings, look_pause=NEVER):
        self.latest = RedisAttempts(settings, self.clock, self.turns, self.states.append, look_pause)
        return self.latest

    def ready(self):
        self.turns.until(lambda: not self.latest.away)
        return self

    def begin(self, account, settings=THREE):
        self.attempts.begin(account, settings, partial(self.answered, account))

    def answered(self, account, answer):
        self.said[account].append(isinstance(answer, Attempt))
        if isinstance(answer, Attempt):
            self.under_way[account].append(answer)

    def end(self, account, verdict):
        """Of the attempt that was admitted last."""
        self.attempts.end(self.under_way[account].pop(), verdict)

    def settle(self):
        """Until the store has answered whatever it was asked."""
        self.turns.until(lambda: not self.turns.running(PATIENCE))

    def try_(self, account, verdict=Verdict.wrong, settings=THREE):
        """One attempt from its beginning to its end; whether it was admitted."""
        told = self.said[account]
        before = len(told)
        self.begin(account, settings)
        self.turns.until(lambda: len(told) > before)
        if told[-1]:
            self.end(account, verdict)
            self.settle()
        return told[-1]


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def server():
    with RedisServer() as running:
        yield running


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def start(clock):
    """A function that takes a server and returns a Gateway; all have one clock and one reactor."""
    turns = Turns()
    started = []

    def start(server, **changes):
        started.append(Gateway(server, clock, turns, **changes))
        return started[-1]

    yield start
    for gateway in started:
        gateway.attempts.close()


@pytest.fixture
def pair(server, start):
    return start(server).ready(), start(server).ready()


def someone(name="jane"):
    return GuardedAccount("corp", f"{name}{next(_numbers)}")


def test_wrong_passwords_at_two_gateways_guard_the_account_at_both(pair):
    one, other = pair
    jane = someone()
    assert one.try_(jane) and one.try_(jane) and other.try_(jane)
    assert not one.try_(jane)
    assert not other.try_(jane)


def test_a_right_password_at_one_gateway_is_forgotten_at_both(pair):
    one, other = pair
    jane = someone()
    assert one.try_(jane) and one.try_(jane)
    assert other.try_(jane, Verdict.right)
    assert one.try_(jane) and one.try_(jane) and other.try_(jane)
    assert not one.try_(jane)


def test_what_an_administrator_lets_be_forgotten_is_so_at_both(pair, clock):
    one, other = pair
    jane = someone()
    assert one.try_(jane) and one.try_(jane) and one.try_(jane)
    clock.now += 1
    other.attempts.forget(jane)
    other.settle()
    assert one.try_(jane)


def test_wrong_passwords_are_forgotten_together_when_the_window_has_passed_since_the_last(pair, clock):
    one, other = pair
    jane = someone()
    assert one.try_(jane) and one.try_(jane)
    clock.now += 100
    assert other.try_(jane)
    clock.now += 100
    assert not one.try_(jane) and not other.try_(jane)
    clock.now += 1
    assert other.try_(jane)
    clock.now += 100
    assert one.try_(jane) and other.try_(jane)
    assert not one.try_(jane)


def test_an_address_forgets_each_wrong_password_by_itself_at_both(pair, clock):
    one, other = pair
    source, settings = someone("<198.51.100.1>"), LockoutSettings(0, 100.5, per_source=2).of_sources()
    for _ in range(5):
        assert one.try_(source, settings=settings)
        clock.now += 51
        assert other.try_(source, settings=settings)
        clock.now += 51
    assert one.try_(source, settings=settings)
    assert not other.try_(source, settings=settings)
    clock.now += 50
    assert other.try_(source, settings=settings)


def test_what_failed_while_a_right_password_was_under_way_at_the_other_gateway_still_counts(pair, clock):
    one, other = pair
    jane = someone()
    assert one.try_(jane)
    other.begin(jane)
    other.settle()
    clock.now += 1
    assert one.try_(jane)
    other.end(jane, Verdict.right)
    other.settle()
    clock.now += 1
    assert one.try_(jane) and other.try_(jane)
    assert not one.try_(jane) and not other.try_(jane)


def test_failures_do_not_expire_while_an_attempt_of_the_other_gateway_may_be_at_a_server(pair, clock):
    one, other = pair
    jane = someone()
    assert one.try_(jane) and one.try_(jane)
    clock.now += 100
    other.begin(jane)
    other.settle()
    clock.now += 1
    for _ in range(2):
        other.turns.expire(RENEWAL)
        clock.now += RENEWAL
    one.begin(jane)
    one.settle()
    assert one.said[jane] == [True, True]
    other.end(jane, Verdict.wrong)
    other.settle()
    one.turns.expire(ASK_AGAIN)
    one.settle()
    assert one.said[jane] == [True, True, False]


def test_an_attempt_waits_for_those_at_the_other_gateway(pair):
    one, other = pair
    jane = someone()
    for _ in range(3):
        one.begin(jane)
    one.settle()
    other.begin(jane)
    other.settle()
    assert (one.said[jane], other.said[jane]) == ([True] * 3, [])
    other.turns.expire(ASK_AGAIN)
    other.settle()
    assert other.said[jane] == []
    one.end(jane, Verdict.neither)
    one.settle()
    other.turns.expire(ASK_AGAIN)
    other.settle()
    assert other.said[jane] == [True]


def test_joined_names_are_one_account_at_both(pair):
    one, other = pair
    jane, dn = someone(), someone("cn=jane")
    assert other.try_(dn)
    one.attempts.join(dn, jane)
    one.settle()
    assert other.try_(dn) and one.try_(jane)
    assert not other.try_(dn) and not one.try_(jane) and not one.try_(dn) and not other.try_(jane)


def test_what_a_gateway_that_died_had_under_way_is_held_for_a_while_and_counts_for_people(pair, clock):
    one, other = pair
    jane, sync = someone(), GuardedAccount("corp", "svc-sync", sync=True)
    for account in (jane, sync):
        for _ in range(3):
            one.begin(account)
        one.settle()
        other.begin(account)
        other.settle()
    clock.now += 2 * RENEWAL
    other.turns.expire(ASK_AGAIN)
    other.settle()
    assert (other.said[jane], other.said[sync]) == ([], [])
    clock.now += 2 * RENEWAL
    other.turns.expire(ASK_AGAIN)
    other.settle()
    assert (other.said[jane], other.said[sync]) == ([False], [True])


def test_what_a_living_gateway_has_under_way_is_held_for_as_long_as_it_takes(pair, clock):
    one, other = pair
    jane = someone()
    for _ in range(3):
        one.begin(jane)
    one.settle()
    other.begin(jane)
    other.settle()
    for _ in range(10):
        clock.now += RENEWAL
        one.turns.expire(RENEWAL)
        other.turns.expire(ASK_AGAIN)
        other.settle()
    assert other.said[jane] == []


def test_no_name_and_no_password_is_in_redis_and_nothing_stays_there(pair, server):
    one, _ = pair
    jane, dn = someone("SECRET"), someone("cn=SECRET")
    one.begin(jane)
    one.settle()
    one.attempts.join(dn, jane)
    one.try_(jane)
    found = server.contents()
    assert "ldap-gateway:lockout:failed:" in found and "ldap-gateway:lockout:tried:" in found
    assert "SECRET" not in found and "secret" not in found
    with server.client() as client:
        for key in client.scan_iter():
            assert key == b"ldap-gateway:lockout:word" or client.ttl(key) > 0, key


@pytest.fixture(scope="module")
def lasting_pair(server):
    """Two gateways for many examples, whose clocks agree in nothing but their speed; threads, connections and keys take
    their time."""
    turns, clock = Turns(), Clock()
    pair = [Gateway(server, clock, turns).ready(), Gateway(server, lambda: 7e6 + clock.now, turns).ready()]
    yield pair, turns, clock
    for gateway in pair:
        gateway.attempts.close()


class Together:
    """Attempts at both gateways. said: of each account whether its attempts were admitted. under_way: of each account
    (when, attempt, gateway) of those that have not ended, the earliest first."""

    def __init__(self, pair, turns):
        self.pair = pair
        self.turns = turns
        self.said = defaultdict(list)
        self.under_way = defaultdict(list)

    def begin(self, account, place, settings, now):
        def answered(answer):
            self.said[account].append(isinstance(answer, Attempt))
            if isinstance(answer, Attempt):
                self.under_way[account].append((now(), answer, self.pair[place]))

        self.pair[place].attempts.begin(account, settings, answered)

    def settle(self):
        """Until the store has answered whatever it was asked, and those that wait have asked again."""
        for _ in range(3):
            self.turns.until(lambda: not self.turns.running(PATIENCE))
            self.turns.expire(ASK_AGAIN)
        self.turns.until(lambda: not self.turns.running(PATIENCE))

    def close(self):
        while admitted := [one for ones in self.under_way.values() for one in ones]:
            self.under_way.clear()
            for _, attempt, gateway in admitted:
                gateway.attempts.end(attempt, Verdict.neither)
                self.settle()


ACCOUNTS = ("jane", "john", "cn=jane")
EVENTS = st.one_of(
    st.tuples(st.just("begin"), st.sampled_from(ACCOUNTS), st.integers(0, 1)),
    st.tuples(st.just("end"), st.sampled_from(ACCOUNTS), st.sampled_from(list(Verdict))),
    st.tuples(st.just("pass"), st.integers(1, 102), st.none()),
    st.tuples(st.just("join"), st.none(), st.integers(0, 1)),
)


@settings(max_examples=examples(60), deadline=None)
@given(events=st.lists(EVENTS, max_size=40))
def test_two_gateways_admit_what_one_with_its_memory_admits(lasting_pair, events):
    pair, turns, clock = lasting_pair
    number = next(_numbers)
    named = {name: GuardedAccount("corp", f"{name}-{number}") for name in ACCOUNTS}
    memory, told, under_way = AttemptsInMemory(clock), defaultdict(list), defaultdict(list)
    together = Together(pair, turns)

    def in_memory(account, answer):
        told[account].append(isinstance(answer, Attempt))
        if isinstance(answer, Attempt):
            under_way[account].append(answer)

    for event, first, second in events:
        # What happens at two gateways within the same microseconds has no order.
        clock.now += 1
        turns.expire(RENEWAL)
        if event == "begin":
            memory.begin(named[first], THREE, partial(in_memory, named[first]))
            together.begin(named[first], second, THREE, clock)
        elif event == "end":
            account = named[first]
            if not under_way[account]:
                continue
            memory.end(under_way[account].pop(0), second)
            _, attempt, gateway = together.under_way[account].pop(0)
            gateway.attempts.end(attempt, second)
        elif event == "pass":
            # Whatever is under way is renewed often enough.
            for _ in range(0, first, 10):
                clock.now += min(10, first)
                turns.expire(RENEWAL)
                turns.until(lambda: not turns.running(PATIENCE))
        else:
            memory.join(named["jane"], named["cn=jane"])
            pair[second].attempts.join(named["jane"], named["cn=jane"])
            together.settle()
            pair[1 - second].attempts.join(named["jane"], named["cn=jane"])
        together.settle()
        # Whose turn it is among those that wait at two gateways is nobody's promise; how many are admitted is.
        for names in (("john",), ("jane", "cn=jane")):
            assert Counter(answer for name in names for answer in together.said[named[name]]) == Counter(
                answer for name in names for answer in told[named[name]]
            )
    together.close()


@settings(max_examples=examples(60), deadline=None)
@given(
    events=st.lists(
        st.one_of(
            st.tuples(st.just("begin"), st.integers(0, 1), st.booleans()),
            st.tuples(st.just("arrive"), st.integers(0, 5), st.none()),
            st.tuples(st.just("end"), st.integers(0, 5), st.sampled_from(list(Verdict))),
            st.tuples(st.just("pass"), st.one_of(st.floats(0, 110), st.sampled_from([50, 100, 100.5, 101])), st.none()),
        ),
        max_size=40,
    ),
    permitted=st.integers(1, 4),
)
def test_no_timing_of_guesses_at_two_gateways_makes_the_directory_count_more_than_are_permitted(
    lasting_pair, events, permitted
):
    """Each attempt reaches the server at any moment between its beginning and its end."""
    pair, turns, clock = lasting_pair
    number = next(_numbers)
    alias, jane = GuardedAccount("corp", f"jane-{number}"), GuardedAccount("corp", f"cn=jane-{number}")
    for gateway in pair:
        gateway.attempts.join(alias, jane)
    limits = LockoutSettings(permitted, THREE.window)
    together, directory, reached = Together(pair, turns), DirectoryCount(THREE.window), {}

    def reach(attempt, verdict):
        if attempt.name not in reached:
            reached[attempt.name] = verdict
            if verdict is Verdict.wrong:
                directory.wrong(clock.now)
            elif verdict is Verdict.right:
                directory.right()

    for event, first, second in events:
        admitted = together.under_way[jane] + together.under_way[alias]
        if event == "begin":
            together.begin(alias if second else jane, first, limits, clock)
        elif event == "arrive" and admitted:
            reach(admitted[first % len(admitted)][1], Verdict.wrong)
        elif event == "end" and admitted:
            one = admitted[first % len(admitted)]
            reach(one[1], second)
            (together.under_way[jane] if one in together.under_way[jane] else together.under_way[alias]).remove(one)
            one[2].attempts.end(one[1], reached[one[1].name])
        elif event == "pass":
            for _ in range(11):
                clock.now += first / 11
                turns.expire(RENEWAL)
                turns.until(lambda: not turns.running(PATIENCE))
        together.settle()
    assert directory.highest <= permitted
    together.close()


# Ways to it.


ACL = Path(__file__).parents[2] / "docker" / "redis" / "users.acl"


def reach(start, server, settings):
    """A gateway that was told of this store; until it is said whether it can be used."""
    gateway = start(server)
    gateway.attempts.use(gateway.store(settings))
    del gateway.states[:]
    gateway.turns.until(lambda: gateway.states)
    return gateway


def test_tls_is_verified(start, tmp_path):
    files, foreign = make_certificates(tmp_path, "redis"), make_certificates(tmp_path, "foreign")
    tls_port = free_port()
    options = ["--tls-port", tls_port, "--tls-cert-file", files.certificate, "--tls-key-file", files.private_key]
    options += ["--tls-ca-cert-file", files.ca_file, "--tls-auth-clients", "no"]
    with RedisServer(*map(str, options)) as server:
        settings = RedisSettings("127.0.0.1", tls_port, password=server.password, tls=True, ca_file=files.ca_file)
        gateway = reach(start, server, settings)
        assert gateway.states == [None] and gateway.try_(someone())
        (trouble,) = reach(start, server, replace(settings, ca_file=foreign.ca_file)).states
        assert "certificate verify failed" in trouble
        (trouble,) = reach(start, server, replace(settings, ca_file=None)).states
        assert "certificate verify failed" in trouble


def test_a_certificate_of_another_name_is_none(start, tmp_path):
    files, tls_port = make_certificates(tmp_path, "redis", ("redis.corp.example",)), free_port()
    options = ["--tls-port", tls_port, "--tls-cert-file", files.certificate, "--tls-key-file", files.private_key]
    options += ["--tls-ca-cert-file", files.ca_file, "--tls-auth-clients", "no"]
    with RedisServer(*map(str, options)) as server:
        settings = RedisSettings("localhost", tls_port, password=server.password, tls=True, ca_file=files.ca_file)
        (trouble,) = reach(start, server, settings).states
        assert "Hostname mismatch" in trouble


def test_a_unix_socket_and_another_database(start, server):
    settings = RedisSettings(path=str(server.directory / "socket"), database=3, password=server.password)
    gateway = reach(start, server, settings)
    assert gateway.states == [None] and gateway.try_(someone())
    with server.client() as client:
        assert client.config_get("databases") and client.info("keyspace")["db3"]["keys"] == 3


def test_the_shipped_rights_are_enough_and_no_more_than_that(start, tmp_path):
    users = tmp_path / "users.acl"
    users.write_text(ACL.read_text().replace("PASSWORD_SHA256", hashlib.sha256(PASSWORD.encode()).hexdigest()))
    with RedisServer("--aclfile", str(users), password="") as server:
        settings = RedisSettings("127.0.0.1", server.port, user="ldap-gateway", password=PASSWORD)
        gateway = reach(start, server, settings)
        jane, dn = someone(), someone("cn=jane")
        assert gateway.try_(dn) and gateway.try_(jane)
        gateway.attempts.join(dn, jane)
        gateway.settle()
        assert gateway.try_(jane) and not gateway.try_(jane) and not gateway.try_(dn)
        gateway.begin(someone())
        gateway.settle()
        gateway.turns.expire(RENEWAL)
        gateway.settle()
        assert gateway.states == [None]
        with redis.Redis("127.0.0.1", server.port, username="ldap-gateway", password=PASSWORD) as client:
            for command in (("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "GET", "*"), ("GET", "other"), ("INFO",)):
                with pytest.raises(redis.ResponseError, match="permission"):
                    client.execute_command(*command)
        with redis.Redis("127.0.0.1", server.port) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


# Each of them is needed by a script as soon as somebody has tried a wrong password.
@pytest.mark.parametrize("right", ["zadd", "zrange", "pexpire", "zremrangebyrank"])
def test_a_right_that_is_missing_is_told_once_and_not_at_every_connection(start, tmp_path, right):
    users = tmp_path / "users.acl"
    shipped = ACL.read_text().replace("PASSWORD_SHA256", hashlib.sha256(PASSWORD.encode()).hexdigest())
    users.write_text(f"{shipped.rstrip().replace(f' +{right} ', ' ')} -{right}\nuser admin on >{PASSWORD} ~* +@all\n")
    with RedisServer("--aclfile", str(users), password="") as server:
        settings = RedisSettings("127.0.0.1", server.port, user="ldap-gateway", password=PASSWORD)
        gateway, jane = reach(start, server, settings), someone()
        gateway.states.clear()
        with redis.Redis("127.0.0.1", server.port, username="admin", password=PASSWORD) as admin:
            # Connection after connection it is told of Jane's wrong password.
            for _ in range(4):
                gateway.ready().try_(jane, settings=LockoutSettings(1000, THREE.window))
                gateway.turns.until(lambda: gateway.latest.away)
            (trouble,) = gateway.states
            assert "can't run this command" in trouble or "permission" in trouble
            admin.acl_setuser("ldap-gateway", enabled=True, commands=[f"+{right}"])
        gateway.ready().settle()
        assert gateway.states == [trouble]
        gateway.turns.expire(SETTLED)
        assert gateway.states == [trouble, None]


# Redis goes away, and comes back.


@pytest.fixture
def mortal():
    with RedisServer("--appendonly", "yes", "--appendfsync", "always") as running:
        yield running


@pytest.fixture
def restless(mortal, start):
    return start(mortal).ready(), start(mortal).ready()


def cut_off(gateway):
    gateway.turns.until(lambda: gateway.latest.away)


def test_without_redis_each_gateway_goes_on_from_what_it_knew_and_says_so_once(mortal, restless):
    one, other = restless
    jane, john = someone(), someone("john")
    assert one.try_(jane) and other.try_(jane)
    assert one.try_(john, Verdict.neither)
    mortal.kill()
    # The attempt that notices is decided on here, by the counts of both.
    assert other.try_(jane)
    assert other.latest.away
    assert not other.try_(jane)
    assert [one.try_(john) for _ in range(4)] == [True, True, True, False]
    (trouble,) = other.states[1:]
    assert other.states[0] is None and "nothing listens" in trouble


def test_what_was_wrong_without_redis_is_told_to_it_when_it_is_back(mortal, restless):
    one, other = restless
    jane, john = someone(), someone("john")
    assert one.try_(john) and one.try_(john)
    mortal.kill()
    assert other.try_(jane) and other.try_(jane) and one.try_(jane)
    assert one.try_(john, Verdict.right)
    mortal.start()
    one.ready().settle()
    other.ready().settle()
    assert not one.try_(jane) and not other.try_(jane)
    assert other.try_(john) and other.try_(john) and one.try_(john)
    assert not one.try_(john)


def test_what_redis_died_of_hearing_is_told_again(mortal, restless):
    one, other = restless
    jane = someone()
    for _ in range(3):
        one.begin(jane)
    one.settle()
    mortal.kill()
    for _ in range(3):
        one.end(jane, Verdict.wrong)
    cut_off(one)
    mortal.start()
    one.ready().settle()
    other.ready()
    assert not other.try_(jane)


def test_of_much_that_is_to_be_told_an_account_that_tries_comes_first(mortal, restless):
    one, _ = restless
    mortal.kill()
    assert one.try_(someone())
    people = [someone() for _ in range(3 * MOST_NEWS)]
    for person in people:
        for _ in range(3):
            assert one.try_(person)
    mortal.start()
    one.ready()
    assert not one.try_(people[-1])
    one.settle()
    with mortal.client() as client:
        assert len(list(client.scan_iter("ldap-gateway:lockout:failed:*", count=1000))) == len(people) + 1


def test_what_redis_has_forgotten_is_told_to_it_again(start):
    with RedisServer() as forgetful:
        one, other = start(forgetful).ready(), start(forgetful).ready()
        jane, dn = someone(), someone("cn=jane")
        assert one.try_(jane)
        one.attempts.join(dn, jane)
        assert other.try_(dn)
        forgetful.kill()
        for gateway in (one, other):
            gateway.try_(someone("john"))
        forgetful.start()
        one.ready().settle()
        other.ready().settle()
        assert other.try_(dn)
        assert not one.try_(jane) and not other.try_(dn)


def test_a_redis_that_hangs_holds_up_nobody_for_longer_than_it_may(mortal, restless):
    one, _ = restless
    jane = someone()
    assert one.try_(jane)
    mortal.freeze()
    one.begin(jane)
    one.begin(jane)
    one.turns.expire(PATIENCE)
    assert one.said[jane] == [True, True, True]
    assert one.states[1:] == [f"no answer within {PATIENCE:g} seconds"]
    one.end(jane, Verdict.wrong)
    one.end(jane, Verdict.wrong)
    mortal.thaw()
    one.ready().settle()
    assert not one.try_(jane)


def test_the_thread_itself_gives_up_a_server_that_does_not_answer(mortal, restless):
    one, _ = restless
    mortal.freeze()
    one.begin(someone())
    cut_off(one)
    assert one.states[1].startswith("no answer in time")
    mortal.thaw()


def test_an_attempt_that_redis_admitted_unheard_is_no_wrong_password_of_anybody(mortal, restless, clock):
    one, other = restless
    jane = someone()
    one.begin(jane)
    one.settle()
    one.end(jane, Verdict.neither)
    one.settle()
    mortal.freeze()
    for _ in range(3):
        one.begin(jane)
    cut_off(one)
    assert one.said[jane][1:] == [True, True, True]
    for _ in range(3):
        one.end(jane, Verdict.neither)
    mortal.thaw()
    one.ready().settle()
    clock.now += 30
    other.ready()
    assert [other.try_(jane) for _ in range(4)] == [True, True, True, False]


def test_who_waits_for_another_gateway_is_decided_on_here_when_redis_goes(mortal, restless):
    one, other = restless
    jane = someone()
    for _ in range(3):
        one.begin(jane)
    one.settle()
    other.begin(jane)
    other.settle()
    assert other.said[jane] == []
    mortal.kill()
    other.begin(someone("john"))
    other.turns.until(lambda: other.said[jane] == [True])


def test_that_redis_goes_or_forgets_is_noticed_while_nobody_signs_in(start):
    with RedisServer() as server:
        idle, jane = start(server), someone()
        idle.attempts.use(idle.store(idle.settings, look_pause=0.05))
        idle.ready()
        assert [idle.try_(jane) for _ in range(4)] == [True, True, True, False]
        with server.client() as client:
            client.flushall()
            idle.turns.until(lambda: client.keys("ldap-gateway:lockout:failed:*"))
        assert not idle.try_(jane)
        server.kill()
        cut_off(idle)
        server.start()
        idle.ready()
        server.freeze()
        cut_off(idle)
        server.thaw()
        idle.ready()


def test_what_is_known_goes_to_another_store_and_to_memory(server, mortal, start):
    gateway, other = start(server).ready(), start(mortal).ready()
    jane = someone()
    assert gateway.try_(jane) and gateway.try_(jane)
    gateway.begin(jane)
    gateway.settle()
    gateway.attempts.use(gateway.store(other.settings))
    gateway.ready().settle()
    other.begin(jane)
    other.settle()
    assert other.said[jane] == []
    gateway.end(jane, Verdict.wrong)
    gateway.settle()
    other.turns.expire(ASK_AGAIN)
    other.settle()
    assert other.said[jane] == [False]
    gateway.attempts.use(None)
    assert not gateway.try_(jane)


def test_a_wrong_password_of_redis_and_a_full_one_are_told(mortal, start):
    wrong = start(mortal)
    wrong.attempts.use(wrong.store(RedisSettings("127.0.0.1", mortal.port, password="SECRET-wrong")))
    wrong.turns.until(lambda: wrong.states)
    assert wrong.states[-1].startswith("Redis says: invalid username") and "SECRET" not in wrong.states[-1]
    with mortal.client() as client:
        client.config_set("maxmemory", 1)
    full, jane = start(mortal), someone()
    full.turns.until(lambda: full.states)
    assert "used memory > 'maxmemory'" in full.states[0] and "local " not in full.states[0]
    assert full.try_(jane)
    with mortal.client() as client:
        client.config_set("maxmemory", 0)
    full.ready()
    assert full.states[1:] == [None]
