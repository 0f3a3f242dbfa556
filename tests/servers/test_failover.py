"""Two servers of one directory, of which one fails: what sign-ins and running sessions notice of it."""

import concurrent.futures
import contextlib
import socket
import statistics
import time

import pytest

from gateway.ask.client import Disconnection
from gateway.ldap.results import ResultCode
from tests.servers import slapd_tree
from tests.servers.gateway_process import configuration
from tests.servers.raw_client import RawClient
from tests.servers.slapd_tree import STAFF, SYNC_ACCOUNT, SYNC_PASSWORD
from tests.servers.test_slapd import until_connected

# Seconds that a server which swallows packets may cost a sign-in; a healthy sign-in takes some milliseconds.
CONNECT_TIMEOUT = 3


@pytest.fixture
def pair(start_slapd):
    return [start_slapd(slapd_tree.make_tree(10)) for _ in range(2)]


@contextlib.contextmanager
def black_hole():
    """A port whose connections are never accepted nor refused: its queue is full. Yields the port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = []
    try:
        for _ in range(8):
            filler = socket.socket()
            filler.settimeout(0.2)
            fillers.append(filler)
            with contextlib.suppress(TimeoutError):
                filler.connect(listening.getsockname())
        yield listening.getsockname()[1]
    finally:
        for each in (*fillers, listening):
            each.close()


def of(pair, tmp_path, *urls, **others):
    """The keys of a directory of all servers of the pair; urls: servers before these."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(b"".join(server.certificates.ca_file.read_bytes() for server in pair))
    return {
        "servers": [{"url": url, "server_name": "localhost"} for url in (*urls, *(server.url for server in pair))],
        "ca_file": ca_file,
        "naming_contexts": [slapd_tree.SUFFIX],
        "connect_timeout": CONNECT_TIMEOUT,
        **others,
    }


def start(start_gateway, certificates, directory, **others):
    client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": [STAFF], "attributes": ["mail"]}
    return start_gateway(configuration(certificates, directory, client, **others))


def sign_in(running, certificates):
    """Seconds from connecting to the end of a search."""
    began = time.monotonic()
    with RawClient(running.port, certificates.ca_file) as session:
        assert session.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == 0
        assert session.result(session.search(STAFF))[1].code == 0
    return time.monotonic() - began


def many(running, certificates, count):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: sign_in(running, certificates), range(count)))


def servers(running, **wanted):
    return [record["server"] for record in running.reaching.audit(operation="bind", **wanted)]


@pytest.mark.parametrize("how", ["frozen", "black hole"])
@pytest.mark.parametrize("health", ["checked", "not checked"])
def test_a_server_that_swallows_packets_costs_the_first_sign_in_its_time_and_no_other(
    pair, certificates, start_gateway, tmp_path, how, health
):
    options = {} if health == "checked" else {"health": "off"}
    with contextlib.ExitStack() as stack:
        if how == "frozen":
            directory = of(pair, tmp_path, **options)
            pair[0].freeze()
        else:
            hole = f"ldaps://127.0.0.1:{stack.enter_context(black_hole())}"
            directory = of(pair[1:], tmp_path, hole, **options)
        running = start(start_gateway, certificates, directory)
        first = sign_in(running, certificates)
        later = many(running, certificates, 199)
        assert running.reaching.log().count("is down: ") == 1
        # A reload does not forget it.
        assert "reloaded" in running.reload(running.config.read_text())
        assert sign_in(running, certificates) < CONNECT_TIMEOUT
    assert first < 2 * CONNECT_TIMEOUT
    assert [seconds for seconds in later if seconds >= CONNECT_TIMEOUT] == []
    assert set(servers(running)) == {pair[1].url}
    cuts = statistics.quantiles([first, *later], n=100)
    print(f"{how}, {health}: p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms, first {first:.2f} s")


def test_a_server_that_had_less_than_its_time_is_not_blamed(pair, certificates, start_gateway, tmp_path):
    with black_hole() as first, black_hole() as second:
        holes = [f"ldaps://127.0.0.1:{port}" for port in (first, second)]
        patience = {"connect_timeout": 2, "connect_patience": 3, "health": "off"}
        running = start(start_gateway, certificates, of(pair[:1], tmp_path, *holes, **patience))
        with RawClient(running.port, certificates.ca_file) as session:
            assert session.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == ResultCode.unavailable
        (record,) = running.reaching.wait_for_audit(operation="bind")
        assert record["detail"].endswith(f"{pair[0].url}: not tried, the others took connect_patience")
        sign_in(running, certificates)
        assert servers(running)[-1] == pair[0].url
        # The check that follows gives it all of its time.
        running.reaching.wait_for(f"{holes[1]} is down: ")
        assert f"{pair[0].url} is down" not in running.reaching.log()


def test_sign_ins_that_come_while_the_first_one_waits_do_not_wait_as_long(pair, certificates, start_gateway, tmp_path):
    running = start(start_gateway, certificates, of(pair, tmp_path, health="off"))
    pair[0].freeze()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(sign_in, running, certificates)
        # By now that attempt looks like one that will not succeed.
        time.sleep(1.5)
        assert not first.done()
        assert sign_in(running, certificates) < CONNECT_TIMEOUT - 1.5
        first.result(60)


def test_a_server_that_is_back_is_used_again_and_sessions_stay_where_they_are(
    pair, certificates, start_gateway, tmp_path
):
    running = start(start_gateway, certificates, of(pair, tmp_path, health={"interval": 1, "rise": 2}))
    with RawClient(running.port, certificates.ca_file) as before:
        assert before.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == 0
        pair[0].kill()
        # The server of a session without an open operation has gone: it is told so, and may come again.
        event = before.event()
        assert isinstance(event, Disconnection)
        assert event.result.code == ResultCode.unavailable
        assert before.event() is None
    with RawClient(running.port, certificates.ca_file) as moved:
        assert moved.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == 0
        running.reaching.wait_for(f"{pair[0].url} is down: refused: the host is there")
        pair[0].start()
        running.reaching.wait_for(f"{pair[0].url} is up again")
        sign_in(running, certificates)
        assert moved.result(moved.search(STAFF))[1].code == 0
    assert servers(running) == [pair[0].url, pair[1].url, pair[0].url]
    assert [record["server"] for record in running.reaching.audit(operation="search", base=STAFF)] == [
        pair[0].url,
        pair[1].url,
    ]


def test_checks_find_a_hanging_server_before_a_session_does(pair, certificates, start_gateway, tmp_path):
    health = {"interval": 1, "timeout": 1, "fall": 2, "rise": 1}
    directory = of(pair, tmp_path, health=health, connect_timeout=1)
    running = start(start_gateway, certificates, directory)
    pair[0].freeze()
    running.reaching.wait_for(f"{pair[0].url} is down: ")
    sign_in(running, certificates)
    pair[0].thaw()
    running.reaching.wait_for(f"{pair[0].url} is up again")
    sign_in(running, certificates)
    assert servers(running) == [pair[1].url, pair[0].url]


@pytest.mark.direct("by a link nobody tries a server before a check has found it up again")
def test_where_all_are_down_the_error_names_each_and_the_first_that_is_back_serves(
    pair, certificates, start_gateway, tmp_path
):
    running = start(start_gateway, certificates, of(pair, tmp_path, health="off"))
    for server in pair:
        server.kill()
    for _ in range(3):
        with RawClient(running.port, certificates.ca_file) as session:
            assert session.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == ResultCode.unavailable
    for record in running.reaching.wait_for_audit(3, operation="bind"):
        assert record["reason"] == "server-unreachable"
        assert all(f"{server.url}: refused: the host is there" in record["detail"] for server in pair)
    pair[1].start()
    sign_in(running, certificates)
    assert servers(running)[-1] == pair[1].url


def test_a_server_that_freezes_with_spare_connections_to_it_costs_its_time_once(
    pair, certificates, start_gateway, tmp_path
):
    running = start(start_gateway, certificates, of(pair, tmp_path, health="off", connect_timeout=1))
    until_connected(pair[0].port, 0)
    sign_in(running, certificates)
    until_connected(pair[0].port, 2)
    pair[0].freeze()
    sign_in(running, certificates)
    (_, second) = running.reaching.wait_for_audit(2, operation="bind")
    assert second["server"] == pair[1].url
    assert second["detail"] == f"{pair[0].url}: the directory did not answer in time; sent once more"
    running.reaching.wait_for(f"{pair[0].url} is down: ")
    for _ in range(3):
        sign_in(running, certificates)
    assert [record.get("detail") for record in running.reaching.audit(operation="bind")[2:]] == [None] * 3


def test_a_restart_of_the_only_server_is_not_noticed(pair, certificates, start_gateway, tmp_path):
    running = start(start_gateway, certificates, of(pair[:1], tmp_path, health="off"))
    sign_in(running, certificates)
    until_connected(pair[0].port, 2)
    pair[0].kill()
    pair[0].start()
    sign_in(running, certificates)


def test_sessions_are_spread(pair, certificates, start_gateway, tmp_path):
    running = start(start_gateway, certificates, of(pair, tmp_path, order="least-sessions"))
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            session = stack.enter_context(RawClient(running.port, certificates.ca_file))
            assert session.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == 0
        assert sorted(servers(running)) == sorted([server.url for server in pair] * 3)


@pytest.mark.parametrize(("password", "said"), [(SYNC_PASSWORD, False), ("Not-the-Passw0rd", True)])
def test_a_probe_account_is_bound_and_never_asked_again_with_a_wrong_password(
    pair, certificates, start_gateway, tmp_path, password, said
):
    secret = tmp_path / "probe"
    secret.write_text(f"{password}\n")
    health = {"interval": 1, "fall": 1, "bind_dn": SYNC_ACCOUNT, "password_file": str(secret)}
    running = start(
        start_gateway, certificates, of(pair[:1], tmp_path, health=health), admin={"address": "127.0.0.1:0"}
    )
    if said:
        log = running.reaching.wait_for("health.bind_dn")
        assert f"{SYNC_ACCOUNT} cannot sign in at {pair[0].url}" in log
    time.sleep(3)
    log = running.reaching.log()
    assert log.count("health.bind_dn") == said
    assert "is down" not in log
    assert password not in log
