"""A session at its two sockets, by trial: in which order what it asks for is done, and who is read when.

The client's transport is in memory, on a clock of the test's own. The server's connection is a real Stream on a pair of
sockets, whose other end the test holds.
"""

import gc
import select
from time import monotonic

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial import unittest

from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_request, decode_response
from gateway.ldap.encoding import encode
from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.servers.way import Whom
from gateway.net.sessions.admission import Admission
from gateway.net.sessions.connection_settings import ConnectionSettings
from gateway.net.sessions.driver import SessionDriver
from gateway.net.sessions.secret_verifier import SecretVerifier
from gateway.net.sessions.services import SessionServices
from gateway.net.sessions.turns import Turns
from gateway.net.transport.stream import Stream
from gateway.net.transport.tls_layer import TlsLayer
from gateway.net.transport.tls_policy import server_context
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.relay.paging import ServerFacts
from gateway.relay.session import Session
from gateway.relay.settings import SessionLimits
from gateway.relay.standing import Peer
from gateway.state.attempts import AttemptsInMemory
from gateway.state.sizes import SizesInMemory
from tests.net.loop import PATIENCE, connected_sockets
from tests.policy.policies import policy
from tests.relay.harness import OK, bind, done, entry, search, split

WINDOW = 1000
SYNC = "svc-sync@corp.example"
JANE = "CN=jane,OU=Staff,DC=corp,DC=example"
SERVER = ServerSettings("dc1.corp.example", 636, "dc1.corp.example")


class ClientTransport:
    """What a client's transport is told, in order. pieces: what was written."""

    def __init__(self, told):
        self.told = told
        self.producer = None
        self.reads = True
        self.acknowledged = 0

    def write(self, data):
        self.told.append(("client", data))

    def registerProducer(self, producer, streaming):
        self.producer = producer

    def unregisterProducer(self):
        self.producer = None

    def pauseProducing(self):
        self.reads = False

    def resumeProducing(self):
        self.reads = True

    def loseConnection(self):
        self.told.append(("close",))

    def abortConnection(self):
        self.told.append(("abort",))

    def start_tls(self, layer, received=b""):
        self.told.append(("tls", layer, received))


class Tls:
    """TLS of a listener that gives out one layer, and takes no other one for its own."""

    def __init__(self):
        self.given = TlsLayer(server_context(), server_side=True)

    def layer(self):
        return self.given

    def established(self, layer):
        return layer is self.given


class TestWay:
    """The way to a server that opens a connection when the test says so. opening: what was asked for; given_up: what of
    that is not wanted any more."""

    opens_ahead = False
    fingerprint = ""
    __test__ = False

    def __init__(self):
        self.opening = []
        self.given_up = []

    def open(self, server, whom, patience):
        attempt = Deferred(self.given_up.append)
        self.opening.append((whom, attempt))
        return attempt


class Guard:
    """A lockout guard beside the gateway's own one: compiled classes have no heirs among those that are not."""

    def __init__(self):
        self.own = AttemptsInMemory(monotonic)

    def begin(self, *asked):
        self.own.begin(*asked)

    def end(self, *ended):
        self.own.end(*ended)


class Holding(Guard):
    """A guard whose word comes later. held: what it is to decide."""

    def __init__(self):
        super().__init__()
        self.held = []

    def begin(self, *asked):
        self.held.append(asked)

    def decide(self):
        super().begin(*self.held.pop())


class DriverTests(unittest.TestCase):
    def setUp(self):
        self.reactor = MemoryReactorClock()
        self.way = TestWay()
        # What was done to the outside, in order.
        self.told = []
        self.refused = []
        self.ended = []
        self.limits = SessionLimits(refusal_floor=0)
        self.attempts = AttemptsInMemory(monotonic)
        self.peer = None

    def drive(self, settings=None, needs_tls=False, **changes):
        admission = Admission()
        self.place = admission.admit("198.51.100.1", 30)
        facts = ServerFacts()
        facts.is_active_directory[SERVER.url] = False
        services = SessionServices(
            lambda record: self.told.append(("audit", record)),
            SizesInMemory(),
            self.attempts,
            SecretVerifier(self.reactor),
            Turns(self.reactor),
            self.reactor,
        )
        self.addCleanup(services.verifier.stop)
        self.driver = SessionDriver(
            lambda goes_on: Session(
                Peer("s1", "198.51.100.1", tls=not needs_tls, needs_tls=needs_tls),
                Policy(policy(**changes)),
                self.limits,
                facts,
                monotonic(),
                goes_on=goes_on,
            ),
            ServerConnector(DirectorySettings("corp", (SERVER,), None), self.reactor, way=self.way),
            settings or ConnectionSettings(None, None, False, 10, 60, 60, WINDOW),
            services,
            lambda reason, detail: self.refused.append(reason),
            self.place,
            lambda driver: self.ended.append(driver),
            Whom("mimecast", "s1", "198.51.100.1"),
        )
        self.client = ClientTransport(self.told)
        self.driver.makeConnection(self.client)

    # What the peers do.

    def asks(self, *requests, start=1):
        octets = b"".join(encode(m.LDAPMessage(start + i, request)) for i, request in enumerate(requests))
        self.driver.dataReceived(octets)
        # Each session gives up its turn after some milliseconds.
        self.reactor.advance(0)

    def server_comes(self):
        """The connection that the session waits for."""
        stream, self.peer = connected_sockets()
        self.addCleanup(self.peer.close)
        self.stream = Stream(stream, None, self.reactor)
        _, attempt = self.way.opening.pop()
        attempt.callback(ServerLink(SERVER, self.stream, self.reactor))

    def server_got(self):
        """The requests that have come to the server; at least one must."""
        octets = self.peer.recv(1 << 20)
        return [message.operation for message in split(octets, decode_request)]

    def server_says(self, *operations, message_id=1):
        self.peer.sendall(b"".join(encode(m.LDAPMessage(message_id, each)) for each in operations))
        self.turn()

    def turn(self):
        """Reads what has come from the server, if anybody wants to: at least something must have."""
        patience = PATIENCE
        while self.stream in self.reactor.getReaders() and select.select([self.stream], [], [], patience)[0]:
            patience = 0
            ended = self.stream.doRead()
            if ended is not None:
                self.stream.connectionLost(Failure(ended))

    def bound(self):
        self.asks(bind(SYNC))
        self.server_comes()
        self.server_got()
        self.server_says(m.BindResponse(OK))
        self.told.clear()

    def answers(self):
        """What the client got, in order."""
        octets = b"".join(each[1] for each in self.told if each[0] == "client")
        return [type(message.operation).__name__ for message in split(octets, decode_response)]

    def kinds(self):
        return [each[0] for each in self.told]

    # The order of commands.

    def test_a_bind_waits_for_its_server_and_is_answered_before_it_is_recorded(self):
        self.drive()
        self.asks(bind(SYNC))
        ((whom, _),) = self.way.opening
        self.assertEqual(str(whom), "session s1 of client mimecast from 198.51.100.1")
        self.server_comes()
        self.assertEqual([type(each) for each in self.server_got()], [m.BindRequest])
        self.server_says(m.BindResponse(OK))
        self.assertEqual(self.kinds(), ["client", "audit"])
        self.assertEqual(self.answers(), ["BindResponse"])

    def test_all_that_one_event_has_for_the_client_is_one_piece(self):
        self.drive()
        self.bound()
        self.asks(search(), search(), start=2)
        self.assertEqual(len(self.server_got()), 2)
        data = b"".join(
            encode(m.LDAPMessage(number, each)) for number in (2, 3) for each in (entry(JANE, "mail"), done())
        )
        self.peer.sendall(data)
        self.turn()
        self.assertEqual(self.kinds(), ["client", "audit", "audit"])
        # The shrink guard is asked between the entries and their result.
        self.assertEqual(self.answers(), ["SearchResultEntry"] * 2 + ["SearchResultDone"] * 2)

    def test_what_is_refused_is_answered_in_the_order_of_the_requests_without_a_server(self):
        self.drive()
        self.asks(search(), m.ExtendedRequest(m.WHO_AM_I), search("DC=elsewhere"))
        self.assertEqual(self.answers(), ["SearchResultDone", "ExtendedResponse", "SearchResultDone"])
        self.assertEqual(self.way.opening, [])

    def test_starttls_begins_behind_its_answer(self):
        tls = Tls()
        self.drive(ConnectionSettings(tls, None, False, 10, 60, 60, WINDOW), needs_tls=True)
        self.asks(m.ExtendedRequest(m.START_TLS))
        self.assertEqual(self.kinds(), ["client", "audit", "tls"])
        self.driver.handshakeCompleted(tls.given)
        self.asks(bind(SYNC), start=2)
        self.assertEqual(len(self.way.opening), 1)

    def test_an_unbind_closes_the_server_s_connection_and_then_the_client_s(self):
        self.drive()
        self.bound()
        self.asks(m.UnbindRequest(), start=2)
        self.assertEqual([type(each) for each in self.server_got()], [m.UnbindRequest])
        self.assertEqual(self.kinds(), ["audit", "close"])

    # Servers that do not come, or go.

    def test_without_a_server_the_client_is_told_and_let_go(self):
        self.drive()
        self.asks(bind(SYNC))
        _, attempt = self.way.opening.pop()
        attempt.errback(Failure(ConnectionRefusedError()))
        self.assertEqual(self.answers(), ["BindResponse", "ExtendedResponse"])
        self.assertEqual(self.kinds()[-1], "close")
        (record,) = [each[1] for each in self.told if each[0] == "audit"]
        self.assertEqual(record.reason, "server-unreachable")

    def test_a_server_that_goes_ends_what_is_open_with_an_error(self):
        self.drive()
        self.bound()
        self.asks(search(), start=2)
        self.peer.close()
        self.turn()
        self.assertEqual(self.answers(), ["SearchResultDone", "ExtendedResponse"])
        self.assertEqual(self.kinds()[-1], "close")

    def test_a_client_that_leaves_gives_up_the_connection_it_waits_for(self):
        self.drive()
        self.asks(bind(SYNC))
        self.driver.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.way.given_up, [attempt for _, attempt in self.way.opening])
        self.assertEqual(self.ended, [self.driver])

    def test_a_bind_goes_on_without_its_client_until_the_server_has_answered(self):
        self.drive()
        self.asks(bind(SYNC))
        self.server_comes()
        self.driver.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.ended, [])
        self.server_got()
        self.server_says(m.BindResponse(OK))
        self.assertEqual(self.ended, [self.driver])
        self.assertEqual(self.kinds(), ["audit"])

    # Hold and release.

    def many(self, count=50):
        return [entry(f"CN={number},OU=Staff,DC=corp,DC=example", "mail") for number in range(count)]

    def test_a_server_is_not_read_while_the_client_takes_nothing(self):
        self.drive()
        self.bound()
        self.asks(search(), start=2)
        self.client.producer.pauseProducing()
        self.server_says(*self.many(), message_id=2)
        self.assertNotIn(self.stream, self.reactor.getReaders())
        # Nor is the client itself: what it asks for now could not be answered.
        self.assertFalse(self.client.reads)
        self.client.producer.resumeProducing()
        self.assertIn(self.stream, self.reactor.getReaders())
        self.assertTrue(self.client.reads)
        self.server_says(done(), message_id=2)
        self.assertEqual(self.answers(), ["SearchResultEntry"] * 50 + ["SearchResultDone"])

    def test_a_client_is_not_read_while_a_bind_runs_and_much_of_it_waits(self):
        self.limits = SessionLimits(refusal_floor=0, waiting=1 << 28)
        self.drive(ConnectionSettings(None, None, False, 10, 60, 60, 1 << 20))
        self.asks(bind(SYNC))
        self.assertTrue(self.client.reads)
        self.asks(*[search() for _ in range(1500)], start=2)
        self.assertFalse(self.client.reads)
        self.server_comes()
        self.server_got()
        self.server_says(m.BindResponse(OK))
        self.reactor.pump([0] * 1500)
        self.assertTrue(self.client.reads)

    def test_a_client_that_takes_nothing_for_too_long_is_cut_off(self):
        self.drive()
        self.bound()
        self.asks(search(), start=2)
        self.client.producer.pauseProducing()
        self.server_says(*self.many(), message_id=2)
        for _ in range(5):
            self.reactor.advance(15)
        self.assertIn(("abort",), self.told)
        (record,) = [each[1] for each in self.told if each[0] == "audit"]
        self.assertEqual(record.reason, "write-stalled")

    # The beginning and the end.

    def test_tls_that_does_not_come_up_in_time_is_the_end(self):
        tls = Tls()
        self.drive(ConnectionSettings(tls, None, True, 10, 60, 60, WINDOW))
        self.driver.dataReceived(b"\x16\x03\x01")
        self.assertEqual(self.told, [("tls", tls.given, b"\x16\x03\x01")])
        self.reactor.advance(10)
        self.assertEqual(self.refused, [Reason.tls_handshake_timeout])
        self.assertEqual(self.told[-1], ("abort",))

    def test_tls_that_resumes_a_session_is_refused(self):
        self.drive(ConnectionSettings(Tls(), None, True, 10, 60, 60, WINDOW))
        self.driver.dataReceived(b"\x16")
        self.driver.handshakeCompleted(Tls().given)
        self.assertEqual(self.refused, [Reason.tls_failed])
        self.assertEqual(self.told[-1], ("abort",))

    def test_who_loses_the_place_is_told_and_cut_off(self):
        self.drive()
        self.place.displace("sessions")
        self.assertEqual(self.refused, [Reason.displaced])
        self.assertEqual(self.answers(), ["ExtendedResponse"])
        self.assertEqual(self.kinds()[-1], "abort")

    def test_a_session_that_drains_ends_once_its_search_has(self):
        self.drive()
        self.bound()
        self.asks(search(), start=2)
        self.driver.drain()
        self.assertFalse(self.driver.answered)
        self.assertEqual(self.driver.busy_client, "mimecast")
        self.server_says(done(), message_id=2)
        self.assertTrue(self.driver.answered)
        self.assertEqual(self.answers(), ["SearchResultDone", "ExtendedResponse"])
        self.assertEqual(self.kinds()[-1], "close")
        self.driver.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.ended, [self.driver])

    def test_the_end_comes_once_and_leaves_no_timer(self):
        self.drive()
        self.bound()
        self.driver.abort(Reason.stopping, "the gateway is stopping")
        self.driver.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.ended, [self.driver])
        # The server's connection lingers for some seconds.
        self.reactor.advance(10)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    # Questions.

    def test_the_guard_is_asked_behind_what_the_client_was_to_be_sent_before(self):
        told = self.told

        class Telling(Guard):
            """A guard that notes when it is asked: it may let other sessions go on first, for as long as these take."""

            def begin(self, *asked):
                told.append(("guard",))
                super().begin(*asked)

        self.attempts = Telling()
        self.drive()
        self.asks(search(), bind(SYNC))
        self.assertEqual(self.kinds(), ["client", "audit", "guard"])

    def test_a_bind_waits_until_the_guard_has_answered(self):
        self.attempts = Holding()
        self.drive()
        self.asks(bind(SYNC))
        self.assertEqual(self.way.opening, [])
        self.attempts.decide()
        self.assertEqual(len(self.way.opening), 1)

    def test_a_session_whose_client_leaves_is_not_kept_by_the_guard(self):
        # Whoever leaves frees a place for another one, so what is kept would have no bound.
        self.attempts = Holding()
        self.drive()
        self.asks(bind(SYNC))
        session = id(self.driver._session)
        self.driver.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.ended, [self.driver])
        gc.collect()
        self.assertNotIn(session, {id(each) for each in gc.get_objects() if isinstance(each, Session)})
        # An attempt that is admitted for nobody is none.
        self.attempts.decide()
        self.assertEqual(self.way.opening, [])
