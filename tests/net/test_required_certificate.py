"""Clients that must show a certificate."""

import contextlib
import json
import socket
import ssl
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.ldap.dn import parse
from gateway.ldap.messages import BASE_OBJECT
from gateway.net.sessions.required_certificate import RequiredCertificate, alternative_names, fold_alt_name
from tests.net.client_certificates import Authority, name_of
from tests.net.test_listener import CLIENT
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.raw_client import PATIENCE, RawClient

DEMANDING, OTHER = "127.0.0.1", "127.0.0.2"
ROOT_DSE = bytes.fromhex("3025020101632004000a01000a0100020100020100010100870b6f626a656374436c6173733000")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("clients"), "clients")


@pytest.fixture(scope="module")
def good(authority):
    return authority.issue("good", name_of("sync", "Example"), ["DNS:Sync.Example.com"])


def config(certificates, authority, *, starttls="off", alt_names=("DNS:sync.example.com",)):
    """One client must show a certificate, the other on the same listener need not."""
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    demanded = {"ca_file": str(authority.ca_file), "alt_names": list(alt_names), "subjects": ["CN=Listed,O=Example"]}
    client = {**CLIENT, "sources": [DEMANDING], "required_certificate": demanded}
    whole = json.loads(configuration(certificates, directory, client))
    whole["clients"]["other"] = {**CLIENT, "sources": [OTHER], "directory": "corp"}
    whole["listeners"][0]["starttls"] = starttls
    return json.dumps(whole)


@pytest.fixture(scope="module")
def gateway(certificates, authority, tmp_path_factory):
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), config(certificates, authority)) as running:
        yield running


def context_of(certificates, files=None, version=ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    context.minimum_version = context.maximum_version = version
    if files is not None:
        context.load_cert_chain(files.certificate, files.private_key)
    return context


def answer(port, context, source=DEMANDING):
    """What comes for a search of the root DSE that is sent with the end of the handshake; b"" for nothing."""
    plain = socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(source, 0))
    try:
        with plain, context.wrap_socket(plain, server_hostname="localhost") as connection:
            connection.sendall(ROOT_DSE)
            return connection.recv(1000)
    except (ssl.SSLError, ConnectionError):
        return b""


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.mark.servers
@VERSIONS
def test_a_listed_certificate_is_let_in(certificates, authority, good, gateway, version):
    assert answer(gateway.port, context_of(certificates, good, version))[:1] == b"\x30"
    by_subject = authority.issue("subject", name_of("listed", "Example"))
    assert answer(gateway.port, context_of(certificates, by_subject, version))[:1] == b"\x30"


@pytest.mark.servers
@VERSIONS
@pytest.mark.parametrize("kind", ["none", "other authority", "for servers", "expired", "self-made authority's name"])
def test_what_its_authority_did_not_issue_for_clients_gets_no_octet_of_ldap(
    certificates, authority, tmp_path, gateway, version, kind
):
    names = ["DNS:sync.example.com"]
    if kind == "none":
        files = None
    elif kind == "other authority":
        files = Authority(tmp_path, "others").issue("evil", name_of("sync"), names)
    elif kind == "for servers":
        files = authority.issue("server", name_of("sync"), names, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    elif kind == "expired":
        files = authority.issue("expired", name_of("sync"), names, valid=timedelta(days=-1))
    else:
        files = Authority(tmp_path, "clients").issue("evil", name_of("sync"), names)
    before = len(gateway.audit())
    assert answer(gateway.port, context_of(certificates, files, version)) == b""
    gateway.wait_for("tls-failed")
    assert len(gateway.audit()) == before


@pytest.mark.servers
def test_the_log_says_what_a_client_without_a_certificate_is_missing(certificates, authority, tmp_path):
    with GatewayProcess(tmp_path, config(certificates, authority)) as running:
        assert answer(running.port, context_of(certificates)) == b""
        said = running.wait_for("tls-failed")
        assert "client mimecast from 127.0.0.1" in said and "see required_certificate" in said


@pytest.mark.servers
@VERSIONS
def test_another_name_of_the_same_authority_gets_no_octet_of_ldap(certificates, authority, tmp_path, version):
    wrong = authority.issue("wrong", name_of("other\nname", "Example"), ["DNS:sync.example.com.evil.example"])
    with GatewayProcess(tmp_path, config(certificates, authority)) as running:
        assert answer(running.port, context_of(certificates, wrong, version)) == b""
        said = running.wait_for("client-certificate-not-listed")
        assert "see clients.X.required_certificate" in said and "sync.example.com.evil.example" in said
        assert "other\\nname" in said or "other\\\\nname" in said
        assert running.audit() == []


@pytest.mark.servers
def test_whom_the_list_does_not_ask_is_not_asked(certificates, gateway):
    with RawClient(gateway.port, certificates.ca_file, source=OTHER) as client:
        assert client.result(client.search("", scope=BASE_OBJECT))[1].code == 0


@pytest.mark.servers
@VERSIONS
def test_a_session_of_tls_is_not_resumed_whoever_held_it(certificates, authority, good, gateway, version):
    context = context_of(certificates, good, version)
    plain = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE, source_address=(DEMANDING, 0))
    with plain, context.wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(ROOT_DSE)
        assert connection.recv(1000)
        session = connection.session
    plain = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE, source_address=(DEMANDING, 0))
    with plain, context.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
        assert not connection.session_reused


@pytest.mark.servers
def test_a_name_taken_off_the_list_is_refused_after_a_reload(certificates, authority, good, tmp_path):
    with GatewayProcess(tmp_path, config(certificates, authority)) as running:
        assert answer(running.port, context_of(certificates, good))
        assert "reloaded" in running.reload(config(certificates, authority, alt_names=["DNS:new.example.com"]))
        assert answer(running.port, context_of(certificates, good)) == b""


@pytest.mark.servers
def test_with_starttls_the_certificate_is_judged_before_anything_is_served_in_tls(
    certificates, authority, good, tmp_path
):
    start = bytes.fromhex("301d02010177188016312e332e362e312e342e312e313436362e3230303337")
    wrong = authority.issue("wrong-starttls", name_of("other"))
    with GatewayProcess(tmp_path, config(certificates, authority, starttls="required")) as running:
        for files, served in ((good, True), (wrong, False), (None, False)):
            got = b""
            plain = socket.create_connection(("127.0.0.1", running.port), PATIENCE, source_address=(DEMANDING, 0))
            with plain, contextlib.suppress(ssl.SSLError, ConnectionError):
                plain.sendall(start)
                assert plain.recv(1000)
                with context_of(certificates, files).wrap_socket(plain, server_hostname="localhost") as connection:
                    connection.sendall(ROOT_DSE)
                    got = connection.recv(1000)
            assert bool(got) == served
        assert [record["operation"] for record in running.audit(operation="search")] == ["search"]


# The names by themselves.


def certificate(authority, subject, alt_names=()):
    files = authority.issue("any", subject, alt_names)
    return x509.load_pem_x509_certificate(files.certificate.read_bytes())


@pytest.mark.parametrize(
    "listed, shown, same",
    [
        ("DNS:sync.example.com", "DNS:SYNC.example.com", True),
        ("DNS:sync.example.com", "URI:sync.example.com", False),
        ("DNS:sync.example.com", "email:sync.example.com", False),
        ("DNS:*.example.com", "DNS:sync.example.com", False),
        ("DNS:sync.example.com", "DNS:*.example.com", False),
        ("email:sync@example.com", "email:sync@example.com", True),
        ("email:sync@example.com", "email:Sync@example.com", False),
        ("URI:spiffe://corp/sync", "URI:spiffe://corp/sync", True),
        ("URI:spiffe://corp/sync", "URI:spiffe://corp/sync/x", False),
        ("IP:2001:db8:0::1", "IP:2001:db8::1", True),
        ("IP:192.0.2.1", "DNS:192.0.2.1", False),
    ],
)
def test_alternative_names_are_compared_whole_and_by_their_kind(authority, tmp_path, listed, shown, same):
    rule = RequiredCertificate(tmp_path, alt_names=(listed,))
    refusal = rule.refusal(certificate(authority, name_of("x"), ["DNS:first.example", shown]))
    assert (refusal is None) == same


@pytest.mark.parametrize(
    "subject, same",
    [
        (name_of("sync", "Example"), True),
        (name_of("SYNC", "example"), True),
        (name_of("sync"), False),
        (name_of("sync", "Example, Inc."), False),
        (name_of("sync,O=Example"), False),
        (name_of("sync\x00", "Example"), False),
    ],
)
def test_subjects_are_compared_as_names(authority, tmp_path, subject, same):
    rule = RequiredCertificate(tmp_path, subjects=(parse("CN=sync,O=Example"),))
    assert (rule.refusal(certificate(authority, subject)) is None) == same


def test_no_certificate_and_no_alternative_names(authority, tmp_path):
    assert alternative_names(certificate(authority, name_of("x"))) == []
    assert RequiredCertificate(tmp_path, alt_names=("DNS:a",)).refusal(None) is not None


def test_a_certificate_with_a_name_that_cannot_be_read_is_refused(authority, tmp_path):
    """An X.400 address, which OpenSSL lets through."""
    readable = certificate(authority, name_of("x"), ["DNS:sync.example.com"]).public_bytes(Encoding.DER)
    odd = x509.load_der_x509_certificate(readable.replace(b"\x82\x10sync.example.com", b"\xa3\x10sync.example.com"))
    assert alternative_names(odd) == []
    assert RequiredCertificate(tmp_path, alt_names=("DNS:sync.example.com",)).refusal(odd) is not None


@pytest.mark.servers
@pytest.mark.parametrize("name", ["sync.example.com", "DNS:", "dns:sync.example.com", "IP:300.1.1.1", "RID:1.2.3"])
def test_names_that_are_none_cannot_be_listed(name):
    with pytest.raises(ValueError):
        fold_alt_name(name)
