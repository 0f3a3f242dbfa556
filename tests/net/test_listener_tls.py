"""A listener's contexts: no session is resumed under them, whatever OpenSSL remembers."""

import resource
import shutil
import ssl
from contextlib import suppress

import pytest

from gateway.demo.certificates import CertificateFiles
from gateway.net.sessions.client_tls import ListenerTls
from gateway.net.sessions.settings import ListenerSettings


@pytest.fixture
def files(certificates, tmp_path):
    """Copies, which the test may take away."""
    copied = [tmp_path / path.name for path in (certificates.certificate, certificates.private_key)]
    shutil.copy(certificates.certificate, copied[0])
    shutil.copy(certificates.private_key, copied[1])
    return CertificateFiles(certificates.ca_file, *copied)


@pytest.fixture
def listener(files):
    return ListenerTls(ListenerSettings("127.0.0.1", 0, files.certificate, files.private_key))


@pytest.fixture
def context(certificates):
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def connect(layer, context, session=None):
    """The client's end, whose handshake is over."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost", session=session)
    while not layer.established:
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        layer.receive(outgoing.read())
        incoming.write(layer.outgoing())
        assert layer.failure is None
    client.do_handshake()
    return client


def test_the_next_connection_knows_nothing_of_an_earlier_session(listener, context):
    layer = listener.layer()
    client = connect(layer, context)
    assert client.version() == "TLSv1.2"
    assert listener.established(layer)
    later = listener.layer()
    again = connect(later, context, client.session)
    assert not again.session_reused
    assert listener.established(later)


def test_one_that_began_at_the_same_time_may_not_be_used_where_it_resumed_it(listener, context):
    layer, beside = listener.layer(), listener.layer()
    client = connect(layer, context)
    assert listener.established(layer)
    again = connect(beside, context, client.session)
    assert again.session_reused
    assert not listener.established(beside)


def test_connections_of_tls_1_3_share_a_context(listener, context):
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    before = listener._context
    for _ in range(2):
        layer = listener.layer()
        connect(layer, context)
        assert listener.established(layer)
    assert listener._context is before


def test_files_are_read_once(files, listener, context):
    """They may be in the middle of a renewal when a context is made."""
    files.private_key.unlink()
    files.certificate.write_text("in the middle of a renewal")
    for _ in range(2):
        layer = listener.layer()
        connect(layer, context)
        assert listener.established(layer)


def listener_of(certificate, private_key):
    return ListenerTls(ListenerSettings("127.0.0.1", 0, certificate, private_key))


def test_certificate_and_key_may_be_in_one_file(files, context):
    """The chain is shown as it is in the file, and once."""
    both = files.certificate
    both.write_bytes(files.private_key.read_bytes() + files.certificate.read_bytes())
    client = connect(listener_of(both, both).layer(), context)
    assert len(client._sslobj.get_unverified_chain()) == 1


def test_the_key_is_that_of_its_own_file(files, server_certificates, context):
    with files.certificate.open("ab") as file:
        file.write(server_certificates.private_key.read_bytes())
    connect(listener_of(files.certificate, files.private_key).layer(), context)


def test_without_descriptors_left_it_says_what_it_is_about_and_serves_again_later(files, listener, context):
    listener.established(with_tls_1_2(listener, context))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError) as raised:
            listener.layer()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "raise LimitNOFILE" in str(raised.value)
    assert str(files.certificate) in str(raised.value)
    connect(listener.layer(), context)


def with_tls_1_2(listener, context):
    layer = listener.layer()
    connect(layer, context)
    return layer
