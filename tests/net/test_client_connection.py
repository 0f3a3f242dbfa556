"""What a session's holder does with a client that misbehaves."""

import contextlib
import socket
import ssl
import time

import pytest

from gateway.ask.client import Disconnection, Entry
from gateway.ldap.decoding import decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.filters import Present
from gateway.ldap.framing import Framer
from gateway.ldap.messages import (
    BASE_OBJECT,
    NOTICE_OF_DISCONNECTION,
    Attribute,
    BindRequest,
    BindResponse,
    ExtendedResponse,
    LDAPMessage,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
    SimpleAuthentication,
)
from gateway.ldap.results import LDAPResult
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer, accept_binds

pytestmark = pytest.mark.servers

ROOT_DSE = SearchRequest("", BASE_OBJECT, Present("objectClass"))


@pytest.fixture(scope="module")
def gateway(certificates, tmp_path_factory):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
    config = configuration(certificates, directory, client, limits={"message_before_bind": 1000})
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), config) as running:
        yield running


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        bytes.fromhex("3080020101600702010304008000"),
        bytes.fromhex("30820fff"),
        bytes.fromhex("3003020101"),
        bytes.fromhex("300c020100600702010304008000"),
        bytes.fromhex("300c020101600702010304008000")[:-1] + b"\x05" + bytes(5),
    ],
    ids=["no LDAP", "indefinite length", "beyond the limit", "no operation", "message ID 0", "value beyond the end"],
)
def test_malformed_octets_end_that_session_and_no_other(certificates, gateway, octets):
    before = len(gateway.audit(operation="malformed"))
    with (
        RawClient(gateway.port, certificates.ca_file) as other,
        RawClient(gateway.port, certificates.ca_file) as session,
    ):
        assert other.result(other.search("", scope=BASE_OBJECT))[1].code == 0
        session.socket.sendall(octets)
        notice = session.event()
        assert isinstance(notice, Disconnection)
        assert notice.result.code == 2
        assert session.event() is None
        assert other.result(other.search("", scope=BASE_OBJECT))[1].code == 0
    record = gateway.wait_for_audit(before + 1, operation="malformed")[-1]
    assert (record["decision"], record["reason"], record["code"]) == ("refuse", "message-malformed", 2)
    assert "Traceback" not in gateway.log()


def test_what_comes_before_the_malformed_octets_is_answered_first(certificates, gateway):
    with RawClient(gateway.port, certificates.ca_file) as session:
        asked = session.client.search(ROOT_DSE)
        session.socket.sendall(asked.data + b"\x00")
        assert session.result(asked.message_id)[1].code == 0
        assert isinstance(session.event(), Disconnection)


def test_much_that_comes_at_once_is_answered_in_its_order(certificates, gateway):
    with RawClient(gateway.port, certificates.ca_file) as session:
        asked = [session.client.search(ROOT_DSE) for _ in range(1000)]
        session.socket.sendall(b"".join(each.data for each in asked))
        for each in asked:
            assert session.result(each.message_id)[1].code == 0


def test_much_that_comes_behind_a_bind_is_answered_once_that_has_ended(certificates, server_certificates, tmp_path):
    with StubServer(server_certificates, accept_binds) as server:
        directory = {"servers": [{"url": server.url, "server_name": "localhost"}], "ca_file": server.ca_file}
        client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
        with (
            GatewayProcess(tmp_path, configuration(certificates, directory, client)) as running,
            RawClient(running.port, certificates.ca_file) as session,
        ):
            bind = BindRequest(3, "svc@corp.example", SimpleAuthentication(b"Stub-Passw0rd"))
            asked = [bind, *[ROOT_DSE] * 1000]
            messages = [encode(LDAPMessage(number, request)) for number, request in enumerate(asked, 1)]
            session.socket.sendall(b"".join(messages))
            answered = Framer(2**20)
            for number, request in enumerate(asked, 1):
                for _ in range(1 if request is bind else 2):
                    while (message := answered.next_message()) is None:
                        answered.feed(session.socket.recv(65_536))
                    assert decode_response(message).message_id == number


def test_the_notice_is_an_extended_response_with_message_id_0(certificates, gateway):
    with RawClient(gateway.port, certificates.ca_file) as session:
        session.socket.sendall(b"\x00")
        received = b""
        while data := session.socket.recv(1000):
            received += data
    message = decode_response(received)
    assert message.message_id == 0
    assert isinstance(message.operation, ExtendedResponse)
    assert message.operation.oid == NOTICE_OF_DISCONNECTION


def test_the_log_says_why_the_sync_account_cannot_sign_in(certificates, server_certificates, tmp_path):
    said = "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 533, v3839"

    def refuse(request):
        return [BindResponse(LDAPResult(49, "", said))] if isinstance(request, BindRequest) else []

    client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
    with StubServer(server_certificates, refuse) as server:
        url = server.url
        config = configuration(certificates, server.gateway_directory(), client)
        with (
            GatewayProcess(tmp_path, config) as running,
            RawClient(running.port, certificates.ca_file) as session,
        ):
            assert session.bind("svc@corp.example", "Passw0rd-that-must-not-travel") == 49
            (record,) = running.wait_for_audit(operation="bind")
            log = running.wait_for("cannot sign in")
    assert record["server_meaning"] == "the account is disabled"
    assert f"the sync account svc@corp.example cannot sign in at {url}: the account is disabled" in log
    assert "AcceptSecurityContext" not in log + running.audit_text()
    assert "must-not-travel" not in log + running.audit_text()


def endless(request):
    """A stub's answers: a search never comes to its end."""
    if not isinstance(request, SearchRequest):
        yield from accept_binds(request)
        return
    while True:
        yield SearchResultEntry("CN=x,DC=corp,DC=example", (Attribute("cn", (bytes(60_000),)),))


def test_a_client_that_takes_nothing_any_more_is_ended(certificates, server_certificates, tmp_path):
    client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
    with StubServer(server_certificates, endless) as server:
        config = configuration(certificates, server.gateway_directory(), client, limits={"write_stall": 1})
        with GatewayProcess(tmp_path, config) as running:
            stalled = RawClient(running.port, certificates.ca_file, receive_buffer=65_536)
            assert stalled.bind("svc@corp.example", "Passw0rd") == 0
            stalled.search("DC=corp,DC=example")
            assert isinstance(stalled.event(), Entry)
            with RawClient(running.port, certificates.ca_file) as other:
                (record,) = running.wait_for_audit(operation="search")
                assert (record["reason"], record["code"]) == ("write-stalled", 52)
                assert "a peer takes none of what waits for it" in running.wait_for("session ended")
                assert other.result(other.search("", scope=BASE_OBJECT))[1].code == 0
            stalled.die()


def test_a_client_that_takes_its_results_slowly_and_steadily_is_not_ended(certificates, server_certificates, tmp_path):
    """The kernel's buffer has no room for more in all that time."""
    client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
    with StubServer(server_certificates, endless) as server:
        config = configuration(certificates, server.gateway_directory(), client, limits={"write_stall": 4})
        with (
            GatewayProcess(tmp_path, config) as running,
            RawClient(running.port, certificates.ca_file, receive_buffer=65_536) as slow,
        ):
            assert slow.bind("svc@corp.example", "Passw0rd") == 0
            slow.search("DC=corp,DC=example")
            running.wait_until_still()
            until = time.monotonic() + 12
            while time.monotonic() < until:
                assert slow.socket.recv(4000)
                # That is how it reads: 100 kB a second.
                time.sleep(0.04)
            assert "session ended" not in running.log()


@pytest.mark.parametrize("ends", ["FIN", "close_notify"])
def test_who_closes_its_side_gets_what_the_gateway_says_itself_and_waits_for_no_server(
    certificates, server_certificates, tmp_path, ends
):
    client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with (
        StubServer(server_certificates, lambda request: []) as server,
        # Where the server has been sent the bind already it is awaited, without the client.
        GatewayProcess(
            tmp_path, configuration(certificates, server.gateway_directory(), client, limits={"bind": 0.5})
        ) as running,
        socket.create_connection(("127.0.0.1", running.port), PATIENCE) as plain,
    ):
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65_536))
        bind = BindRequest(3, "svc@corp.example", SimpleAuthentication(b"Passw0rd"))
        tls.write(encode(LDAPMessage(1, ROOT_DSE)) + encode(LDAPMessage(2, bind)))
        if ends == "close_notify":
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.unwrap()
        plain.sendall(outgoing.read())
        plain.shutdown(socket.SHUT_WR)
        while data := plain.recv(65_536):
            incoming.write(data)
        incoming.write_eof()
        received = b""
        with contextlib.suppress(ssl.SSLError):
            while data := tls.read(65_536):
                received += data
        framer = Framer(1_000_000)
        framer.feed(received)
        answers = [decode_response(octets) for octets in iter(framer.next_message, None)]
        assert isinstance(answers[-1].operation, SearchResultDone)
        (record,) = running.wait_for_audit(operation="bind")
        assert (record["reason"], record["code"]) == ("client-gone", None)


def test_a_message_that_is_not_finished_in_time_ends_that_session(certificates, tmp_path):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
    config = configuration(certificates, directory, client, limits={"message": 0.5})
    with (
        GatewayProcess(tmp_path, config) as running,
        RawClient(running.port, certificates.ca_file) as other,
        RawClient(running.port, certificates.ca_file) as slow,
    ):
        assert other.result(other.search("", scope=BASE_OBJECT))[1].code == 0
        assert slow.result(slow.search("", scope=BASE_OBJECT))[1].code == 0
        slow.socket.sendall(slow.client.search(ROOT_DSE).data[:-1])
        notice = slow.event()
        assert isinstance(notice, Disconnection)
        assert notice.result.code == 52
        assert slow.event() is None
        (record,) = running.wait_for_audit(reason="message-timeout")
        assert record["operation"] == "session"
        assert other.result(other.search("", scope=BASE_OBJECT))[1].code == 0


def plenty(request):
    """A stub's answers: more than all buffers on the way hold, and then an end."""
    if not isinstance(request, SearchRequest):
        yield from accept_binds(request)
        return
    for _ in range(400):
        yield SearchResultEntry("CN=x,DC=corp,DC=example", (Attribute("cn", (bytes(60_000),)),))
    yield from accept_binds(request)


def test_a_client_whose_message_waits_because_its_answers_do_is_not_late(certificates, server_certificates, tmp_path):
    client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
    with StubServer(server_certificates, plenty) as server:
        config = configuration(certificates, server.gateway_directory(), client, limits={"message": 1})
        with GatewayProcess(tmp_path, config) as running:
            with RawClient(running.port, certificates.ca_file, receive_buffer=65_536) as reader:
                assert reader.bind("svc@corp.example", "Passw0rd") == 0
                asked = reader.client.search(ROOT_DSE)
                found = reader.search("DC=corp,DC=example")
                reader.socket.sendall(asked.data[:5])
                assert isinstance(reader.event(), Entry)
                # While this one runs out of time, the reader's time stands still.
                with RawClient(running.port, certificates.ca_file) as slow:
                    slow.socket.sendall(asked.data[:5])
                    assert isinstance(slow.event(), Disconnection)
                reader.socket.sendall(asked.data[5:])
                results = reader.results(found, asked.message_id)
            # One has been taken above.
            assert len(results[found][0]) == 399
            assert {result.code for _, result in results.values()} == {0}
            assert len(running.audit(reason="message-timeout")) == 1
