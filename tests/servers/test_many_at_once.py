"""More requests at once on one connection than limits.operations: a client that looks everybody up in parallel."""

import time
from collections import Counter

import pytest

from gateway.ldap.decoding import decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.filters import EqualityMatch
from gateway.ldap.framing import Framer
from gateway.ldap.messages import (
    WHOLE_SUBTREE,
    AbandonRequest,
    BindRequest,
    BindResponse,
    LDAPMessage,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
    SimpleAuthentication,
)
from gateway.relay.open_operations import NOT_BEGUN
from tests.observe.admin_client import samples
from tests.servers.gateway_process import PATIENCE, configuration
from tests.servers.slapd_tree import STAFF, SYNC_ACCOUNT, SYNC_PASSWORD

LOOK_UPS = 250
# The default of limits.operations.
OPEN = 100
FIRST_ID = 1000


@pytest.fixture
def slapd(start_slapd):
    """One that a test may stop for a while."""
    return start_slapd()


@pytest.fixture
def running(certificates, slapd, start_gateway):
    client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": [STAFF], "attributes": ["mail", "sAMAccountName"]}
    # Nothing of the server's is asked first, and nothing but the session uses it.
    directory = slapd.gateway_directory | {"paging": "never", "health": "off", "spares": 0}
    return start_gateway(configuration(certificates, directory, client, admin={"address": "127.0.0.1:0"}))


class Session:
    """A bound connection that sends what it likes. results: their codes, by message ID. found: mail addresses of the
    entries, likewise."""

    def __init__(self, client):
        self.socket = client.socket
        self.framer = Framer(1 << 20)
        self.results = {}
        self.found = {}

    def send(self, *messages):
        self.socket.sendall(b"".join(map(encode, messages)))

    def read_until(self, count):
        """Until so many requests have their result."""
        while len(self.results) < count:
            data = self.socket.recv(65_536)
            assert data, "closed"
            self.framer.feed(data)
            while (octets := self.framer.next_message()) is not None:
                message = decode_response(octets)
                if isinstance(message.operation, SearchResultEntry):
                    (mail,) = (x.values for x in message.operation.attributes if x.type == "mail")
                    self.found.setdefault(message.message_id, []).extend(mail)
                    continue
                assert isinstance(message.operation, SearchResultDone | BindResponse)
                assert message.message_id not in self.results
                self.results[message.message_id] = message.operation.result.code


def look_up(number):
    wanted = EqualityMatch("sAMAccountName", b"u%05d" % number)
    return LDAPMessage(FIRST_ID + number, SearchRequest(STAFF, WHOLE_SUBTREE, wanted, ("mail",)))


def mail(number):
    return b"u%05d@corp.example" % number


LOOK_UP_ALL = [look_up(number) for number in range(1, LOOK_UPS + 1)]


def wait_for_sample(running, name, value):
    until = time.monotonic() + PATIENCE
    while (found := samples(running.admin_port)[name,]) != value:
        assert time.monotonic() < until, found
        time.sleep(0.01)


@pytest.fixture
def session(running, open_client):
    return Session(open_client(running, SYNC_ACCOUNT, SYNC_PASSWORD))


def test_as_many_look_ups_at_once_as_a_client_likes_are_all_answered(running, session):
    session.send(*LOOK_UP_ALL)
    session.read_until(LOOK_UPS)
    assert Counter(session.results.values()) == {0: LOOK_UPS}
    assert session.found == {FIRST_ID + number: [mail(number)] for number in range(1, LOOK_UPS + 1)}
    wait_for_sample(running, "ldap_gateway_waiting_operations", 0)
    wait_for_sample(running, "ldap_gateway_waiting_bytes", 0)


def test_those_that_wait_can_be_abandoned_and_the_others_keep_their_order(running, session, slapd):
    slapd.freeze()
    try:
        session.send(*LOOK_UP_ALL, *(LDAPMessage(n, AbandonRequest(FIRST_ID + n)) for n in range(1, 201, 2)))
        # A hundred are abandoned, and a hundred of the others are open.
        wait_for_sample(running, "ldap_gateway_waiting_operations", LOOK_UPS - OPEN - 100)
    finally:
        slapd.thaw()
    session.read_until(LOOK_UPS - 100)
    kept = [n for n in range(1, LOOK_UPS + 1) if n > 200 or n % 2 == 0]
    assert session.results == {FIRST_ID + number: 0 for number in kept}
    assert session.found == {FIRST_ID + number: [mail(number)] for number in kept}
    records = running.wait_for_audit(100, reason="abandoned")
    assert sorted(record["message_id"] for record in records) == [FIRST_ID + n for n in range(1, 201, 2)]
    # Each that was open and abandoned let one more begin; the others had not begun.
    assert sum(record.get("detail") == NOT_BEGUN for record in records) > 0


def test_a_bind_ends_those_that_wait(running, session, slapd):
    slapd.freeze()
    try:
        session.send(*LOOK_UP_ALL)
        wait_for_sample(running, "ldap_gateway_waiting_operations", LOOK_UPS - OPEN)
        password = SimpleAuthentication(SYNC_PASSWORD.encode())
        session.send(LDAPMessage(7, BindRequest(3, SYNC_ACCOUNT, password)))
        session.read_until(LOOK_UPS)
        assert session.results == {FIRST_ID + number: 1 for number in range(1, LOOK_UPS + 1)}
    finally:
        slapd.thaw()
    session.read_until(LOOK_UPS + 1)
    assert session.results[7] == 0
    session.send(LDAPMessage(8, look_up(1).operation))
    session.read_until(LOOK_UPS + 2)
    assert session.found == {8: [mail(1)]}


def test_a_gateway_that_stops_serves_those_that_wait(running, session, slapd):
    slapd.freeze()
    try:
        session.send(*LOOK_UP_ALL)
        wait_for_sample(running, "ldap_gateway_waiting_operations", LOOK_UPS - OPEN)
        running.terminate()
        running.wait_for("stopping")
    finally:
        slapd.thaw()
    session.read_until(LOOK_UPS)
    assert Counter(session.results.values()) == {0: LOOK_UPS}
    assert running.stop() == 0
