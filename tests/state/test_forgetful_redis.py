"""A Redis that restarts, is flushed or breaks connections gives nobody's guesses back."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.servers.redis_server import RedisServer
from tests.state.test_redis_attempts import THREE, Clock, Gateway, Turns, someone

pytestmark = pytest.mark.servers

# What happens: a guess at one gateway or the other; Redis forgets everything, closes all connections, goes, comes back.
EVENTS = ["one", "other", "one", "other", "flush", "drop", "restart", "kill", "start"]


@pytest.fixture(scope="module")
def forgetful():
    with RedisServer() as running:
        yield running


class Site:
    def __init__(self, server):
        self.server = server
        self.runs = True
        self.turns = Turns()
        clock = Clock()
        self.gateways = {name: Gateway(server, clock, self.turns).ready() for name in ("one", "other")}
        self.jane = someone()
        self.admitted = {"one": 0, "other": 0}
        # Redis has answered all the time, and has lost nothing.
        self.sound = True

    def happens(self, event):
        if event in self.gateways:
            self.admitted[event] += self.gateways[event].try_(self.jane)
            return
        if event != "start":
            self.sound = False
        if event in ("kill", "restart") and self.runs:
            self.server.kill()
            self.runs = False
        if event in ("start", "restart") and not self.runs:
            self.server.start()
            self.runs = True
        if event in ("flush", "drop") and self.runs:
            with self.server.client() as admin:
                admin.flushall() if event == "flush" else admin.client_kill_filter(_type="normal", skipme=True)

    def close(self):
        self.happens("start")
        for gateway in self.gateways.values():
            gateway.attempts.close()


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(["one", "one", "one", "flush", "one"])
@example(["one", "one", "one", "restart", "one", "one", "restart", "one"])
@example(["one", "one", "restart", "other", "other", "other", "one", "one"])
@example(["one", "other", "other", "drop", "one", "other"])
@example(["one", "one", "kill", "one", "one", "start", "one", "other", "other", "other", "other"])
@given(st.lists(st.sampled_from(EVENTS), max_size=14))
def test_no_order_of_losses_lets_more_guesses_through_at_a_gateway(forgetful, events):
    site = Site(forgetful)
    try:
        for event in events:
            site.happens(event)
            assert max(site.admitted.values()) <= THREE.failures, site.admitted
            assert not site.sound or sum(site.admitted.values()) <= THREE.failures, site.admitted
    finally:
        site.close()
