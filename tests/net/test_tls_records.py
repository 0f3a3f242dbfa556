"""Where TLS records end, and that TlsTransport is Twisted's TLS whatever comes in whatever pieces."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet import ssl
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from gateway.net.tls_records import UNKNOWN, RecordEnds
from gateway.net.tls_transport import TlsFactory

LENGTHS = st.lists(st.integers(0, 700), max_size=8)
CUTS = st.lists(st.integers(1, 3000), max_size=30)


def pieces(octets, cuts):
    for cut in cuts:
        if octets:
            yield octets[:cut]
        octets = octets[cut:]
    if octets:
        yield octets


def record(length, kind=23):
    return bytes([kind, 3, 3]) + length.to_bytes(2, "big") + bytes(length)


@given(LENGTHS, CUTS)
def test_ends_are_counted_in_any_pieces(lengths, cuts):
    ends, passed = [], 0
    for length in lengths:
        passed += 5 + length
        ends.append(passed)
    counter, start = RecordEnds(), 0
    for piece in pieces(b"".join(map(record, lengths)), cuts):
        stop = start + len(piece)
        found = counter.count(piece)
        if stop in ends:
            # What was not said of earlier pieces is not made up for: of these everything was taken.
            assert found == sum(start < end <= stop for end in ends)
        else:
            assert found == UNKNOWN
        start = stop


def test_behind_what_is_no_record_nothing_is_known_any_more():
    for other in (b"\x80\x2e\x01\x03\x03", record(3, kind=24), record(3, kind=19), b"\x17\x02" + record(3)[2:]):
        counter = RecordEnds()
        assert counter.count(record(1)) == 1
        assert counter.count(other) == UNKNOWN
        assert counter.count(record(1)) == UNKNOWN


class Inside(Protocol):
    """Notes everything that it is told. answers: octets that it writes for each piece of data. closes: after so many
    pieces, by whatever."""

    def __init__(self, answers, closes, how):
        self.events, self.answers, self.closes, self.how = [], answers, closes, how

    def dataReceived(self, data):
        self.events.append(data)
        if self.answers:
            self.transport.write(bytes(self.answers))
        if len(self.events) == self.closes:
            getattr(self.transport, self.how)()

    def connectionLost(self, reason):
        self.events.append((type(reason.value), str(reason.value)))


class Twisteds(TLSMemoryBIOFactory):
    """Its protocol without the delay, like the one that is compared with it."""

    protocol = TLSMemoryBIOProtocol
    noisy = False


class Conversation:
    """A server end, and a peer by OpenSSL's plain calls whose octets come in pieces. log: what was seen outside TLS,
    after each piece: octets sent, and whether the connection was given up."""

    def __init__(self, factory, context, peer_context, inside):
        wrapped = Factory()
        wrapped.buildProtocol = lambda addr: inside
        self.tls = factory(context, False, wrapped).buildProtocol(None)
        self.transport = StringTransport()
        self.inside = inside
        self.peer = SSL.Connection(peer_context, None)
        self.peer.set_connect_state()
        self.log = []
        self.tls.makeConnection(self.transport)

    def handshake(self):
        while True:
            try:
                self.peer.do_handshake()
                done = True
            except SSL.WantReadError:
                done = False
            out = self.out()
            if done:
                # The last flight is left to the script: the first data may come in one piece with it.
                return out
            self.tls.dataReceived(out)
            self.take()

    def out(self):
        found = b""
        while True:
            try:
                found += self.peer.bio_read(65536)
            except SSL.WantReadError:
                return found

    def take(self):
        if self.transport.value():
            self.peer.bio_write(self.transport.value())
            self.transport.clear()

    def hear(self, octets, cuts):
        for piece in pieces(octets, cuts):
            # A transport that is closed reads no more; one that is to close still does.
            if not self.transport.disconnected:
                self.tls.dataReceived(piece)
            self.log.append((len(self.transport.value()), self.transport.disconnecting, self.transport.disconnected))


STEPS = st.lists(st.one_of(st.integers(1, 20_000), st.just("close"), st.just("renegotiate")), max_size=12)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    version=st.sampled_from([SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION]),
    steps=STEPS,
    cuts=CUTS,
    answers=st.sampled_from([0, 0, 3, 40_000]),
    closes=st.sampled_from([0, 0, 1, 2, 4]),
    how=st.sampled_from(["loseConnection", "abortConnection"]),
    damage=st.one_of(st.none(), st.tuples(st.floats(0, 1), st.integers(1, 255))),
    cut_off=st.booleans(),
)
def test_any_pieces_of_a_conversation_are_the_same_events_as_with_twisted(
    certificates, version, steps, cuts, answers, closes, how, damage, cut_off
):
    pair = (certificates.private_key.read_bytes() + certificates.certificate.read_bytes()).decode()
    context = ssl.PrivateCertificate.loadPEM(pair).options()
    seen = []
    for factory in (Twisteds, TlsFactory):
        peer_context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        peer_context.set_max_proto_version(version)
        conversation = Conversation(factory, context, peer_context, Inside(answers, closes, how))
        octets = conversation.handshake()
        for step in steps:
            if step == "close":
                conversation.peer.shutdown()
                break
            if step == "renegotiate":
                if version == SSL.TLS1_2_VERSION and conversation.peer.renegotiate():
                    try:
                        conversation.peer.do_handshake()
                    except SSL.Error:
                        break
                continue
            try:
                conversation.peer.send(bytes(step)[:16_384])
            except SSL.Error:
                break
        octets += conversation.out()
        if damage is not None and octets:
            # Both conversations have records of the same lengths.
            at = min(int(damage[0] * len(octets)), len(octets) - 1)
            octets = octets[:at] + bytes([octets[at] ^ damage[1]]) + octets[at + 1 :]
        if cut_off:
            octets = octets[: len(octets) * 2 // 3]
        conversation.hear(octets, cuts)
        conversation.tls.connectionLost(Failure(ConnectionDone()))
        seen.append((conversation.inside.events, conversation.log, len(conversation.transport.value())))
    assert seen[0] == seen[1]
