"""What operations hold: estimated from above, given back, and bounded for a session and for all sessions."""

import gc
import tracemalloc

import pytest

from gateway.ldap import messages as m
from gateway.ldap.controls import PAGED_RESULTS, PagedResults, paged_results
from gateway.ldap.dn import parse
from gateway.ldap.encoding import encode
from gateway.ldap.filters import And, EqualityMatch, Or, Present, Substrings
from gateway.relay import commands as c
from gateway.relay.load import ALWAYS, GatewayLoad
from gateway.relay.settings import SessionLimits
from tests.relay.harness import BASE, OK, Harness, bind, done, search
from tests.traced_memory import tracing

# The defaults, and as many places as it takes.
DEFAULTS = SessionLimits()
MANY = SessionLimits(operations=10_000, waiting=1 << 40, waiting_in_all=1 << 40)
LISTED = ("mail", "displayName", "member", "objectClass")
# A character that makes each of its text take four octets, and one of its own message.
WIDE = "\U0001f600"
MANY_BASES = tuple(parse(f"OU=Base {'x' * 200}{i},DC=corp,DC=example") for i in range(100))


def asking(wanted, *attributes, base=BASE):
    return m.SearchRequest(base, 2, wanted, attributes or ("mail",))


def large(number, octets=60_000):
    return asking(Or(tuple(EqualityMatch("mail", b"%d" % number + b"x" * octets) for _ in range(8))))


def octets(request, message_id, *controls):
    return encode(m.LDAPMessage(message_id, request, controls))


KINDS = {
    "look-up": lambda n: asking(EqualityMatch("mail", b"user%d@corp.example" % n), *LISTED),
    "large values": large,
    "clauses": lambda n: asking(Or(tuple(EqualityMatch("mail", b"%d-%d" % (n, i)) for i in range(1999)))),
    "long clauses": lambda n: asking(Or(tuple(EqualityMatch("mail", b"%d-%d" % (n, i) * 20) for i in range(1999)))),
    "empty clauses": lambda n: asking(Or(tuple(And(()) for _ in range(1999)))),
    "substrings": lambda n: asking(Or(tuple(Substrings("mail", None, (b"%d" % i,), None) for i in range(999)))),
    "parts of one": lambda n: asking(Substrings("mail", None, tuple(b"%d" % i for i in range(1998)), None)),
    "short names": lambda n: asking(Present("objectClass"), *(f"a{i}" for i in range(500))),
    "long names": lambda n: asking(Present("objectClass"), *("a" * 240 + str(i) for i in range(500))),
    "names to mend": lambda n: asking(
        Or(tuple(EqualityMatch("member", f"CN=a, b {n} {i},{BASE}".encode()) for i in range(100)))
    ),
    "wide names to mend": lambda n: asking(
        Or(tuple(EqualityMatch("member", f"CN={WIDE}a, b {n} {i}{'x' * 100},{BASE}".encode()) for i in range(60)))
    ),
    "wide names": lambda n: asking(Present("objectClass"), *(f"{WIDE}{n}-{i}{'a' * 240}" for i in range(500))),
    "names with options": lambda n: asking(Present("objectClass"), *(f"mail;a{i}" for i in range(500))),
    "clauses with options": lambda n: asking(
        Or(tuple(EqualityMatch(f"mail;x{n}-{i}", b"%d-%d" % (n, i)) for i in range(1999)))
    ),
    "a wide base": lambda n: asking(Present("objectClass"), base=f"CN={WIDE}{n}{'a' * 8000},{BASE}"),
    "a wide base to mend": lambda n: asking(Present("objectClass"), base=f"CN={WIDE}a, b{n}{'a' * 900},{BASE}"),
    "above": lambda n: asking(Present("objectClass"), base="DC=corp,DC=example"),
}


@pytest.fixture(scope="module")
def nothing_of_other_tests():
    """What tests before have left, most of it for good, need not be looked at in each search for garbage below."""
    gc.collect()
    gc.freeze()


@pytest.mark.usefixtures("nothing_of_other_tests")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"attributes": (*LISTED, *(f"listed{i}" for i in range(200)))},
        {
            "base_dns": (parse(BASE), *MANY_BASES),
            "excluded_base_dns": (),
        },
    ],
    ids=["usual", "many attributes", "many bases"],
)
def test_an_operation_holds_no_more_than_is_counted_of_it(kind, changes):
    h = Harness(limits=MANY, **changes).bound()
    messages = [octets(KINDS[kind](number), 100 + number) for number in range(21)]
    # What is remembered of a request for all is remembered then.
    h.do(h.session.client_data(messages.pop(), h.now))
    before = h.session.load.octets
    assert before > 0
    gc.collect()
    with tracing():
        for message in messages:
            h.session.client_data(message, h.now)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    assert len(h.session.operations.places.open) == 21
    assert held <= h.session.load.octets - before


def test_a_hundred_large_searches_hold_what_a_session_may_and_are_read_no_further():
    """They were 62 MiB."""
    h = Harness(limits=DEFAULTS).bound()
    for number in range(100):
        h.do(h.session.client_data(octets(large(number), 100 + number), h.now))
        if not h.session.client.reads:
            break
    one = h.session.load.weight(len(octets(large(1), 100)), large(1))
    assert 0 < h.session.load.octets - DEFAULTS.waiting <= one
    taken = len(h.to_server)
    assert 0 < taken == len(h.session.operations.places.open) < 10
    # As much as that is read on, so that the end of the connection is seen; nothing of it is taken.
    assert h.session.client.buffered() > 0
    h.answer(h.to_server[0].message_id, done())
    assert len(h.to_server) == taken + 1


def test_all_of_them_are_answered_in_the_end_and_in_their_order():
    load = GatewayLoad()
    h = Harness(limits=DEFAULTS, load=load).bound()
    ahead = [octets(large(number), 100 + number) for number in range(30)]
    answered = 0
    while answered < 30:
        while ahead and h.session.client.reads:
            h.do(h.session.client_data(ahead.pop(0), h.now))
        h.answer(h.to_server[answered].message_id, done())
        answered += 1
    assert h.results() == [(100 + number, 0) for number in range(30)]
    assert load.octets == 0


def test_two_hundred_and_fifty_look_ups_at_once_wait_and_none_is_busy():
    load = GatewayLoad()
    h = Harness(limits=DEFAULTS, load=load).bound()
    h.send(*[KINDS["look-up"](number) for number in range(250)], start=100)
    assert (len(h.to_server), load.waiting) == (100, 150)
    assert h.session.client.reads
    for number in range(250):
        h.answer(h.to_server[number].message_id, done())
    assert h.results() == [(100 + number, 0) for number in range(250)]


def fill(load, limits):
    """Other sessions take all that there is; returns them."""
    sessions = []
    while not sessions or not sessions[-1].results():
        h = Harness(limits=limits, load=load).bound()
        sessions.append(h)
        for number in range(100):
            if h.session.client.reads:
                h.do(h.session.client_data(octets(large(number), 100 + number), h.now))
        # Where that is too much, there may be room for something small.
        while h.results() and h.results()[-1][0] < 1000:
            h.send(*[KINDS["look-up"](1)] * 100, start=1000)
    assert load.octets > limits.waiting_in_all - 2 * ALWAYS
    return sessions


def test_what_is_too_much_for_the_whole_gateway_is_busy():
    limits = SessionLimits(waiting_in_all=16 << 20)
    load = GatewayLoad()
    others = fill(load, limits)
    assert load.octets <= limits.waiting_in_all + ALWAYS * (len(others) + 1)
    h = Harness(limits=limits, load=load).bound()
    h.send(large(1), start=10)
    assert h.results() == [(10, 51)]
    record = h.audit[-1]
    assert (record.decision, record.reason) == ("refuse", "too-much-waiting")
    assert h.to_client[-1].operation.result.diagnostic.startswith("too-much-waiting: ")
    # It goes on as soon as others have ended.
    others[0].do(others[0].session.client_lost(others[0].now))
    h.send(large(1), start=11)
    assert len(h.to_server) == 1


def test_whatever_others_hold_a_session_may_sign_in_and_look_something_up():
    limits = SessionLimits(waiting_in_all=16 << 20)
    load = GatewayLoad()
    fill(load, limits)
    h = Harness(limits=limits, load=load).bound()
    h.send(*[KINDS["look-up"](number) for number in range(5)], start=10)
    assert len(h.to_server) == 5
    # But not more than a little.
    h.send(*[KINDS["look-up"](number) for number in range(10)], start=20)
    assert {code for _, code in h.results()} == {51}
    assert h.session.load.octets <= ALWAYS


def paged(h, message_id, request, cookie=b""):
    data = octets(request, message_id, PagedResults(1, cookie).to_control(False))
    h.do(h.session.client_data(data, h.now))
    return h


def first_page(h, number, request):
    """The cookie for the second one."""
    paged(h, number, request)
    more = (PagedResults(0, b"theirs").to_control(False),)
    data = encode(m.LDAPMessage(h.to_server[-1].message_id, done(), more))
    h.do(h.session.server_data(data, h.now))
    (control,) = [x for x in h.to_client[-1].controls if x.oid == PAGED_RESULTS]
    return paged_results(control).cookie


UNHIDDEN = {"excluded_base_dns": ()}


def test_searches_between_two_pages_count_and_the_oldest_goes_where_they_are_too_much():
    load = GatewayLoad()
    h = Harness(limits=DEFAULTS, load=load, **UNHIDDEN).bound()
    cookies = [first_page(h, 100 + number, large(number)) for number in range(6)]
    # Half of what a session may hold, so that it is read on.
    assert 0 < load.octets <= DEFAULTS.waiting // 2
    assert h.session.client.reads
    kept = load.octets
    paged(h, 200, large(0), cookies[0])
    assert h.audit[-1].reason == "cookie-not-valid"
    assert load.octets == kept
    paged(h, 201, large(5), cookies[5])
    assert len(h.session.operations.places.open) == 1
    # The cookie is used up; what it stood for is held by the operation. Its message is longer by the cookie.
    assert kept <= load.octets < kept + 100
    h.do(h.session.client_lost(h.now))
    assert load.octets == 0


def test_a_paged_search_that_holds_more_than_all_may_together_is_kept_all_the_same():
    limits = SessionLimits(waiting=ALWAYS)
    h = Harness(limits=limits, **UNHIDDEN).bound()
    cookie = first_page(h, 100, large(1))
    assert h.session.load.full
    # Nothing is open that could end, so reading goes on.
    assert h.session.client.reads
    paged(h, 101, large(1), cookie)
    assert len(h.session.operations.places.open) == 1 and not h.session.load.octets < ALWAYS


def test_a_bind_gives_up_what_is_between_two_pages():
    load = GatewayLoad()
    h = Harness(load=load, **UNHIDDEN).bound()
    first_page(h, 100, search())
    assert load.octets > 0
    h.send(bind("svc-sync@corp.example"), start=101)
    (asked,) = [x for x in h.to_server if isinstance(x.operation, m.BindRequest)]
    h.answer(asked.message_id, m.BindResponse(OK))
    assert load.octets == 0


def test_a_refused_bind_that_waits_for_its_answer_counts_until_then():
    load = GatewayLoad()
    h = Harness(limits=SessionLimits(refusal_floor=1), load=load)
    h.send(bind("CN=nobody,DC=elsewhere"))
    assert load.octets > 0 and h.results() == []
    h.tick(1)
    assert load.octets == 0 and h.results() == [(1, 49)]
    assert c.CloseClient not in h.other


def test_a_search_over_many_bases_holds_a_little_for_each():
    bases = tuple(parse(f"OU=Base {i},DC=corp,DC=example") for i in range(100))
    h = Harness(base_dns=bases, limits=MANY, **UNHIDDEN).bound()
    h.send(KINDS["above"](1), start=10)
    over_all = h.session.load.octets
    h.send(asking(Present("objectClass"), base=str(bases[0])), start=11)
    over_one = h.session.load.octets - over_all
    assert over_all > over_one + 10_000
