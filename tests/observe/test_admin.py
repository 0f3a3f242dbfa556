"""The admin pages, as a container's health check, a load balancer and Prometheus ask for them."""

import http.client
import json
import threading
from datetime import timedelta

import pytest

from gateway.compilation import compilation
from gateway.demo.certificates import make_certificates
from gateway.ldap.messages import SearchRequest
from tests.observe.admin_client import get, samples
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer, accept_binds

pytestmark = pytest.mark.servers

ACCOUNT = ("svc@corp.example", "Passw0rd")
CLIENT = {"sync_accounts": [ACCOUNT[0]], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}


@pytest.fixture
def certificates(tmp_path):
    return make_certificates(tmp_path, "gateway")


def gateway(directory, certificates, server, **others):
    config = configuration(certificates, server.gateway_directory(), CLIENT, admin={"address": "127.0.0.1:0"}, **others)
    return GatewayProcess(directory, config)


def test_it_says_whether_the_gateway_serves_or_stops(tmp_path, certificates):
    asked, released = threading.Event(), threading.Event()

    def hold_searches(request):
        if isinstance(request, SearchRequest):
            asked.set()
            released.wait(PATIENCE)
        return accept_binds(request)

    with (
        StubServer(certificates, hold_searches) as server,
        gateway(tmp_path, certificates, server, drain_timeout=PATIENCE) as running,
    ):
        status, headers, text = get(running.admin_port)
        installation = {"compiled": compilation().compiled, "installation": compilation().said}
        assert (status, headers["content-type"]) == (200, "application/json")
        assert json.loads(text) == {"status": "ok", **installation}
        assert get(running.admin_port, "/elsewhere")[0] == 404
        session = RawClient(running.port, certificates.ca_file)
        assert session.bind(*ACCOUNT) == 0
        message_id = session.search("DC=corp,DC=example")
        assert asked.wait(PATIENCE)
        running.terminate()
        running.wait_for("stopping")
        status, _, text = get(running.admin_port)
        assert (status, json.loads(text)) == (503, {"status": "stopping", **installation})
        released.set()
        assert session.result(message_id)[1].code == 0
        session.socket.close()
        assert running.process.wait(PATIENCE) == 0
        assert "healthz" not in running.log()


def test_metrics_tell_of_operations_sessions_servers_and_reloads(tmp_path, certificates):
    with (
        StubServer(certificates) as server,
        gateway(tmp_path, certificates, server) as running,
        RawClient(running.port, certificates.ca_file) as session,
    ):
        assert session.bind(*ACCOUNT) == 0
        assert session.result(session.search("DC=corp,DC=example"))[1].code == 0
        assert session.result(session.search("DC=elsewhere"))[1].code == 50
        found = samples(running.admin_port)
        ours = {key: value for key, value in found.items() if key[0].startswith("ldap_gateway_")}
        assert ours["ldap_gateway_operations_total", "mimecast", "bind", "success"] == 1
        assert ours["ldap_gateway_operations_total", "mimecast", "search", "success"] == 1
        assert ours["ldap_gateway_operations_total", "mimecast", "search", "insufficientAccessRights"] == 1
        assert ours["ldap_gateway_refusals_total", "mimecast", "base-not-allowed"] == 1
        assert ours["ldap_gateway_open_sessions", "mimecast"] == 1
        assert ours["ldap_gateway_sync_running", "mimecast"] == 1
        place = ("corp", f"localhost:{server.port}")
        assert ours["ldap_gateway_server_connections_total", *place] == 1
        assert ours["ldap_gateway_server_up", *place] == 1
        assert ours["ldap_gateway_own_seconds_count", "mimecast", "search"] == 2
        assert ours["ldap_gateway_own_seconds_sum", "mimecast", "search"] > 0
        assert ours["ldap_gateway_server_seconds_count", "mimecast", "search"] == 1
        assert ours["ldap_gateway_server_seconds_sum", "mimecast", "bind"] > 0
        for expiry in (("listener_certificate", "0"), ("server_certificate", *place)):
            assert 0 < ours[f"ldap_gateway_{expiry[0]}_expiry_seconds", *expiry[1:]] < 86_400
        assert ours["ldap_gateway_config_reload_success",] == 1
        assert {key[0] for key in found} >= {"process_resident_memory_bytes", "process_open_fds"}
        make_certificates(tmp_path, "gateway", valid=timedelta(days=3))
        good = running.config.read_text()
        running.reload("listeners: []")
        assert samples(running.admin_port)["ldap_gateway_config_reload_success",] == 0
        running.reload(good)
        after = samples(running.admin_port)
        assert after["ldap_gateway_config_reload_success",] == 1
        loaded = ("ldap_gateway_config_reload_timestamp_seconds",)
        assert after[loaded] > ours[loaded]
        assert after["ldap_gateway_operations_total", "mimecast", "bind", "success"] == 1
        assert after["ldap_gateway_listener_certificate_expiry_seconds", "0"] > 2 * 86_400


def test_a_client_that_asks_for_openmetrics_gets_them(tmp_path, certificates):
    with StubServer(certificates) as server, gateway(tmp_path, certificates, server) as running:
        wanted = "application/openmetrics-text; version=1.0.0"
        status, headers, text = get(running.admin_port, "/metrics", Accept=wanted)
        assert status == 200
        assert headers["content-type"].startswith(wanted)
        assert text.endswith("# EOF\n")


PAGES = ("/", "/docs/operations", "/healthz", "/readyz", "/metrics")
NO_PAGES = ("/elsewhere", "/docs", "/docs/elsewhere", "/healthz/x")


def ask(port, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_head_options_and_other_methods_are_answered_properly_and_without_a_word_in_the_log(tmp_path, certificates):
    with StubServer(certificates) as server, gateway(tmp_path, certificates, server) as running:
        before = len(running.log())
        for path in (*PAGES, *NO_PAGES):
            status, headers, body = ask(running.admin_port, "GET", path)
            assert status == (200 if path in PAGES else 404)
            assert body
            asked, alike, nothing = ask(running.admin_port, "HEAD", path)
            assert (asked, nothing, alike["content-type"]) == (status, b"", headers["content-type"])
            if path not in ("/", "/metrics"):
                assert alike["content-length"] == str(len(body))
            asked, alike, nothing = ask(running.admin_port, "OPTIONS", path)
            assert (asked, alike["allow"], nothing) == (204, "GET, HEAD, OPTIONS", b"")
            for method in ("POST", "PUT", "DELETE", "BREW"):
                asked, alike, said = ask(running.admin_port, method, path)
                assert (asked, alike["allow"]) == (405, "GET, HEAD, OPTIONS")
                assert b"can only be read" in said
        assert running.log()[before:] == ""


def test_the_documentation_is_there(tmp_path, certificates):
    with StubServer(certificates) as server, gateway(tmp_path, certificates, server) as running:
        status, headers, text = get(running.admin_port, "/docs/operations")
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert headers["content-security-policy"].startswith("default-src 'none'; ")
        assert '<h3 id="ldapgatewaydown">LdapGatewayDown</h3>' in text
