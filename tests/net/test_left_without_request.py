"""A client that establishes TLS and leaves without a request: it is told of, with what it usually means."""

import json
import socket
import ssl

import pytest

from gateway.ldap.encoding import encode
from gateway.ldap.framing import Framer
from gateway.ldap.messages import BASE_OBJECT, START_TLS, ExtendedRequest, LDAPMessage
from tests.observe.admin_client import samples
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration
from tests.servers.raw_client import RawClient

pytestmark = pytest.mark.servers

REASON = "left-without-request"
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.fixture
def gateway(certificates, tmp_path):
    with GatewayProcess(tmp_path, config(certificates)) as running:
        yield running


def config(certificates, starttls="off"):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file, "health": "off"}
    client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
    whole = json.loads(configuration(certificates, directory, client, admin={"address": "127.0.0.1:0"}))
    whole["listeners"][0]["starttls"] = starttls
    return json.dumps(whole)


def counted(running):
    return samples(running.admin_port)["ldap_gateway_refusals_total", "", REASON]


def connect(running, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", running.port), PATIENCE, source_address=(source, 0))


def open_context(version):
    """For a client that judges the certificate by itself, once TLS is up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context


def look_at_the_certificate_and_leave(running, version, source="127.0.0.1"):
    with connect(running, source) as plain, open_context(version).wrap_socket(plain) as connection:
        assert connection.getpeercert(binary_form=True)
        connection.unwrap()


@VERSIONS
def test_it_is_told_once_a_minute_with_what_it_usually_means(gateway, version):
    look_at_the_certificate_and_leave(gateway, version)
    said = gateway.wait_for(REASON).partition(REASON)[2]
    assert said.startswith(": lost session s1 of client mimecast from 127.0.0.1: ")
    for words in (
        "does not trust the certificate",
        "the name that it connects to is not in it",
        "listeners.certificate",
    ):
        assert words in said
    for _ in range(3):
        look_at_the_certificate_and_leave(gateway, version)
    look_at_the_certificate_and_leave(gateway, version, "127.0.0.2")
    said = gateway.wait_for("from 127.0.0.2")
    assert said.count(REASON) == 2
    assert counted(gateway) == 5
    assert gateway.audit() == []


def test_a_client_that_breaks_the_connection_off_is_told_of_as_well(gateway):
    with connect(gateway) as plain, open_context(ssl.TLSVersion.TLSv1_3).wrap_socket(plain):
        # Without a close_notify.
        plain.close()
    gateway.wait_for(REASON)


def test_a_certificate_that_is_refused_in_the_handshake_is_told_of_once_and_as_that(certificates, gateway):
    with pytest.raises(ssl.SSLCertVerificationError), connect(gateway) as plain:
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
    said = gateway.wait_for("tls-failed")
    assert "does not trust the issuer" in said
    assert counted(gateway) == 0
    assert REASON not in gateway.log()


def test_whoever_asks_for_something_or_never_had_tls_is_not_meant(certificates, gateway):
    with RawClient(gateway.port, certificates.ca_file) as session:
        assert session.result(session.search("", scope=BASE_OBJECT))[1].code == 0
    with RawClient(gateway.port, certificates.ca_file) as session:
        session.socket.sendall(session.client.unbind())
        assert session.socket.recv(1) == b""
    connect(gateway).close()
    with RawClient(gateway.port, certificates.ca_file, source="127.0.0.9"):
        pass
    said = gateway.wait_for("from 127.0.0.9")
    assert said.count(REASON) == 1


def test_behind_starttls_it_is_the_same(certificates, tmp_path):
    with GatewayProcess(tmp_path, config(certificates, "required")) as running:
        connect(running).close()
        with connect(running, "127.0.0.2") as plain:
            plain.sendall(encode(LDAPMessage(1, ExtendedRequest(START_TLS))))
            framer = Framer(1000)
            while framer.next_message() is None:
                framer.feed(plain.recv(1000))
            with open_context(ssl.TLSVersion.TLSv1_3).wrap_socket(plain) as connection:
                connection.unwrap()
        said = running.wait_for(REASON)
        assert "from 127.0.0.2" in said
        assert said.count(REASON) == 1


def test_a_client_that_the_gateway_sends_away_has_not_left(certificates, tmp_path):
    whole = json.loads(config(certificates)) | {"limits": {"first_request": 1}}
    with GatewayProcess(tmp_path, json.dumps(whole)) as running:
        with RawClient(running.port, certificates.ca_file) as session:
            assert session.event() is not None
        running.wait_for_audit(1, reason="first-request-timeout")
        with RawClient(running.port, certificates.ca_file):
            assert running.stop() == 0
        assert REASON not in running.log()
