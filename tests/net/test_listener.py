"""Whom a listener lets in at all."""

import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.ldap.messages import BASE_OBJECT
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.raw_client import RawClient

pytestmark = pytest.mark.servers

CLIENT = {
    "sources": ["127.0.0.1"],
    "sync_accounts": ["svc@corp.example"],
    "base_dns": ["OU=Staff,DC=corp,DC=example"],
    "attributes": ["cn"],
}


@pytest.fixture(scope="module")
def gateway(certificates, tmp_path_factory):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    config = configuration(certificates, directory, CLIENT)
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), config) as running:
        yield running


def closed_without_an_octet(port, source):
    with socket.create_connection(("127.0.0.1", port), 30, source_address=(source, 0)) as connection:
        try:
            # No client hello: the gateway must not wait for one.
            return connection.recv(1) == b""
        except ConnectionResetError:
            return True


def test_a_file_of_sources_is_read_anew_with_sighup_and_not_where_it_is_wrong(certificates, tmp_path):
    sources = tmp_path / "sources.txt"
    sources.write_text("127.0.0.1\n")
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    config = configuration(certificates, directory, {**CLIENT, "sources": [], "sources_file": str(sources)})
    with GatewayProcess(tmp_path, config) as running:
        assert closed_without_an_octet(running.port, "127.0.0.2")
        sources.write_text("127.0.0.1\n127.0.0.2/8\n")
        assert f"{sources}:2: clients.mimecast.sources_file" in running.reload(config)
        running.wait_for("reload refused")
        assert closed_without_an_octet(running.port, "127.0.0.2")
        sources.write_text("127.0.0.2  # moved\n")
        assert "reloaded" in running.reload(config)
        with RawClient(running.port, certificates.ca_file, source="127.0.0.2") as listed:
            assert listed.result(listed.search("", scope=BASE_OBJECT))[1].code == 0
        assert closed_without_an_octet(running.port, "127.0.0.1")


def test_an_unlisted_source_is_closed_before_tls_and_logged_once(certificates, gateway):
    for _ in range(3):
        assert closed_without_an_octet(gateway.port, "127.0.0.2")
    assert closed_without_an_octet(gateway.port, "127.0.0.3")
    with RawClient(gateway.port, certificates.ca_file) as listed:
        assert listed.result(listed.search("", scope=BASE_OBJECT))[1].code == 0
    lines = [line for line in gateway.log().splitlines() if "source-not-listed" in line]
    assert len(lines) == 2
    assert "127.0.0.2" in lines[0] and "clients.X.sources" in lines[0]
    assert "127.0.0.3" in lines[1]
    assert {record["source"] for record in gateway.audit()} == {"127.0.0.1"}


def test_many_connections_may_wait_to_be_accepted(certificates, tmp_path):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    many = min(300, int(Path("/proc/sys/net/core/somaxconn").read_text()))
    with GatewayProcess(tmp_path, configuration(certificates, directory, CLIENT)) as running, ExitStack() as opened:
        running.process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(many):
                # Where the queue is full, this takes a second or more, and then fails.
                opened.enter_context(socket.create_connection(("127.0.0.1", running.port), 5))
        finally:
            running.process.send_signal(signal.SIGCONT)


def test_whoever_never_speaks_costs_no_tls(certificates, tmp_path):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    limits = {"sessions_per_source": 1000, "handshakes": 1000}
    config = configuration(certificates, directory, CLIENT, limits=limits)
    with GatewayProcess(tmp_path, config) as running, ExitStack() as opened:

        def grown(octets):
            before = running.resident_octets()
            for _ in range(200):
                connection = opened.enter_context(socket.create_connection(("127.0.0.1", running.port), 30))
                connection.sendall(octets)
            with RawClient(running.port, certificates.ca_file) as last:
                assert last.result(last.search("", scope=BASE_OBJECT))[1].code == 0
            return running.resident_octets() - before

        grown(b"")
        silent = grown(b"")
        # The first octets of a client hello, which never comes whole.
        begun = grown(bytes.fromhex("1603010200"))
        assert silent < begun / 2
