"""What becomes of a new connection: sources, the PROXY header, limits, reloads; without sockets.

The listener demands StartTLS, so that a session answers in plain octets.
"""

from ipaddress import ip_address, ip_network
from time import monotonic

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.ldap import messages as m
from gateway.ldap.encoding import encode
from gateway.ldap.filters import Present
from gateway.net.listeners.listener import ListenerFactory, ListenerState, ServedClient, SessionRegistry
from gateway.net.listeners.listening import Listeners, StartError
from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.sessions.secret_verifier import SecretVerifier
from gateway.net.sessions.services import SessionServices
from gateway.net.sessions.settings import ConnectionLimits, ListenerSettings, StartTls
from gateway.net.sessions.sources import SourceTable
from gateway.net.sessions.turns import Turns
from gateway.policy.reasons import Reason
from gateway.relay.paging import ServerFacts
from gateway.relay.settings import SessionLimits
from gateway.state.attempts import AttemptsInMemory
from gateway.state.sizes import SizesInMemory
from tests.net.played import PlayedWay, Told
from tests.net.test_proxy_header import v1, v2
from tests.policy.policies import compiled

LISTED, OTHER, UNLISTED, PROXY = "198.51.100.7", "198.51.100.8", "192.0.2.1", "203.0.113.9"
ROOT_DSE = encode(m.LDAPMessage(1, m.SearchRequest("", m.BASE_OBJECT, Present("objectClass"), ("1.1",))))


class ClientTransport(StringTransport):
    """A transport as a listener's stream has it. protocol: whom it serves. aborted: our side has given it up."""

    acknowledged = 0
    aborted = False

    def start_tls(self, layer, received=b""):
        raise AssertionError("nobody asks for TLS here")

    def abortConnection(self):
        self.aborted = True


class AcceptingCase(SynchronousTestCase):
    def setUp(self):
        self.clock, self.told = MemoryReactorClock(), Told()
        services = SessionServices(
            lambda record: None,
            SizesInMemory(),
            AttemptsInMemory(monotonic),
            SecretVerifier(self.clock),
            Turns(self.clock),
            self.clock,
        )
        self.addCleanup(services.verifier.stop)
        self.registry = SessionRegistry(services, self.told)
        directory = DirectorySettings("corp", (ServerSettings("dc1", 636, "dc1"),), None)
        connector = ServerConnector(directory, self.clock, way=PlayedWay(self.clock))
        self.served = ServedClient(compiled(), connector, ServerFacts(), None, None)
        self.factory = ListenerFactory(self.state(), self.registry, self.clock)

    def state(self, sources=(LISTED, "2001:db8::/32"), proxies=(PROXY,), address="127.0.0.1", port=389, **limits):
        return ListenerState(
            ListenerSettings(address, port, None, None, StartTls.required),
            None,
            SourceTable((ip_network(each), self.served) for each in sources),
            SourceTable((ip_network(each), True) for each in proxies),
            SessionLimits(),
            ConnectionLimits(**limits),
        )

    def connect(self, source=LISTED):
        """The transport of an accepted connection; None where it is closed before an octet of it is read."""
        kind = IPv6Address if ":" in source else IPv4Address
        protocol = self.factory.buildProtocol(kind("TCP", source, 40_000))
        if protocol is None:
            return None
        transport = ClientTransport()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport

    def lose(self, transport):
        transport.protocol.connectionLost(Failure(ConnectionDone()))

    def is_served(self, transport):
        transport.clear()
        transport.protocol.dataReceived(ROOT_DSE)
        self.clock.advance(0)
        return transport.value()[:1] == b"0" and not transport.disconnecting and not transport.aborted

    @property
    def refused(self):
        return [reason for _, reason, _ in self.told.of("connection_refused")]

    @property
    def sources(self):
        """Of the sessions that are under way."""
        return [source for _, source in self.registry.open.values()]


class Sources(AcceptingCase):
    def test_a_listed_source_is_served_as_its_client_and_leaves_nothing(self):
        transport = self.connect()
        self.assertTrue(self.is_served(transport))
        self.assertEqual(list(self.registry.open.values()), [("mimecast", LISTED)])
        self.assertEqual(self.registry.admission.open, 1)
        self.lose(transport)
        self.assertEqual((self.registry.open, self.registry.admission.open, self.registry.ended_sessions), ({}, 0, 1))
        self.assertEqual(
            [event for event in self.told.events if event[0].startswith("session")],
            [("session_opened", "mimecast"), ("session_ended", "mimecast")],
        )

    def test_an_unlisted_source_is_closed_before_an_octet_of_it_is_read(self):
        self.assertIsNone(self.connect(UNLISTED))
        self.assertEqual(self.told.events, [("connection_refused", Reason.source_not_listed, "")])
        self.assertEqual(self.registry.admission.open, 0)

    def test_an_address_of_ipv4_is_the_same_in_ipv6(self):
        self.connect(f"::ffff:{LISTED}")
        self.connect("2001:db8::1")
        self.assertEqual(self.sources, [LISTED, "2001:db8::1"])

    def test_a_reload_holds_for_later_connections(self):
        before = self.connect()
        self.factory.state = self.state(sources=(OTHER,))
        self.assertIsNone(self.connect())
        self.connect(OTHER)
        self.assertEqual(self.sources, [LISTED, OTHER])
        self.assertTrue(self.is_served(before))

    def test_each_session_has_a_name_of_its_own(self):
        self.assertEqual([self.registry.next_id() for _ in range(3)], ["s1", "s2", "s3"])

    def test_none_begins_once_the_gateway_stops(self):
        self.registry.closed = True
        self.assertIsNone(self.connect())
        self.assertEqual((self.registry.open, self.registry.admission.open, self.refused), ({}, 0, []))


class Limits(AcceptingCase):
    def test_a_source_that_has_all_its_places_gets_the_one_of_its_oldest_connection_without_a_bind(self):
        self.factory.state = self.state(sources=(LISTED, OTHER), sessions_per_source=1)
        first, other, second = self.connect(), self.connect(OTHER), self.connect()
        self.assertEqual([each.aborted for each in (first, other, second)], [True, False, False])
        self.assertEqual(self.told.of("connection_refused")[0], ("connection_refused", Reason.displaced, "mimecast"))
        self.assertTrue(self.is_served(second))

    def test_all_sources_have_so_many_together(self):
        self.factory.state = self.state(sources=(LISTED, OTHER), sessions=2)
        first, _, _ = self.connect(), self.connect(), self.connect(OTHER)
        self.assertTrue(first.aborted)
        self.assertEqual(self.refused, [Reason.displaced])

    def test_a_proxy_is_no_source(self):
        self.factory.state = self.state(sources=(LISTED, OTHER), sessions_per_source=1)
        through = [self.connect(PROXY), self.connect(PROXY)]
        for transport, source in zip(through, (LISTED, OTHER), strict=True):
            transport.protocol.dataReceived(v1(ip_address(source)))
        self.assertEqual((self.sources, self.refused), ([LISTED, OTHER], []))
        third = self.connect(PROXY)
        third.protocol.dataReceived(v1(ip_address(LISTED)))
        self.assertEqual(self.refused, [Reason.displaced])
        self.assertTrue(through[0].aborted)


class Proxied(AcceptingCase):
    def test_the_source_is_the_one_that_it_names_and_what_comes_behind_is_the_sessions(self):
        transport = self.connect(PROXY)
        self.assertEqual(self.registry.open, {})
        transport.protocol.dataReceived(v2(ip_address(LISTED)) + ROOT_DSE)
        self.clock.advance(0)
        self.assertEqual(self.sources, [LISTED])
        self.assertEqual(transport.value()[:1], b"0")
        self.lose(transport)
        self.assertEqual((self.registry.open, self.registry.admission.open), ({}, 0))

    def test_the_header_may_come_in_pieces(self):
        transport = self.connect(PROXY)
        for octet in v1(ip_address(LISTED)):
            transport.protocol.dataReceived(bytes([octet]))
        self.assertEqual(self.sources, [LISTED])
        # Its clock has stopped.
        self.clock.advance(100)
        self.assertNotIn(Reason.proxy_header_timeout, self.refused)

    def test_who_sends_none_is_closed_in_time(self):
        transport = self.connect(PROXY)
        transport.protocol.dataReceived(b"PROXY TCP4 ")
        self.clock.advance(ConnectionLimits().proxy_header - 0.1)
        self.assertFalse(transport.disconnecting)
        self.clock.advance(0.2)
        self.assertTrue(transport.disconnecting)
        self.lose(transport)
        self.assertEqual((self.refused, self.registry.admission.open), ([Reason.proxy_header_timeout], 0))

    def test_what_is_no_header_is_closed(self):
        transport = self.connect(PROXY)
        transport.protocol.dataReceived(ROOT_DSE)
        # What comes before its end is not read.
        transport.protocol.dataReceived(v1(ip_address(LISTED)))
        self.assertEqual((transport.disconnecting, self.refused), (True, [Reason.proxy_header_malformed]))
        self.assertEqual(self.registry.open, {})

    def test_a_probe_is_no_refusal(self):
        silent, unknown = self.connect(PROXY), self.connect(PROXY)
        self.lose(silent)
        unknown.protocol.dataReceived(b"PROXY UNKNOWN\r\n")
        self.assertTrue(unknown.disconnecting)
        self.lose(unknown)
        self.assertEqual((self.refused, self.registry.admission.open, self.clock.getDelayedCalls()), ([], 0, []))

    def test_it_may_name_no_unlisted_source_and_no_proxy(self):
        self.factory.state = self.state(sources=(LISTED, PROXY))
        for source in (UNLISTED, PROXY):
            transport = self.connect(PROXY)
            transport.protocol.dataReceived(v1(ip_address(source)))
            self.assertTrue(transport.disconnecting)
        self.assertEqual((self.refused, self.registry.open), ([Reason.source_not_listed] * 2, {}))

    def test_one_that_is_trusted_no_more_may_name_nobody(self):
        transport = self.connect(PROXY)
        self.factory.state = self.state(proxies=())
        transport.protocol.dataReceived(v1(ip_address(LISTED)))
        self.assertEqual((transport.disconnecting, self.refused), (True, [Reason.source_not_listed]))

    def test_a_listener_that_is_gone_serves_nobody_who_was_still_to_be_named(self):
        transport = self.connect(PROXY)
        self.factory.closed = True
        transport.protocol.dataReceived(v1(ip_address(LISTED)))
        self.assertTrue(transport.disconnecting)
        self.assertEqual(self.registry.open, {})

    def test_one_that_says_nothing_makes_room_for_a_new_connection(self):
        self.factory.state = self.state(sessions=1)
        silent = self.connect(PROXY)
        self.connect()
        self.assertEqual((silent.aborted, self.refused), (True, [Reason.displaced]))
        silent.protocol.dataReceived(v1(ip_address(LISTED)))
        self.assertEqual(len(self.registry.open), 1)


class Ports(MemoryReactorClock):
    """A reactor that opens no sockets. open: the addresses listened at, in order. taken: the ports of others."""

    def __init__(self):
        super().__init__()
        self.open, self.taken = [], set()

    def listenTCP(self, port, factory, backlog=50, interface=""):
        if port in self.taken:
            raise CannotListenError(interface, port, PermissionError(13, "Permission denied"))
        made = super().listenTCP(port, factory, backlog, interface)
        address = (interface, port)
        self.open.append(address)
        made.stopListening = lambda: self.open.remove(address)
        return made


class Reloads(AcceptingCase):
    def setUp(self):
        super().setUp()
        self.reactor = Ports()
        self.listeners = Listeners(self.registry, self.reactor)

    def apply(self, *ports, **changes):
        self.listeners.apply([self.state(port=port, **changes) for port in ports])

    @property
    def open(self):
        return [port for _, port in self.reactor.open]

    def test_what_is_new_is_opened_what_stays_is_kept_and_what_is_gone_is_closed(self):
        self.apply(389, 390)
        factories = [factory for _, factory, _, _ in self.reactor.tcpServers]
        self.apply(390, 391, sources=(OTHER,))
        self.assertEqual((self.open, self.listeners.ports), ([390, 391], [390, 391]))
        self.assertEqual(len(self.reactor.tcpServers), 3)
        self.assertEqual([factory.closed for factory in factories], [True, False])
        # The one that stays serves by the new state.
        self.assertIsNotNone(factories[1].state.clients.find(OTHER))
        self.assertIsNone(factories[1].state.clients.find(LISTED))

    def test_where_one_cannot_be_opened_everything_is_as_before(self):
        self.apply(389)
        (_, factory, _, _), state = self.reactor.tcpServers[0], self.listeners.states
        self.reactor.taken = {391}
        error = self.assertRaises(StartError, self.apply, 390, 391, sources=(OTHER,))
        self.assertIn("127.0.0.1:391: this account may not listen there", str(error))
        self.assertEqual((self.open, self.listeners.states, factory.closed), ([389], state, False))
        self.assertIs(factory.state, state[0])

    def test_all_are_closed_at_the_end(self):
        self.apply(389, 390)
        self.listeners.close()
        self.assertEqual((self.open, self.listeners.ports), ([], []))
