"""Memory over thousands of sessions: what each takes, it gives back."""

import resource
import socket
import ssl
from pathlib import Path

import pytest

from gateway.ldap.messages import BindRequest, BindResponse
from gateway.ldap.results import LDAPResult
from gateway.net.heap import give_back
from gateway.net.required_certificate import RequiredCertificate
from gateway.net.settings import DirectorySettings, ListenerSettings, ServerSettings
from gateway.net.tls import ListenerTls, ServerTrust
from gateway.net.tls_layer import TlsLayer
from gateway.net.tls_policy import client_context
from gateway.relay.client import BindResult, Client
from tests.net.client_certificates import Authority, name_of
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration
from tests.servers.stub_server import StubServer

ACCOUNT = ("svc@corp.example", b"Passw0rd")
CLIENT = {"sync_accounts": [ACCOUNT[0]], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}

SESSIONS, MOST = 3000, 3_000_000
# Before memory is measured: buffers, caches and the parts of libraries that are loaded late are there then.
FIRST = 400


def connect(port):
    plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
    # A bind behind the end of the handshake would wait 40 ms for the gateway's acknowledgement of that.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return plain


def signs_in(port, context):
    with context.wrap_socket(connect(port), server_hostname="localhost") as connection:
        client = Client()
        connection.sendall(client.bind(*ACCOUNT).data)
        (answer,) = client.receive(connection.recv(65_536))
        assert isinstance(answer, BindResult) and answer.result.code == 0


def shake_hands(client, server):
    octets = client.begin()
    while octets:
        server.receive(octets)
        client.receive(server.outgoing())
        octets = client.outgoing()


class Ends:
    """Both ends of TLS in memory, and what the gateway does with its own."""

    def __init__(self, certificates, directory):
        authority = Authority(directory, "client")
        shown = authority.issue("sync", name_of("sync"), alt_names=("DNS:sync.example.com",))
        listener = ListenerSettings("127.0.0.1", 0, certificates.certificate, certificates.private_key)
        self.listener = ListenerTls(listener)
        self.rule = RequiredCertificate(authority.ca_file, alt_names=("DNS:sync.example.com",))
        self.asking = ListenerTls(listener, self.rule)
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_context.load_cert_chain(certificates.certificate, certificates.private_key)
        trust = ServerTrust(DirectorySettings("corp", (), certificates.ca_file))
        self.server = trust.of(ServerSettings("127.0.0.1", 636, "localhost"))
        self.client_context = ssl.create_default_context(cafile=str(certificates.ca_file))
        self.client_context.load_cert_chain(shown.certificate, shown.private_key)
        self.old_context = ssl.create_default_context(cafile=str(certificates.ca_file))
        self.old_context.maximum_version = ssl.TLSVersion.TLSv1_2

    def _listen(self, listener, context, name="localhost"):
        layer, client = listener.layer(), TlsLayer(context, server_side=False, server_name=name)
        shake_hands(client, layer)
        if layer.established and layer.failure is None:
            assert listener.established(layer)
            assert layer.receive(client.send(b"x")) == b"x"
            layer.close()
        return layer

    def with_a_client(self):
        assert self._listen(self.listener, self.client_context).established

    def with_a_client_of_tls_1_2(self):
        assert self._listen(self.listener, self.old_context).version == "TLSv1.2"

    def with_a_client_that_shows_a_certificate(self):
        assert self.rule.refusal(self._listen(self.asking, self.client_context).peer_certificate) is None

    def with_a_client_that_shows_none(self):
        assert self._listen(self.asking, self.old_context).failure is not None

    def with_a_client_that_expects_another_name(self):
        self._listen(self.listener, self.client_context, "other")

    def with_octets_that_are_no_tls(self):
        layer = self.listener.layer()
        layer.receive(b"GET / HTTP/1.1\r\n\r\n")
        assert layer.failure is not None

    def with_a_server_that_gives_tickets(self):
        layer, server = self.server.layer(), TlsLayer(self.server_context, server_side=True)
        shake_hands(layer, server)
        self.server.established(layer)
        assert layer.receive(server.send(b"x")) == b"x"
        self.server.keep(layer)

    def with_a_server_that_it_does_not_trust(self):
        layer = TlsLayer(client_context(), server_side=False, server_name="localhost")
        shake_hands(layer, TlsLayer(self.server_context, server_side=True))
        assert layer.failure is not None


def resident_octets():
    give_back()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("what", [name for name in vars(Ends) if name.startswith("with_")])
def test_a_thousand_ends_of_tls_leave_nothing_behind(certificates, tmp_path, what):
    """Less than a kilobyte each: SSLObject.session leaks 3 to 6 in some versions of Python."""
    work = getattr(Ends(certificates, tmp_path), what)
    for _ in range(200):
        work()
    before = resident_octets()
    for _ in range(1000):
        work()
    assert resident_octets() - before < 1_000_000


@pytest.mark.servers
@pytest.mark.timeout(900)
def test_thousands_of_sessions_leave_nothing_behind(certificates, server_certificates, tmp_path):
    """With a server that gives TLS 1.3 tickets: what the gateway reads of these leaks in some versions of Python."""

    def accept(request):
        return [BindResponse(LDAPResult(0))] if isinstance(request, BindRequest) else []

    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    with StubServer(server_certificates, accept) as server:
        config = configuration(certificates, server.gateway_directory(), CLIENT)
        # As the unit and the image run it: Python's own allocator gives its memory back by the megabyte, if at all.
        with GatewayProcess(tmp_path, config, environment={"PYTHONMALLOC": "malloc"}) as running:
            for _ in range(FIRST):
                signs_in(running.port, context)
            before = running.resident_octets()
            for _ in range(SESSIONS):
                signs_in(running.port, context)
            assert running.resident_octets() - before <= MOST
            assert sum(isinstance(request, BindRequest) for request in server.requests) == FIRST + SESSIONS
