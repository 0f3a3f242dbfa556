"""Binds whose client leaves before the server's answer: what the server says of the password counts all the same."""

import pytest

from gateway.ldap import messages as m
from gateway.ldap.results import LDAPResult
from gateway.policy.lockout import LockoutSettings
from gateway.policy.reasons import REASONS, Reason
from gateway.relay import commands as c
from gateway.relay.settings import SessionLimits
from tests.relay.harness import BASE, OK, Harness, bind, search

SYNC, PERSON, PERSONS_DN = "svc-sync@corp.example", "jane@corp.example", "CN=Jane," + BASE
WRONG = LDAPResult(49, diagnostic="80090308: LdapErr: x, data 52e, v1")
PER_SOURCE = LockoutSettings(per_source=10)


def leaves(h):
    h.do(h.session.client_lost(h.now))


def is_displaced(h):
    h.do(h.session.abort(Reason.displaced, "another connection has its place", h.now))
    h.to_client.clear()
    leaves(h)


def leaves_and_is_displaced(h):
    leaves(h)
    h.do(h.session.abort(Reason.displaced, "another connection has its place", h.now))


def is_displaced_as_the_client_is_removed(h):
    h.do(h.session.abort(Reason.displaced, "another connection has its place", h.now))
    h.do(h.session.abort(Reason.client_removed, "this client is no longer served from this address", h.now))
    h.to_client.clear()
    leaves(h)


LEFT = (leaves, leaves_and_is_displaced)


def deserted(name, leave, **changes):
    h = Harness(**changes)
    h.send(bind(name))
    h.connected()
    leave(h)
    return h


@pytest.mark.parametrize("leave", [*LEFT, is_displaced, is_displaced_as_the_client_is_removed])
@pytest.mark.parametrize("name", [SYNC, PERSON, PERSONS_DN])
def test_it_goes_on_until_the_server_has_answered(name, leave):
    h = deserted(name, leave)
    assert (h.attempts, h.audit, h.session.busy) == ([], [], True)
    assert c.CloseServer not in h.other
    h.answer(1, m.BindResponse(WRONG))
    assert [said for _, said in h.attempts] == ["wrong"]
    assert not h.session.busy
    assert isinstance(h.to_server[-1].operation, m.UnbindRequest) and c.CloseServer in h.other
    assert h.to_client == []
    (record,) = h.audit
    why = Reason.client_gone if leave in LEFT else Reason.displaced
    assert (record.operation, record.reason, record.code) == ("bind", why, None)
    assert record.server_code == 49


@pytest.mark.parametrize("name", [SYNC, PERSONS_DN])
def test_a_right_password_counts_as_one(name):
    h = deserted(name, leaves)
    h.answer(1, m.BindResponse(OK))
    assert [said for _, said in h.attempts] == ["right"]
    assert not h.session.busy and c.CloseServer in h.other
    assert (h.audit[-1].reason, h.audit[-1].code) == (Reason.client_gone, None)


def test_whether_a_person_may_sign_in_is_looked_up_all_the_same():
    h = deserted(PERSON, leaves)
    h.answer(1, m.BindResponse(OK))
    # Nobody is found: whoever may not sign in counts like a wrong password.
    while h.session.busy:
        asked = h.to_server[-1]
        if isinstance(asked.operation, m.ExtendedRequest):
            h.answer(asked.message_id, m.ExtendedResponse(LDAPResult(2)))
        else:
            h.answer(asked.message_id, m.SearchResultDone(OK))
    assert h.attempts == [("name:jane", "wrong")]
    assert h.audit[-1].reason == Reason.login_identity_unknown
    assert REASONS[Reason.client_gone].meaning in h.audit[-1].detail


def test_it_counts_for_its_source_as_well():
    h = deserted(PERSON, leaves, lockout=PER_SOURCE)
    h.answer(1, m.BindResponse(WRONG))
    assert [said for _, said in h.attempts] == ["wrong", "wrong"]


@pytest.mark.parametrize(("name", "verdict"), [(SYNC, "neither"), (PERSON, "wrong")])
@pytest.mark.parametrize("end", ["silence", "loss"])
def test_without_an_answer_a_person_counts_and_a_service_does_not(name, verdict, end):
    h = deserted(name, leaves, limits=SessionLimits(refusal_floor=0, bind=30))
    assert h.session.deadline() == h.now + 30
    if end == "silence":
        h.tick(30)
    else:
        h.do(h.session.server_lost("reset", h.now))
    assert [said for _, said in h.attempts] == [verdict]
    # It is not tried at another server.
    assert h.other.count(c.ConnectServer) == 1
    assert not h.session.busy and h.session.deadline() is None
    assert len(h.audit) == 1


@pytest.mark.parametrize("name", [SYNC, PERSON])
def test_what_no_server_was_sent_counts_for_nothing(name):
    h = Harness()
    h.send(bind(name))
    leaves(h)
    assert [said for _, said in h.attempts] == ["neither"]
    assert not h.session.busy and c.CloseServer in h.other


def test_without_a_guard_there_is_nothing_to_wait_for():
    h = deserted(PERSON, leaves, lockout=LockoutSettings(0))
    assert not h.session.busy and c.CloseServer in h.other


def test_a_gateway_that_stops_waits_no_longer():
    h = deserted(PERSON, leaves)
    h.do(h.session.abort(Reason.stopping, "the gateway is stopping", h.now))
    assert not h.session.busy
    assert [said for _, said in h.attempts] == ["wrong"]
    assert [record.operation for record in h.audit] == ["bind"]


def test_searches_end_at_once():
    h = Harness().bound()
    h.send(search(), start=5)
    leaves(h)
    assert not h.session.busy and c.CloseServer in h.other
