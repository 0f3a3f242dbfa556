"""Connections to a running gateway that take, keep and lose their places; who loses one is told why."""

import contextlib
import socket
import threading
from contextlib import ExitStack

import pytest

from gateway.ask.client import Disconnection
from gateway.ldap.messages import BASE_OBJECT, BindRequest, BindResponse
from gateway.ldap.results import LDAPResult
from tests.net.test_listener import CLIENT, closed_without_an_octet
from tests.observe.admin_client import samples
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.raw_client import PATIENCE, RawClient
from tests.servers.stub_server import StubServer

pytestmark = pytest.mark.servers


def gateway_with(certificates, tmp_path, server=None, client=(), **limits):
    nobody = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    directory = nobody if server is None else server.gateway_directory()
    client = {**CLIENT, "sources": ["127.0.0.0/8"], **dict(client)}
    return GatewayProcess(
        tmp_path, configuration(certificates, directory, client, limits=limits, admin={"address": "127.0.0.1:0"})
    )


def root_dse(client):
    return client.result(client.search("", scope=BASE_OBJECT))[1].code


class BindServer(StubServer):
    """Takes every password but "wrong-Passw0rd"; with "slow-Passw0rd" only once the test lets it, in which case the
    request has come when asked is set."""

    def __init__(self, certificates):
        self.asked, self.answered = threading.Event(), threading.Event()
        super().__init__(certificates, self._answer_bind)

    def _answer_bind(self, request):
        if not isinstance(request, BindRequest):
            return []
        password = request.authentication.password
        if password == b"slow-Passw0rd":
            self.asked.set()
            assert self.answered.wait(PATIENCE)
        return [BindResponse(LDAPResult(49 if password == b"wrong-Passw0rd" else 0))]


@pytest.fixture
def server(server_certificates):
    with BindServer(server_certificates) as running:
        yield running
        running.answered.set()


NAME = CLIENT["sync_accounts"][0]


@pytest.fixture
def connect(certificates):
    """A function that opens a RawClient over TLS, and binds where it gets a password; closed after the test."""
    with ExitStack() as opened:

        def connect(gateway, password=None, **keywords):
            client = opened.enter_context(RawClient(gateway.port, certificates.ca_file, **keywords))
            if password is not None:
                assert client.bind(NAME, password) == (49 if password == "wrong-Passw0rd" else 0)
            return client

        yield connect


@pytest.fixture
def silent():
    """A function that opens a connection that says what it is given, at most; closed after the test."""
    with ExitStack() as opened:

        def open_(gateway, octets=b"", source="127.0.0.1"):
            address = ("127.0.0.1", gateway.port)
            plain = opened.enter_context(socket.create_connection(address, PATIENCE, source_address=(source, 0)))
            plain.sendall(octets)
            return plain

        yield open_


def is_closed(plain):
    """Waits for the other side to close."""
    with contextlib.suppress(ConnectionResetError):
        while plain.recv(1000):
            pass
    return True


def test_one_source_too_many_times_is_closed_and_another_is_served(certificates, tmp_path, server, connect):
    with gateway_with(certificates, tmp_path, server, sessions_per_source=2) as gateway:
        connect(gateway, "Passw0rd")
        leaving = connect(gateway, "Passw0rd")
        assert closed_without_an_octet(gateway.port, "127.0.0.1")
        assert root_dse(connect(gateway, source="127.0.0.2")) == 0
        assert "limits.sessions_per_source" in gateway.wait_for("too-many-sessions-of-source")
        leaving.socket.close()
        # A place becomes free when a session ends, which the gateway hears of a moment later.
        for _ in range(100):
            with contextlib.suppress(OSError):
                assert root_dse(connect(gateway)) == 0
                break
        else:
            pytest.fail("no place became free")


def test_too_many_sessions_in_all(certificates, tmp_path, server, connect):
    with gateway_with(certificates, tmp_path, server, sessions=1) as gateway:
        only = connect(gateway, "Passw0rd")
        assert closed_without_an_octet(gateway.port, "127.0.0.2")
        assert "see limits.sessions" in gateway.wait_for("too-many-sessions:")
        assert root_dse(only) == 0


@pytest.mark.parametrize("limit", [{"sessions": 2}, {"handshakes": 2}, {"sessions_per_source": 2}], ids=str)
@pytest.mark.parametrize("octets", [b"", bytes.fromhex("1603010200")], ids=["nothing", "the beginning of a hello"])
def test_who_is_silent_makes_room_for_whoever_comes_then(
    certificates, tmp_path, server, silent, connect, limit, octets
):
    with gateway_with(certificates, tmp_path, server, **limit) as gateway:
        one, two = silent(gateway, octets), silent(gateway, octets)
        client = connect(gateway, "Passw0rd")
        assert is_closed(one)
        three = silent(gateway)
        if limit != {"handshakes": 2}:
            assert is_closed(two)
        assert root_dse(client) == 0
        log = gateway.wait_for("displaced:")
        assert f"no bind has succeeded on it, and limits.{next(iter(limit))} was reached" in log
        three.close()
        assert "Traceback" not in gateway.log()


def test_who_is_silent_behind_tls_is_told_why_it_has_to_go(certificates, tmp_path, server, connect):
    with gateway_with(certificates, tmp_path, server, sessions_per_source=2) as gateway:
        one, two = connect(gateway), connect(gateway, "Passw0rd")
        connect(gateway)
        notice = one.event()
        assert isinstance(notice, Disconnection)
        assert (notice.result.code, notice.result.diagnostic.partition(":")[0]) == (52, "displaced")
        with contextlib.suppress(OSError):
            assert one.event() is None
        assert root_dse(two) == 0


def test_a_plain_connection_before_starttls_makes_room_as_well(certificates, tmp_path, server, silent):
    listener = {
        "address": "127.0.0.1:0",
        "certificate": str(certificates.certificate),
        "private_key": str(certificates.private_key),
        "starttls": "required",
    }
    config = configuration(
        certificates, server.gateway_directory(), CLIENT, listeners=[listener], limits={"sessions_per_source": 1}
    )
    with GatewayProcess(tmp_path, config) as gateway:
        one = silent(gateway)
        silent(gateway)
        assert is_closed(one)


def test_a_bind_under_way_and_one_that_succeeded_keep_the_place(certificates, tmp_path, server, silent, connect):
    with gateway_with(certificates, tmp_path, server, sessions_per_source=2) as gateway:
        client = connect(gateway)
        client.socket.sendall(client.client.bind(NAME, b"slow-Passw0rd").data)
        assert server.asked.wait(PATIENCE)
        last = silent(gateway)
        for _ in range(5):
            last, before = silent(gateway), last
            assert is_closed(before)
        server.answered.set()
        assert client.event().result.code == 0
        for _ in range(5):
            last, before = silent(gateway), last
            assert is_closed(before)
        # Even where it fails from then on.
        assert client.bind(NAME, "wrong-Passw0rd") == 49
        for _ in range(5):
            last, before = silent(gateway), last
            assert is_closed(before)
        assert root_dse(client) == 0
        assert len([line for line in gateway.log().splitlines() if "displaced" in line]) == 1
        assert samples(gateway.admin_port)["ldap_gateway_refusals_total", "", "displaced"] == 15
        assert "Traceback" not in gateway.log()


def test_where_binds_are_under_way_or_done_on_all_of_a_source_it_gets_no_further_one(
    certificates, tmp_path, server, connect
):
    with gateway_with(certificates, tmp_path, server, sessions_per_source=2) as gateway:
        bound, binding = connect(gateway, "Passw0rd"), connect(gateway)
        binding.socket.sendall(binding.client.bind(NAME, b"slow-Passw0rd").data)
        assert server.asked.wait(PATIENCE)
        assert closed_without_an_octet(gateway.port, "127.0.0.1")
        server.answered.set()
        assert binding.event().result.code == 0
        assert root_dse(bound) == 0


@pytest.mark.parametrize("kind", ["wrong", "anonymous", "refused by the policy"])
def test_other_binds_keep_no_place(certificates, tmp_path, server, connect, kind):
    name, password, code = {
        "wrong": (NAME, b"wrong-Passw0rd", 49),
        "anonymous": ("", b"", 0),
        "refused by the policy": ("svc@elsewhere.example", b"Passw0rd", 49),
    }[kind]
    with gateway_with(certificates, tmp_path, server, {"allow_anonymous": True}, sessions_per_source=2) as gateway:
        one, bound = connect(gateway), connect(gateway, "Passw0rd")
        one.socket.sendall(one.client.bind(name, password).data)
        assert one.event().result.code == code
        connect(gateway, "Passw0rd")
        assert isinstance(one.event(), Disconnection)
        assert root_dse(bound) == 0


def test_a_proxy_that_sends_no_header_makes_room_as_well(certificates, tmp_path, server, silent):
    config = configuration(
        certificates,
        server.gateway_directory(),
        {**CLIENT, "sources": ["198.51.100.7"]},
        trusted_proxies=["127.0.0.1"],
        limits={"sessions": 2},
    )
    with GatewayProcess(tmp_path, config) as gateway:
        one = silent(gateway)
        silent(gateway, b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 636\r\n")
        silent(gateway)
        assert is_closed(one)
        assert "no PROXY header has come on it" in gateway.wait_for("displaced:")


def test_two_addresses_of_one_64_of_ipv6_have_the_places_of_one(certificates, tmp_path, server, connect):
    config = configuration(
        certificates,
        server.gateway_directory(),
        {**CLIENT, "sources": ["2001:db8::/32"]},
        trusted_proxies=["127.0.0.1"],
        limits={"sessions_per_source": 1},
    )

    def header(source):
        return [f"PROXY TCP6 {source} 2001:db8::636 40000 636\r\n".encode()]

    with GatewayProcess(tmp_path, config) as gateway:
        connect(gateway, "Passw0rd", before=header("2001:db8::1"))
        with pytest.raises(OSError):
            connect(gateway, before=header("2001:db8::ffff:2"))
        assert "from 2001:db8::ffff:2" in gateway.wait_for("too-many-sessions-of-source")
        connect(gateway, "Passw0rd", before=header("2001:db8:0:1::1"))


def test_who_is_silent_before_tls_is_closed_after_a_while(certificates, tmp_path, silent):
    with gateway_with(certificates, tmp_path, tls_handshake=0.5) as gateway:
        for connection in (silent(gateway), silent(gateway, b"\x16\x03\x01")):
            assert is_closed(connection)
        assert "see limits.tls_handshake" in gateway.wait_for("tls-handshake-timeout")
        assert "Traceback" not in gateway.log()


def test_a_source_that_asks_too_much_in_a_second_is_told_busy_in_all_its_sessions(certificates, tmp_path):
    with (
        gateway_with(certificates, tmp_path, requests_per_source=1) as gateway,
        RawClient(gateway.port, certificates.ca_file) as one,
        RawClient(gateway.port, certificates.ca_file) as two,
        RawClient(gateway.port, certificates.ca_file, source="127.0.0.2") as other,
    ):
        # Faster than one in a second, whatever the machine does in between.
        asked = [one.search("", scope=BASE_OBJECT) for _ in range(50)]
        assert 51 in {result.code for _, result in one.results(*asked).values()}
        asked = [two.search("", scope=BASE_OBJECT) for _ in range(50)]
        assert 51 in {result.code for _, result in two.results(*asked).values()}
        assert root_dse(other) == 0
        assert gateway.wait_for_audit(reason="too-many-requests-of-source")
