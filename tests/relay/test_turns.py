"""A session that is to give up its turn: order, what is still read, and its end."""

import pytest

from gateway.ldap import messages as m
from gateway.ldap.encoding import encode
from gateway.ldap.filters import Present
from gateway.relay import commands as c
from gateway.relay.from_client import PIPELINED_OCTETS
from tests.relay.harness import Harness, bind

ROOT_DSE = m.SearchRequest("", m.BASE_OBJECT, Present("objectClass"))


class Halting(Harness):
    """permitted: requests that may be handled before the turn is given up."""

    def __init__(self, permitted, **settings):
        self.permitted = permitted
        super().__init__(**settings)
        self.session.client.goes_on = self.goes_on

    def goes_on(self):
        self.permitted -= 1
        return self.permitted >= 0

    def turn(self, permitted):
        self.permitted = permitted
        self.do(self.session.turn_comes(self.now))


def test_only_what_may_be_handled_is_and_the_rest_in_its_order():
    h = Halting(2)
    h.send(*[ROOT_DSE] * 7)
    assert h.results() == [(1, 0), (2, 0)]
    assert h.session.client.waits_for_turn()
    h.turn(3)
    assert h.results()[2:] == [(3, 0), (4, 0), (5, 0)]
    h.turn(9)
    assert [number for number, _ in h.results()] == [1, 2, 3, 4, 5, 6, 7]
    assert not h.session.client.waits_for_turn()


def test_what_comes_while_it_waits_stays_behind():
    h = Halting(0)
    h.send(ROOT_DSE)
    h.permitted = 9
    h.send(ROOT_DSE, start=2)
    # The turn is not its own before it comes.
    assert h.results() == []
    h.turn(9)
    assert h.results() == [(1, 0), (2, 0)]


def test_events_of_the_server_do_not_bring_the_turn():
    h = Halting(9).bound()
    h.permitted = 1
    h.send(m.SearchRequest("OU=Staff,DC=corp,DC=example", 2, Present("objectClass")), ROOT_DSE, start=2)
    h.permitted = 9
    h.answer(h.to_server[0].message_id, m.SearchResultDone(m.LDAPResult(0)))
    assert h.results() == [(2, 0)]
    h.turn(9)
    assert h.results() == [(2, 0), (3, 0)]


def test_a_request_behind_a_bind_waits_for_its_end_and_for_the_turn():
    h = Halting(1)
    h.send(bind("svc-sync@corp.example"), ROOT_DSE)
    h.connected()
    h.permitted = 0
    h.answer(1, m.BindResponse(m.LDAPResult(0)))
    assert h.results() == [(1, 0)]
    assert h.session.client.waits_for_turn()
    h.turn(1)
    assert h.results() == [(1, 0), (2, 0)]


def test_a_client_is_not_read_while_enough_of_it_waits_for_the_turn():
    h = Halting(0)
    request = encode(m.LDAPMessage(1, ROOT_DSE))
    fitting = PIPELINED_OCTETS // len(request)
    h.do(h.session.client_data(request * fitting, h.now))
    assert h.session.client.reads
    h.do(h.session.client_data(request, h.now))
    assert not h.session.client.reads
    h.turn(5)
    assert h.session.client.reads


def test_half_a_message_waits_for_no_turn():
    h = Halting(1)
    request = encode(m.LDAPMessage(1, ROOT_DSE))
    h.do(h.session.client_data(request[:-1], h.now))
    assert not h.session.client.waits_for_turn()
    h.permitted = 0
    h.do(h.session.client_data(request[-1:], h.now))
    h.turn(1)
    assert h.results() == [(1, 0)]


@pytest.mark.parametrize("permitted", [0, 1])
def test_a_session_that_stops_answers_what_waits(permitted):
    h = Halting(permitted)
    h.send(*[ROOT_DSE] * 3)
    h.do(h.session.stop(h.now))
    assert c.CloseClient not in h.other
    h.turn(9)
    assert [code for number, code in h.results() if number] == [0] * permitted + [52] * (3 - permitted)
    assert h.other[-1] is c.CloseClient


def test_a_session_that_stops_ends_at_once_where_only_half_a_message_has_come():
    h = Halting(1)
    h.do(h.session.client_data(encode(m.LDAPMessage(1, ROOT_DSE))[:-1], h.now))
    # The turns of this moment have gone to others.
    assert h.permitted == 0
    h.do(h.session.stop(h.now))
    assert h.session.closed
    assert h.other == [c.CloseClient]


def test_a_session_that_has_ended_waits_for_no_turn():
    h = Halting(1)
    h.send(m.UnbindRequest(), ROOT_DSE)
    assert h.session.closed
    assert not h.session.client.waits_for_turn()
    other = Halting(0)
    other.send(ROOT_DSE)
    other.do(other.session.client_lost(other.now))
    assert not other.session.client.waits_for_turn()
