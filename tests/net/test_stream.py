"""Streams between real sockets, turned by a real reactor."""

import socket
import ssl
import struct
import threading
from contextlib import suppress

import pytest
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.servers.trust import ServerTrust
from gateway.net.sessions.client_tls import ListenerTls
from gateway.net.sessions.settings import ListenerSettings
from gateway.net.transport.stream import Stream
from tests.net.loop import Loop, connected_sockets

LARGE = bytes(range(256)) * 40_000


class Inside:
    """Notes what it is told. heard: is called with each read."""

    def __init__(self, heard=lambda data: None):
        self.data, self.reads, self.established, self.end, self.heard = b"", 0, 0, None, heard

    def dataReceived(self, data):
        assert self.end is None
        self.data += data
        self.reads += 1
        self.heard(data)

    def handshakeCompleted(self, layer):
        assert layer.established
        self.established += 1

    def connectionLost(self, reason):
        assert self.end is None
        self.end = reason.value


class Producer:
    def __init__(self):
        self.calls = []

    def pauseProducing(self):
        self.calls.append("pause")

    def resumeProducing(self):
        self.calls.append("resume")


@pytest.fixture
def loop():
    reactor = Loop()
    yield reactor
    for each in reactor.removeAll():
        if isinstance(each, Stream):
            each.connectionLost(Failure(ConnectionDone()))


@pytest.fixture
def plain(loop):
    """A stream, and the socket at its other end."""
    one, other = connected_sockets()
    with other:
        inside = Inside()
        yield Stream(one, inside, loop), inside, other


@pytest.fixture
def contexts(certificates):
    """Of the listener, and of a client that trusts it."""
    files = ListenerSettings("127.0.0.1", 0, certificates.certificate, certificates.private_key)
    return ListenerTls(files), ssl.create_default_context(cafile=str(certificates.ca_file))


@pytest.fixture
def secure(loop, contexts):
    """A stream that serves TLS, and a client's end of it."""
    listener, context = contexts
    one, other = connected_sockets()
    inside = Inside()
    stream = Stream(one, inside, loop)
    stream.start_tls(listener.layer())
    client = in_thread(lambda: context.wrap_socket(other, server_hostname="localhost"))
    loop.until(lambda: inside.established)
    with client() as connection:
        yield stream, inside, connection


def in_thread(work):
    """Does it beside the reactor; the result of calling what is returned."""
    results = []

    def run():
        try:
            results.append(work())
        except OSError as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def result():
        thread.join(30)
        (found,) = results
        if isinstance(found, OSError):
            raise found
        return found

    return result


def read_all(connection, count):
    found = b""
    while len(found) < count:
        data = connection.recv(65_536)
        if not data:
            break
        found += data
    return found


def test_octets_both_ways_and_no_delay(loop, plain):
    stream, inside, other = plain
    stream.write(b"hello")
    assert other.recv(10) == b"hello"
    other.sendall(b"world")
    loop.until(lambda: inside.data)
    assert inside.data == b"world"
    assert stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert stream._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize("kind", ["plain", "secure"])
def test_more_than_the_kernel_takes_arrives_whole_and_the_producer_waits_meanwhile(loop, kind, request):
    stream, _, other = request.getfixturevalue(kind)
    producer = Producer()
    stream.registerProducer(producer, True)
    stream.write(LARGE)
    stream.write(b"!")
    assert producer.calls == ["pause"]
    received = in_thread(lambda: read_all(other, len(LARGE) + 1))
    loop.until(lambda: producer.calls == ["pause", "resume"])
    assert received() == LARGE + b"!"
    stream.write(b"more")
    assert producer.calls == ["pause", "resume"]
    assert loop.getWriters() == []


def test_many_records_in_one_read_are_one_read(loop, secure):
    stream, inside, other = secure
    stream.pauseProducing()
    for number in range(50):
        other.sendall(bytes([number]) * 100)
    stream.resumeProducing()
    loop.until(lambda: len(inside.data) == 5_000)
    assert inside.reads == 1
    assert inside.data == b"".join(bytes([number]) * 100 for number in range(50))


def test_nothing_is_read_while_paused(loop, plain):
    stream, inside, other = plain
    stream.pauseProducing()
    other.sendall(b"x")
    loop.settle()
    assert inside.data == b""
    stream.resumeProducing()
    loop.until(lambda: inside.data == b"x")


@pytest.mark.parametrize("kind", ["plain", "secure"])
def test_what_was_written_goes_out_before_the_end(loop, kind, request):
    stream, inside, other = request.getfixturevalue(kind)
    stream.write(LARGE)
    stream.loseConnection()
    stream.write(b"too late")

    def to_the_end():
        data = read_all(other, len(LARGE) + 1)
        if kind == "secure":
            other.unwrap()
        else:
            other.close()
        return data

    received = in_thread(to_the_end)
    loop.until(lambda: inside.end)
    assert received() == LARGE
    assert type(inside.end) is ConnectionDone
    assert loop.getDelayedCalls() == []


def test_with_tls_the_peers_own_end_is_waited_for_and_what_comes_meanwhile_is_dropped(loop, secure):
    stream, inside, other = secure
    stream.loseConnection()
    assert other.recv(1) == b""
    with pytest.raises((ssl.SSLError, OSError)):
        # TLS 1.3 lets a side that was told of the end still write.
        other.sendall(b"ignored")
        loop.settle()
        assert inside.end is None and inside.data == b""
        raise ssl.SSLError
    other.close()
    loop.until(lambda: inside.end)
    assert inside.data == b""


@pytest.mark.parametrize("kind", ["plain", "secure"])
def test_an_abort_is_at_once_and_told_once(loop, kind, request):
    stream, inside, other = request.getfixturevalue(kind)
    stream.write(LARGE)
    stream.abortConnection()
    stream.abortConnection()
    stream.write(b"x")
    # Never from within a call.
    assert inside.end is None
    loop.until(lambda: inside.end)
    assert type(inside.end) is ConnectionAborted
    # Python's ssl takes a reset for an end.
    with suppress(OSError):
        assert len(read_all(other, len(LARGE))) < len(LARGE)
    assert stream.fileno() == -1


def test_an_abort_from_within_a_read(loop, plain):
    stream, inside, other = plain
    inside.heard = lambda data: stream.abortConnection()
    other.sendall(b"x")
    loop.until(lambda: inside.end)
    assert type(inside.end) is ConnectionAborted


def test_nothing_is_written_after_an_abort_in_the_same_turn(loop, plain):
    stream, inside, other = plain
    inside.heard = lambda data: stream.abortConnection()
    while not stream._unsent.pieces:
        stream.write(bytes(65_536))
    other.settimeout(0.5)
    with suppress(TimeoutError):
        read_all(other, len(LARGE))
    # There is something to read, and there is room for what waits.
    other.sendall(b"x")
    loop.until(lambda: inside.end)
    assert type(inside.end) is ConnectionAborted


def test_a_producer_that_aborts_when_it_may_go_on(loop, plain):
    stream, inside, other = plain
    producer = Producer()
    producer.resumeProducing = stream.abortConnection
    stream.registerProducer(producer, True)
    stream.write(LARGE)

    def take_all():
        with suppress(OSError):
            return read_all(other, len(LARGE))

    taken = in_thread(take_all)
    loop.until(lambda: inside.end)
    taken()
    assert type(inside.end) is ConnectionAborted


def test_one_that_is_not_read_finds_by_writing_that_the_peer_has_gone(loop, plain):
    stream, inside, other = plain
    stream.pauseProducing()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    other.close()
    loop.settle()
    stream.write(b"into the void")
    assert inside.end is None
    loop.until(lambda: inside.end)
    assert type(inside.end) is ConnectionLost


@pytest.mark.parametrize("how, reason", [("close", ConnectionDone), ("reset", ConnectionLost)])
def test_the_peers_end(loop, plain, how, reason):
    stream, inside, other = plain
    if how == "reset":
        stream.write(b"unread")
    other.sendall(b"last words")
    other.close()
    loop.until(lambda: inside.end)
    assert isinstance(inside.end, reason)
    assert inside.data == b"last words"


def test_the_last_words_of_a_peer_that_takes_nothing_any_more_are_heard(loop, plain):
    stream, inside, other = plain
    other.sendall(b"last words")
    stream.write(b"unread")
    other.close()
    for _ in range(3):
        stream.write(b"into the void")
    loop.until(lambda: inside.end)
    assert inside.data == b"last words"


@pytest.mark.parametrize("how", ["tells", "does not tell"])
def test_the_end_of_tls(loop, secure, how):
    _, inside, other = secure
    other.sendall(b"last words")
    done = in_thread(other.unwrap if how == "tells" else other.close)
    loop.until(lambda: inside.end)
    done()
    assert type(inside.end) is ConnectionDone
    assert inside.data == b"last words"


def test_a_record_that_was_tampered_with_ends_it_behind_what_came_before(loop, secure):
    _, inside, other = secure
    other.sendall(b"good")
    raw = socket.socket(fileno=other.detach())
    with raw:
        raw.sendall(bytes.fromhex("1703030020") + bytes(32))
        loop.until(lambda: inside.end)
        assert isinstance(inside.end, ssl.SSLError)
        assert inside.data == b"good"
        # The alert.
        assert read_all(raw, 1)[:1] in (b"\x17", b"\x15")


def test_an_end_during_the_handshake_is_a_failure_of_tls(loop, contexts):
    one, other = connected_sockets()
    inside = Inside()
    stream = Stream(one, inside, loop)
    stream.start_tls(contexts[0].layer())
    other.sendall(b"\x16\x03\x01")
    other.close()
    loop.until(lambda: inside.end)
    assert isinstance(inside.end, ssl.SSLError)
    assert inside.established == 0


def test_tls_begins_with_octets_that_have_come_already(loop, contexts):
    listener, context = contexts
    one, other = connected_sockets()
    inside = Inside()
    stream = Stream(one, inside, loop)
    inside.heard = lambda data: stream.start_tls(listener.layer(), data)
    client = in_thread(lambda: context.wrap_socket(other, server_hostname="localhost"))
    loop.until(lambda: inside.established)
    with client() as connection:
        inside.heard = lambda data: stream.write(data.upper())
        connection.sendall(b"echo")
        loop.until(lambda: inside.data.endswith(b"echo"))
        assert connection.recv(10) == b"ECHO"


def test_octets_that_are_no_tls_end_it_with_its_reason(loop, contexts):
    one, other = connected_sockets()
    inside = Inside()
    stream = Stream(one, inside, loop)
    inside.heard = lambda data: stream.start_tls(contexts[0].layer(), data)
    other.sendall(b"GET / HTTP/1.1\r\n\r\n")
    loop.until(lambda: inside.end)
    assert isinstance(inside.end, ssl.SSLError) and "HTTP" in inside.end.reason
    other.close()


def test_a_read_that_fails_ends_that_connection_alone(loop, plain):
    _, inside, other = plain

    def fail(data):
        raise RuntimeError("of the test")

    inside.heard = fail
    other.sendall(b"x")
    loop.until(lambda: inside.end)
    assert type(inside.end) is RuntimeError


def test_both_sides_of_tls_are_streams(loop, certificates, contexts):
    """What is written before TLS is up follows when it is; the first connection's ticket serves the second."""
    listener, _ = contexts
    trust = ServerTrust(DirectorySettings("corp", (), certificates.ca_file))
    towards = trust.of(ServerSettings("127.0.0.1", 636, "localhost"))
    for _ in range(2):
        one, other = connected_sockets()
        outer, inner = Inside(), Inside()
        client, server = Stream(one, outer, loop), Stream(other, inner, loop)
        server.start_tls(listener.layer())
        client.start_tls(towards.layer())
        client.write(b"early")
        loop.until(lambda inner=inner: inner.data == b"early")
        server.write(b"answer")
        loop.until(lambda outer=outer: outer.data == b"answer")
        client.loseConnection()
        loop.until(lambda outer=outer, inner=inner: outer.end and inner.end)
        assert type(outer.end) is type(inner.end) is ConnectionDone


def test_what_the_protocol_finds_wrong_with_tls_is_its_failure_and_no_error_of_ours(loop, contexts, told):
    listener, context = contexts
    one, other = connected_sockets()
    inside = Inside()
    wrong = ssl.SSLError(1, "of the test")

    def fail(layer):
        raise wrong

    inside.handshakeCompleted = fail
    stream = Stream(one, inside, loop)
    stream.start_tls(listener.layer())
    client = in_thread(lambda: context.wrap_socket(other, server_hostname="localhost"))
    loop.until(lambda: inside.end)
    client().close()
    assert inside.end is wrong
    assert told == []


def test_an_end_that_fails_is_told_and_nobody_elses_affair(loop, plain, told):
    stream, inside, other = plain
    second, third = connected_sockets()
    heard = Inside()
    Stream(second, heard, loop)
    inside.connectionLost = lambda reason: 1 / 0
    other.close()
    third.sendall(b"x")
    loop.until(lambda: heard.data and stream.fileno() == -1)
    assert [event["log_failure"].type for event in told if "log_failure" in event] == [ZeroDivisionError]
    third.close()
