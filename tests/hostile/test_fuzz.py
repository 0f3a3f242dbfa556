"""Sessions that are sent anything at all, by their clients, by their servers, in any order.

Whatever comes, a session raises nothing, says nothing but whole canonical messages that keep what promises.py says, and
has answered and recorded every operation when its clocks have run out.

A run of the tests takes seconds; `.ci/fuzz` takes as long as one likes (tests/examples.py).
"""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_request, decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.errors import DecodeError
from gateway.ldap.framing import Framer
from gateway.policy.reasons import Reason
from gateway.relay import commands as c
from tests.examples import examples
from tests.hostile.asking import Asking
from tests.hostile.mutations import from_client, from_server
from tests.hostile.served import Served

fuzzed = settings(
    max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

cuts = st.none() | st.integers(1, 50)


def run_out(session):
    """Until no clock is left to wait for; within that everything has an answer."""
    for _ in range(50):
        session.serve()
        due = session.session.deadline()
        if due is None:
            break
        session.tick(max(0.0, due - session.now))
    assert session.session.closed and not session.session.busy


def decoded(octets, decode):
    framer = Framer(300_000)
    framer.feed(octets)
    try:
        while (message := framer.next_message()) is not None:
            yield decode(message)
    except DecodeError:
        return


@fuzzed
@given(from_client)
def test_what_is_read_of_a_client_has_one_encoding(octets):
    for message in decoded(octets, decode_request):
        if not isinstance(message.operation, m.UnservedRequest):
            assert decode_request(encode(message)) == message


@fuzzed
@given(from_server)
def test_what_is_read_of_a_server_has_one_encoding(octets):
    for message in decoded(octets, decode_response):
        assert decode_response(encode(message)) == message


@fuzzed
@given(st.lists(from_client, min_size=1, max_size=6), cuts, st.booleans())
def test_a_client_may_send_anything(pieces, cut, bound):
    session = Served(bound=bound)
    for octets in pieces:
        session.receive(octets, cut)
    run_out(session)


@fuzzed
@given(st.lists(from_client, min_size=1, max_size=6), cuts)
def test_a_client_may_send_anything_before_starttls(pieces, cut):
    session = Served(bound=False, tls=False, needs_tls=True)
    for octets in pieces:
        session.receive(octets, cut)
    if c.StartTls not in session.other:
        assert not session.forwarded
    run_out(session)


@fuzzed
@given(st.lists(from_server, min_size=1, max_size=6), cuts)
def test_a_server_may_send_anything(pieces, cut):
    session = Asking()
    for octets in pieces:
        session.hear(octets, cut)
    session.finish()
    run_out(session)
    assert {number for number, _ in session.results()} >= {5, 6}


events = st.one_of(
    st.tuples(st.just("client"), from_client),
    st.tuples(st.just("server"), from_server),
    st.tuples(
        st.sampled_from(["connected", "failed", "lost", "serve", "hold", "release", "stop", "abort", "gone"]), st.none()
    ),
    st.tuples(st.just("tick"), st.sampled_from([0.0, 1.0, 31.0, 200.0])),
)


class Eventful(Served):
    """Takes events in any order that its two connections could bring them in. link: of the server's connection."""

    link = "none"

    def do(self, commands):
        for command in commands:
            if isinstance(command, c.ConnectServer):
                assert self.link == "none"
                self.link = "connecting"
            elif isinstance(command, c.CloseServer):
                self.link = "none"
            elif isinstance(command, c.SendToServer):
                # To a server that was lost an unbind may be said, which nobody hears.
                assert self.link == "open" or command.data[5] == 0x42
        super().do(commands)

    def connected(self):
        if self.link == "connecting":
            self.link = "open"
            super().connected()

    def happen(self, kind, value):
        session = self.session
        if kind == "client":
            self.do(session.client_data(value, self.now))
        elif kind == "server" and self.link == "open":
            self.do(session.server_data(value, self.now))
        elif kind == "connected":
            self.connected()
        elif kind == "failed" and self.link == "connecting":
            self.link = "none"
            self.do(session.server_failed("nobody", self.now))
        elif kind == "lost" and self.link == "open":
            self.link = "none"
            self.do(session.server_lost("closed", self.now))
        elif kind == "serve":
            self.serve()
        elif kind == "hold":
            session.server.clock.hold(self.now)
            session.client.clocks.hold(self.now)
        elif kind == "release":
            session.server.clock.release(self.now)
            session.client.clocks.release(self.now)
        elif kind == "stop":
            self.do(session.stop(self.now))
        elif kind == "abort":
            self.do(session.abort(Reason.write_stalled, "test", self.now))
        elif kind == "gone":
            self.do(session.client_lost(self.now))
        elif kind == "tick":
            self.tick(value)


@fuzzed
@given(st.lists(events, max_size=20))
def test_anything_may_happen_in_any_order(happening):
    session = Eventful(bound=False)
    for kind, value in happening:
        session.happen(kind, value)
    session.happen("release", None)
    run_out(session)
