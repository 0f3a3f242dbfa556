"""Operations beyond limits.operations: they wait in order, and end as open ones do, whatever else happens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.controls import PagedResults
from gateway.ldap.dn import parse
from gateway.ldap.encoding import encode
from gateway.ldap.filters import EqualityMatch, Present
from gateway.policy.reasons import Reason
from gateway.relay import commands as c
from gateway.relay.load import GatewayLoad
from gateway.relay.open_operations import NOT_BEGUN
from gateway.relay.settings import SessionLimits
from tests.examples import examples
from tests.relay.harness import BASE, OK, Harness, bind, done, search
from tests.relay.test_turns import Halting

ROOT_DSE = m.SearchRequest("", m.BASE_OBJECT, Present("objectClass"))
ABOVE = m.SearchRequest("DC=corp,DC=example", m.BASE_OBJECT, Present("objectClass"), ("1.1",))
SCHEMA = m.SearchRequest("cn=Subschema", m.BASE_OBJECT, Present("objectClass"), ("attributeTypes",))


def look_up(number):
    """A search that can be told from others at the server."""
    return m.SearchRequest(BASE, 2, EqualityMatch("mail", b"%d" % number), ("mail",))


def number_of(request):
    """None for another request."""
    return int(request.filter.value) if isinstance(getattr(request, "filter", None), EqualityMatch) else None


def crowded(waiting=0, operations=3, **settings):
    """Operations 10, 11, ... are open, and so many behind them wait; all can be told by their numbers."""
    limits = settings.pop("limits", SessionLimits(operations=operations, refusal_floor=0))
    h = Harness(limits=limits, **settings).bound()
    h.send(*[look_up(10 + i) for i in range(operations + waiting)], start=10)
    return h


def begun(h):
    """The numbers of the searches that the server was asked for, in their order."""
    return [number for x in h.to_server if (number := number_of(x.operation)) is not None]


def end(h, number, code=0):
    (sent,) = [x for x in h.to_server if number_of(x.operation) == number]
    h.answer(sent.message_id, done(code))


def test_operations_beyond_the_limit_wait_and_begin_in_the_order_of_their_requests():
    load = GatewayLoad()
    h = crowded(waiting=4, load=load)
    assert begun(h) == [10, 11, 12]
    assert load.waiting == 4
    end(h, 11)
    assert begun(h) == [10, 11, 12, 13]
    end(h, 10)
    end(h, 13)
    assert begun(h) == [10, 11, 12, 13, 14, 15]
    for number in (16, 15, 12, 14):
        if number == 16:
            assert 16 not in begun(h)
            end(h, 12)
            end(h, 16)
        elif number != 12:
            end(h, number)
    assert sorted(h.results()) == [(number, 0) for number in range(10, 17)]
    assert (load.octets, load.waiting) == (0, 0)
    assert all(record.decision == "permit" and not record.detail for record in h.audit)


def test_a_request_that_comes_while_others_wait_goes_behind_them():
    h = crowded(waiting=1)
    # In one piece with the answer that makes room: what has waited comes first.
    h.session.client.feed(encode(m.LDAPMessage(14, look_up(14))))
    end(h, 10)
    assert begun(h) == [10, 11, 12, 13]
    end(h, 11)
    assert begun(h) == [10, 11, 12, 13, 14]


def test_what_needs_no_server_does_not_wait():
    h = crowded(waiting=1)
    h.send(ROOT_DSE, search("DC=elsewhere"), m.ExtendedRequest(m.WHO_AM_I), start=20)
    assert h.results() == [(20, 0), (21, 50), (22, 2)]


@pytest.mark.parametrize(
    "request_", [ABOVE, SCHEMA, m.SearchRequest("", 0, Present("objectClass"), ("highestCommittedUSN",))]
)
def test_every_search_that_needs_a_server_waits_and_no_longer_than_a_search_may_take(request_):
    keys = {"subschema": parse("cn=Subschema"), "root_dse": ("highestCommittedUSN",)}
    h = crowded(limits=SessionLimits(operations=3, search=100, bind=1000), **keys)
    h.tick(60)
    h.send(request_, start=20)
    assert len(h.to_server) == 3
    for number in (10, 11, 12):
        end(h, number)
    assert len(h.to_server) == 4
    h.send(look_up(30), look_up(31), request_, start=30)
    assert len(h.to_server) == 6
    h.tick(99)
    assert len(h.results()) == 3
    h.tick(1)
    assert h.results()[3:] == [(30, 3), (31, 3), (32, 3)]


def test_an_abandon_removes_one_that_waits():
    h = crowded(waiting=3)
    h.send(m.AbandonRequest(14), m.AbandonRequest(99), start=20)
    record = h.audit[-2]
    assert (record.message_id, record.reason, record.code, record.detail) == (14, "abandoned", None, NOT_BEGUN)
    # The server never heard of it, so it is told of no abandon either.
    assert [x.operation for x in h.to_server[3:]] == []
    for number in (10, 11, 12, 13, 15):
        end(h, number)
    assert begun(h) == [10, 11, 12, 13, 15]
    assert 14 not in dict(h.results())


def test_the_id_of_an_abandoned_one_may_be_used_again_and_that_of_one_that_waits_may_not():
    h = crowded(waiting=2)
    h.send(m.AbandonRequest(14), start=20)
    h.send(look_up(14), start=14)
    assert not h.session.closed
    h.send(look_up(13), start=13)
    assert h.session.closed
    assert [record.reason for record in h.audit if record.operation == "malformed"] == ["message-malformed"]
    assert sorted(h.results()) == [(0, 2), *[(number, 52) for number in range(10, 15)]]


@pytest.mark.parametrize(
    "request_", [bind("svc-sync@corp.example"), bind("CN=nobody,DC=elsewhere"), bind("svc-sync@corp.example", b"")]
)
def test_a_bind_ends_those_that_wait(request_):
    h = crowded(waiting=2)
    h.send(request_, look_up(30), start=20)
    assert h.results()[:5] == [(number, 1) for number in range(10, 15)]
    ended = {record.message_id: record for record in h.audit if record.reason == "superseded-by-bind"}
    assert sorted(ended) == [10, 11, 12, 13, 14]
    assert [ended[number].detail for number in (12, 13, 14)] == ["", NOT_BEGUN, NOT_BEGUN]
    assert begun(h) == [10, 11, 12]


def test_a_bind_with_a_value_that_it_may_not_have_ends_them_too():
    h = crowded(waiting=2)
    h.send(m.BindRequest(0, "", m.SimpleAuthentication(b"")), start=20)
    assert dict(h.results()) == {**dict.fromkeys(range(10, 15), 1), 20: 2}


@pytest.mark.parametrize("search, time_limit", [(200, 0), (3600, 200)])
def test_the_time_of_a_search_begins_with_its_request(search, time_limit):
    h = Harness(limits=SessionLimits(operations=1, search=search, silence=1000), time_limit=time_limit).bound()
    h.send(look_up(10), start=10)
    h.tick(100)
    h.send(look_up(11), look_up(12), start=11)
    h.tick(99)
    assert h.results() == []
    h.tick(1)
    # The next one has begun now, after half of its time.
    assert h.results() == [(10, 3)] and begun(h) == [10, 11]
    assert h.session.deadline() == h.now + 100
    h.tick(100)
    assert h.results() == [(10, 3), (11, 3), (12, 3)]
    assert begun(h) == [10, 11]
    records = {record.message_id: record for record in h.audit}
    assert [records[number].reason for number in (10, 11, 12)] == ["search-timeout"] * 3
    assert [records[number].detail for number in (10, 11, 12)] == ["", "", NOT_BEGUN]
    assert records[12].seconds == 200


@pytest.mark.parametrize("unbinds", [True, False])
def test_a_client_that_leaves_ends_those_that_wait_without_an_answer(unbinds):
    load = GatewayLoad()
    h = crowded(waiting=2, load=load)
    if unbinds:
        h.send(m.UnbindRequest(), start=20)
    else:
        h.do(h.session.client_lost(h.now))
    gone = [record for record in h.audit if record.reason == "client-gone"]
    assert [record.message_id for record in gone] == [10, 11, 12, 13, 14]
    assert [record.detail for record in gone[2:]] == ["", NOT_BEGUN, NOT_BEGUN]
    assert h.results() == [] and begun(h) == [10, 11, 12]
    assert (load.octets, load.waiting) == (0, 0)


def test_those_that_wait_are_served_before_a_session_that_stops_ends():
    h = crowded(waiting=2)
    h.do(h.session.stop(h.now))
    h.send(look_up(20), start=20)
    for number in range(10, 15):
        assert not h.session.closed
        end(h, number)
    assert h.results() == [(20, 52), *[(number, 0) for number in range(10, 15)], (0, 52)]
    assert h.session.closed


@pytest.mark.parametrize("what", ["abort", "lost", "silent"])
def test_whatever_ends_the_open_ones_ends_those_that_wait(what):
    load = GatewayLoad()
    h = crowded(waiting=2, load=load)
    if what == "abort":
        h.do(h.session.abort(Reason.stopping, "the gateway is stopping", h.now))
    elif what == "lost":
        h.do(h.session.server_lost("reset", h.now))
    else:
        h.tick(150)
    assert h.results() == [*[(number, 52) for number in range(10, 15)], (0, 52)]
    assert all("not complete" in x.operation.result.diagnostic for x in h.to_client[:-1])
    assert begun(h) == [10, 11, 12]
    assert (load.octets, load.waiting) == (0, 0)


def test_starttls_is_refused_while_one_waits():
    h = Harness(tls=False, limits=SessionLimits(operations=1)).bound()
    h.send(look_up(10), look_up(11), start=10)
    # In one piece with the end of the only open one: the other has not begun yet.
    h.session.client.feed(encode(m.LDAPMessage(12, m.ExtendedRequest(m.START_TLS))))
    end(h, 10)
    assert h.results() == [(10, 0), (12, 1)]
    assert c.StartTls not in h.other


def test_a_session_with_one_that_waits_is_not_idle():
    h = crowded(waiting=1, limits=SessionLimits(operations=1, idle=10))
    h.tick(100)
    assert not h.session.closed and h.session.busy


# Whatever comes, in whatever order.

NUMBERS = st.integers(1, 40)
STEPS = st.one_of(
    st.tuples(st.just("look up"), st.integers(1, 4)),
    st.tuples(st.just("page"), st.integers(1, 3)),
    st.tuples(st.just("go on with pages"), st.just(0)),
    st.tuples(st.just("refused"), st.just(0)),
    st.tuples(st.just("root DSE"), st.just(0)),
    st.tuples(st.just("abandon"), NUMBERS),
    st.tuples(st.just("bind"), st.sampled_from([0, 49])),
    st.tuples(st.just("answer"), NUMBERS),
    st.tuples(st.just("answer in pieces"), NUMBERS),
    st.tuples(st.just("pass time"), st.sampled_from([1, 30, 70])),
    st.tuples(st.just("turn"), st.integers(0, 3)),
    st.tuples(st.just("hold"), st.just(0)),
    st.tuples(st.just("release"), st.just(0)),
    st.tuples(st.just("stop"), st.just(0)),
)
ENDS = st.sampled_from(["leave", "unbind", "lose server", "abort", "answer all"])


class Life:
    """A session with few places, and what has become of each of its requests."""

    def __init__(self, operations, waiting):
        self.load = GatewayLoad()
        limits = SessionLimits(
            operations=operations, waiting=waiting, search=100, silence=1000, idle=10_000, refusal_floor=0
        )
        self.h = Halting(1_000_000, limits=limits, load=self.load).bound()
        self.h.audit.clear()
        self.operations = operations
        self.asked, self.abandons, self.paged, self.sent_before = [], 0, 0, 0
        self.last_id = 100
        self.cookies = []

    def request(self, operation, controls=()):
        self.last_id += 1
        self.asked.append(self.last_id)
        data = encode(m.LDAPMessage(self.last_id, operation, controls))
        self.h.do(self.h.session.client_data(data, self.h.now))

    def outstanding(self):
        """The upstream messages that the server owes an answer."""
        return [x for x in self.h.to_server[self.sent_before :] if self._upstream_owner(x.message_id)]

    def _upstream_owner(self, message_id):
        upstream = self.h.session.server._upstream
        return upstream is not None and upstream.owner(message_id) is not None

    def answer(self, message, in_pieces=False):
        if isinstance(message.operation, m.BindRequest):
            answers = [m.LDAPMessage(message.message_id, m.BindResponse(OK))]
        else:
            cookie = b"more" if message.controls and self.paged % 3 else b""
            self.paged += 1
            controls = (PagedResults(0, cookie).to_control(False),) if message.controls else ()
            answers = [m.LDAPMessage(message.message_id, done(), controls)]
        data = b"".join(map(encode, answers))
        pieces = [data[:3], data[3:]] if in_pieces else [data]
        for piece in pieces:
            self.h.do(self.h.session.server_data(piece, self.h.now))

    def connect(self):
        """Opens the connection to the server that the session waits for, if it waits for one."""
        last = [kind for kind in self.h.other if kind in (c.ConnectServer, c.CloseServer)][-1:]
        if last == [c.ConnectServer] and not self.h.session.server._upstream.connected:
            # Message IDs begin anew: what went over the connection before this one is no longer owed an answer.
            self.sent_before = len(self.h.to_server)
            self.h.connected()

    def step(self, what, number):
        h = self.h
        if what == "look up":
            for _ in range(number):
                self.request(look_up(self.last_id + 1))
        elif what == "page":
            page = PagedResults(number, b"").to_control(False)
            self.request(look_up(self.last_id + 1), (page,))
        elif what == "refused":
            self.request(search("DC=elsewhere"))
        elif what == "root DSE":
            self.request(ROOT_DSE)
        elif what == "abandon":
            self.abandons += 1
            self.last_id += 1
            aim = self.asked[-min(number, len(self.asked))] if self.asked else 7
            data = encode(m.LDAPMessage(self.last_id, m.AbandonRequest(aim)))
            h.do(h.session.client_data(data, h.now))
        elif what == "bind":
            self.request(bind("svc-sync@corp.example" if number == 0 else "CN=nobody,DC=elsewhere"))
            self.connect()
        elif what.startswith("answer"):
            outstanding = self.outstanding()
            if outstanding:
                self.answer(outstanding[number % len(outstanding)], what.endswith("pieces"))
        elif what == "pass time":
            h.tick(number)
        elif what == "turn":
            h.turn(number if number else 1_000_000)
        elif what == "hold":
            h.session.server.clock.hold(h.now)
        elif what == "release":
            h.session.server.clock.release(h.now)
        elif what == "stop":
            h.do(h.session.stop(h.now))
        self.check()

    def check(self):
        operations = self.h.session.operations.places
        assert len(operations.open) <= self.operations
        assert self.load.waiting == len(operations.all()) - len(operations.open) >= 0
        # Whatever waits, waits for open ones.
        assert not self.load.waiting or len(operations.open) == self.operations
        kept = self.h.session.server.paged._open.values()
        held = sum(one.weight for one in operations.all()) + sum(one.weight for one in kept)
        assert self.load.octets == self.h.session.load.octets == held >= 0

    def end(self, how):
        h = self.h
        h.turn(1_000_000)
        if how == "answer all":
            for _ in range(10_000):
                # A bind that was not read before may want a connection.
                self.connect()
                if not (outstanding := self.outstanding()):
                    break
                self.answer(outstanding[0])
                self.check()
            if not h.session.closed:
                assert not h.session.busy and not h.session.client.waits_for_turn()
                assert h.session.client.buffered() == 0
        if how == "unbind" and not h.session.closed:
            self.last_id += 1
            h.do(h.session.client_data(encode(m.LDAPMessage(self.last_id, m.UnbindRequest())), h.now))
        if how == "lose server":
            h.do(h.session.server_lost("reset", h.now))
        if how == "abort":
            h.do(h.session.abort(Reason.stopping, "the gateway is stopping", h.now))
        h.do(h.session.client_lost(h.now))
        for message in self.outstanding():
            # A bind goes on without its client.
            self.answer(message)
        assert (self.load.octets, self.load.waiting) == (0, 0)


@given(st.integers(1, 4), st.sampled_from([1, 20_000, 40_000, 1 << 22]), st.lists(STEPS, max_size=60), ENDS)
@settings(max_examples=examples(300))
def test_each_request_ends_once_and_begins_in_its_turn(operations, waiting, steps, how):
    life = Life(operations, waiting)
    for what, number in steps:
        life.step(what, number)
    h = life.h
    ended_early = h.session.closed
    life.end(how)
    results = [message_id for message_id, _ in h.results() if message_id]
    assert len(results) == len(set(results))
    records = {}
    for record in h.audit:
        if record.operation in ("search", "bind"):
            assert record.message_id not in records
            records[record.message_id] = record
    # A request is answered, or recorded as one that nobody waits for; or it was left unread behind the end.
    for message_id in life.asked:
        record = records.get(message_id)
        assert (message_id in results) == (record is not None and record.code is not None)
        if record is not None and record.code is None:
            assert record.reason in ("abandoned", "client-gone", "stopping", "server-lost")
    read = [message_id for message_id in life.asked if message_id in records]
    assert read == life.asked[: len(read)]
    if how == "answer all" and not ended_early:
        assert read == life.asked
    # Each search that needs no turn begins in the order of the requests; so does each that needs one.
    sent = [x for x in h.to_server if isinstance(x.operation, m.SearchRequest)]
    for pages in (False, True):
        numbers = [number_of(x.operation) for x in sent if bool(x.controls) == pages]
        assert numbers == sorted(numbers)
