"""TLS between two ends in memory: what one write becomes, and where a read ends."""

import pytest
from OpenSSL import SSL
from twisted.internet import ssl
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from gateway.net.resumption import ResumableTls
from gateway.net.server_link import ServerLink
from gateway.net.settings import ServerSettings
from gateway.net.tls_transport import TlsFactory


class Inside(Protocol):
    def __init__(self):
        self.pieces, self.ends = [], []

    def dataReceived(self, data):
        self.pieces.append(data)

    def read_ended(self):
        self.ends.append(len(self.pieces))


class End:
    """One side. The octets for the other one lie in sent until deliver."""

    def __init__(self, context, is_client, inside):
        factory = Factory()
        factory.buildProtocol = lambda addr: inside
        self.tls = TlsFactory(context, is_client, factory).buildProtocol(None)
        self.sent = StringTransport()
        self.sent.setTcpNoDelay = self.sent.setTcpKeepAlive = lambda enabled: None
        self.inside = inside

    def deliver(self, other):
        """All of it, as one read. Whether there was anything."""
        octets = self.sent.value()
        self.sent.clear()
        if octets:
            other.tls.dataReceived(octets)
        return bool(octets)


@pytest.fixture
def ends(certificates):
    def connected(inside):
        pair = (certificates.private_key.read_bytes() + certificates.certificate.read_bytes()).decode()
        own = ssl.PrivateCertificate.loadPEM(pair).options()
        context = ssl.optionsForClientTLS("localhost", ssl.Certificate.loadPEM(certificates.ca_file.read_bytes()))
        server, client = End(own, False, Inside()), End(context, True, inside)
        server.tls.makeConnection(server.sent)
        client.tls.makeConnection(client.sent)
        while client.deliver(server) | server.deliver(client):
            pass
        return server, client

    return connected


def test_many_records_in_one_read_are_one_read(ends):
    server, client = ends(Inside())
    before = len(client.inside.ends)
    for number in range(50):
        server.tls.write(bytes([number]) * 100)
    server.deliver(client)
    assert client.inside.pieces == [bytes([number]) * 100 for number in range(50)]
    assert client.inside.ends[before:] == [50]


def test_a_write_is_on_its_way_at_once_and_in_full_records(ends):
    server, client = ends(Inside())
    server.tls.write(bytes(40_000))
    assert len(server.sent.value()) > 40_000
    server.deliver(client)
    assert [len(piece) for piece in client.inside.pieces] == [16_384, 16_384, 7_232]


class Owner:
    def __init__(self):
        self.events = []

    def link_data(self, data):
        self.events.append(data)

    def link_lost(self, detail):
        self.events.append(None)


def test_the_owner_of_a_link_gets_a_read_in_one_piece(ends):
    link, owner = ServerLink(ServerSettings("127.0.0.1", 636, "localhost"), ResumableTls(None), reactor=None), Owner()
    server, client = ends(link)
    link.attach(owner)
    for _ in range(3):
        for _ in range(20):
            server.tls.write(b"entry")
        server.deliver(client)
    assert owner.events == [b"entry" * 20] * 3


def test_what_came_before_the_end_of_a_connection_is_not_lost(ends):
    link, owner = ServerLink(ServerSettings("127.0.0.1", 636, "localhost"), ResumableTls(None), reactor=None), Owner()
    server, client = ends(link)
    link.attach(owner)
    server.tls.write(b"last words")
    server.tls.loseConnection()
    server.deliver(client)
    client.tls.connectionLost(Failure(ConnectionDone()))
    assert owner.events == [b"last words", None]


def test_openssl_is_asked_once_for_each_record(ends, monkeypatch):
    server, client = ends(Inside())
    server.tls.write(b"tickets first")
    server.deliver(client)
    asked = []
    original = SSL.Connection.recv
    monkeypatch.setattr(SSL.Connection, "recv", lambda *args: asked.append(0) or original(*args))
    for _ in range(3):
        server.tls.write(b"entry")
    server.deliver(client)
    assert len(asked) == 3
    # The beginning of a record is looked at: OpenSSL may find it wrong.
    server.tls.write(b"entry")
    octets = server.sent.value()
    client.tls.dataReceived(octets[:10])
    assert len(asked) == 4
    client.tls.dataReceived(octets[10:])
    assert client.inside.pieces[-4:] == [b"entry"] * 4
    assert len(asked) == 5
