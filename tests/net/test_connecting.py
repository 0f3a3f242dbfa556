"""The way to a server: one address, several, none that answers."""

import errno
import socket

import pytest
from twisted.internet.error import ConnectionDone, ConnectionRefusedError, DNSLookupError
from twisted.python.failure import Failure

from gateway.net.servers.connecting import connect, only_address
from gateway.net.servers.settings import ServerSettings
from gateway.net.transport.stream import Stream
from tests.net.loop import Loop
from tests.servers.gateway_process import free_port
from tests.skips import KernelFeature


@pytest.mark.parametrize(
    "host, addresses, only",
    [
        ("127.0.0.1", (), "127.0.0.1"),
        ("::1", (), "::1"),
        ("dc1.corp.example", ("192.0.2.1",), "192.0.2.1"),
        ("dc1.corp.example", ("2001:db8::1",), "2001:db8::1"),
        ("dc1.corp.example", ("192.0.2.1", "2001:db8::1"), None),
        ("dc1.corp.example", (), None),
    ],
)
def test_an_address_that_is_the_only_one_is_connected_to_at_once(host, addresses, only):
    assert only_address(ServerSettings(host, 636, "dc1.corp.example", addresses)) == only


def outcome(server, patience=20.0, after=lambda attempt: None, loop=Loop):
    """The stream, or the exception."""
    reactor = loop()
    found = []
    attempt = connect(server, patience, reactor)
    attempt.addBoth(found.append)
    after(attempt)
    reactor.until(lambda: found)
    reactor.settle()
    # The reactor's own waker is all that is left, and the stream where there is one.
    assert len(reactor.getReaders()) == 1 + isinstance(found[0], Stream)
    assert reactor.getWriters() == []
    assert reactor.getDelayedCalls() == []
    return found[0] if isinstance(found[0], Stream) else found[0].value


@pytest.fixture(params=["127.0.0.1", "::1"])
def listening(request):
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        server = socket.create_server((request.param, 0), family=family)
    except OSError:
        if family == socket.AF_INET6:
            KernelFeature.ipv6.skip()
        raise
    with server:
        yield server


def test_a_stream_to_who_listens(listening):
    host, port = listening.getsockname()[:2]
    stream = outcome(ServerSettings(host, port, "localhost"))
    accepted, _ = listening.accept()
    with accepted:
        stream.write(b"hello")
        assert accepted.recv(10) == b"hello"
    stream.connectionLost(Failure(ConnectionDone()))


class NothingMoreToRead(Loop):
    """The system watches no further descriptor (epoll_ctl(2))."""

    def addReader(self, reader):
        if isinstance(reader, Stream):
            raise OSError(errno.ENOSPC, "No space left on device")
        super().addReader(reader)


@pytest.mark.parametrize("addresses", [(), ("127.0.0.1", "127.0.0.2")])
def test_a_connection_that_the_loop_does_not_take_is_no_connection(addresses):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = ServerSettings("127.0.0.1", listening.getsockname()[1], "localhost", addresses)
        assert not isinstance(outcome(server, loop=NothingMoreToRead), Stream)
        accepted, _ = listening.accept()
        with accepted:
            accepted.settimeout(20)
            assert accepted.recv(1) == b""


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_that_an_address_refuses_is_known_at_once(host):
    assert type(outcome(ServerSettings(host, free_port(), "localhost"))) in (ConnectionRefusedError, OSError)


@pytest.mark.parametrize("kind", ["refuses", "is silent"])
def test_the_next_address_of_a_name_is_tried(kind):
    port = free_port()
    with socket.create_server(("127.0.0.2", port)) as listening:
        silent = full(port) if kind == "is silent" else ()
        stream = outcome(ServerSettings("dc.corp.example", port, "dc.corp.example", ("127.0.0.1", "127.0.0.2")))
        accepted, _ = listening.accept()
        accepted.close()
        stream.connectionLost(Failure(ConnectionDone()))
        for each in silent:
            each.close()


def test_all_addresses_refuse():
    server = ServerSettings("dc.corp.example", free_port(), "dc.corp.example", ("127.0.0.1", "127.0.0.2"))
    assert type(outcome(server)) is ConnectionRefusedError


def test_a_name_that_is_none():
    assert type(outcome(ServerSettings("no such name", 636, "localhost"))) in (ValueError, DNSLookupError)


def full(port=0):
    """A listening socket of 127.0.0.1 whose backlog is full, so that the system answers nobody any more, and those that
    fill it."""
    listening = socket.create_server(("127.0.0.1", port), backlog=0)
    waiting = [listening]
    for _ in range(3):
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(listening.getsockname())
        waiting.append(connection)
    return waiting


@pytest.mark.parametrize("how", ["too late", "cancelled"])
def test_an_attempt_that_is_given_up_leaves_nothing(how):
    waiting = full()
    server = ServerSettings("127.0.0.1", waiting[0].getsockname()[1], "localhost")
    if how == "too late":
        failed = outcome(server, patience=0.2)
    else:
        failed = outcome(server, after=lambda attempt: attempt.cancel())
    assert type(failed).__name__ in ("TimeoutError", "CancelledError", "ConnectingCancelledError")
    for each in waiting:
        each.close()
