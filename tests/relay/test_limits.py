"""What a session may ask for, and how long anything may take."""

import pytest

from gateway.ldap import messages as m
from gateway.ldap.encoding import encode
from gateway.ldap.filters import Present
from gateway.ldap.results import LDAPResult
from gateway.policy.reasons import REASONS, Reason
from gateway.relay import commands as c
from gateway.relay.settings import SessionLimits
from tests.relay.harness import BASE, OK, Harness, bind, done, entry, search

ROOT_DSE = m.SearchRequest("", 0, Present("objectClass"))


def octets(*requests, start=1):
    return b"".join(encode(m.LDAPMessage(start + i, r)) for i, r in enumerate(requests))


def notice(h):
    """The code and the reason of the notice of disconnection that ended the session."""
    assert h.session.closed
    assert h.other[-1] is c.CloseClient
    last = h.to_client[-1]
    assert (last.message_id, last.operation.oid) == (0, m.NOTICE_OF_DISCONNECTION)
    said = last.operation.result.code, last.operation.result.diagnostic.partition(":")[0]
    # That nothing happens for a long time is no refusal.
    records = [(record.code, record.reason) for record in h.audit if record.operation == "session"]
    assert records == ([] if said[1] == "idle" else [said])
    return said


def due_and_past(h, seconds):
    """Nothing happens until so many seconds have gone, and the deadline knows it."""
    assert h.session.deadline() == pytest.approx(h.now + seconds)
    h.tick(seconds - 0.5)
    assert not h.session.closed
    h.tick(0.5)


# In a second.


class Only:
    """Admits so many requests."""

    def __init__(self, most, reason=Reason.too_many_requests_of_account):
        self.most, self.reason, self.accounts = most, reason, []

    def admit(self, account, now):
        self.accounts.append(account)
        return None if len(self.accounts) <= self.most else self.reason


def test_too_many_requests_in_a_second_are_busy_and_counted_for_the_account_that_is_bound():
    rates = Only(2)
    h = Harness(rates=rates).bound()
    h.send(search(), search(), m.ExtendedRequest(m.WHO_AM_I), start=5)
    assert rates.accounts == ["", *["svc-sync@corp.example"] * 3]
    assert h.results() == [(6, 51), (7, 51)]
    assert {x.reason for x in h.audit[-2:]} == {"too-many-requests-of-account"}


def test_a_bind_that_is_too_many_reaches_no_server_and_leaves_the_session_anonymous():
    h = Harness(rates=Only(1, Reason.too_many_requests_of_source)).bound()
    h.send(bind("svc-sync@corp.example"), start=5)
    assert h.results() == [(5, 51)]
    assert not [x for x in h.to_server if isinstance(x.operation, m.BindRequest)]
    assert h.other[-1] is c.CloseServer


# In time.


def test_a_session_that_never_binds_ends_whatever_else_it_asks():
    h = Harness(limits=SessionLimits(unbound=60, idle=600))
    for _ in range(5):
        h.send(ROOT_DSE, start=5)
        h.tick(10)
    due_and_past(h, 10)
    assert notice(h) == (8, "unbound-timeout")


def test_a_failed_bind_begins_that_time_anew_and_a_good_one_ends_it():
    h = Harness(limits=SessionLimits(unbound=60, idle=600))
    h.tick(20)
    h.send(bind("svc-sync@corp.example"))
    h.connected()
    h.answer(1, m.BindResponse(LDAPResult(49)))
    h.tick(59)
    assert not h.session.closed
    h.send(bind("svc-sync@corp.example"), start=2)
    h.connected()
    h.answer(1, m.BindResponse(OK))
    due_and_past(h, 600)
    assert notice(h) == (52, "idle")


def test_a_bind_that_is_under_way_is_waited_for():
    h = Harness(limits=SessionLimits(unbound=10, bind=30))
    h.tick(9)
    h.send(bind("svc-sync@corp.example"))
    h.connected()
    h.tick(29)
    assert not h.session.closed


def test_a_message_that_comes_drop_by_drop_ends_the_session():
    h = Harness(limits=SessionLimits(message=30)).bound()
    data = octets(search(), start=5)
    for octet in data[:29]:
        h.do(h.session.client_data(bytes((octet,)), h.now))
        h.tick(1)
    assert not h.session.closed
    h.do(h.session.client_data(data[29:30], h.now))
    h.tick(1)
    assert notice(h) == (52, "message-timeout")


def test_each_message_has_that_time_for_itself():
    h = Harness(limits=SessionLimits(message=30)).bound()
    for number in range(5, 10):
        data = octets(search(), start=number)
        h.do(h.session.client_data(data[:5], h.now))
        h.tick(29)
        h.do(h.session.client_data(data[5:], h.now))
    assert not h.session.closed
    assert len(h.to_server) == 5


def test_a_message_behind_another_in_one_piece_begins_when_it_came():
    h = Harness(limits=SessionLimits(message=30)).bound()
    data = octets(search(), search(), start=5)
    h.do(h.session.client_data(data[:-1], h.now))
    due_and_past(h, 30)
    assert notice(h) == (52, "message-timeout")
    # Nobody is left without an answer.
    assert (5, 52) in h.results()


def test_the_time_for_a_message_stands_still_while_the_gateway_itself_reads_nothing():
    h = Harness(limits=SessionLimits(message=30)).bound()
    data = octets(search(), search(), start=5)
    h.do(h.session.client_data(data[:-1], h.now))
    h.tick(20)
    h.session.client.clocks.hold(h.now)
    h.tick(100)
    assert not h.session.closed
    h.session.client.clocks.release(h.now)
    h.tick(9)
    assert not h.session.closed
    h.tick(1)
    assert notice(h) == (52, "message-timeout")


def test_what_waits_behind_a_bind_is_not_late():
    h = Harness(limits=SessionLimits(message=5, bind=30))
    data = octets(bind("svc-sync@corp.example"), search())
    h.do(h.session.client_data(data[:-1], h.now))
    h.connected()
    h.tick(20)
    assert not h.session.closed
    h.answer(1, m.BindResponse(OK))
    h.do(h.session.client_data(data[-1:], h.now))
    assert isinstance(h.to_server[-1].operation, m.SearchRequest)


def test_starttls_begins_the_clocks_anew():
    h = Harness(tls=False, needs_tls=True, limits=SessionLimits(first_request=30, unbound=60))
    h.tick(29)
    h.send(m.ExtendedRequest(m.START_TLS))
    due_and_past(h, 30)
    assert notice(h) == (52, "first-request-timeout")


# A search.


@pytest.mark.parametrize("limits, time_limit", [(SessionLimits(search=200), 0), (SessionLimits(), 200)])
def test_a_search_that_takes_too_long_ends_by_itself_and_its_neighbour_goes_on(limits, time_limit):
    h = Harness(limits=limits, time_limit=time_limit).bound()
    h.send(search(), start=5)
    h.tick(100)
    h.send(search(), start=6)
    first, second = (x.message_id for x in h.to_server)
    h.answer(first, entry("CN=a," + BASE, "mail"))
    h.tick(99)
    assert h.results() == []
    h.tick(1)
    assert h.results() == [(5, 3)]
    assert "not complete" in h.to_client[-1].operation.result.diagnostic
    assert h.audit[-1].reason == "search-timeout"
    assert h.to_server[-1].operation == m.AbandonRequest(first)
    h.answer(first, entry("CN=b," + BASE, "mail"), done())
    h.answer(second, entry("CN=c," + BASE, "mail"), done())
    assert h.results() == [(5, 3), (6, 0)]
    assert len([x for x in h.to_client if isinstance(x.operation, m.SearchResultEntry)]) == 2


def test_a_search_whose_entries_have_too_many_octets_ends_with_an_error():
    one = len(encode(m.LDAPMessage(5, entry("CN=a," + BASE, "mail"))))
    h = Harness(octet_limit=2 * one).bound()
    h.send(search(), search(), start=5)
    first, second = (x.message_id for x in h.to_server)
    h.answer(first, *[entry(f"CN={name},{BASE}", "mail") for name in "ab"])
    assert h.results() == []
    h.answer(first, entry("CN=c,OU=Other,DC=corp,DC=example", "mail"), entry("CN=c," + BASE, "mail"))
    assert h.results() == [(5, 11)]
    assert h.audit[-1].reason == "octet-limit-reached"
    assert h.audit[-1].sent == 2
    assert h.to_server[-1].operation == m.AbandonRequest(first)
    h.answer(second, entry("CN=a," + BASE, "mail"), done())
    assert h.results() == [(5, 11), (6, 0)]


def too_large(message_id, limit):
    """The beginning of a response of one octet more than the limit."""
    return b"\x30\x84" + (limit - 5).to_bytes(4, "big") + b"\x02\x01" + bytes((message_id,))


@pytest.mark.parametrize("pieces", [1, 9])
def test_a_response_larger_than_the_limit_ends_its_search_with_a_code_of_its_own_and_the_session_with_it(pieces):
    h = Harness(limits=SessionLimits(response_message=1000)).bound()
    h.send(search(), search(), start=5)
    first, second = (x.message_id for x in h.to_server)
    h.answer(first, entry("CN=a," + BASE, "mail"))
    data = too_large(second, 1000)
    for i in range(0, len(data), len(data) // pieces):
        h.do(h.session.server_data(data[i : i + len(data) // pieces], h.now))
    assert h.results() == [(6, 11), (5, 52), (0, 52)]
    texts = [x.operation.result.diagnostic for x in h.to_client if hasattr(x.operation, "result")]
    assert texts[0].startswith("response-too-large: one response of the directory has more than 1000 octets")
    assert [x.partition(":")[0] for x in texts[1:]] == ["server-lost"] * 2
    assert [x.reason for x in h.audit[-2:]] == ["response-too-large", "server-lost"]
    assert h.session.closed and h.other[-2:] == [c.CloseServer, c.CloseClient]


@pytest.mark.parametrize("message_id", [0, 99])
def test_a_response_larger_than_the_limit_that_is_nobodys_ends_the_session(message_id):
    h = Harness(limits=SessionLimits(response_message=1000)).bound()
    h.send(search(), start=5)
    h.do(h.session.server_data(too_large(message_id, 1000), h.now))
    assert h.results() == [(5, 52), (0, 52)]


def test_a_response_larger_than_the_limit_to_a_bind_ends_the_bind_and_the_session():
    h = Harness(limits=SessionLimits(response_message=1000))
    h.send(bind("svc-sync@corp.example"))
    h.connected()
    h.do(h.session.server_data(too_large(h.to_server[-1].message_id, 1000), h.now))
    assert h.results() == [(1, 11), (0, 52)]


def test_every_reason_says_what_it_means():
    assert set(REASONS) == set(Reason)
