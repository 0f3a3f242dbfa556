"""What the log says of a client whose TLS handshake fails."""

import socket
import ssl

import pytest

from gateway.ldap.messages import BASE_OBJECT
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.raw_client import RawClient

pytestmark = pytest.mark.servers


@pytest.fixture
def gateway(certificates, tmp_path):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
    with GatewayProcess(tmp_path, configuration(certificates, directory, client)) as running:
        yield running


def connect(gateway):
    return socket.create_connection(("127.0.0.1", gateway.port), 30)


def test_a_client_that_does_not_trust_us(server_certificates, gateway):
    context = ssl.create_default_context(cafile=str(server_certificates.ca_file))
    with connect(gateway) as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname="localhost")
    said = gateway.wait_for("TLS:")
    assert "client mimecast from 127.0.0.1" in said
    advice = "are its intermediate certificates sent with it?"
    assert f"the peer does not trust the issuer of the listener's certificate: {advice}" in said


def test_a_client_that_expects_another_name(certificates, gateway):
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    with connect(gateway) as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname="gateway.example")
    said = gateway.wait_for("TLS:")
    assert "the peer does not accept the listener's certificate: see its chain and its name" in said


def test_a_client_that_speaks_plain_ldap(certificates, gateway):
    with connect(gateway) as plain:
        plain.sendall(bytes.fromhex("300c020101600702010304008000"))
        # TLS may send an alert before it closes, but nothing of LDAP.
        assert plain.recv(1) in (b"", b"\x15")
    assert "plain LDAP on an LDAPS port?" in gateway.wait_for("TLS:")


def test_a_client_that_speaks_http(gateway):
    with connect(gateway) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert plain.recv(1) in (b"", b"\x15")
    assert "the peer speaks HTTP" in gateway.wait_for("TLS:")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_a_client_that_knows_no_tls_of_this_age(gateway):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with connect(gateway) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)
    assert "TLS version" in gateway.wait_for("TLS:")


def test_a_failed_handshake_is_nobody_elses_affair(certificates, gateway):
    with RawClient(gateway.port, certificates.ca_file) as other, connect(gateway) as plain:
        plain.sendall(b"\x16\x03\x01\xff\xff" + bytes(100))
        plain.shutdown(socket.SHUT_WR)
        gateway.wait_for("TLS:")
        assert other.result(other.search("", scope=BASE_OBJECT))[1].code == 0
