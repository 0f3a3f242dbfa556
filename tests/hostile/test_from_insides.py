"""An inside with a right key that is not itself any more, and strangers: no short success, and nobody else notices.

The outside is a gateway that runs. It reaches the server of its other client directly.
"""

import json
import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from gateway.link import frames as f
from gateway.link.keys import write_pair
from gateway.link.tls import PROTOCOL
from tests.hostile import octets as o
from tests.hostile.answers import entries, results
from tests.hostile.at_work import HostileServer, Neighbour, RawConnection, gateway_configuration
from tests.hostile.hostile_inside import HostileInside, accept
from tests.hostile.test_from_servers import CASES
from tests.servers.gateway_process import PATIENCE
from tests.servers.link_ends import LinkKeys, outside_of

pytestmark = pytest.mark.servers


class Site:
    """The outside, a hostile inside, and a session of another client that is open all the time."""

    def __init__(self, outside, keys, server, inside, ca_file):
        self.outside, self.keys, self.server, self.inside, self._ca_file = outside, keys, server, inside, ca_file
        self.neighbour = Neighbour(outside, RawConnection(outside.port, ca_file, source="127.0.0.2"))

    def connection(self):
        return RawConnection(self.outside.port, self._ca_file)


@pytest.fixture(scope="module")
def site(certificates, server_certificates, start_gateway, tmp_path_factory):
    keys = LinkKeys(tmp_path_factory.mktemp("keys"))
    with HostileServer(server_certificates) as server, HostileServer(server_certificates) as other:
        whole = json.loads(outside_of(gateway_configuration(certificates, server), keys))
        whole["directories"]["corp"] |= {"connect_timeout": 1, "connect_patience": 2}
        directly = json.loads(gateway_configuration(certificates, other))
        whole["directories"]["other"] = directly["directories"]["corp"]
        whole["clients"]["mimecast"]["sources"] = ["127.0.0.1"]
        whole["clients"]["other"] = directly["clients"]["mimecast"] | {"sources": ["127.0.0.2"], "directory": "other"}
        outside = start_gateway(json.dumps(whole))
        with HostileInside(keys, server, "mimecast") as inside:
            outside.wait_for("agent inside-1 is here")
            made = Site(outside, keys, server, inside, certificates.ca_file)
            # From here on it is known what kind of server that is.
            with made.connection().signed_in() as first:
                first.send(o.search(id=2))
                assert results(first.until_results(1)) == ((2, 0),)
            yield made
            made.neighbour.close()


@pytest.mark.parametrize("octets, verdict", CASES)
def test_what_servers_send_comes_no_further_through_a_berth(site, octets, verdict):
    site.server.octets = None
    with site.connection().signed_in() as session:
        site.server.octets = octets
        session.send(o.search(id=5) + o.search(id=6))
        wanted = verdict.results + (((0, 52),) if verdict.ends else ())
        found = session.until_results(len(wanted))
        assert (results(found), entries(found)) == (wanted, verdict.entries)
        if verdict.ends:
            assert session.message() is None
        site.neighbour.check()


ANSWERS = {
    "nothing": b"",
    "REFUSE": f.encode(f.Refuse(f.NoSession.too_many)),
    "LDAP before ACCEPT": o.result(0x61, id=1),
    "GO": f.encode(f.Go("mimecast", "s1", "192.0.2.1")),
    "a frame of 4,097 octets": bytes([f.FrameType.ACCEPT]) + (4_097).to_bytes(3, "big") + b" " * 4_097,
    "half a frame": accept()[:-1],
    "nested arrays": bytes([f.FrameType.ACCEPT]) + (4_000).to_bytes(3, "big") + b"[" * 4_000,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_berth_that_accepts_nothing_is_an_error_in_time(site, answer):
    site.inside.answer = lambda: answer
    try:
        with site.connection() as session:
            session.send(o.bind(id=1))
            assert results(session.until_results(1)) == ((1, 52),)
        site.neighbour.check()
    finally:
        site.inside.answer = accept


def test_accept_twice_is_no_ldap(site):
    site.server.octets = None
    site.inside.answer = lambda: accept() * 2
    try:
        with site.connection() as session:
            session.send(o.bind(id=1))
            assert results(session.until_results(1)) == ((1, 52),)
        site.neighbour.check()
    finally:
        site.inside.answer = accept


@pytest.mark.parametrize("kind", ["no certificate", "a foreign one", "an expired one"])
def test_strangers_get_no_further_than_the_handshake(site, tmp_path, kind):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(site.keys.outside.certificate)
    context.set_alpn_protocols([PROTOCOL])
    if kind != "no certificate":
        age = timedelta(days=800 if kind == "an expired one" else 0)
        pair = write_pair(tmp_path, "inside-1", datetime.now(UTC) - age)
        context.load_cert_chain(pair.certificate, pair.private_key)
    host, _, port = site.keys.address.rpartition(":")
    for _ in range(20):
        with socket.create_connection((host, int(port)), PATIENCE) as plain, pytest.raises(OSError):
            connection = context.wrap_socket(plain)
            connection.sendall(f.encode(f.LineHello("1.0", "0" * 32, 1)))
            # In TLS 1.3 this end is up before the other one has judged its certificate.
            assert connection.recv(1) == b""
            raise OSError
    site.neighbour.check()
    site.server.octets = None
    with site.connection() as session:
        session.signed_in()
