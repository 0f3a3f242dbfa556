"""The way to the servers: verified, in order, and explained where it fails."""

from datetime import timedelta

import pytest

from gateway.demo.certificates import make_certificates
from gateway.ldap.messages import BindRequest
from tests.config.certificates import write_chain, write_pair
from tests.observe.admin_client import samples
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer

pytestmark = pytest.mark.servers

ACCOUNT = ("svc@corp.example", "Passw0rd-that-must-not-travel")
CLIENT = {"sync_accounts": [ACCOUNT[0]], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}


def start(tmp_path, certificates, directory):
    return GatewayProcess(tmp_path, configuration(certificates, directory, CLIENT))


def bind(running, certificates):
    with RawClient(running.port, certificates.ca_file) as session:
        return session.bind(*ACCOUNT)


def test_a_verified_server_is_served(certificates, server_certificates, tmp_path):
    with (
        StubServer(server_certificates) as server,
        start(tmp_path, certificates, server.gateway_directory()) as running,
    ):
        assert bind(running, certificates) == 0
        assert running.wait_for_audit(operation="bind")[0]["server"] == server.url
        (received,) = [request for request in server.requests if isinstance(request, BindRequest)]
        assert (received.name, received.authentication.password) == (ACCOUNT[0], ACCOUNT[1].encode())


@pytest.mark.parametrize("flaw", ["wrong CA", "wrong name", "expired"])
def test_a_server_that_cannot_be_verified_is_sent_nothing(certificates, server_certificates, tmp_path, flaw):
    if flaw == "expired":
        server_certificates = make_certificates(tmp_path, "expired", valid=timedelta(seconds=-1))
    ca_file = certificates.ca_file if flaw == "wrong CA" else server_certificates.ca_file
    name = "dc1.corp.example" if flaw == "wrong name" else "localhost"
    with (
        StubServer(server_certificates) as server,
        start(tmp_path, certificates, server.gateway_directory(ca_file, name)) as running,
    ):
        assert bind(running, certificates) == 52
        assert server.requests == []
        (record,) = running.wait_for_audit(operation="bind")
        assert (record["result"], record["reason"]) == ("unavailable", "server-unreachable")
        said = {
            "wrong CA": "its certificate is not issued by a CA in ca_file",
            "wrong name": "does not carry the expected name: see server_name",
            "expired": "its certificate has expired: have it renewed",
        }[flaw]
        for text in (running.log(), record["detail"]):
            assert server.url in text
            assert said in text
        assert ACCOUNT[1] not in running.log() + running.audit_text()


def test_what_a_server_was_down_for_is_forgotten_when_it_is_trusted_by_another_file(
    certificates, server_certificates, tmp_path
):
    def config(ca_file):
        return configuration(certificates, server.gateway_directory(ca_file), CLIENT, admin={"address": "127.0.0.1:0"})

    with StubServer(server_certificates) as server, GatewayProcess(tmp_path, config(certificates.ca_file)) as running:
        up = ("ldap_gateway_server_up", "corp", f"localhost:{server.port}")
        assert bind(running, certificates) == 52
        assert samples(running.admin_port)[up] == 0
        # The same file is the same trust.
        assert "reloaded" in running.reload(config(certificates.ca_file))
        assert samples(running.admin_port)[up] == 0
        assert "reloaded" in running.reload(config(server_certificates.ca_file))
        assert samples(running.admin_port)[up] == 1
        assert bind(running, certificates) == 0
        assert samples(running.admin_port)[up] == 1


def test_the_next_server_is_taken_where_the_first_is_down(certificates, server_certificates, tmp_path):
    with StubServer(server_certificates) as server:
        directory = server.gateway_directory()
        directory["servers"].insert(0, {"url": "ldaps://127.0.0.1:1", "server_name": "localhost"})
        with start(tmp_path, certificates, directory) as running:
            assert bind(running, certificates) == 0
            assert running.wait_for_audit(operation="bind")[0]["server"] == server.url
            assert "ldaps://127.0.0.1:1 is down: " in running.log()


def test_no_server_at_all_is_unavailable_and_says_why_of_each(certificates, tmp_path):
    directory = {"servers": ["ldaps://127.0.0.1:1", "ldaps://127.0.0.1:2"], "ca_file": certificates.ca_file}
    with start(tmp_path, certificates, directory) as running:
        assert bind(running, certificates) == 52
        (record,) = running.wait_for_audit(operation="bind")
        assert "ldaps://127.0.0.1:1: refused: the host is there" in record["detail"]
        assert "ldaps://127.0.0.1:2: refused: the host is there" in record["detail"]


@pytest.mark.parametrize(
    "shown, code, said",
    [
        ("gateway", 0, None),
        ("stranger", 52, "the peer does not trust the issuer of client_certificate"),
        (None, 52, "the server asks for a client certificate: see client_certificate"),
    ],
)
def test_a_server_that_asks_for_a_certificate_is_shown_the_directorys(
    certificates, server_certificates, tmp_path, shown, code, said
):
    write_pair(tmp_path, "gateway")
    write_pair(tmp_path, "stranger")
    with StubServer(server_certificates, client_ca_file=tmp_path / "gateway.pem") as server:
        directory = server.gateway_directory()
        if shown is not None:
            # Relative to the configuration, as all paths in it are.
            directory["client_certificate"] = {"certificate": f"{shown}.pem", "private_key": f"{shown}.key"}
        with start(tmp_path, certificates, directory) as running:
            assert bind(running, certificates) == code
            (record,) = running.wait_for_audit(operation="bind")
            assert sum(isinstance(request, BindRequest) for request in server.requests) == (1 if code == 0 else 0)
            assert said is None or said in record["detail"]


def test_intermediate_certificates_are_shown_as_well(certificates, server_certificates, tmp_path):
    root = write_chain(tmp_path)
    with StubServer(server_certificates, client_ca_file=root) as server:
        directory = server.gateway_directory()
        directory["client_certificate"] = {"certificate": "gateway.pem", "private_key": "gateway.key"}
        with start(tmp_path, certificates, directory) as running:
            assert bind(running, certificates) == 0
