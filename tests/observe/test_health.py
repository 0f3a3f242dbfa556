"""The health page, as a container's health check asks for it."""

import json
import socket
import threading
import urllib.error
import urllib.request

import pytest

from gateway.demo.certificates import make_certificates
from gateway.ldap import COMPILED
from gateway.ldap.messages import SearchRequest
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer, accept_binds

ACCOUNT = ("svc@corp.example", "Passw0rd")
CLIENT = {"sync_accounts": [ACCOUNT[0]], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}


def get(port, path="/healthz"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
            return answer.status, answer.headers["content-type"], json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], json.load(error)


@pytest.fixture
def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_it_says_whether_the_gateway_serves_or_stops(tmp_path, free_port):
    asked, released = threading.Event(), threading.Event()

    def hold_searches(request):
        if isinstance(request, SearchRequest):
            asked.set()
            released.wait(PATIENCE)
        return accept_binds(request)

    certificates = make_certificates(tmp_path, "gateway")
    with StubServer(certificates, hold_searches) as server:
        admin = {"address": f"127.0.0.1:{free_port}"}
        config = configuration(
            certificates, server.gateway_directory(), CLIENT, admin=admin, drain_timeout=PATIENCE
        )
        with GatewayProcess(tmp_path, config) as running:
            assert get(free_port) == (200, "application/json", {"status": "ok", "compiled": COMPILED})
            assert get(free_port, "/")[0] == 404
            session = RawClient(running.port, certificates.ca_file)
            assert session.bind(*ACCOUNT) == 0
            message_id = session.search("DC=corp,DC=example")
            assert asked.wait(PATIENCE)
            running.terminate()
            running.wait_for("stopping")
            assert get(free_port) == (503, "application/json", {"status": "stopping", "compiled": COMPILED})
            released.set()
            assert session.result(message_id)[1].code == 0
            session.socket.close()
            assert running.process.wait(PATIENCE) == 0
            assert "healthz" not in running.log()
