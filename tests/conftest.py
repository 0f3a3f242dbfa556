"""The reactor in a thread of its own, for coroutines that are called from tests. A process has one, once."""

import threading

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread


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
