"""Connections that are kept ready: when they are opened and closed, and what a session gets of them."""

import contextlib
import time

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_request
from gateway.ldap.encoding import encode
from gateway.ldap.framing import Framer
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.net.servers.choosing import listed
from gateway.net.servers.server_state import DirectoryState
from gateway.net.servers.settings import DirectorySettings, Order, ServerSettings
from gateway.net.servers.spares import FIRST_WAIT, LATELY, LONGEST_WAIT, MAXIMUM_AGE, SpareLinks
from gateway.net.transport.failures import FailureCause
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer

ACCOUNT = ("svc@corp.example", "Passw0rd")
CLIENT = {"sync_accounts": [ACCOUNT[0]], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
DC1, DC2 = (ServerSettings(f"10.1.2.{i}", 636, f"dc{i}.corp.example") for i in (1, 2))


class FakeLink:
    kept = False

    def __init__(self):
        self.owner = self.ended = None
        self.open = True

    def attach(self, owner):
        self.owner = owner

    def when_ended(self, ended):
        self.ended = ended

    def close(self):
        if self.open:
            self.open = False
            self.ended()


class Directory:
    """opened: links in their order; answer: what the next wish for one gets, None for a link at once."""

    def __init__(self, spares=2, order=Order.priority):
        self.clock = Clock()
        self.directory = DirectorySettings("corp", (DC1, DC2), None, order=order, spares=spares)
        self.state = DirectoryState(self.clock.seconds)
        self.states = [self.state.server(server, "trust") for server in (DC1, DC2)]
        self.opened, self.wishes, self.answer = [], 0, None
        self.spares = SpareLinks(self, self.state, self.clock)

    @property
    def servers(self):
        return list(zip(listed(self.directory.servers, self.directory.order), self.states, strict=True))

    def open_spare(self, state):
        self.wishes += 1
        if self.answer is not None:
            return self.answer(state)
        self.opened.append(FakeLink())
        return succeed(self.opened[-1])

    def after(self, seconds):
        self.clock.pump([0.25] * round(4 * seconds) or [0])
        return len([link for link in self.opened if link.open])


def test_none_before_the_first_session_and_two_after_it():
    directory = Directory()
    directory.spares.begin()
    assert directory.after(100) == 0
    directory.spares.used()
    assert directory.after(1) == 2
    assert all(link.kept for link in directory.opened)
    # A reload begins anew, and a session is not long ago.
    directory.spares.stop()
    assert directory.after(1) == 0
    again = SpareLinks(directory, directory.state, directory.clock)
    again.begin()
    assert directory.after(1) == 2


def test_one_that_is_taken_is_the_sessions_for_good_and_another_takes_its_place():
    directory = Directory()
    directory.spares.used()
    directory.after(1)
    taken = directory.spares.take(directory.states[0])
    directory.spares.used()
    assert taken is directory.opened[0]
    assert directory.after(1) == 3
    directory.spares.drop()
    assert taken.open
    directory.after(1)
    assert directory.spares.take(directory.states[1]) is None


def test_none_grows_old_and_none_is_kept_when_no_session_comes_any_more():
    directory = Directory()
    directory.spares.used()
    directory.after(1)
    first = directory.opened[:2]
    assert directory.after(MAXIMUM_AGE + 1) == 2
    assert not any(link.open for link in first)
    assert directory.after(LATELY + MAXIMUM_AGE) == 0
    # Two at a time for ten minutes, each a minute old.
    assert len(directory.opened) <= 2 * (LATELY / MAXIMUM_AGE + 1)


def test_a_server_that_closes_them_early_is_asked_ever_more_rarely():
    directory = Directory(spares=1)
    directory.spares.used()
    directory.after(0)
    for _ in range(8):
        directory.opened[-1].close()
        directory.after(LONGEST_WAIT)
    seconds, counts = 0, []
    while seconds < 300:
        directory.opened[-1].close()
        before = len(directory.opened)
        directory.after(FIRST_WAIT)
        seconds += FIRST_WAIT
        counts.append(len(directory.opened) - before)
    assert sum(counts) <= 300 / LONGEST_WAIT + 1


def test_a_mistake_of_ours_is_told_and_not_repeated_at_once(told):
    directory = Directory()
    directory.answer = lambda state: succeed(None)
    directory.spares.used()
    directory.after(LONGEST_WAIT / 2)
    assert directory.wishes == len([event for event in told if "log_failure" in event]) == 1


@pytest.mark.parametrize("trouble", ["an octet", "suspected", "down"])
def test_none_is_kept_where_something_is_wrong(trouble):
    directory = Directory()
    directory.spares.used()
    directory.after(1)
    if trouble == "an octet":
        directory.opened[0].owner.link_data(b"0")
        assert [link.open for link in directory.opened] == [False, True]
        return
    if trouble == "suspected":
        directory.states[0].suspect()
    else:
        directory.states[0].failed(FailureCause.refused, "refused")
    assert not any(link.open for link in directory.opened)
    assert directory.spares.take(directory.states[0]) is None
    assert directory.after(10) == 2
    assert len(directory.states[1].spares) == 2


def test_where_no_server_is_up_none_is_tried():
    directory = Directory()
    for state in directory.states:
        state.failed(FailureCause.refused, "refused")
    directory.spares.used()
    assert (directory.after(30), directory.wishes) == (0, 0)


def test_a_failed_attempt_is_not_repeated_at_once_at_the_same_server():
    directory = Directory()

    def refuse(state):
        state.failed(FailureCause.refused, "refused")
        return fail(ConnectionRefusedError())

    directory.answer = refuse
    directory.spares.used()
    directory.after(30)
    assert directory.wishes == 2


def test_what_comes_up_when_its_server_is_down_already_is_not_kept():
    directory = Directory()
    coming = Deferred()
    directory.answer = lambda state: coming
    directory.spares.used()
    directory.after(1)
    directory.states[0].failed(FailureCause.timeout, "")
    directory.answer = None
    late = FakeLink()
    late.ended = lambda: None
    coming.callback(late)
    assert not late.open


def test_what_is_coming_up_when_others_are_trusted_is_given_up():
    directory = Directory()
    given_up = []
    directory.answer = lambda state: Deferred(given_up.append)
    directory.spares.used()
    directory.after(1)
    directory.answer = None
    directory.spares.drop()
    assert len(given_up) == 1
    assert directory.after(2) == 2


def test_they_are_spread_as_sessions_are():
    directory = Directory(order=Order.least_sessions)
    directory.states[0].load.sessions = 2
    directory.spares.used()
    directory.after(1)
    assert [len(state.spares) for state in directory.states] == [0, 2]
    directory = Directory(order=Order.least_sessions)
    directory.spares.used()
    directory.after(1)
    assert [len(state.spares) for state in directory.states] == [1, 1]


class CountingServer(StubServer):
    """connections: the requests of each, in the order in which they were accepted. greeting: what the server says
    before it is asked, on connections of these numbers. dropped: those that it closes when it is asked."""

    def __init__(self, certificates, greeting=b"", greeted=(), dropped=()):
        self.connections = []
        self._greeting, self._greeted, self._dropped = greeting, greeted, dropped
        super().__init__(certificates)

    def _serve(self, plain):
        with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
            self._open.add(connection)
            asked = []
            self.connections.append(asked)
            number = len(self.connections)
            if number in self._greeted:
                connection.sendall(self._greeting)
            framer = Framer(1_000_000)
            while data := connection.recv(65_536):
                framer.feed(data)
                while (octets := framer.next_message()) is not None:
                    message = decode_request(octets)
                    asked.append(message.operation)
                    if number in self._dropped:
                        return
                    for answer in self.answers(message):
                        connection.sendall(encode(answer))
        plain.close()

    def wait_for(self, count):
        until = time.monotonic() + PATIENCE
        while len(self.connections) < count:
            assert time.monotonic() < until
            time.sleep(0.01)


def start(tmp_path, certificates, server, **more):
    directory = server.gateway_directory() | {"spares": 2, **more}
    return GatewayProcess(tmp_path, configuration(certificates, directory, CLIENT))


def bind(running, certificates):
    with RawClient(running.port, certificates.ca_file) as session:
        return session.bind(*ACCOUNT)


@pytest.mark.servers
def test_each_session_has_a_connection_of_its_own_that_carried_no_bind_before(
    certificates, server_certificates, tmp_path
):
    with CountingServer(server_certificates) as server, start(tmp_path, certificates, server) as running:
        with RawClient(running.port, certificates.ca_file) as unbound:
            # A client that has not bound costs no connection.
            assert unbound.result(unbound.search("", scope=0))[1].code == 0
            assert server.connections == []
        for i in range(5):
            server.wait_for(3 * bool(i) + max(0, i - 1))
            assert bind(running, certificates) == 0
        server.wait_for(7)
        binds = [sum(isinstance(each, m.BindRequest) for each in asked) for asked in server.connections]
    # The first session opened its own; the others got the oldest of what was ready.
    assert binds == [1, 1, 1, 1, 1, 0, 0]


@pytest.mark.servers
def test_one_on_which_the_server_has_said_something_is_not_handed_out(certificates, server_certificates, tmp_path):
    notice = encode(m.notice_of_disconnection(ResultCode.unavailable, "going down"))

    with (
        CountingServer(server_certificates, greeting=notice, greeted=(2, 3)) as server,
        start(tmp_path, certificates, server) as running,
    ):
        assert bind(running, certificates) == 0
        server.wait_for(4)
        assert bind(running, certificates) == 0
        assert [asked for asked in server.connections[1:3] if asked] == []
        # And it was not for a second attempt.
        assert not any("detail" in record for record in running.wait_for_audit(2, operation="bind"))


@pytest.mark.servers
def test_one_that_is_dead_at_its_first_use_costs_no_sign_in(certificates, server_certificates, tmp_path):
    with (
        CountingServer(server_certificates, dropped=(2, 3)) as server,
        start(tmp_path, certificates, server) as running,
    ):
        assert bind(running, certificates) == 0
        server.wait_for(3)
        assert bind(running, certificates) == 0
        second = running.wait_for_audit(2, operation="bind")[1]
        assert (second["result"], second["server"]) == ("success", server.url)
        assert "sent once more" in second["detail"]


@pytest.mark.servers
def test_a_busy_server_is_left_and_a_single_one_is_believed(certificates, server_certificates, tmp_path):
    def busy(request):
        return [m.BindResponse(LDAPResult(51))] if isinstance(request, m.BindRequest) else []

    with StubServer(server_certificates, busy) as first, StubServer(server_certificates) as second:
        directory = first.gateway_directory()
        directory["servers"] += second.gateway_directory()["servers"]
        with GatewayProcess(tmp_path, configuration(certificates, directory, CLIENT)) as running:
            assert bind(running, certificates) == 0
            (record,) = running.wait_for_audit(operation="bind")
            assert (record["server"], record["detail"]) == (second.url, f"{first.url}: answered busy; sent once more")
            running.reload(configuration(certificates, first.gateway_directory(), CLIENT))
            assert bind(running, certificates) == 51
