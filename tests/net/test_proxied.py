"""Clients that come through a proxy, and those who only say so."""

import json
import socket
import ssl
from ipaddress import ip_address

import pytest

from gateway.ldap.messages import BASE_OBJECT
from tests.net.test_listener import CLIENT
from tests.net.test_proxy_header import v1, v2
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.raw_client import PATIENCE, RawClient

pytestmark = pytest.mark.servers

PROXY, LISTED, UNLISTED = "127.0.0.9", "198.51.100.7", "198.51.100.8"


def line(source):
    return f"PROXY TCP4 {source} 127.0.0.1 40000 636\r\n".encode()


def config(certificates, **others):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    # The proxy's own address is listed, and must help nobody.
    client = {**CLIENT, "sources": [LISTED, "2001:db8::/32", "127.0.0.0/24"]}
    return configuration(certificates, directory, client, trusted_proxies=[PROXY], **others)


@pytest.fixture(scope="module")
def gateway(certificates, tmp_path_factory):
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), config(certificates)) as running:
        yield running


def root_dse(client):
    return client.result(client.search("", scope=BASE_OBJECT))[1].code


def closed(port, octets, source=PROXY):
    """Whether the other side closes without an octet of its own."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(source, 0)) as connection:
        try:
            connection.sendall(octets)
            return connection.recv(1) == b""
        except ConnectionError:
            return True


@pytest.mark.parametrize(
    "header, source",
    [
        (line(LISTED), LISTED),
        (v1(ip_address("2001:db8::1")), "2001:db8::1"),
        (v2(ip_address(LISTED)), LISTED),
        (v2(ip_address("::ffff:" + LISTED)), LISTED),
        (v2(ip_address("2001:db8::1"), tlvs=b"\x02\x00\x04evil"), "2001:db8::1"),
    ],
    ids=["v1, IPv4", "v1, IPv6", "v2, IPv4", "v2, IPv4 mapped", "v2, IPv6 and a TLV"],
)
def test_the_source_is_the_one_that_the_proxy_names(certificates, gateway, header, source):
    before = len(gateway.audit())
    with RawClient(gateway.port, certificates.ca_file, source=PROXY, before=[header]) as client:
        assert root_dse(client) == 0
    assert gateway.wait_for_audit(before + 1)[before]["source"] == source


def test_a_header_may_come_octet_by_octet(certificates, gateway):
    pieces = [bytes((octet,)) for octet in line(LISTED)]
    with RawClient(gateway.port, certificates.ca_file, source=PROXY, before=pieces) as client:
        assert root_dse(client) == 0


def test_tls_may_come_in_one_piece_with_the_header(certificates, gateway):
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE, source_address=(PROXY, 0)) as connection:
        connection.sendall(line(LISTED) + outgoing.read())
        # A handshake record is the answer to a client hello.
        assert connection.recv(1) == b"\x16"


@pytest.mark.parametrize(
    "octets",
    [line(UNLISTED), line(PROXY), v2(ip_address(UNLISTED))],
    ids=["unlisted", "the proxy itself", "unlisted, v2"],
)
def test_an_unlisted_source_behind_a_proxy_is_closed_before_tls(gateway, octets):
    before = len(gateway.log())
    assert closed(gateway.port, octets)
    named = PROXY if octets == line(PROXY) else UNLISTED
    if octets[:5] == b"PROXY":
        said = gateway.wait_for("source-not-listed", before)
        assert f"from {named} through {PROXY}" in said


@pytest.mark.parametrize(
    "octets",
    [b"PROXY UNKNOWN\r\n", v2(ip_address(LISTED), command=0x20), b""],
    ids=["UNKNOWN", "LOCAL", "no word at all"],
)
def test_probes_are_closed_without_a_line_in_the_log(certificates, gateway, octets):
    before = gateway.log()
    if octets:
        assert closed(gateway.port, octets)
    else:
        socket.create_connection(("127.0.0.1", gateway.port), PATIENCE, source_address=(PROXY, 0)).close()
    # Whatever the gateway says of the probe, it says before it serves the next connection.
    with RawClient(gateway.port, certificates.ca_file, source=PROXY, before=[line(LISTED)]) as client:
        assert root_dse(client) == 0
    assert gateway.log() == before


def test_a_trusted_proxy_that_sends_no_header_is_refused(gateway):
    before = len(gateway.log())
    assert closed(gateway.port, b"\x16\x03\x01\x00\x05hello")
    said = gateway.wait_for("proxy-header-malformed", before)
    assert f"from {PROXY}" in said and "see trusted_proxies" in said


def test_from_elsewhere_a_header_is_not_looked_at(certificates, gateway):
    before = len(gateway.audit())
    with (
        pytest.raises((ssl.SSLError, OSError)),
        RawClient(gateway.port, certificates.ca_file, source="127.0.0.1", before=[line(LISTED)]),
    ):
        pass
    gateway.wait_for("tls-failed")
    assert len(gateway.audit()) == before


def test_probes_and_refusals_keep_no_place(certificates, tmp_path):
    with GatewayProcess(tmp_path, config(certificates, limits={"sessions": 3})) as gateway:
        for octets in (b"PROXY UNKNOWN\r\n", line(UNLISTED), b"garbage") * 3:
            assert closed(gateway.port, octets)
        with RawClient(gateway.port, certificates.ca_file, source=PROXY, before=[line(LISTED)]) as client:
            assert root_dse(client) == 0
        assert "too-many" not in gateway.log()


def test_a_header_that_does_not_come_in_time(certificates, tmp_path):
    with GatewayProcess(tmp_path, config(certificates, limits={"proxy_header": 0.2})) as gateway:
        assert closed(gateway.port, b"PROXY TCP4 ")
        assert "limits.proxy_header" in gateway.wait_for("proxy-header-timeout")


def test_starttls_behind_a_proxy(certificates, tmp_path):
    whole = json.loads(config(certificates))
    whole["listeners"][0]["starttls"] = "required"
    start = bytes.fromhex("301d02010177188016312e332e362e312e342e312e313436362e3230303337")
    with (
        GatewayProcess(tmp_path, json.dumps(whole)) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), PATIENCE, source_address=(PROXY, 0)) as plain,
    ):
        plain.sendall(line(LISTED) + start)
        assert b"1.3.6.1.4.1.1466.20037" in plain.recv(1000)
        context = ssl.create_default_context(cafile=str(certificates.ca_file))
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            connection.sendall(bytes.fromhex("300c020102600702010304008000"))
            assert connection.recv(100)
        (record,) = gateway.wait_for_audit(operation="bind")
        assert record["source"] == LISTED
