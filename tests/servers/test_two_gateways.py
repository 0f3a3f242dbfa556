"""Two gateways behind HAProxy, which count wrong passwords in one Redis, before one slapd."""

import json
import subprocess
import time

import pytest

from gateway.ask.client import Disconnection, Entry
from gateway.ldap.messages import BASE_OBJECT
from tests.servers import slapd_tree
from tests.servers.gateway_process import PATIENCE, configuration
from tests.servers.haproxy import CONFIGURATION, HAProxy, haproxy_program
from tests.servers.raw_client import RawClient
from tests.servers.redis_server import PASSWORD, RedisServer
from tests.servers.slapd import Slapd
from tests.servers.slapd_tree import GROUPS, STAFF, SYNC_ACCOUNT, SYNC_PASSWORD, USER_PASSWORD, user_dn

SYNCS, PEOPLE, NOBODY = "127.0.1", "127.0.2", "127.0.3.1"
USERS = 1500
SMALL_BUFFER = 65_536


@pytest.fixture(scope="module")
def directory():
    """30 MB of photos below STAFF: more than any chain of buffers swallows."""
    with Slapd(slapd_tree.make_tree(USERS, photo_every=1, photo_octets=20_000)) as running:
        yield running


@pytest.fixture
def redis():
    with RedisServer() as running:
        yield running


def gateway_configuration(certificates, directory, redis, password_file):
    client = {
        "directory": "corp",
        "base_dns": [STAFF, GROUPS],
        "login_base_dns": [STAFF],
        "attributes": ["mail", "thumbnailPhoto", "objectClass"],
    }
    clients = {
        "mimecast": {**client, "sources": [f"{SYNCS}.0/24"], "sync_accounts": [SYNC_ACCOUNT]},
        "people": {**client, "sources": [f"{PEOPLE}.0/24"]},
    }
    return configuration(
        certificates,
        directory.gateway_directory,
        {},
        clients=clients,
        trusted_proxies=["127.0.0.1"],
        admin={"address": "127.0.0.1:0"},
        lockout_store={"url": f"redis://127.0.0.1:{redis.port}/0", "password_file": password_file},
    )


@pytest.fixture
def pair(certificates, directory, redis, start_gateway, tmp_path):
    """The gateways, each of which shares its counts."""
    password = tmp_path / "redis-password"
    password.write_text(f"{PASSWORD}\n")
    text = gateway_configuration(certificates, directory, redis, password)
    started = [start_gateway(text) for _ in range(2)]
    for running in started:
        running.wait_for("are counted together")
    yield started
    for running in started:
        if running.process.poll() is None:
            assert running.stop() == 0, running.log()


@pytest.fixture
def haproxy(pair, tmp_path):
    with HAProxy(tmp_path, [running.port for running in pair]) as running:
        yield running


@pytest.fixture
def connect(certificates, haproxy):
    """A function that takes a source address and returns a client of HAProxy's; all are closed after the test."""
    opened = []

    def connect(source, **keywords):
        opened.append(RawClient(haproxy.port, certificates.ca_file, source=source, **keywords))
        return opened[-1]

    yield connect
    for client in opened:
        client.socket.close()


@pytest.fixture
def sources_of(pair, connect):
    """A function that finds, of a network, a source for each gateway: HAProxy chooses by the source."""

    def sources(network):
        found = {}
        for number in range(1, 255):
            source = f"{network}.{number}"
            client = connect(source)
            assert client.result(client.search("", scope=BASE_OBJECT))[1].code == 0
            served = [place for place, running in enumerate(pair) if running.audit(source=source, operation="search")]
            (place,) = served
            found.setdefault(place, source)
            if len(found) == 2:
                return found[0], found[1]
        raise AssertionError("all sources have the same gateway")

    return sources


def test_haproxy_accepts_the_configuration():
    checked = subprocess.run(
        [haproxy_program(), "-c", "-f", CONFIGURATION], capture_output=True, text=True, timeout=PATIENCE
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "WARNING" not in checked.stderr


def test_each_client_is_known_by_its_own_address_and_checks_leave_no_trace(pair, haproxy, connect, sources_of):
    for place, source in enumerate(sources_of(SYNCS)):
        with connect(source) as client:
            assert client.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == 0
        (record,) = pair[place].wait_for_audit(source=source, operation="bind")
        assert record["client"] == "mimecast"
    with connect(f"{PEOPLE}.9") as client:
        assert client.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == 49
        assert client.bind(user_dn(1), USER_PASSWORD) == 0
    with pytest.raises(OSError):
        connect(NOBODY)
    haproxy.wait_for(NOBODY)
    assert any(f"a connection from {NOBODY} through 127.0.0.1" in running.log() for running in pair)
    assert "a connection from 127.0.0.1" not in pair[0].log() + pair[1].log()
    assert not [record for running in pair for record in running.audit() if record["source"] == "127.0.0.1"]


def test_a_gateway_killed_in_mid_sync_fails_that_sync_and_the_other_serves_the_next(pair, connect, sources_of):
    source, _ = sources_of(SYNCS)
    client = connect(source, receive_buffer=SMALL_BUFFER)
    assert client.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == 0
    message_id = client.search(STAFF)
    assert isinstance(client.event(), Entry)
    pair[0].kill()
    came = 1
    with pytest.raises((AssertionError, OSError)):
        while True:
            event = client.event()
            assert event is not None and not isinstance(event, Disconnection)
            assert isinstance(event, Entry) and event.message_id == message_id
            came += 1
    assert came < USERS
    again = connect(source)
    assert again.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == 0
    names, result = again.result(again.search(STAFF, attributes=["mail"]))
    assert result.code == 0 and len(names) > USERS
    assert pair[1].wait_for_audit(source=source, operation="search", result="success")


def test_a_gateway_that_stops_finishes_what_is_open_and_the_other_gets_the_next(pair, connect, sources_of):
    source, _ = sources_of(SYNCS)
    client = connect(source, receive_buffer=SMALL_BUFFER)
    assert client.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == 0
    message_id = client.search(STAFF)
    assert isinstance(client.event(), Entry)
    pair[0].terminate()
    pair[0].wait_for("stopping")
    names, result = client.result(message_id)
    assert result.code == 0 and len(names) >= USERS
    again = connect(source)
    assert again.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == 0
    assert pair[1].wait_for_audit(source=source, operation="bind")


def test_two_wrong_passwords_at_one_gateway_and_one_at_the_other_guard_the_account_at_both(
    pair, redis, connect, sources_of
):
    first, second = sources_of(PEOPLE)
    dn = user_dn(7)
    codes = [connect(source).bind(dn, "wrong") for source in (first, first, second)]
    assert codes == [49, 49, 49]
    for source, running in ((first, pair[0]), (second, pair[1])):
        assert connect(source).bind(dn, USER_PASSWORD) == 49
        assert running.wait_for_audit(source=source, reason="account-guarded")
    assert connect(first).bind(user_dn(8), USER_PASSWORD) == 0
    said = redis.contents() + pair[0].log() + pair[1].log()
    assert PASSWORD not in said and "wrong" not in redis.contents()


def test_without_redis_sign_ins_go_on_and_what_was_wrong_meanwhile_counts_afterwards(pair, redis, connect, sources_of):
    first, second = sources_of(PEOPLE)
    dn = user_dn(9)
    assert connect(first).bind(dn, "wrong") == 49
    redis.freeze()
    begun = time.monotonic()
    assert connect(second).bind(user_dn(10), USER_PASSWORD) == 0
    assert connect(first).bind(dn, "wrong") == 49
    assert time.monotonic() - begun < PATIENCE
    for running in pair:
        said = running.wait_for("until it is back this gateway counts wrong passwords by itself")
        assert said.count("by itself") == 1
    redis.kill()
    assert connect(first).bind(dn, "wrong") == 49
    assert connect(first).bind(dn, USER_PASSWORD) == 49
    assert pair[0].wait_for_audit(source=first, reason="account-guarded")
    logs = [len(running.log()) for running in pair]
    redis.start()
    for running, length in zip(pair, logs, strict=True):
        running.wait_for("are counted together", length)
    until = time.monotonic() + PATIENCE
    while "failed:" not in redis.contents():
        assert time.monotonic() < until
    assert connect(second).bind(dn, USER_PASSWORD) == 49
    assert pair[1].wait_for_audit(source=second, reason="account-guarded")


def test_counts_survive_a_reload_and_a_change_of_the_store(pair, redis, connect, sources_of):
    first, second = sources_of(PEOPLE)
    dn = user_dn(11)
    assert [connect(first).bind(dn, "wrong") for _ in range(2)] == [49, 49]
    with RedisServer() as other:
        text = pair[0].config.read_text().replace(str(redis.port), str(other.port))
        before = len(pair[0].log())
        assert "reloaded" in pair[0].reload(text)
        pair[0].wait_for("are counted together", before)
        assert "reloaded" in pair[0].reload(text)
        assert connect(first).bind(dn, "wrong") == 49
        assert connect(first).bind(dn, USER_PASSWORD) == 49
        memory = json.dumps({**json.loads(text), "lockout_store": "memory"})
        assert "this gateway counts wrong passwords by itself" in pair[0].reload(memory)
        assert connect(first).bind(dn, USER_PASSWORD) == 49
    assert connect(second).bind(dn, USER_PASSWORD) == 0
