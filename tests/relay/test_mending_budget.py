"""How much of names without their escapes is read, before a bind for a source and after it for an account."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.filters import And, EqualityMatch
from gateway.net.sessions.rates import BURST, RequestRates, SessionRates
from gateway.net.sessions.settings import ConnectionLimits
from gateway.policy.reasons import Reason
from tests.relay.harness import Harness, bind, done

SYNC = "svc-sync@corp.example"
# What needs mending, and what it means.
BASE = "OU=Sales, EMEA,OU=Staff,DC=corp,DC=example"
RIGHT = r"OU=Sales\, EMEA,OU=Staff,DC=corp,DC=example"
PERSON = "CN=Doe, Jane,OU=Staff,DC=corp,DC=example"


def limits(source, account):
    return ConnectionLimits(
        requests_per_source=10**6,
        requests_per_account=10**6,
        mending_per_source=source,
        mending_per_account=account,
    )


class Sessions:
    """Of one gateway; each has a source."""

    def __init__(self, source=10**6, account=10**6):
        self.rates = RequestRates()
        self.limits = limits(source, account)

    def session(self, source="198.51.100.1", **changes):
        return Harness(rates=SessionRates(self.rates, self.limits, "mimecast", source), **changes)


def find(h, base, filter_=None, start=5):
    h.send(m.SearchRequest(base, 2, filter_ or EqualityMatch("mail", b"a@x"), ("mail",)), start=start)


def test_before_a_bind_the_source_pays_over_all_its_sessions():
    sessions = Sessions(source=len(PERSON))
    for _ in range(BURST):
        h = sessions.session()
        h.send(bind(PERSON))
        assert h.audit == []
    h = sessions.session()
    h.send(bind(PERSON))
    assert h.results() == [(1, 49)]
    assert (h.audit[-1].reason, h.to_server) == (Reason.too_much_mending, [])
    other = sessions.session("198.51.100.2")
    other.send(bind(PERSON))
    assert other.audit == []
    # A name with its escapes costs nothing.
    for name in (r"CN=Doe\, Jane,OU=Staff,DC=corp,DC=example", SYNC):
        h = sessions.session()
        h.send(bind(name))
        assert h.audit == []
    # It comes back with the time.
    h = sessions.session()
    h.now += 1
    h.send(bind(PERSON))
    assert h.audit == []


def test_after_a_bind_the_account_pays_and_a_search_is_told_to_come_again():
    sessions = Sessions(source=1, account=len(BASE))
    h, other = sessions.session().bound(), sessions.session("198.51.100.2").bound()
    for each in (h, other):
        find(each, BASE)
        assert each.to_server[-1].operation.base == RIGHT
    # A base that has been mended is remembered.
    find(h, BASE, start=4)
    assert h.to_server[-1].operation.base == RIGHT
    find(h, BASE.lower(), start=6)
    assert h.results() == [(6, 51)]
    assert h.audit[-1].reason == Reason.too_much_mending
    find(h, RIGHT, start=7)
    assert h.to_server[-1].operation.base == RIGHT
    h.answer(h.to_server[-1].message_id, done())
    assert h.results()[-1] == (7, 0)


def test_a_value_that_cannot_be_paid_for_is_not_forwarded_as_it_is():
    sessions = Sessions(account=len(BASE) // BURST + 1)
    h = sessions.session(filter_attributes=("mail", "memberOf")).bound()
    sent = len(h.to_server)
    twice = And((EqualityMatch("memberOf", BASE.encode()), EqualityMatch("memberOf", BASE.encode())))
    find(h, RIGHT, twice)
    assert h.results() == [(5, 51)]
    assert h.audit[-1].reason == Reason.too_much_mending
    assert len(h.to_server) == sent


@pytest.mark.parametrize("bound", [False, True])
def test_the_search_and_the_sign_in_of_others_are_not_touched(bound):
    sessions = Sessions(source=1, account=1)
    h = sessions.session()
    if bound:
        h.bound()
        find(h, BASE)
    else:
        h.send(bind(PERSON))
    assert h.audit[-1].reason == Reason.too_much_mending
    other = sessions.session().bound()
    find(other, RIGHT)
    assert other.to_server[-1].operation.base == RIGHT


NAMES = st.lists(st.tuples(st.sampled_from(["", "svc"]), st.integers(1, 400), st.floats(0, 2)), max_size=60)


@given(NAMES, st.integers(1, 300), st.integers(1, 300))
def test_never_more_is_read_than_a_burst_and_what_came_since(names, source, account):
    sessions = SessionRates(RequestRates(), limits(source, account), "mimecast", "198.51.100.1")
    now, read = 0.0, {"": 0, "svc": 0}
    for who, characters, later in names:
        now += later
        if sessions.may_mend(who, characters, now):
            read[who] += characters
        assert read[""] <= source * (BURST + now) + 1e-6
        assert read["svc"] <= account * (BURST + now) + 1e-6
