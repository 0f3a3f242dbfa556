"""The lockout guard before a real Active Directory (Samba) whose domain locks accounts."""

import itertools
import time

import ldap3
import pytest

from tests.servers.gateway_process import PATIENCE, configuration
from tests.servers.raw_client import RawClient
from tests.servers.redis_server import PASSWORD, RedisServer
from tests.servers.samba_domain import USER_PASSWORD, running_samba
from tests.servers.sync_client import connect

SUFFIX = "DC=corp,DC=example"
# Samba keeps times in units of 100 ns, and so may its windows be of any length.
TICKS = 10_000_000
WINDOW = 2.0
THRESHOLD, FAILURES = 4, 3


class Domain:
    """The domain as its administrator sees it."""

    def __init__(self, settings):
        self.settings = settings
        self.connection = self.bind(f"Administrator@{settings['LAB_DNSDOMAIN']}", settings["LAB_ADMIN_PW"])
        policy = {
            "lockoutThreshold": THRESHOLD,
            "lockOutObservationWindow": round(-WINDOW * TICKS),
            "lockoutDuration": -3600 * TICKS,
        }
        changes = {name: [(ldap3.MODIFY_REPLACE, [str(value)])] for name, value in policy.items()}
        assert self.connection.modify(SUFFIX, changes), self.connection.result

    def bind(self, name, password):
        return connect(self.settings["LAB_IP"], 636, self.settings["LAB_CA"], name, password)

    def count(self, account):
        """The wrong passwords that the domain has counted since the last quiet, and whether it has locked him."""
        self.connection.search(SUFFIX, f"(sAMAccountName={account})", attributes=["badPwdCount", "lockoutTime"])
        (found,) = [entry for entry in self.connection.response if entry["type"] == "searchResEntry"]
        values = found["raw_attributes"]
        return int(values["badPwdCount"][0]), values.get("lockoutTime", [b"0"]) not in ([], [b"0"])

    def rename(self, account, name, attribute="sAMAccountName"):
        """Gives the account another name."""
        self.connection.search(SUFFIX, f"(sAMAccountName={account})", attributes=["cn"])
        (found,) = [entry for entry in self.connection.response if entry["type"] == "searchResEntry"]
        assert self.connection.modify(found["dn"], {attribute: [(ldap3.MODIFY_REPLACE, [name])]})


@pytest.fixture(scope="module")
def domain(pytestconfig):
    """A domain of its own: what the other tests share locks nobody out."""
    with running_samba(pytestconfig.cache.mkdir("samba"), users=20) as settings:
        yield Domain(settings)


@pytest.fixture
def redis():
    with RedisServer() as running:
        yield running


@pytest.fixture
def start(certificates, domain, start_gateway):
    """A function that starts a gateway before the domain; changes are those of its lockout."""

    def start(store="memory", client=None, **changes):
        text = configuration(
            certificates,
            {
                "servers": [{"url": f"ldaps://{domain.settings['LAB_IP']}", "server_name": "dc1.corp.example"}],
                "ca_file": domain.settings["LAB_CA"],
            },
            {
                "login_base_dns": [SUFFIX],
                "login_domains": ["corp.example", "CORP"],
                "base_dns": [f"OU=Staff,{SUFFIX}"],
                "attributes": ["mail"],
                "lockout": {"failures": FAILURES, "window": WINDOW, **changes},
                **(client or {}),
            },
            lockout_store=store,
        )
        return start_gateway(text)

    return start


@pytest.fixture
def bind(certificates):
    """A function that binds at a gateway, with a connection for each bind; the result code."""

    def bind(gateway, name, password):
        with RawClient(gateway.port, certificates.ca_file) as client:
            return client.bind(name, password)

    return bind


def reached(*gateways):
    """How many binds a server has got."""
    records = [record for gateway in gateways for record in gateway.audit(operation="bind")]
    return sum(record.get("reason") not in ("account-guarded", "too-many-guarded") for record in records)


def guess(domain, account, try_, gateways):
    """Guesses a little faster than the domain forgets, until the guard has come and gone twice; says how many
    guesses reached the domain. Meanwhile the domain may not lock the account."""
    until = time.monotonic() + PATIENCE
    before, seen = reached(*gateways), 0
    for number in itertools.count():
        assert time.monotonic() < until
        try_(number)
        seen = reached(*gateways) - before
        counted, locked = domain.count(account)
        assert not locked and counted <= FAILURES, f"{counted} counted after {seen} guesses"
        if seen > 2 * FAILURES:
            return seen
        time.sleep(WINDOW / 10 if seen % FAILURES == 0 else WINDOW * 0.4)
    raise AssertionError


def test_guesses_at_any_pace_never_make_the_domain_lock_anybody(domain, start, bind):
    gateway = start()
    names = ("u00001@corp.example", "CORP\\u00001")
    guess(domain, "u00001", lambda number: bind(gateway, names[number % 2], f"wrong {number}"), [gateway])
    assert domain.bind(names[0], USER_PASSWORD).result["result"] == 0


def test_guesses_at_two_gateways_with_one_store_never_make_the_domain_lock_anybody(domain, redis, start, bind):
    store = f"redis://:{PASSWORD}@127.0.0.1:{redis.port}/0"
    pair = [start(store), start(store)]
    for gateway in pair:
        gateway.wait_for("are counted together")
    name = "u00002@corp.example"
    guess(domain, "u00002", lambda number: bind(pair[number % 2], name, f"wrong {number}"), pair)
    assert domain.bind(name, USER_PASSWORD).result["result"] == 0


def test_who_leaves_before_the_answer_does_not_make_the_domain_lock_the_sync_account(certificates, domain, start):
    name = "u00003@corp.example"
    gateway = start(client={"sync_accounts": [name]}, window="30m")
    for number in range(4 * THRESHOLD):
        with RawClient(gateway.port, certificates.ca_file) as client:
            client.socket.sendall(client.client.bind(name, f"wrong {number}".encode()).data)
            if number % 2:
                # Half of them have reached the domain by then.
                client.event()
        counted, locked = domain.count("u00003")
        assert not locked and counted <= FAILURES
    gateway.wait_for_audit(4 * THRESHOLD, operation="bind")
    assert domain.count("u00003") == (FAILURES, False)


def test_no_spelling_of_the_own_account_makes_the_domain_lock_it(certificates, domain, start, bind):
    """By name Samba takes several blanks for one, and letters in either case."""
    domain.rename("u00004", "svc gateway")
    gateway = start(client={"sync_accounts": ["CORP\\svc gateway"]}, window="30m")
    spellings = [
        "CORP\\svc gateway",
        "corp\\SVC  Gateway",
        "CORP\\svc  gateway",
        "CORP\\svc   gateway",
        "CORP\\Svc Gateway",
    ]
    for number in range(3 * THRESHOLD):
        bind(gateway, spellings[number % len(spellings)], f"wrong {number}")
        counted, locked = domain.count("svc gateway")
        assert not locked and counted <= FAILURES


def test_who_has_the_same_name_in_another_domain_takes_back_nothing_by_signing_in(domain, start, bind):
    """A second suffix of userPrincipalNames."""
    domain.rename("u00008", "u00007@other.example", "userPrincipalName")
    gateway = start(client={"login_domains": ["corp.example", "CORP", "other.example"]}, window="30m")
    for number in range(3 * THRESHOLD):
        assert bind(gateway, "u00007@corp.example", f"wrong {number}") == 49
        if number % 2:
            assert bind(gateway, "u00007@other.example", USER_PASSWORD) in (0, 49)
        counted, locked = domain.count("u00007")
        assert not locked and counted <= FAILURES
