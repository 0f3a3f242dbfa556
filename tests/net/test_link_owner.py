"""A connection to a server and whoever it belongs to, on a real stream whose other end is the test."""

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.servers.server_link import LINGER, ServerLink
from gateway.net.servers.settings import ServerSettings
from gateway.net.transport.stream import Stream
from tests.net.loop import connected_sockets

SERVER = ServerSettings("dc1", 636, "dc1.corp.example")
LARGE = bytes(16_000_000)


class Owner:
    def __init__(self):
        self.told = []

    def link_data(self, data):
        self.told.append(data)

    def link_lost(self, detail):
        self.told.append(detail)


class Links(SynchronousTestCase):
    def setUp(self):
        self.clock, self.owner, self.ends = MemoryReactorClock(), Owner(), []
        mine, self.peer = connected_sockets()
        self.addCleanup(self.peer.close)
        self.stream = Stream(mine, Protocol(), self.clock)
        self.addCleanup(self.stream.connectionLost, Failure(ConnectionDone()))
        self.link = ServerLink(SERVER, self.stream, self.clock)
        self.link.when_ended(lambda: self.ends.append("ended"))

    def arrives(self, data):
        self.peer.sendall(data)
        self.stream.doRead()

    def test_what_comes_is_the_owners_and_nobodys_while_there_is_none(self):
        self.arrives(b"early")
        self.link.attach(self.owner)
        self.arrives(b"one")
        other = Owner()
        self.link.attach(other)
        self.arrives(b"two")
        self.assertEqual((self.owner.told, other.told), ([b"one"], [b"two"]))

    def test_its_end_is_told_once_to_the_owner_and_to_who_counts_it(self):
        self.link.attach(self.owner)
        self.stream.connectionLost(Failure(ConnectionDone()))
        self.link.close()
        self.assertEqual((self.owner.told, self.ends), (["closed by the server"], ["ended"]))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_owner_learns_why_it_was_lost(self):
        self.link.attach(self.owner)
        self.stream.connectionLost(Failure(ConnectionLost()))
        (said,) = self.owner.told
        self.assertNotEqual(said, "closed by the server")
        self.assertNotIn("Traceback", said)

    def test_whoever_closes_it_hears_nothing_more_and_what_was_written_arrives(self):
        self.link.attach(self.owner)
        self.stream.write(b"unbind")
        self.link.close()
        self.link.close()
        self.assertEqual(self.ends, ["ended"])
        self.clock.advance(0)
        self.assertEqual((self.peer.recv(100), self.peer.recv(100)), (b"unbind", b""))
        self.assertEqual((self.owner.told, self.ends, self.clock.getDelayedCalls()), ([], ["ended"], []))

    def test_a_server_that_takes_nothing_any_more_keeps_what_was_written_for_a_while_only(self):
        self.stream.write(LARGE)
        self.link.close()
        self.clock.advance(LINGER - 1)
        self.assertNotEqual(self.stream.fileno(), -1)
        self.clock.advance(1)
        self.clock.advance(0)
        self.assertEqual(self.stream.fileno(), -1)

    def test_it_is_read_again_once_it_is_closed_for_its_end_would_not_be_noticed(self):
        self.stream.write(LARGE)
        self.link.reading.hold()
        self.assertNotIn(self.stream, self.clock.getReaders())
        self.link.close()
        self.assertIn(self.stream, self.clock.getReaders())
