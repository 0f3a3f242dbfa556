"""Memory over thousands of sessions: what each takes, it gives back."""

import contextlib
import resource
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from gateway.ask.client import BindResult, Client
from gateway.ldap.encoding import encode
from gateway.ldap.filters import EqualityMatch, Or
from gateway.ldap.messages import WHOLE_SUBTREE, BindRequest, BindResponse, LDAPMessage, SearchRequest
from gateway.ldap.results import LDAPResult
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.servers.trust import ServerTrust
from gateway.net.sessions.client_tls import ListenerTls
from gateway.net.sessions.required_certificate import RequiredCertificate
from gateway.net.sessions.settings import ListenerSettings
from gateway.net.transport.heap import give_back
from gateway.net.transport.tls_layer import TlsLayer
from gateway.net.transport.tls_policy import client_context
from tests.net.client_certificates import Authority, name_of
from tests.observe.admin_client import samples
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


def large_search(message_id):
    """A request of 480 kB."""
    values = tuple(EqualityMatch("cn", b"%d" % number + b"x" * 60_000) for number in range(8))
    return encode(LDAPMessage(message_id, SearchRequest("DC=corp,DC=example", WHOLE_SUBTREE, Or(values), ("cn",))))


class Flood:
    """A bound session that sends large searches, which nobody answers, until it is to end."""

    def __init__(self, port, context, searches):
        self._connection = context.wrap_socket(connect(port), server_hostname="localhost")
        self._connection.settimeout(None)
        client = Client()
        self._connection.sendall(client.bind(*ACCOUNT).data)
        (answer,) = client.receive(self._connection.recv(65_536))
        assert isinstance(answer, BindResult) and answer.result.code == 0
        self._searches = searches
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self):
        # The gateway stops reading in the midst of it.
        with contextlib.suppress(OSError):
            for message_id in range(100, 100 + self._searches):
                self._connection.sendall(large_search(message_id))

    def end(self):
        # Below TLS, which the thread is writing to.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._connection.close()


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


def accept(request):
    """Of searches nothing is ever heard."""
    return [BindResponse(LDAPResult(0))] if isinstance(request, BindRequest) else []


def held(running):
    """What the gateway says that operations hold, in octets."""
    return samples(running.admin_port)["ldap_gateway_waiting_bytes",]


@pytest.mark.servers
@pytest.mark.parametrize(
    "sessions, searches, limits, most",
    [
        # They were 50 MB of one session, and up to 62 where the filters have more parts.
        (1, 100, {}, 6_000_000),
        # What is read ahead of requests comes to what these may hold, up to a request of each session.
        (12, 12, {"waiting_in_all": 16 * 2**20}, 24_000_000),
    ],
)
def test_many_large_searches_at_once_hold_what_they_may(
    certificates, server_certificates, tmp_path, sessions, searches, limits, most
):
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    with StubServer(server_certificates, accept) as server:
        config = configuration(
            certificates, server.gateway_directory(), CLIENT, limits=limits, admin={"address": "127.0.0.1:0"}
        )
        with GatewayProcess(tmp_path, config, environment={"PYTHONMALLOC": "malloc"}) as running:
            for _ in range(sessions):
                signs_in(running.port, context)
            before = running.resident_octets()
            floods = [Flood(running.port, context, searches) for _ in range(sessions)]
            running.wait_until_still()
            grown = running.resident_octets() - before
            counted = held(running)
            # A session that is not read does not see the end of its client.
            server.drop_connections()
            until = time.monotonic() + PATIENCE
            while held(running):
                assert time.monotonic() < until
                time.sleep(0.02)
            for flood in floods:
                flood.end()
            assert 2_000_000 < counted <= limits.get("waiting_in_all", 6 * 2**20) + sessions * 2**16
            assert grown <= most
            refused = running.audit(reason="too-much-waiting")
            assert bool(refused) == bool(limits)
            assert {record["code"] for record in refused} <= {51}


@pytest.mark.servers
@pytest.mark.timeout(900)
def test_thousands_of_sessions_leave_nothing_behind(certificates, server_certificates, tmp_path):
    """With a server that gives TLS 1.3 tickets: what the gateway reads of these leaks in some versions of Python."""
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
