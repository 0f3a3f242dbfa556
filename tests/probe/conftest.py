"""The reactor in a thread of its own, for probes that are called from tests; certificates and servers to probe."""

import threading

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

from gateway.demo.certificates import make_certificates


@pytest.fixture(scope="session")
def reactor_thread():
    thread = threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False})
    thread.start()
    yield
    reactor.callFromThread(reactor.stop)
    thread.join(30)


@pytest.fixture
def on_reactor(reactor_thread):
    """A function that takes an async function of the reactor, and returns or raises what that does."""

    def call(main):
        return blockingCallFromThread(reactor, lambda: Deferred.fromCoroutine(main(reactor)))

    return call


@pytest.fixture(scope="session")
def server_certificates(tmp_path_factory):
    """CertificateFiles of a server on localhost and 127.0.0.1."""
    return make_certificates(tmp_path_factory.mktemp("certificates"), "server")
