"""A side of TLS and what its peer does to it: no sockets here."""

import ssl
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL
from twisted.python.failure import Failure

from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.servers.trust import ServerTrust
from gateway.net.sessions.client_tls import ListenerTls
from gateway.net.sessions.settings import ListenerSettings
from gateway.net.transport.failures import FailureCause, explain_failure, failure_cause
from gateway.net.transport.tls_layer import TlsLayer
from gateway.net.transport.tls_policy import client_context, server_context
from tests.net.client_certificates import Authority, name_of


class RenegotiatingServer:
    """OpenSSL's server of TLS 1.2. heard: what it was sent."""

    def __init__(self, files):
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        context.use_certificate_file(str(files.certificate))
        context.use_privatekey_file(str(files.private_key))
        self.tls = SSL.Connection(context, None)
        self.tls.set_accept_state()
        self.heard = b""

    def renegotiate(self):
        self.tls.renegotiate()
        with suppress(SSL.WantReadError):
            self.tls.do_handshake()

    def turn(self, octets):
        """Octets of the client in, those for it out."""
        if octets:
            self.tls.bio_write(octets)
        with suppress(SSL.WantReadError):
            while True:
                self.heard += self.tls.recv(65_536)
        with suppress(SSL.WantReadError):
            return self.tls.bio_read(65_536)
        return b""


def towards(ca_file, name="localhost"):
    return ServerTrust(DirectorySettings("corp", (), ca_file)).of(ServerSettings("127.0.0.1", 636, name))


def talk(layer, server, octets):
    """Until neither has anything to say."""
    while octets:
        layer.receive(server.turn(octets))
        octets = layer.outgoing()


def test_what_is_written_while_the_server_renegotiates_follows_when_that_is_over(certificates):
    layer, server = towards(certificates.ca_file).layer(), RenegotiatingServer(certificates)
    talk(layer, server, layer.begin())
    assert layer.established and layer.version == "TLSv1.2"
    server.renegotiate()
    layer.receive(server.turn(b""))
    hello = layer.outgoing()
    assert layer.send(b"one ") == layer.send(b"two") == b""
    assert layer.failure is None
    talk(layer, server, hello)
    talk(layer, server, layer.send(b" three"))
    assert layer.failure is None
    assert server.heard == b"one two three"


def handshake(client, server):
    octets = client.begin()
    for _ in range(10):
        server.receive(octets)
        client.receive(server.outgoing())
        octets = client.outgoing()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "names")


@pytest.mark.parametrize(
    "expected, names, accepted",
    [
        ("dc.corp.example", ["DNS:dc.corp.example"], True),
        ("DC.Corp.Example", ["DNS:dc.corp.example"], True),
        ("dc.corp.example", ["DNS:*.corp.example"], True),
        ("bücher.corp.example", ["DNS:xn--bcher-kva.corp.example"], True),
        # A wildcard that is a whole label stands for an A-label as well (RFC 9525 6.3).
        ("bücher.corp.example", ["DNS:*.corp.example"], True),
        ("dc.corp.example.", ["DNS:dc.corp.example"], False),
        ("a.dc.corp.example", ["DNS:*.corp.example"], False),
        ("127.0.0.1", ["IP:127.0.0.1"], True),
        ("::1", ["IP:::1"], True),
        ("dc.corp.example", ["DNS:other.corp.example"], False),
        ("dc.corp.example", ["DNS:d*.corp.example"], False),
        ("dc.corp.example", ["DNS:*c.corp.example"], False),
        ("dc.corp.example", ["DNS:dc.*.example"], False),
        ("dc.corp.example", ["DNS:*.example"], False),
        ("corp.example", ["DNS:*.example"], False),
        ("corp.example", ["DNS:*.corp.example"], False),
        ("dc.corp.example", ["DNS:*"], False),
        ("xn--bcher-kva.corp.example", ["DNS:xn--*.corp.example"], False),
        ("dc.corp.example", ["DNS:.corp.example"], False),
        ("dc.corp.example", [], False),
        ("dc.corp.example", ["email:a@dc.corp.example"], False),
        ("dc.corp.example", ["URI:ldaps://dc.corp.example"], False),
        ("127.0.0.1", ["DNS:127.0.0.1"], False),
        ("127.0.0.1", ["DNS:*.0.0.1"], False),
        ("127.0.0.1", ["IP:127.0.0.2"], False),
        ("dc.corp.example", ["IP:127.0.0.1"], False),
    ],
)
def test_whom_a_certificate_names(authority, expected, names, accepted):
    files = authority.issue("server", name_of(expected), names, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    server = ListenerTls(ListenerSettings("127.0.0.1", 0, files.certificate, files.private_key)).layer()
    client = towards(authority.ca_file, expected).layer()
    handshake(client, server)
    assert client.established is accepted
    if not accepted:
        assert isinstance(client.failure, ssl.SSLCertVerificationError)


@pytest.mark.parametrize("name", ["", ".corp.example", "a" * 64 + ".example", "dc..example"])
def test_a_name_that_is_none(certificates, name):
    with pytest.raises(ValueError):
        towards(certificates.ca_file, name).layer()


def test_a_clients_certificate_is_none_of_a_server(authority):
    files = authority.issue("client", name_of("localhost"), ["DNS:localhost"])
    server = ListenerTls(ListenerSettings("127.0.0.1", 0, files.certificate, files.private_key)).layer()
    client = towards(authority.ca_file).layer()
    handshake(client, server)
    assert not client.established and "purpose" in str(client.failure)


def sequence(*parts, tag=b"\x30"):
    content = b"".join(parts)
    return tag + b"\x82" + len(content).to_bytes(2, "big") + content


def of_version_4(authority, path):
    """The certificate in it signed anew, with a version that there is none of: OpenSSL does not look at it."""
    before = x509.load_pem_x509_certificate(path.read_bytes())
    tbs = before.tbs_certificate_bytes.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020103"), 1)
    signature = authority._key.sign(tbs, ECDSA(SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    path.write_text(ssl.DER_cert_to_PEM_cert(sequence(tbs, algorithm, sequence(b"\0", signature, tag=b"\x03"))))


def test_a_certificate_that_openssl_takes_and_nobody_else_reads_is_a_failure_of_tls(authority):
    files = authority.issue("odd", name_of("localhost"), ["DNS:localhost"], usage=ExtendedKeyUsageOID.SERVER_AUTH)
    of_version_4(authority, files.certificate)
    context, trusting = server_context(), client_context()
    context.load_cert_chain(files.certificate, files.private_key)
    trusting.load_verify_locations(authority.ca_file)
    client = TlsLayer(trusting, server_side=False, server_name="localhost")
    handshake(client, TlsLayer(context, server_side=True))
    assert client.established
    with pytest.raises(ssl.SSLError) as raised:
        _ = client.peer_certificate
    said = "TLS: the peer's certificate cannot be read: it is not made as RFC 5280 says; have it issued anew"
    assert explain_failure(Failure(raised.value)) == said
    assert failure_cause(Failure(raised.value)) is FailureCause.certificate
