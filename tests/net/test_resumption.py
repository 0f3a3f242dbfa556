"""Connections to servers that take up an earlier TLS session, and those that must not."""

import contextlib
import ssl
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from OpenSSL import SSL
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol

from gateway.demo.certificates import make_certificates
from gateway.net.resumption import LONGEST
from gateway.net.settings import DirectorySettings, ServerSettings
from gateway.net.tls import ServerTrust
from tests.config.certificates import write_pair
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer

ACCOUNT = ("svc@corp.example", "Passw0rd")
CLIENT = {"sync_accounts": [ACCOUNT[0]], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}

# What Twisted looks at of the protocol that a connection is for.
PROTOCOL = TLSMemoryBIOProtocol(TLSMemoryBIOFactory(CertificateOptions(), True, Factory()), Protocol())


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
        self.context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self.context.use_certificate_chain_file(str(shown.certificate))
        self.context.use_privatekey_file(str(shown.private_key))
        self.clock = Clock()
        trust = ServerTrust(DirectorySettings("corp", (), shown.ca_file))
        self.tls = trust.of(ServerSettings("127.0.0.1", 636, "localhost"))
        self.tls._clock = self.clock

    def connect(self, heard=True):
        """How many octets the server sent: some hundreds less where a session is taken up."""
        client = self.tls.clientConnectionForTLS(PROTOCOL)
        server = SSL.Connection(self.context, None)
        client.set_connect_state()
        server.set_accept_state()
        sent = 0
        for _ in range(4):
            for end in (client, server):
                with contextlib.suppress(SSL.WantReadError):
                    end.do_handshake()
                with contextlib.suppress(SSL.WantReadError):
                    octets = end.bio_read(65_536)
                    sent += len(octets) if end is server else 0
                    (server if end is client else client).bio_write(octets)
        self.tls.established(client)
        if heard:
            server.send(b"x")
            client.bio_write(server.bio_read(65_536))
            assert client.recv(1) == b"x"
            self.tls.keep(client)
        # OpenSSL takes up no session of a connection that broke.
        client.shutdown()
        return sent


@pytest.fixture
def peer(tmp_path):
    return Peer(tmp_path)


def test_a_session_is_offered_once_and_each_connection_gives_another(peer):
    whole = peer.connect()
    assert peer.connect() < whole - 300
    assert peer.connect(heard=False) < whole - 300
    assert peer.connect(heard=False) >= whole - 100
    assert peer.connect() >= whole - 100
    assert peer.connect() < whole - 300


def test_after_an_hour_all_is_verified_again_however_often_it_was_resumed(peer):
    whole = peer.connect()
    for _ in range(3):
        peer.clock.now += LONGEST / 4
        assert peer.connect() < whole - 300
    peer.clock.now += LONGEST / 4
    assert peer.connect() >= whole - 100
    assert peer.connect() < whole - 300


def test_a_certificate_that_has_expired_since_is_verified_again(peer):
    whole = peer.connect()
    session, verified = peer.tls._kept
    expired = make_certificates(peer.directory, "expired", valid=timedelta(seconds=-5))
    (old,) = x509.load_pem_x509_certificates(expired.certificate.read_bytes())[:1]
    peer.tls._kept = session, replace(verified, certificate=old)
    assert peer.connect() >= whole - 100


def test_what_was_not_verified_is_not_kept(peer):
    """A connection whose handshake somebody broke off."""
    client = peer.tls.clientConnectionForTLS(PROTOCOL)
    peer.tls.keep(client)
    assert peer.tls._kept is None
