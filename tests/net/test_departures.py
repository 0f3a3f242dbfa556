"""Which sessions end some time after a reload, and which are spared."""

from functools import partial
from ipaddress import ip_network
from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from gateway.net.listeners.departures import Departures, is_listed
from gateway.net.sessions.sources import SourceTable
from gateway.policy.reasons import Reason


class Connection:
    """What is told to a session."""

    def __init__(self):
        self.told = []

    def abort(self, reason, text):
        self.told.append(reason)


def states(**sources):
    """One listener's state: the sources of each client, as far as this looks at it."""
    table = [
        (ip_network(network), SimpleNamespace(policy=SimpleNamespace(settings=SimpleNamespace(name=client))))
        for client, texts in sources.items()
        for network in texts
    ]
    return [SimpleNamespace(clients=SourceTable(table))]


class Reloads:
    def __init__(self):
        self.clock = Clock()
        self.open = {}
        self._departures = Departures(SimpleNamespace(open=self.open), self.clock)

    def connect(self, client, source):
        connection = Connection()
        self.open[connection] = client, source
        return connection

    def reload(self, patience, **sources):
        self._departures.apply(partial(is_listed, states(**sources)), patience)

    def stop(self):
        self._departures.stop()


@pytest.fixture
def reloads():
    return Reloads()


ENDED = [Reason.client_removed]


def test_a_session_ends_when_its_patience_is_over(reloads):
    removed, moved, listed = (
        reloads.connect(*who) for who in (("gone", "10.0.0.1"), ("kept", "10.0.1.1"), ("kept", "10.0.2.1"))
    )
    reloads.reload(30, kept=["10.0.2.0/24"], other=["10.0.1.0/24"])
    reloads.clock.advance(29)
    assert (removed.told, moved.told) == ([], [])
    reloads.clock.advance(1)
    assert (removed.told, moved.told, listed.told) == (ENDED, ENDED, [])


def test_a_later_reload_changes_nothing_for_a_session_that_is_leaving(reloads):
    leaving = reloads.connect("gone", "10.0.0.1")
    reloads.reload(30, kept=["10.0.2.0/24"])
    reloads.clock.advance(20)
    reloads.reload(30, kept=["10.0.3.0/24"])
    reloads.clock.advance(10)
    assert leaving.told == ENDED


def test_a_client_that_comes_back_keeps_its_sessions(reloads):
    session = reloads.connect("back", "10.0.0.1")
    reloads.reload(30, other=["10.0.2.0/24"])
    reloads.clock.advance(29)
    reloads.reload(30, back=["10.0.0.1/32"])
    reloads.clock.advance(100)
    assert session.told == []


def test_a_session_that_ended_by_itself_is_not_ended_again(reloads):
    session = reloads.connect("gone", "10.0.0.1")
    reloads.reload(30, kept=["10.0.2.0/24"])
    del reloads.open[session]
    reloads.reload(30, kept=["10.0.2.0/24"])
    assert reloads.clock.getDelayedCalls() == []
    reloads.clock.advance(100)
    assert session.told == []


def test_a_stopping_gateway_forgets_about_them(reloads):
    session = reloads.connect("gone", "10.0.0.1")
    reloads.reload(30, kept=["10.0.2.0/24"])
    reloads.stop()
    reloads.clock.advance(100)
    assert session.told == []
