"""Nobody sees what was read as somebody else: a gateway that runs, before a server that marks what it gives.

Each entry of the server carries the name that its connection was bound as, and the number of the connection.
"""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from gateway.ldap import messages as m
from tests.hostile import octets as o
from tests.hostile.answers import results
from tests.hostile.at_work import RawConnection, gateway_configuration
from tests.servers.gateway_process import PATIENCE
from tests.servers.stub_server import StubServer

pytestmark = pytest.mark.servers

ACCOUNTS = tuple(f"svc-{letter}@corp.example" for letter in "abcd")
SLOW = f"OU=Slow,{o.BASE}"
ENTRIES = 20


@dataclass
class Seen:
    """One connection, as the server sees it. binds: names and passwords."""

    number: int
    name: str = ""
    binds: list = field(default_factory=list)


class MarkingServer(StubServer):
    """Below SLOW it sends one entry, waits for go, and then the others, whatever has been asked meanwhile.

    connections: all there were. begun: a slow search has sent its first entry.
    """

    def __init__(self, *arguments, **keywords):
        self.connections = []
        self.begun, self.go = threading.Event(), threading.Event()
        self._numbers = itertools.count(1)
        # Each connection has a thread of its own.
        self._here = threading.local()
        super().__init__(*arguments, **keywords)

    def answers(self, message):
        seen = getattr(self._here, "seen", None)
        if seen is None:
            seen = self._here.seen = Seen(next(self._numbers))
            self.connections.append(seen)
        request, id = message.operation, message.message_id
        if isinstance(request, m.BindRequest):
            password = request.authentication.password.decode()
            wrong = password.startswith("Wrong")
            seen.binds.append((request.name, password))
            seen.name = "" if wrong else request.name
            yield o.result(0x61, 49 if wrong else 0, id=id)
        elif isinstance(request, m.SearchRequest) and request.base == "":
            yield o.done(id=id)
        elif isinstance(request, m.SearchRequest):
            mark = o.attribute("mail", seen.name, str(seen.number))
            entry = o.entry(f"CN=x,{request.base}", mark, id=id)
            yield entry
            if request.base == SLOW:
                self.begun.set()
                assert self.go.wait(PATIENCE)
            for _ in range(ENTRIES - 1):
                yield entry
            yield o.done(id=id)


@pytest.fixture
def server(server_certificates):
    with MarkingServer(server_certificates) as running:
        try:
            yield running
        finally:
            running.go.set()


def config(certificates, server, attributes=("mail",), accounts=ACCOUNTS):
    client = {"sync_accounts": accounts, "attributes": attributes, "login_base_dns": [], "login_domains": []}
    return gateway_configuration(certificates, server, client)


@pytest.fixture
def gateway(certificates, server, start_gateway):
    return start_gateway(config(certificates, server))


@pytest.fixture
def connect(certificates, gateway):
    opened = []

    def open_(name=None, password=o.PASSWORD):
        connection = RawConnection(gateway.port, certificates.ca_file)
        opened.append(connection)
        if name is not None:
            connection.send(o.bind(name, password, id=1))
            assert results(connection.until_results(1)) == ((1, 0),)
        return connection

    yield open_
    for connection in opened:
        connection.socket.close()


def marks(messages, message_id):
    """The names in the entries that came under a message ID."""
    return {
        attribute.values[0].decode()
        for x in messages
        if x.message_id == message_id and isinstance(x.operation, m.SearchResultEntry)
        for attribute in x.operation.attributes
    }


def entries(messages, message_id):
    return [x for x in messages if x.message_id == message_id and isinstance(x.operation, m.SearchResultEntry)]


def test_sessions_at_once_with_the_same_message_ids_get_each_its_own(connect):
    def use(name):
        session = connect(name)
        for _ in range(5):
            session.send(o.search(id=2) + o.search(id=3, base=f"OU=Other,{o.BASE}"))
            found = session.until_results(2)
            assert sorted(results(found)) == [(2, 0), (3, 0)]
            assert marks(found, 2) == marks(found, 3) == {name}
            assert len(entries(found, 2)) == len(entries(found, 3)) == ENTRIES
        return name

    names = [ACCOUNTS[i % len(ACCOUNTS)] for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, names)) == names


def test_a_connection_that_has_carried_a_bind_never_serves_another_session(connect, server):
    """Every session has a password of its own, so that the server can tell them apart."""
    for number in range(12):
        wrong = number % 4 == 3
        session = connect() if wrong else connect(ACCOUNTS[0], f"Hostile-Passw0rd-{number}")
        if wrong:
            session.send(o.bind(ACCOUNTS[0], f"Wrong-Passw0rd-{number}", id=1))
            assert results(session.until_results(1)) == ((1, 49),)
        else:
            session.send(o.search(id=2))
            assert marks(session.until_results(1), 2) == {ACCOUNTS[0]}
        session.send(o.unbind())
        assert session.message() is None
    passwords = [{password for _, password in seen.binds} for seen in server.connections]
    assert all(len(used) <= 1 for used in passwords), passwords
    assert len(set().union(*passwords)) == 12


def test_what_a_session_left_behind_reaches_not_the_next(connect, server):
    first = connect(ACCOUNTS[0])
    first.send(o.search(id=2, base=SLOW))
    assert server.begun.wait(PATIENCE)
    first.die()
    second = connect(ACCOUNTS[1])
    second.send(o.search(id=2))
    server.go.set()
    found = second.until_results(1)
    assert (marks(found, 2), len(entries(found, 2))) == ({ACCOUNTS[1]}, ENTRIES)


def test_another_bind_in_mid_search(connect, server):
    session = connect(ACCOUNTS[0])
    session.send(o.search(id=2, base=SLOW))
    assert server.begun.wait(PATIENCE)
    session.send(o.bind(ACCOUNTS[1], id=3))
    before = session.until_results(1)
    assert results(before) == ((2, 1),)
    assert marks(before, 2) == {ACCOUNTS[0]}
    # The server still owes the rest, and sends it ahead of its answer to the bind.
    server.go.set()
    session.send(o.search(id=2))
    found = session.until_results(2)
    assert results(found) == ((3, 0), (2, 0))
    assert (marks(found, 2), len(entries(found, 2))) == ({ACCOUNTS[1]}, ENTRIES)


def test_another_bind_in_mid_search_that_fails(connect, server):
    session = connect(ACCOUNTS[0])
    session.send(o.search(id=2, base=SLOW))
    assert server.begun.wait(PATIENCE)
    session.send(o.bind(ACCOUNTS[1], "Wrong-Passw0rd-of-1", id=3) + o.search(id=2))
    assert results(session.until_results(1)) == ((2, 1),)
    server.go.set()
    found = session.until_results(2)
    assert (results(found), entries(found, 2)) == (((3, 49), (2, 50)), [])


def test_entries_that_come_after_an_abandon(connect, server):
    session = connect(ACCOUNTS[0])
    session.send(o.search(id=2, base=SLOW))
    assert server.begun.wait(PATIENCE)
    session.send(o.abandon(2))
    # The gateway refuses this one by itself, behind the abandon: so it has read the abandon before more entries come.
    session.send(o.search(id=3, base="DC=elsewhere,DC=example"))
    found = session.until_results(1)
    assert results(found) == ((3, 50),)
    session.send(o.search(id=2))
    server.go.set()
    found += session.until_results(1)
    late = [x for x in entries(found, 2) if x.operation.dn.endswith(SLOW)]
    # The one that came before the abandon.
    assert len(late) <= 1
    assert len(entries(found, 2)) - len(late) == ENTRIES


def test_a_server_that_comes_back(certificates, server_certificates, server, start_gateway):
    """The connection to a server that fell away is not taken up again under the same session."""
    running = start_gateway(config(certificates, server))
    with RawConnection(running.port, certificates.ca_file) as session:
        session.send(o.bind(ACCOUNTS[0], id=1))
        session.until_results(1)
        session.send(o.search(id=2, base=SLOW))
        assert server.begun.wait(PATIENCE)
        server.drop_connections()
        assert results(session.until_results(2)) == ((2, 52), (0, 52))
        assert session.message() is None
    server.go.set()
    with RawConnection(running.port, certificates.ca_file) as session:
        session.send(o.search(id=1))
        assert results(session.until_results(1)) == ((1, 50),)
        session.send(o.bind(ACCOUNTS[1], id=2) + o.search(id=3))
        assert marks(session.until_results(2), 3) == {ACCOUNTS[1]}
    assert all(len(set(seen.binds)) <= 1 for seen in server.connections)


def test_a_reload_in_mid_search(certificates, connect, server, gateway):
    """The running session keeps its identity, its rights and its connection; new ones get the new rights, not those."""
    session = connect(ACCOUNTS[0])
    session.send(o.search(id=2, base=SLOW))
    assert server.begun.wait(PATIENCE)
    assert "reloaded" in gateway.reload(config(certificates, server, ["displayName"], [ACCOUNTS[1]]))
    later = connect(ACCOUNTS[1])
    later.send(o.search(id=2))
    found = later.until_results(1)
    # mail is listed no more.
    assert (results(found), marks(found, 2), len(entries(found, 2))) == (((2, 0),), set(), ENTRIES)
    gone = connect()
    gone.send(o.bind(ACCOUNTS[0], id=1) + o.search(id=2))
    assert results(gone.until_results(2)) == ((1, 49), (2, 50))
    server.go.set()
    found = session.until_results(1)
    assert (results(found), marks(found, 2), len(entries(found, 2))) == (((2, 0),), {ACCOUNTS[0]}, ENTRIES)
    session.send(o.search(id=3))
    assert marks(session.until_results(1), 3) == {ACCOUNTS[0]}
    numbers = {seen.number for seen in server.connections if seen.binds}
    assert len(numbers) == len([seen for seen in server.connections if seen.binds])
