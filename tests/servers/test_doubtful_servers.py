"""A server that can be connected to and does nothing for a session, beside one that works: sign-ins go to that one."""

import json
import threading
import time

import pytest

from gateway.demo.certificates import make_certificates
from gateway.ldap import messages as m
from gateway.ldap.results import LDAPResult
from gateway.net.servers.doubt import SLOW_ANSWER
from tests.observe.admin_client import get, samples
from tests.servers.gateway_process import PATIENCE, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer, accept_binds

ACCOUNT = ("svc@corp.example", "Doubtful-Passw0rd")
PERSON = ("jane@corp.example", "Doubtful-Passw0rd")
BASE = "DC=corp,DC=example"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"), "gateway")


def root_dse(request):
    return isinstance(request, m.SearchRequest) and not request.base


def of_sessions(answer):
    """The answers of a stub that serves whoever asks for its root DSE, and sessions as answer does."""
    return lambda request: accept_binds(request) if root_dse(request) else answer(request)


def serves(request):
    """As accept_binds, and tells nobody who he is."""
    return [m.ExtendedResponse(LDAPResult(2))] if isinstance(request, m.ExtendedRequest) else accept_binds(request)


def silent_to_binds(request):
    return [] if isinstance(request, m.BindRequest) else accept_binds(request)


def silent_behind_binds(request):
    return accept_binds(request) if isinstance(request, m.BindRequest) else []


def closes_on_binds(request):
    if isinstance(request, m.BindRequest):
        raise ConnectionError
    return accept_binds(request)


def closes_behind_binds(request):
    yield from accept_binds(request)
    raise ConnectionError


def closes_on_searches(request):
    if isinstance(request, m.SearchRequest):
        raise ConnectionError
    return accept_binds(request)


def busy(request):
    return [m.BindResponse(LDAPResult(51))] if isinstance(request, m.BindRequest) else accept_binds(request)


def misplaced(request):
    return [m.SearchResultDone(LDAPResult(0))]


def start(start_gateway, certificates, servers, limits=None, **more):
    """A gateway before these stubs, the first one first. limits: other ones than the second that these tests wait."""
    directory = servers[0].gateway_directory() | {
        "servers": [{"url": server.url, "server_name": "localhost"} for server in servers],
        "order": "priority",
        **more,
    }
    client = {
        "sync_accounts": [ACCOUNT[0]],
        "base_dns": [BASE],
        "attributes": ["cn"],
        "login_base_dns": [BASE],
        "login_domains": ["corp.example"],
        # What a server says of a password is the same for everybody here.
        "lockout": {"failures": 0},
    }
    limits = {"bind": 1, "silence": 1, "refusal_floor": 0, **(limits or {})}
    return start_gateway(
        configuration(certificates, directory, client, limits=limits, admin={"address": "127.0.0.1:0"})
    )


def sign_in(running, certificates):
    """Whether a session was served: a bind, and a search behind it."""
    with RawClient(running.port, certificates.ca_file) as session:
        if session.bind(*ACCOUNT) != 0:
            return False
        try:
            return session.result(session.search(BASE))[1].code == 0
        except (OSError, AssertionError):
            # The gateway has ended the session already.
            return False


def sign_in_code(running, certificates, account):
    with RawClient(running.port, certificates.ca_file) as session:
        return session.bind(*account)


def doubtful(running, server):
    found = samples(running.admin_port)
    return found["ldap_gateway_server_doubtful", "corp", f"localhost:{server.port}"]


# With the failures that one such server costs: none where the bind is sent to the next one. An end that a client could
# have brought about is believed the second time.
KINDS = [
    (silent_to_binds, 1, "bind-unanswered"),
    (closes_on_binds, 0, "bind-failed"),
    (busy, 0, "bind-failed"),
    (misplaced, 2, "bind-failed"),
    (closes_behind_binds, 2, "failed"),
    (closes_on_searches, 2, "failed"),
    (silent_behind_binds, 2, "failed"),
]


@pytest.mark.parametrize("answer, cost, trouble", KINDS)
def test_a_server_that_does_nothing_for_sessions_does_not_keep_them(certificates, start_gateway, answer, cost, trouble):
    with StubServer(certificates, of_sessions(answer)) as bad, StubServer(certificates) as good:
        running = start(start_gateway, certificates, (bad, good))
        served = [sign_in(running, certificates) for _ in range(8)]
        assert served.count(False) <= cost
        assert all(served[2:])
        running.wait_for(f"{bad.url} is doubtful: ")
        assert running.log().count(" is doubtful: ") == 1
        assert doubtful(running, bad) == 1
        assert doubtful(running, good) == 0
        place = f"localhost:{bad.port}"
        found = samples(running.admin_port)
        assert found["ldap_gateway_server_broken_sessions_total", "corp", trouble, place] >= 1
        assert f"doubtful: {trouble}" in get(running.admin_port, "/")[2]
        status, _, text = get(running.admin_port, "/readyz")
        assert status == 200
        (note,) = json.loads(text)["notes"]
        assert f"directory corp: {place} is doubtful" in note
        # It says so of the same server after a reload, and goes on to pass it over.
        running.reload(running.config.read_text())
        asked = len(bad.requests)
        assert all(sign_in(running, certificates) for _ in range(3))
        assert [request for request in bad.requests[asked:] if isinstance(request, m.BindRequest)] == []
        assert doubtful(running, bad) == 1


def test_a_session_that_has_done_its_work_or_a_client_that_leaves_does_not_make_a_server_doubtful(
    certificates, start_gateway
):
    with StubServer(certificates) as only, StubServer(certificates) as other:
        running = start(start_gateway, certificates, (only, other))
        for _ in range(3):
            with RawClient(running.port, certificates.ca_file) as session:
                assert session.bind(*ACCOUNT) == 0
                assert session.result(session.search(BASE))[1].code == 0
                only.drop_connections()
                while session.event() is not None:
                    pass
            with RawClient(running.port, certificates.ca_file) as session:
                assert session.bind(*ACCOUNT) == 0
                session.search(BASE)
                session.die()
        assert sign_in(running, certificates)
        assert other.requests == []
        assert "doubtful" not in running.log()


def test_one_search_that_a_server_does_not_stand_does_not_make_it_doubtful(certificates, start_gateway):
    def answer(request):
        if isinstance(request, m.SearchRequest) and request.base.lower().startswith("cn=poison"):
            raise ConnectionError
        return accept_binds(request)

    with StubServer(certificates, answer) as server:
        running = start(start_gateway, certificates, (server,))
        for _ in range(4):
            with RawClient(running.port, certificates.ca_file) as session:
                assert session.bind(*ACCOUNT) == 0
                assert session.result(session.search(f"CN=poison,{BASE}"))[1].code == 52
            # Others are served in between.
            assert sign_in(running, certificates)
        assert doubtful(running, server) == 0
        assert "doubtful" not in running.log()


def test_where_all_servers_fail_each_is_still_tried_and_the_first_that_works_serves(certificates, start_gateway):
    works = False

    def answer(request):
        return (accept_binds if works else silent_to_binds)(request)

    with StubServer(certificates, silent_to_binds) as bad, StubServer(certificates, answer) as later:
        running = start(start_gateway, certificates, (bad, later))
        assert [sign_in(running, certificates) for _ in range(4)] == [False] * 4
        assert len(bad.requests) >= 2 and len(later.requests) >= 2
        works = True
        assert any(sign_in(running, certificates) for _ in range(2))
        assert all(sign_in(running, certificates) for _ in range(3))
        assert "no server of the directory is up and free of doubt" in running.log()
        running.wait_for(f"{later.url} is not doubtful any more: it has served a session")
        assert (doubtful(running, bad), doubtful(running, later)) == (1, 0)


def test_while_one_bind_waits_for_three_seconds_others_already_go_elsewhere(certificates, start_gateway):
    arrived = threading.Event()

    def answer(request):
        if not isinstance(request, m.BindRequest):
            return accept_binds(request)
        arrived.set()
        return []

    with StubServer(certificates, answer) as silent, StubServer(certificates) as good:
        # The defaults: nobody would wait in a test for what happens at their end.
        running = start(start_gateway, certificates, (silent, good), limits={"bind": 30, "silence": 150})
        with RawClient(running.port, certificates.ca_file) as waits:
            waits.socket.sendall(waits.client.bind(ACCOUNT[0], ACCOUNT[1].encode()).data)
            assert arrived.wait(PATIENCE)
            # The time of the rule, by the clock that the gateway has, too.
            time.sleep(SLOW_ANSWER + 0.1)
            assert all(sign_in(running, certificates) for _ in range(3))
            binds = [request for request in silent.requests if isinstance(request, m.BindRequest)]
            assert len(binds) == 1
            # So far nothing has failed: the first one may still be answered.
            assert doubtful(running, silent) == 0


@pytest.mark.parametrize("probe", ["answered", "not answered"])
def test_a_check_that_binds_settles_it(certificates, start_gateway, tmp_path, probe):
    password = tmp_path / "probe"
    password.write_text("Doubtful-Passw0rd\n")
    probed = "CN=probe,DC=corp,DC=example"
    works = False

    def answer(request):
        if not isinstance(request, m.BindRequest):
            return accept_binds(request)
        if request.name == probed:
            return accept_binds(request) if probe == "answered" else []
        return accept_binds(request) if works else []

    health = {"interval": 3600, "timeout": 1, "fall": 1, "bind_dn": probed, "password_file": str(password)}
    with StubServer(certificates, answer) as server, StubServer(certificates) as other:
        running = start(start_gateway, certificates, (server, other), health=health)
        if probe == "not answered":
            running.wait_for(f"{server.url} is down: ")
            assert sign_in(running, certificates)
            return
        assert not sign_in(running, certificates)
        running.wait_for(f"{server.url} is not doubtful any more: a check was served as sessions need it")
        # What sessions find once more goes before what checks say.
        before = len(running.log())
        assert not sign_in(running, certificates)
        running.wait_for(f"{server.url} is doubtful: ", before)
        assert all(sign_in(running, certificates) for _ in range(3))
        assert "not doubtful any more" not in running.log()[before:]
        assert doubtful(running, server) == 1


@pytest.mark.parametrize(
    "answer, trouble",
    [(silent_behind_binds, "unanswered"), (closes_on_searches, "failed"), (closes_behind_binds, "failed")],
)
def test_the_look_up_behind_a_sign_in_is_no_clients_search_and_one_end_is_enough(
    certificates, start_gateway, answer, trouble
):
    with StubServer(certificates, answer) as bad, StubServer(certificates, serves) as good:
        running = start(start_gateway, certificates, (bad, good))
        # The good one finds nobody of that name, and says so.
        assert [sign_in_code(running, certificates, PERSON) for _ in range(4)] == [52, 49, 49, 49]
        place = f"localhost:{bad.port}"
        assert samples(running.admin_port)["ldap_gateway_server_broken_sessions_total", "corp", trouble, place] == 1
        assert doubtful(running, bad) == 1
