"""Connections to servers that take up an earlier TLS session, and those that must not."""

import ssl
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.certificates import make_certificates
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.servers.trust import ServerTrust
from gateway.net.transport.resumption import LONGEST, READ_EVERY, READING_LEAKS, ServerTls
from gateway.net.transport.tls_layer import TlsLayer
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


@pytest.mark.servers
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


@pytest.mark.servers
def test_it_holds_with_a_client_certificate(certificates, server_certificates, tmp_path):
    write_pair(tmp_path, "own")
    with Resuming(server_certificates, client_ca_file=tmp_path / "own.pem") as server:
        directory = server.gateway_directory()
        directory["client_certificate"] = {"certificate": "own.pem", "private_key": "own.key"}
        with GatewayProcess(tmp_path, configuration(certificates, directory, CLIENT)) as running:
            for _ in range(2):
                bind(running, certificates)
        assert server.resumed == [False, True]


@pytest.mark.servers
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
    """The two ends in memory. readings: when the gateway's end read a session, on the clock."""

    def __init__(self, directory, read_every=LONGEST):
        self.directory = directory
        self.shown = make_certificates(directory, "dc")
        self.clock = Clock()
        self.read_every = read_every
        self.restart()
        self.begin()

    def restart(self):
        """The server forgets the key of its tickets."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.shown.certificate, self.shown.private_key)

    def begin(self):
        """The gateway knows nothing of the server."""
        trust = ServerTrust(DirectorySettings("corp", (), self.shown.ca_file))
        whole = trust.of(ServerSettings("127.0.0.1", 636, "localhost"))
        self.tls = ServerTls(whole._context, "localhost", self.clock, self.read_every)
        self.readings = []

    def connect(self, heard=True, layer=None):
        """Whether a session was resumed, as both sides see it. layer: of a connection that began earlier."""
        client, server = layer or self.tls.layer(), TlsLayer(self.context, server_side=True)
        octets = client.begin()
        while octets:
            server.receive(octets)
            client.receive(server.outgoing())
            octets = client.outgoing()
        assert client.established and server.established
        self.tls.established(client)
        if heard:
            assert client.receive(server.send(b"x")) == b"x"
            client._tls = Noting(client._tls, self.readings)
            self.tls.keep(client)
        assert client.resumed == server.resumed
        return client.resumed


class Noting:
    """OpenSSL's side of a connection, which notes when its session is read."""

    def __init__(self, inner, readings):
        self._inner, self._readings = inner, readings

    def __getattr__(self, name):
        if name == "session":
            self._readings.append(name)
        return getattr(self._inner, name)


@pytest.fixture(scope="module")
def module_peer(tmp_path_factory):
    return Peer(tmp_path_factory.mktemp("peer"))


@pytest.fixture
def peer(module_peer):
    module_peer.restart()
    module_peer.begin()
    return module_peer


def test_one_session_serves_all_connections_of_an_hour_and_is_read_once(peer):
    assert not peer.connect()
    for _ in range(5):
        assert peer.connect()
        peer.clock.now += LONGEST / 6
    assert peer.connect()
    assert len(peer.readings) == 1


def test_after_an_hour_all_is_verified_again_however_often_it_was_resumed(peer):
    assert not peer.connect()
    for _ in range(3):
        peer.clock.now += LONGEST / 4
        assert peer.connect()
    peer.clock.now += LONGEST / 4
    assert not peer.connect()
    assert peer.connect()
    assert len(peer.readings) == 2


def test_a_certificate_that_has_expired_since_is_verified_again(peer):
    assert not peer.connect()
    session, verified = peer.tls._kept
    expired = make_certificates(peer.directory, "expired", valid=timedelta(seconds=-5))
    (old,) = x509.load_pem_x509_certificates(expired.certificate.read_bytes())[:1]
    peer.tls._kept = session, replace(verified, certificate=old)
    assert not peer.connect()


def test_a_session_that_the_server_refuses_is_offered_no_second_time(peer):
    assert not peer.connect()
    peer.restart()
    assert not peer.connect()
    assert peer.tls.layer().offered is None


def test_a_session_whose_handshake_fails_is_offered_no_second_time(peer):
    assert not peer.connect()
    broken = peer.tls.layer()
    broken.begin()
    broken.cut_off()
    assert broken.failure is not None
    assert peer.tls.layer().offered is None


def test_a_server_that_gives_no_ticket_is_asked_for_one_again_only_after_the_pause(peer):
    peer.context.num_tickets = 0
    assert not peer.connect()
    peer.context.num_tickets = 2
    assert not peer.connect()
    assert not peer.connect()
    assert len(peer.readings) == 1
    peer.clock.now += LONGEST
    assert not peer.connect()
    assert peer.connect()


def test_a_python_that_does_not_leak_reads_a_new_session_as_soon_as_one_is_needed(peer):
    peer.tls._read_every = 0.0
    assert not peer.connect()
    peer.restart()
    assert not peer.connect()
    assert peer.connect()


def test_a_python_that_leaks_reads_a_session_once_an_hour():
    assert (LONGEST if READING_LEAKS else 0) == READ_EVERY


# Seconds that pass, or what happens.
_EVENTS = st.lists(
    st.one_of(
        st.floats(0, 2 * LONGEST),
        st.sampled_from(["connect", "connect, hear nothing", "begin", "finish", "fail", "restart", "no tickets"]),
    ),
    max_size=30,
)


@given(_EVENTS)
def test_sessions_are_read_once_an_hour_whatever_happens(module_peer, events):
    """And no connection fails, nor resumes what was verified more than an hour ago (Peer.connect, _holds)."""
    peer = module_peer
    peer.restart()
    peer.begin()
    passed, begun = 0.0, []
    for event in events:
        if isinstance(event, float):
            peer.clock.now += event
            passed += event
        elif event == "begin":
            begun.append((peer.clock.now, peer.tls.layer()))
        elif event == "finish" and begun:
            since, layer = begun.pop()
            peer.connect(layer=layer)
            assert layer.verified.at > since - LONGEST
        elif event == "fail" and begun:
            begun.pop()
        elif event == "restart":
            peer.restart()
        elif event == "no tickets":
            peer.context.num_tickets = 0
        elif event.startswith("connect"):
            peer.connect(heard=event == "connect")
        assert len(peer.readings) <= 1 + passed / LONGEST


def test_what_was_not_verified_is_not_kept(peer):
    """A connection whose handshake somebody broke off."""
    client = peer.tls.layer()
    client._tls = Noting(client._tls, peer.readings)
    peer.tls.keep(client)
    assert peer.tls._kept is None
    assert peer.readings == []
