"""A listener as the gateway's own host sees it."""

import os
import socket
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509

from gateway.ask.findings import Area
from gateway.demo.certificates import make_certificates
from gateway.ldap import messages as m
from gateway.ldap.encoding import encode
from gateway.net.servers.settings import DirectorySettings
from gateway.net.sessions.required_certificate import RequiredCertificate
from gateway.net.sessions.settings import ClientSettings, ListenerSettings, StartTls
from gateway.tools.doctor.listener import check_bindable, check_listener
from tests.observe.admin_client import samples
from tests.policy.policies import policy
from tests.servers.gateway_process import GatewayProcess, configuration, free_port
from tests.servers.stub_server import StubServer
from tests.tools.ports import black_hole, serving
from tests.tools.said import Said

BLOCK = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}


def examine(
    on_reactor, files, port, *, host="127.0.0.1", sources="127.0.0.0/8", starttls=StartTls.off, certificate=None
):
    said = Said(Area.listener)
    listener = ListenerSettings(host, port, files.certificate, files.private_key, starttls)
    corp = DirectorySettings("corp", (), None)
    client = ClientSettings(policy(), (ip_network(sources),), corp, certificate=certificate)
    chain = x509.load_pem_x509_certificates(files.certificate.read_bytes())
    on_reactor(lambda reactor: check_listener(said.section, listener, chain, [client], reactor))
    return said


@pytest.fixture(scope="module")
def run_gateway(server_certificates, tmp_path_factory):
    """A function that serves on one listener and returns the process; kept until the end of the module."""
    started = []

    def run(**keys):
        directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": server_certificates.ca_file}
        text = configuration(server_certificates, directory, BLOCK | {"sources": keys.pop("sources", ["127.0.0.0/8"])})
        for key, value in keys.items():
            text = text.replace('"address": "127.0.0.1:0"', f'"address": "127.0.0.1:0", "{key}": "{value}"')
        started.append(GatewayProcess(tmp_path_factory.mktemp("gateway"), text))
        return started[-1]

    yield run
    for each in started:
        each.kill()


@pytest.mark.servers
@pytest.mark.parametrize("starttls", list(StartTls))
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_gateway_that_serves(on_reactor, server_certificates, run_gateway, host, starttls):
    port = run_gateway(starttls=starttls.value).port
    said = examine(on_reactor, server_certificates, port, host=host, starttls=starttls)
    assert said.status() == {"listens": "ok", "serves": "ok"}


@pytest.mark.servers
@pytest.mark.parametrize("starttls", list(StartTls))
def test_its_own_looks_are_no_failures_of_clients(on_reactor, server_certificates, tmp_path, starttls):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": server_certificates.ca_file}
    text = configuration(server_certificates, directory, BLOCK, admin={"address": "127.0.0.1:0"})
    text = text.replace('"address": "127.0.0.1:0"', f'"address": "127.0.0.1:0", "starttls": "{starttls.value}"', 1)
    with GatewayProcess(tmp_path, text) as running:

        def failures():
            found = samples(running.admin_port)
            return [value for labels, value in found.items() if "tls-failed" in labels and "created" not in labels[0]]

        for _ in range(10):
            said = examine(on_reactor, server_certificates, running.port, starttls=starttls)
            assert (said["serves"].status, said["serves"].advice) == ("ok", "")
        # Those of others are still told.
        with socket.create_connection(("127.0.0.1", running.port)) as other:
            if starttls is StartTls.required:
                request = m.LDAPMessage(1, m.ExtendedRequest(m.START_TLS))
                other.sendall(encode(request))
                assert other.recv(4096)
            other.sendall(b"GET / HTTP/1.0\r\n\r\n")
            running.wait_for("tls-failed")
            assert failures() == [1]
            assert "left-without-request" not in running.log()


def test_it_says_what_the_log_has_of_a_look_without_the_required_certificate(on_reactor, server_certificates):
    with StubServer(server_certificates) as server:
        said = examine(on_reactor, server_certificates, server.port, certificate=RequiredCertificate(Path("ca.pem")))
    assert (said["serves"].status, "tls-failed of 127.0.0.1" in said["serves"].advice) == ("ok", True)


@pytest.mark.servers
def test_one_that_still_shows_the_old_certificate(on_reactor, tmp_path, run_gateway):
    renewed = make_certificates(tmp_path, "gateway", valid=timedelta(days=90))
    found = examine(on_reactor, renewed, run_gateway().port)["serves"]
    assert (found.status, "another certificate" in found.said, "kill -HUP" in found.advice) == ("warning", True, True)


@pytest.mark.servers
def test_a_host_that_is_no_source_is_turned_away_and_that_is_well(on_reactor, server_certificates, run_gateway):
    port = run_gateway(sources=["198.51.100.7"]).port
    said = examine(on_reactor, server_certificates, port, sources="198.51.100.0/24")
    assert said.status() == {"listens": "ok", "serves": "ok"}
    assert "127.0.0.1 is in no client's sources" in said["serves"].said
    # A source that is listed is not to be turned away.
    said = examine(on_reactor, server_certificates, port)
    assert said["serves"].status == "failed"


def test_nothing_listens_and_the_port_is_free(on_reactor, server_certificates):
    said = examine(on_reactor, server_certificates, free_port())
    assert said.status() == {"listens": "warning", "serves": "skipped"}
    assert "ldap-gateway run" in said["listens"].advice


def test_an_address_that_this_host_does_not_have(server_certificates):
    # TEST-NET-1 is no address of any host, and nothing is sent there.
    said = Said(Area.listener)
    listener = ListenerSettings("192.0.2.1", 636, server_certificates.certificate, server_certificates.private_key)
    check_bindable(said.section, listener.host, listener.port)
    assert said["listens"].status == "failed"
    assert "no address of this host" in said["listens"].advice


@pytest.mark.servers
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a right away")
def test_a_low_port_needs_a_right(server_certificates):
    pid = os.fork()
    if pid == 0:
        os.setgid(65534)
        os.setuid(65534)
        said = Said(Area.listener)
        listener = ListenerSettings("127.0.0.1", 1, server_certificates.certificate, server_certificates.private_key)
        check_bindable(said.section, listener.host, listener.port)
        os._exit(0 if "CAP_NET_BIND_SERVICE" in said["listens"].advice else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_another_program_on_the_port(on_reactor, server_certificates):
    with serving(lambda connection: connection.sendall(b"220 mail ESMTP\r\n") or connection.recv(4096)) as port:
        found = examine(on_reactor, server_certificates, port)["serves"]
    assert found.status == "failed"
    assert "is it the gateway" in found.advice


def test_a_firewall_on_the_host_itself(on_reactor, server_certificates, monkeypatch):
    monkeypatch.setattr("gateway.tools.doctor.listener._PATIENCE", 0.5)
    with black_hole() as port:
        said = examine(on_reactor, server_certificates, port)
    assert said.status() == {"listens": "failed", "serves": "skipped"}
    assert "firewall on this host" in said["listens"].advice


def test_a_server_that_refuses_to_start_tls(on_reactor, server_certificates):
    def refuse(connection):
        connection.recv(4096)
        connection.sendall(bytes.fromhex("300c02010178070a013504000400"))
        connection.recv(4096)

    with serving(refuse) as port:
        found = examine(on_reactor, server_certificates, port, starttls=StartTls.required)["serves"]
    assert (found.status, "refuses to start TLS" in found.said) == ("failed", True)


def test_a_free_port_is_no_place_for_a_service(on_reactor, server_certificates):
    assert examine(on_reactor, server_certificates, 0).status() == {"listens": "warning", "serves": "skipped"}


@pytest.mark.servers
def test_the_certificate_is_looked_at_and_nothing_is_asked(on_reactor, server_certificates):
    with StubServer(server_certificates) as server:
        assert examine(on_reactor, server_certificates, server.port)["serves"].status == "ok"
    assert server.requests == [m.UnbindRequest()]
