"""What comes before LDAP: TLS on the wrong port and none on the right one, StartTLS out of order, PROXY headers.

No case may touch the sessions of others, and what is not let in gets not one octet of LDAP.
"""

import contextlib
import socket
import ssl
import struct

import pytest

from gateway.ldap.decoding import decode_response
from tests.hostile import octets as o
from tests.hostile.answers import results
from tests.hostile.at_work import HostileServer, RawConnection, gateway_configuration, plain_connection

pytestmark = pytest.mark.servers

# Two listeners must differ in more than their free ports.
STARTTLS_HOST = "127.0.0.2"
PROXY, LISTED, UNLISTED = "127.0.0.9", "198.51.100.7", "198.51.100.8"
# Version and command, family and transport, the size of what follows.
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v1(*words, end="\r\n"):
    return ("PROXY " + " ".join(words) + end).encode()


def v2(command, family, rest, size=None):
    return V2 + bytes((command, family)) + (len(rest) if size is None else size).to_bytes(2, "big") + rest


def addresses(source=LISTED):
    return socket.inet_aton(source) + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 40_000, 636)


@pytest.fixture(scope="module")
def server(server_certificates):
    with HostileServer(server_certificates) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(certificates, server, start_gateway):
    """The first port is LDAPS, the second StartTLS. PROXY alone must speak for others, everybody else may not."""
    files = {"certificate": str(certificates.certificate), "private_key": str(certificates.private_key)}
    listeners = [
        {"address": "127.0.0.1:0", **files},
        {"address": f"{STARTTLS_HOST}:0", "starttls": "required", **files},
    ]
    text = gateway_configuration(
        certificates,
        server,
        listeners=listeners,
        trusted_proxies=[PROXY],
        client={"sources": [LISTED, "127.0.0.0/8"]},
        limits={"message": 30, "proxy_header": 1},
    )
    return start_gateway(text)


@pytest.fixture(scope="module")
def neighbour(certificates, gateway):
    """A session that is open all the time."""
    with RawConnection(gateway.port, certificates.ca_file) as session:
        yield session.signed_in()


@pytest.fixture(autouse=True)
def untouched(gateway, neighbour):
    yield
    neighbour.send(o.search(id=7))
    assert results(neighbour.until_results(1)) == ((7, 0),)
    log = gateway.log()
    assert "Traceback" not in log and "Unhandled" not in log


def starttls_port(gateway, source="127.0.0.1"):
    return socket.create_connection((STARTTLS_HOST, gateway.ports[1]), 30, source_address=(source, 0))


def say_all(connection, octets):
    """And no more than that. The other side may have had enough before the end."""
    with contextlib.suppress(OSError):
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)


def rest(connection):
    """Everything up to the end."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65_536):
            found += data
    return found


def ldap(octets):
    """Whole messages."""
    found = []
    while octets:
        assert octets[0] == 0x30 and octets[1] < 0x80
        found.append(decode_response(octets[: octets[1] + 2]))
        octets = octets[octets[1] + 2 :]
    return found


def secured(plain, ca_file):
    context = ssl.create_default_context(cafile=str(ca_file))
    return context.wrap_socket(plain, server_hostname="localhost")


HELLO = b"\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03" + bytes(161 - 2)

ON_THE_TLS_PORT = {
    "a plain bind": o.bind(),
    "a plain StartTLS": o.extended(o.START_TLS),
    "an HTTP request": b"GET / HTTP/1.1\r\n\r\n",
    "a PROXY header of somebody who may send none": v1("TCP4", LISTED, "192.0.2.1", "1", "2"),
    "zeros": bytes(4_000),
    "a TLS record of another version": b"\x16\x09\x09\0\x05hello",
    "a TLS record of application data": b"\x17\x03\x03\0\x05hello",
    "a TLS alert": b"\x15\x03\x03\0\x02\x02\x28",
    "a TLS record longer than any may be": b"\x16\x03\x01\xff\xff" + bytes(70_000),
    "a client hello cut in the middle of a version": b"\x16\x03\x01\0\x05\x01\xff\xff\xff\x03",
    "an SSL 2 hello": b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10" + bytes(40),
    "a client hello of nothing": HELLO,
}


@pytest.mark.parametrize("octets", ON_THE_TLS_PORT.values(), ids=ON_THE_TLS_PORT)
def test_what_is_no_tls_gets_no_ldap(gateway, server, octets):
    before = len(server.requests)
    with plain_connection(gateway.ports[0]) as connection:
        say_all(connection, octets)
        # TLS may send an alert before it closes.
        assert rest(connection)[:1] in (b"", b"\x15")
    assert len(server.requests) == before


def test_plain_octets_behind_a_handshake_end_the_session(certificates, gateway, server):
    before = len(server.requests)
    with secured(plain_connection(gateway.ports[0]), certificates.ca_file) as connection:
        with socket.socket(fileno=socket.dup(connection.fileno())) as below:
            below.sendall(o.bind())
        connection.settimeout(30)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            while connection.recv(1):
                pass
            raise ConnectionError
    assert len(server.requests) == before


# On the port for StartTLS.

BEFORE_TLS = {
    "a bind": (o.bind(), ((7, 13),)),
    "a search": (o.search(), ((7, 13),)),
    "a modify": (o.message(o.tlv(0x66, o.text(o.BASE), o.sequence())), ((7, 13),)),
    "who am I": (o.extended("1.3.6.1.4.1.4203.1.11.3"), ((7, 13),)),
    "an anonymous bind": (o.bind("", ""), ((7, 13),)),
    "a TLS record": (HELLO, ((0, 2),)),
    "an HTTP request": (b"GET / HTTP/1.1\r\n\r\n", ((0, 2),)),
    "a bind behind StartTLS in one segment": (o.extended(o.START_TLS) + o.bind(id=8), ((0, 2),)),
    "an octet behind StartTLS in one segment": (o.extended(o.START_TLS) + b"\x30", ((0, 2),)),
    "a client hello behind StartTLS in one segment": (o.extended(o.START_TLS) + HELLO, ((0, 2),)),
    "StartTLS twice in one segment": (o.extended(o.START_TLS) + o.extended(o.START_TLS, id=8), ((0, 2),)),
}


@pytest.mark.parametrize("octets, wanted", BEFORE_TLS.values(), ids=BEFORE_TLS)
def test_before_starttls_nothing_is_served(gateway, server, octets, wanted):
    before = len(server.requests)
    with starttls_port(gateway) as connection:
        connection.sendall(octets)
        if wanted[-1][0]:
            connection.sendall(o.unbind())
        assert results(ldap(rest(connection))) == wanted
    assert len(server.requests) == before


def start_tls(connection):
    connection.sendall(o.extended(o.START_TLS))
    answer = connection.recv(1_000)
    assert results(ldap(answer)) == ((7, 0),)


def test_a_session_after_starttls_is_like_any_other(certificates, gateway):
    with starttls_port(gateway) as plain:
        start_tls(plain)
        with secured(plain, certificates.ca_file) as connection:
            connection.sendall(o.bind() + o.search(id=8))
            received = b""
            while not received.endswith(o.done(id=8)):
                received += connection.recv(65_536)
            assert results(ldap(received)) == ((7, 0), (8, 0))


def test_starttls_twice(certificates, gateway):
    with starttls_port(gateway) as plain:
        start_tls(plain)
        with secured(plain, certificates.ca_file) as connection:
            connection.sendall(o.extended(o.START_TLS, id=8))
            assert results(ldap(connection.recv(1_000))) == ((8, 1),)
            connection.sendall(o.bind(id=9) + o.search(id=10))
            received = b""
            while not received.endswith(o.done(id=10)):
                received += connection.recv(65_536)
            assert results(ldap(received)) == ((9, 0), (10, 0))


@pytest.mark.parametrize("octets", [o.bind(), b"\0", b"GET / HTTP/1.1\r\n\r\n"], ids=["a bind", "a zero", "HTTP"])
def test_plain_octets_after_starttls_reach_nobody(gateway, server, octets):
    before = len(server.requests)
    with starttls_port(gateway) as plain:
        start_tls(plain)
        say_all(plain, octets)
        assert rest(plain)[:1] in (b"", b"\x15")
    assert len(server.requests) == before


# PROXY headers.

HEADERS = {
    "none": o.bind(),
    "a client hello": HELLO,
    "a source that is not listed": v1("TCP4", UNLISTED, "192.0.2.1", "1", "2"),
    "the proxy itself": v1("TCP4", PROXY, "192.0.2.1", "1", "2"),
    "a source in octal": v1("TCP4", "0306.51.100.7", "192.0.2.1", "1", "2"),
    "a source with leading zeros": v1("TCP4", "198.051.100.007", "192.0.2.1", "1", "2"),
    "a source as one number": v1("TCP4", "3325256711", "192.0.2.1", "1", "2"),
    "a network": v1("TCP4", LISTED + "/0", "192.0.2.1", "1", "2"),
    "a name": v1("TCP4", "localhost", "192.0.2.1", "1", "2"),
    "IPv6 in TCP4": v1("TCP4", "::1", "::1", "1", "2"),
    "IPv4 in TCP6": v1("TCP6", LISTED, "192.0.2.1", "1", "2"),
    "an address with a zone": v1("TCP6", "fe80::1%lo", "::1", "1", "2"),
    "UDP": v1("UDP4", LISTED, "192.0.2.1", "1", "2"),
    "small letters": v1("tcp4", LISTED, "192.0.2.1", "1", "2"),
    "two spaces": v1("TCP4", "", LISTED, "192.0.2.1", "1", "2"),
    "a tab": v1("TCP4\t" + LISTED, "192.0.2.1", "1", "2"),
    "five words": v1("TCP4", LISTED, "192.0.2.1", "1"),
    "seven words": v1("TCP4", LISTED, "192.0.2.1", "1", "2", "3"),
    "a port of 65,536": v1("TCP4", LISTED, "192.0.2.1", "65536", "2"),
    "a port of -1": v1("TCP4", LISTED, "192.0.2.1", "-1", "2"),
    "a port in other digits": v1("TCP4", LISTED, "192.0.2.1", "١", "2"),
    "a line break alone": v1("TCP4", LISTED, "192.0.2.1", "1", "2", end="\n"),
    "a NUL in the line": v1("TCP4", LISTED + "\0", "192.0.2.1", "1", "2"),
    "a line without an end": b"PROXY TCP4 " + b"1" * 200,
    "a listed header behind one that is not": v1("TCP4", UNLISTED, "192.0.2.1", "1", "2")
    + v1("TCP4", LISTED, "192.0.2.1", "1", "2"),
    "UNKNOWN with a listed source": v1("UNKNOWN", LISTED, "192.0.2.1", "1", "2"),
    "version 2, LOCAL with a listed source": v2(0x20, 0x11, addresses()),
    "version 2, a source that is not listed": v2(0x21, 0x11, addresses(UNLISTED)),
    "version 2 of version 3": v2(0x31, 0x11, addresses()),
    "version 2, a command that does not exist": v2(0x2F, 0x11, addresses()),
    "version 2, UDP": v2(0x21, 0x12, addresses()),
    "version 2, a UNIX socket": v2(0x21, 0x31, bytes(216)),
    "version 2, no family": v2(0x21, 0x00, addresses()),
    "version 2, a family that does not exist": v2(0x21, 0x71, addresses()),
    "version 2, too short for its addresses": v2(0x21, 0x11, addresses()[:11]),
    "version 2, addresses of IPv4 for IPv6": v2(0x21, 0x21, addresses()),
    "version 2, 64 KiB announced": v2(0x21, 0x11, addresses(), 65_535),
    "version 2, more announced than sent": v2(0x21, 0x11, addresses(), 13),
    "version 2 without its last octet": v2(0x21, 0x11, addresses())[:-1],
    "half a signature": V2[:7],
    "a signature and rubbish": V2 + b"\xff" * 600,
}


@pytest.mark.parametrize("octets", HEADERS.values(), ids=HEADERS)
def test_a_header_that_lets_nobody_in(certificates, gateway, server, octets):
    before = len(server.requests), len(gateway.audit())
    with plain_connection(gateway.ports[0], PROXY) as connection, pytest.raises(OSError):
        connection.sendall(octets)
        secured(connection, certificates.ca_file)
    assert (len(server.requests), len(gateway.audit())) == before


GOOD = v1("TCP4", LISTED, "192.0.2.1", "1", "2")


def test_a_second_header_is_read_as_tls(gateway, server):
    before = len(server.requests)
    with plain_connection(gateway.ports[0], PROXY) as connection:
        connection.sendall(GOOD + GOOD)
        assert rest(connection)[:1] in (b"", b"\x15")
    assert len(server.requests) == before


def test_a_header_on_the_port_for_starttls_is_not_taken_from_a_client(gateway):
    with starttls_port(gateway, "127.0.0.8") as connection:
        connection.sendall(GOOD)
        assert results(ldap(rest(connection))) == ((0, 2),)


def test_ldap_in_the_segment_of_the_header_is_served_and_no_more_than_that(gateway):
    with starttls_port(gateway, PROXY) as connection:
        connection.sendall(GOOD + o.bind() + o.unbind())
        assert results(ldap(rest(connection))) == ((7, 13),)


@pytest.mark.parametrize("header", [GOOD, v2(0x21, 0x11, addresses() + b"\x04\0\x03abc")], ids=["v1", "v2 with a TLV"])
def test_a_good_header_is_for_its_source(certificates, gateway, header):
    with RawConnection(gateway.ports[0], certificates.ca_file, source=PROXY, before=[header]) as session:
        session.signed_in()
    assert gateway.wait_for_audit(source=LISTED)
