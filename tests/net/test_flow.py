"""What waits for a peer, against a transport that takes as much as the test says."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from gateway.net.flow import WriteWindow

WINDOW, PATIENCE, ROOM = 1_000_000, 60, 65_536


class Transport:
    """Holds what is written until the peer takes it; full beyond ROOM octets, as Twisted's are."""

    def __init__(self):
        self.producer = None
        self.held = self.taken = b""
        self.most = 0
        self.paused = False

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
