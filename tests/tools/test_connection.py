"""The tools' connection against servers that behave and servers that do not."""

import socket
import time

import pytest

from gateway.ask.connection import Connection, ConnectionFailed
from gateway.ldap import messages as m
from gateway.ldap.controls import PagedResults, paged_results
from gateway.ldap.filters import Present
from gateway.ldap.results import LDAPResult
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from tests.servers.stub_server import StubServer
from tests.tools.ports import black_hole

BASE = "OU=Staff,DC=corp,DC=example"
SEARCH = m.SearchRequest(BASE, m.WHOLE_SUBTREE, Present("objectClass"), ("mail",))
ENTRY = m.SearchResultEntry(f"CN=a,{BASE}", (m.Attribute("mail", (b"a@corp.example",)),))
OK = LDAPResult(0)


def place(server, name="localhost", patience=5):
    settings = ServerSettings("127.0.0.1", server.port, name)
    return DirectorySettings("corp", (settings,), server.ca_file, patience), settings


def asking(server, ask, **options):
    """ask, an async function of a connection, as a function of the reactor."""

    async def main(reactor):
        async with await Connection.open(*place(server), reactor, **options) as connection:
            return await ask(connection)

    return main


def closing(_):
    raise ConnectionError


def answering(*operations):
    return lambda request: [] if isinstance(request, m.UnbindRequest) else list(operations)


def test_bind_and_search_give_what_the_server_said(server_certificates, on_reactor):
    def answer(request):
        if isinstance(request, m.BindRequest):
            return [m.BindResponse(LDAPResult(49, "", "80090308: data 52e"))]
        return [ENTRY, m.SearchResultReference(("ldap://other/",)), m.SearchResultDone(LDAPResult(4))]

    heard = bytearray()

    async def ask(connection):
        return await connection.bind("svc", b"Passw0rd"), await connection.search(SEARCH)

    with StubServer(server_certificates, answer) as server:
        bound, found = on_reactor(asking(server, ask, heard=heard.extend))
    assert (bound.code, bound.diagnostic) == (49, "80090308: data 52e")
    assert (found.entries, found.count, found.references, found.complete) == ((ENTRY,), 1, 1, False)
    assert b"a@corp.example" in heard
    assert [type(request) for request in server.requests] == [m.BindRequest, m.SearchRequest]


def test_entries_go_to_a_reader_as_they_come(server_certificates, on_reactor):
    seen = []
    with StubServer(server_certificates, answering(ENTRY, ENTRY, m.SearchResultDone(OK))) as server:
        found = on_reactor(asking(server, lambda connection: connection.search(SEARCH, read=seen.append)))
    assert seen == [ENTRY, ENTRY]
    assert (found.entries, found.count, found.complete) == ((), 2, True)


def test_a_slow_result_is_waited_for_as_long_as_something_comes(server_certificates, on_reactor):
    def answer(request):
        for _ in range(5):
            time.sleep(0.5)
            yield ENTRY
        yield m.SearchResultDone(OK)

    with StubServer(server_certificates, answer) as server:
        found = on_reactor(asking(server, lambda connection: connection.search(SEARCH), patience=2))
    assert (found.count, found.complete) == (5, True)


@pytest.mark.parametrize("pages", [1, 3])
def test_pages_are_read_to_the_last(server_certificates, on_reactor, pages):
    with PagingServer(server_certificates, pages) as server:
        found = on_reactor(asking(server, lambda connection: connection.search_paged(SEARCH, 7)))
        assert (found.count, found.pages, found.complete) == (pages, pages, True)
        assert server.asked == [(7, b"" if page == 0 else b"%d" % page) for page in range(pages)]


def test_a_server_that_does_not_page_gives_all_at_once(server_certificates, on_reactor):
    with StubServer(server_certificates, answering(ENTRY, m.SearchResultDone(OK))) as server:
        found = on_reactor(asking(server, lambda connection: connection.search_paged(SEARCH, 7)))
    assert (found.count, found.pages, found.complete) == (1, 0, True)


def test_an_empty_password_is_not_sent(server_certificates, on_reactor):
    with StubServer(server_certificates) as server:
        with pytest.raises(ValueError, match="password"):
            on_reactor(asking(server, lambda connection: connection.bind("svc", b"")))
        assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answering(), "no answer within 0.2 seconds"),
        (answering(m.BindResponse(OK)), "not LDAP"),
        (closing, "the connection was lost"),
    ],
    ids=["silence", "a wrong answer", "closed"],
)
def test_a_failure_is_told_in_words_and_ends_the_connection(server_certificates, on_reactor, answer, said):
    async def ask(connection):
        with pytest.raises(ConnectionFailed, match=said):
            await connection.search(SEARCH)
        with pytest.raises(ConnectionFailed, match=said):
            await connection.bind("svc", b"Passw0rd")
        return "refused"

    patience = 0.2 if "0.2" in said else 30
    with StubServer(server_certificates, answer) as server:
        assert on_reactor(asking(server, ask, patience=patience)) == "refused"
        assert not any(isinstance(request, m.BindRequest) for request in server.requests)


def test_a_notice_of_disconnection_is_named(server_certificates, on_reactor):
    with (
        NoticeServer(server_certificates) as server,
        pytest.raises(ConnectionFailed, match="ended the connection: unavailable"),
    ):
        on_reactor(asking(server, lambda connection: connection.search(SEARCH)))


def test_only_a_verified_server_is_spoken_to(server_certificates, on_reactor):
    async def main(reactor):
        await Connection.open(*place(server, name="dc9.corp.example"), reactor)

    with StubServer(server_certificates) as server:
        with pytest.raises(ConnectionFailed, match="does not carry the expected name"):
            on_reactor(main)
        assert server.requests == []


def test_nobody_there_is_told_within_the_time(on_reactor, server_certificates):
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    listening.close()

    async def main(reactor):
        server = ServerSettings("127.0.0.1", port, "localhost")
        await Connection.open(DirectorySettings("corp", (server,), server_certificates.ca_file), server, reactor)

    with pytest.raises(ConnectionFailed, match=r"[Rr]efused"):
        on_reactor(main)


def test_a_port_that_drops_packets_is_told_within_the_time(on_reactor, server_certificates):
    async def main(reactor):
        server = ServerSettings("127.0.0.1", port, "localhost")
        directory = DirectorySettings("corp", (server,), server_certificates.ca_file, 0.5)
        await Connection.open(directory, server, reactor)

    with black_hole() as port, pytest.raises(ConnectionFailed, match="no answer in time"):
        on_reactor(main)


def test_unbind_waits_until_the_server_has_closed(server_certificates, on_reactor):
    async def ask(connection):
        return await connection.unbind()

    with StubServer(server_certificates, closing) as server:
        assert on_reactor(asking(server, ask)) is True
    with StubServer(server_certificates) as server:
        assert on_reactor(asking(server, ask, patience=0.2)) is False


class PagingServer(StubServer):
    """Gives one entry a page. asked: sizes and cookies."""

    def __init__(self, certificates, pages):
        self.asked = []
        self._pages = pages
        super().__init__(certificates)

    def answers(self, message):
        (control,) = message.controls
        page = paged_results(control)
        self.asked.append((page.size, page.cookie))
        number = len(self.asked)
        cookie = b"" if number == self._pages else b"%d" % number
        yield m.LDAPMessage(message.message_id, ENTRY)
        control = PagedResults(0, cookie).to_control(critical=False)
        yield m.LDAPMessage(message.message_id, m.SearchResultDone(OK), (control,))


class NoticeServer(StubServer):
    """Answers every request with a notice of disconnection (RFC 4511 4.4.1)."""

    def answers(self, message):
        yield m.notice_of_disconnection(m.ResultCode.unavailable, "going down")
