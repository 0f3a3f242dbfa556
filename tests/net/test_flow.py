"""What waits for a peer, against a transport that takes as much as the test says, and against real sockets."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from gateway.net.transport.flow import LOOKS, Watch, WriteWindow
from gateway.net.transport.stream import Stream
from tests.net.loop import Loop, connected_sockets

WINDOW, PATIENCE, ROOM = 1_000_000, 60, 65_536


class Transport:
    """Holds what is written until the peer takes it; full beyond ROOM octets, as Twisted's are."""

    def __init__(self):
        self.producer = None
        self.held = self.taken = b""
        self.most = 0
        self.paused = False

    @property
    def acknowledged(self):
        return len(self.taken)

    def registerProducer(self, producer, streaming):
        assert streaming
        self.producer = producer

    def unregisterProducer(self):
        self.producer = None

    def write(self, data):
        self.held += data
        self.most = max(self.most, len(self.held))
        if self.producer is not None and len(self.held) > ROOM:
            self.paused = True
            self.producer.pauseProducing()

    def take(self, octets):
        self.taken, self.held = self.taken + self.held[:octets], self.held[octets:]
        if not self.held and self.paused and self.producer is not None:
            self.paused = False
            self.producer.resumeProducing()


class Lab:
    def __init__(self, window=WINDOW):
        self.clock, self.transport = Clock(), Transport()
        self.changes, self.stalls = [], []
        self.window = WriteWindow(
            self.transport,
            window,
            lambda: self.changes.append(self.window.full),
            PATIENCE,
            lambda: self.stalls.append(self.clock.seconds()),
            self.clock,
        )


@given(
    st.lists(st.integers(0, 100_000), max_size=20),
    st.lists(st.integers(1, 200_000), max_size=20),
    st.integers(1, 300_000),
)
def test_everything_arrives_in_order_however_it_is_taken(sizes, takes, window):
    lab, written = Lab(window), b""
    for number, size in enumerate(sizes):
        data = bytes([number]) * size
        written += data
        lab.window.write(data)
        if takes:
            lab.transport.take(takes.pop())
        assert lab.window.full or len(written) - len(lab.transport.taken + lab.transport.held) <= window
    while lab.transport.held:
        lab.transport.take(1_000_000)
    assert lab.transport.taken == written
    assert lab.window.drained and not lab.window.full
    # Full and not full in turn, and the transport never had more than its room and one share.
    assert lab.changes == [i % 2 == 0 for i in range(len(lab.changes))]
    assert lab.transport.most <= 2 * ROOM


def test_it_is_full_only_once_the_window_waits():
    lab = Lab()
    lab.window.write(bytes(ROOM + 1 + WINDOW))
    assert not lab.window.full
    lab.window.write(bytes(ROOM))
    assert lab.window.full
    while lab.window.full:
        lab.transport.take(1_000_000)
    assert len(lab.transport.taken) >= WINDOW // 2
    assert lab.changes == [True, False]


def test_a_message_of_many_megabytes_goes_in_shares():
    lab = Lab()
    lab.window.write(bytes(20_000_000))
    while lab.transport.held:
        lab.transport.take(ROOM * 2)
    assert len(lab.transport.taken) == 20_000_000
    assert lab.transport.most <= 2 * ROOM


def test_a_peer_that_takes_nothing_is_noticed_once():
    lab = Lab()
    lab.window.write(bytes(2 * ROOM + 1))
    lab.clock.advance(PATIENCE - 1)
    assert lab.stalls == []
    lab.clock.advance(2)
    lab.clock.advance(10 * PATIENCE)
    assert lab.stalls == [PATIENCE + 1]


def test_a_slow_peer_that_takes_share_after_share_is_not_stalled():
    lab = Lab()
    lab.window.write(bytes(20 * ROOM))
    for _ in range(9):
        lab.clock.advance(PATIENCE - 1)
        lab.transport.take(2 * ROOM)
    assert lab.stalls == []
    assert lab.transport.held
    lab.clock.advance(2 * PATIENCE)
    assert len(lab.stalls) == 1


def test_at_the_end_the_transport_has_everything():
    lab = Lab()
    lab.window.write(bytes(5 * ROOM))
    lab.window.close()
    assert len(lab.transport.held) == 5 * ROOM
    assert lab.transport.producer is None


def test_nobody_waits_for_a_peer_whose_connection_was_closed():
    lab = Lab()
    lab.window.write(bytes(5 * ROOM))
    lab.window.close()
    assert lab.clock.getDelayedCalls() == []


def test_a_reader_that_takes_an_octet_now_and_then_is_not_stalled():
    lab = Lab()
    lab.window.write(bytes(20 * ROOM))
    for _ in range(100):
        lab.clock.pump([PATIENCE / 10] * 9)
        lab.transport.take(1)
    assert lab.stalls == []
    assert lab.transport.paused


@given(st.lists(st.floats(0.1, 2 * PATIENCE), max_size=10))
def test_who_has_taken_nothing_for_the_patience_is_ended_soon_after_that_and_nobody_else(pauses):
    lab, taken = Lab(), 0.0
    lab.window.write(bytes(20 * ROOM))
    for pause in pauses:
        for _ in range(100):
            lab.clock.advance(pause / 100)
            if lab.stalls:
                break
        if lab.stalls:
            break
        assert lab.clock.seconds() - taken < PATIENCE * (1 + 1 / LOOKS) + 3
        lab.transport.take(1)
        taken = lab.clock.seconds()
    else:
        lab.clock.pump([1] * (2 * PATIENCE))
    (stalled,) = lab.stalls
    assert PATIENCE <= stalled - taken + 1e-6 <= PATIENCE * (1 + 1 / LOOKS) + 3


def test_what_waits_at_the_end_has_a_limit_however_steadily_it_is_taken():
    clock, transport, ends = Clock(), Transport(), []
    watch = Watch(transport, PATIENCE, lambda: ends.append(clock.seconds()), clock, 5 * PATIENCE)
    transport.write(bytes(1000))
    watch.begin()
    for _ in range(10 * PATIENCE):
        clock.advance(1)
        transport.take(1)
    assert ends == [5 * PATIENCE]
    watch.end()
    assert clock.getDelayedCalls() == []


@pytest.fixture
def peers():
    """A stream with its window, whose clock the test turns, and the socket at its other end."""
    loop, clock, stalls = Loop(), Clock(), []
    one, other = connected_sockets()
    # As little as a system has for a peer that never was fast.
    other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    stream = Stream(one, Served(), loop)
    window = WriteWindow(stream, WINDOW, lambda: None, PATIENCE, lambda: stalls.append(clock.seconds()), clock)
    yield loop, clock, stream, window, other, stalls
    stream.abortConnection()
    loop.settle()
    other.close()


class Served:
    def dataReceived(self, data): ...
    def handshakeCompleted(self, layer): ...
    def connectionLost(self, reason): ...


def test_a_real_reader_that_is_slow_and_steady_is_not_stalled_and_one_that_stops_is(peers):
    loop, clock, stream, window, other, stalls = peers
    window.write(bytes(30_000_000))
    loop.settle()
    rounds = 40
    for _ in range(rounds):
        before, reads = stream.acknowledged, 0
        # Its system tells of free room by the kilobyte or more.
        while stream.acknowledged == before:
            assert other.recv(1000)
            loop.settle()
            reads += 1
            assert reads < 1000
        assert not window.drained
        clock.pump([PATIENCE / 10] * 9)
    assert stalls == []
    # That is much longer than the patience, and the kernel has had no room for more in all that time.
    assert clock.seconds() > 30 * PATIENCE
    clock.pump([PATIENCE / 10] * 20)
    assert len(stalls) == 1


def test_what_a_peer_has_taken_counts_until_and_behind_its_end(peers):
    loop, _, stream, _, other, _ = peers
    stream.write(bytes(1000))
    loop.until(lambda: stream.acknowledged == 1000)
    other.close()
    loop.until(lambda: stream.fileno() == -1)
    assert stream.acknowledged == 1000
