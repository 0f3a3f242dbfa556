"""Connections to servers that take up an earlier TLS session, and those that must not."""

import ssl
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from gateway.demo.certificates import make_certificates
from gateway.net.resumption import LONGEST, NO_TICKETS
from gateway.net.settings import DirectorySettings, ServerSettings
from gateway.net.tls import ServerTrust
from gateway.net.tls_layer import TlsLayer
from tests.config.certificates import write_pair
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer

ACCOUNT = ("svc@corp.example", "Passw0rd")
CLIENT = {"sync_accounts": [ACCOUNT[0]], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}


class Resuming(StubServer):
    """resumed: of each connection whether it took up a session."""

    def __init__(self, *arguments, **keywords):
        self.resumed = []
        super().__init__(*arguments, **keywords)

    def _serve(self, plain):
        context, resumed = self._context, self.resumed

        class Noting:
            @staticmethod
            def wrap_socket(plain, server_side):
                connection = context.wrap_socket(plain, server_side=server_side)
                resumed.append(connection.session_reused)
                return connection

        self._context = Noting
        try:
            super()._serve(plain)
        finally:
            self._context = context


def bind(running, certificates):
    with RawClient(running.port, certificates.ca_file) as session:
        assert session.bind(*ACCOUNT) == 0


def until_one(version):
    def limit(context):
        context.maximum_version = version

    return limit


@pytest.mark.parametrize(
    ("version", "resumed"),
    [(ssl.TLSVersion.TLSv1_3, [False, True, True]), (ssl.TLSVersion.TLSv1_2, [False, False, False])],
)
def test_a_server_of_tls_1_3_is_taken_up_again(certificates, server_certificates, tmp_path, version, resumed):
    with (
        Resuming(server_certificates, configure=until_one(version)) as server,
        GatewayProcess(tmp_path, configuration(certificates, server.gateway_directory(), CLIENT)) as running,
    ):
        for _ in range(3):
            bind(running, certificates)
        assert server.resumed == resumed


def test_it_holds_with_a_client_certificate(certificates, server_certificates, tmp_path):
    write_pair(tmp_path, "own")
    with Resuming(server_certificates, client_ca_file=tmp_path / "own.pem") as server:
        directory = server.gateway_directory()
        directory["client_certificate"] = {"certificate": "own.pem", "private_key": "own.key"}
        with GatewayProcess(tmp_path, configuration(certificates, directory, CLIENT)) as running:
            for _ in range(2):
                bind(running, certificates)
        assert server.resumed == [False, True]


def test_a_reload_begins_anew(certificates, server_certificates, tmp_path):
    with Resuming(server_certificates) as server:
        directory = server.gateway_directory()
        with GatewayProcess(tmp_path, configuration(certificates, directory, CLIENT)) as running:
            bind(running, certificates)
            assert "reloaded" in running.reload(configuration(certificates, directory, CLIENT))
            bind(running, certificates)
            assert server.resumed == [False, False]
            # What is trusted no longer is not trusted because it was.
            directory["ca_file"] = str(certificates.ca_file)
            assert "reloaded" in running.reload(configuration(certificates, directory, CLIENT))
            with RawClient(running.port, certificates.ca_file) as session:
                assert session.bind(*ACCOUNT) == 52


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Peer:
    """The two ends in memory."""

    def __init__(self, directory):
        self.directory = directory
        shown = make_certificates(directory, "dc")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(shown.certificate, shown.private_key)
        self.clock = Clock()
        trust = ServerTrust(DirectorySettings("corp", (), shown.ca_file))
        self.tls = trust.of(ServerSettings("127.0.0.1", 636, "localhost"))
        self.tls._clock = self.clock

    def connect(self, heard=True):
        """Whether a session was resumed, as both sides see it."""
        client, server = self.tls.layer(), TlsLayer(self.context, server_side=True)
        octets = client.begin()
        while octets:
            server.receive(octets)
            client.receive(server.outgoing())
            octets = client.outgoing()
        assert client.established and server.established
        self.tls.established(client)
        if heard:
            assert client.receive(server.send(b"x")) == b"x"
            self.tls.keep(client)
        assert client.resumed == server.resumed
        return client.resumed


@pytest.fixture
def peer(tmp_path):
    return Peer(tmp_path)


def test_a_session_is_offered_once_and_each_connection_gives_another(peer):
    assert not peer.connect()
    assert peer.connect()
    assert peer.connect(heard=False)
    assert not peer.connect(heard=False)
    assert not peer.connect()
    assert peer.connect()


def test_after_an_hour_all_is_verified_again_however_often_it_was_resumed(peer):
    assert not peer.connect()
    for _ in range(3):
        peer.clock.now += LONGEST / 4
        assert peer.connect()
    peer.clock.now += LONGEST / 4
    assert not peer.connect()
    assert peer.connect()


def test_a_certificate_that_has_expired_since_is_verified_again(peer):
    assert not peer.connect()
    session, verified = peer.tls._kept
    expired = make_certificates(peer.directory, "expired", valid=timedelta(seconds=-5))
    (old,) = x509.load_pem_x509_certificates(expired.certificate.read_bytes())[:1]
    peer.tls._kept = session, replace(verified, certificate=old)
    assert not peer.connect()


def test_a_server_that_gave_no_ticket_is_not_expected_to_give_one_for_a_while(peer):
    peer.context.num_tickets = 0
    assert not peer.connect()
    peer.context.num_tickets = 2
    assert not peer.connect()
    assert not peer.connect()
    peer.clock.now += NO_TICKETS
    assert not peer.connect()
    assert peer.connect()


def test_what_was_not_verified_is_not_kept(peer):
    """A connection whose handshake somebody broke off."""
    client = peer.tls.layer()
    peer.tls.keep(client)
    assert peer.tls._kept is None
