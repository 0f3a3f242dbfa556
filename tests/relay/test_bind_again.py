"""A bind that a server lost is sent to another one, once; a bind that was answered is not."""

import pytest

from gateway.ldap import messages as m
from gateway.ldap.encoding import encode
from gateway.ldap.results import LDAPResult
from gateway.relay import commands as c
from tests.relay.harness import OK, Harness, bind, search

BUSY, UNAVAILABLE, INVALID = 51, 52, 49


class Recorder(Harness):
    """connections: each wish for a server, as (instead_of, others_only)."""

    def __init__(self, **more):
        self.connections = []
        super().__init__(**more)

    def do(self, commands):
        self.connections += [(x.instead_of, x.others_only) for x in commands if isinstance(x, c.ConnectServer)]
        super().do(commands)

    def lost(self, detail="reset"):
        self.do(self.session.server_lost(detail, self.now))

    def at(self, url, patience=None):
        self.do(self.session.server_connected(url, self.now, patience))


def started(name="svc-sync@corp.example", patience=None):
    h = Recorder()
    h.send(bind(name))
    h.at("ldaps://dc1", patience)
    return h


def test_a_bind_whose_connection_is_lost_is_sent_to_another_server():
    h = started()
    h.lost()
    assert h.results() == []
    assert h.connections == [("", False), ("ldaps://dc1", False)]
    h.at("ldaps://dc2")
    sent = [x.operation.name for x in h.to_server if isinstance(x.operation, m.BindRequest)]
    assert sent == ["svc-sync@corp.example"] * 2
    h.answer(1, m.BindResponse(OK))
    assert h.results() == [(1, 0)]
    assert h.attempts == [("name:svc-sync", "right")]
    record = h.audit[-1]
    assert (record.server, record.detail) == ("ldaps://dc2", "ldaps://dc1: reset; sent once more")


def test_it_is_sent_once_more_and_not_twice():
    h = started()
    h.lost("first")
    h.at("ldaps://dc2")
    h.lost("second")
    assert h.results()[0] == (1, 52)
    assert len(h.connections) == 2
    assert h.audit[-1].detail == "ldaps://dc1: first; sent once more; second"


def test_a_notice_of_disconnection_is_a_lost_connection():
    h = started()
    h.answer(0, m.ExtendedResponse(LDAPResult(UNAVAILABLE), m.NOTICE_OF_DISCONNECTION))
    assert h.connections[1:] == [("ldaps://dc1", False)]
    assert h.results() == []


@pytest.mark.parametrize("code", [BUSY, UNAVAILABLE])
def test_a_server_that_cannot_now_is_left_for_others_only(code):
    h = started()
    h.answer(1, m.BindResponse(LDAPResult(code)))
    assert h.results() == []
    assert h.connections[1:] == [("ldaps://dc1", True)]
    h.at("ldaps://dc2")
    h.answer(1, m.BindResponse(OK))
    assert h.results() == [(1, 0)]


def in_one_piece(h, *messages):
    """These (message ID, operation), as one read of the server's connection."""
    data = b"".join(encode(m.LDAPMessage(*message)) for message in messages)
    h.do(h.session.server_data(data, h.now))


NOTICE = (0, m.ExtendedResponse(LDAPResult(UNAVAILABLE, diagnostic="behind"), m.NOTICE_OF_DISCONNECTION))


@pytest.mark.parametrize("account", ["svc-sync@corp.example", "jane@corp.example"])
@pytest.mark.parametrize("code", [BUSY, UNAVAILABLE])
@pytest.mark.parametrize(
    "behind",
    [
        (NOTICE,),
        (NOTICE, NOTICE),
        ((1, m.BindResponse(OK)),),
        ((2, m.SearchResultEntry("CN=behind,OU=Staff,DC=corp,DC=example", ())), NOTICE),
    ],
)
def test_what_comes_behind_an_answer_that_says_nothing_goes_with_its_connection(account, code, behind):
    h = started(account)
    in_one_piece(h, (1, m.BindResponse(LDAPResult(code))), *behind)
    assert (h.to_client, h.audit) == ([], [])
    assert h.connections[1:] == [("ldaps://dc1", True)]
    assert h.other.count(c.CloseServer) == 1
    h.at("ldaps://dc2")
    sent = [x.operation.name for x in h.to_server if isinstance(x.operation, m.BindRequest)]
    assert sent == [account] * 2
    h.answer(1, m.BindResponse(LDAPResult(INVALID)))
    assert [x.operation.result for x in h.to_client] == [LDAPResult(INVALID)]
    assert len(h.connections) == 2
    assert h.audit[-1].detail == f"ldaps://dc1: answered {'busy' if code == BUSY else 'unavailable'}; sent once more"


def test_part_of_a_message_behind_such_an_answer_goes_with_its_connection():
    h = started()
    data = b"".join(encode(m.LDAPMessage(*message)) for message in ((1, m.BindResponse(LDAPResult(BUSY))), NOTICE))
    h.do(h.session.server_data(data[:-3], h.now))
    assert h.connections[1:] == [("ldaps://dc1", True)]
    h.at("ldaps://dc2")
    h.answer(1, m.BindResponse(OK))
    assert h.results() == [(1, 0)]


def test_two_servers_that_reach_nothing_are_believed_and_nothing_is_said_twice():
    h = started()
    for at in ("ldaps://dc2", None):
        in_one_piece(h, (1, m.BindResponse(LDAPResult(UNAVAILABLE))), NOTICE)
        if at is not None:
            h.at(at)
    assert h.results() == [(1, UNAVAILABLE)]
    assert len(h.connections) == 2
    # The session goes on.
    h.send(bind("svc-sync@corp.example"), start=2)
    h.at("ldaps://dc3")
    h.answer(1, m.BindResponse(OK))
    assert h.results() == [(1, UNAVAILABLE), (2, 0)]


def test_where_no_other_can_be_reached_what_came_behind_the_first_answer_is_not_told():
    h = started()
    in_one_piece(h, (1, m.BindResponse(LDAPResult(UNAVAILABLE))), NOTICE)
    h.do(h.session.server_failed("the directory has no other server", h.now))
    assert h.results() == [(1, UNAVAILABLE)]
    assert "behind" not in repr(h.to_client)
    assert h.attempts == [("name:svc-sync", "neither")]


def test_a_notice_that_begins_without_an_answer_may_be_an_answer():
    h = started()
    h.do(h.session.server_data(encode(m.LDAPMessage(*NOTICE))[:9], h.now))
    h.lost()
    assert h.results()[0] == (1, 52)
    assert len(h.connections) == 1


def test_where_there_is_no_other_the_first_answer_is_the_answer():
    h = started()
    h.answer(1, m.BindResponse(LDAPResult(BUSY)))
    h.do(h.session.server_failed("the directory has no other server", h.now))
    assert h.results() == [(1, BUSY)]
    assert h.attempts == [("name:svc-sync", "neither")]
    # The session goes on.
    h.send(bind("svc-sync@corp.example"), start=2)
    h.at("ldaps://dc1")
    h.answer(1, m.BindResponse(OK))
    assert h.results() == [(1, BUSY), (2, 0)]


def test_a_second_busy_server_is_believed():
    h = started()
    h.answer(1, m.BindResponse(LDAPResult(BUSY)))
    h.at("ldaps://dc2")
    h.answer(1, m.BindResponse(LDAPResult(BUSY)))
    assert h.results() == [(1, BUSY)]
    assert len(h.connections) == 2


@pytest.mark.parametrize("code", [1, 8, 32, INVALID, 50, 53, 80])
def test_an_answer_about_the_password_or_the_name_is_final(code):
    h = started()
    h.answer(1, m.BindResponse(LDAPResult(code)))
    assert [found for _, found in h.results()] == [code]
    assert len(h.connections) == 1


def test_an_answer_that_has_begun_is_an_answer():
    h = started()
    answer = encode(m.LDAPMessage(1, m.BindResponse(LDAPResult(INVALID))))
    h.do(h.session.server_data(answer[:5], h.now))
    h.lost()
    assert h.results()[0] == (1, 52)
    assert len(h.connections) == 1


def test_what_comes_behind_an_accepted_bind_stays_where_it_is():
    h = started("jane@corp.example")
    h.answer(1, m.BindResponse(OK))
    assert isinstance(h.to_server[-1].operation, m.SearchRequest)
    h.lost()
    assert h.results()[0] == (1, 52)
    assert len(h.connections) == 1


def test_a_search_is_not_sent_again():
    h = Recorder().bound()
    h.send(search(), start=2)
    h.lost()
    assert h.results()[0] == (2, 52)
    assert len(h.connections) == 1


def test_a_silent_server_may_have_counted_the_password():
    h = started()
    h.tick(31)
    assert h.results()[0] == (1, 52)
    assert len(h.connections) == 1


def test_a_connection_that_was_kept_ready_is_not_waited_for_as_long():
    h = started(patience=5)
    h.tick(4.9)
    assert len(h.connections) == 1
    h.tick(0.2)
    assert h.connections[1:] == [("ldaps://dc1", False)]
    h.at("ldaps://dc2")
    # From here on it is a server like any other.
    h.tick(29)
    assert h.results() == []
    h.answer(1, m.BindResponse(OK))
    assert h.results() == [(1, 0)]


def test_the_first_octet_shows_that_a_kept_connection_is_alive():
    h = started(patience=5)
    h.answer(1, m.BindResponse(OK))
    h.send(bind("svc-sync@corp.example"), start=2)
    h.tick(29)
    assert len(h.connections) == 1
    h.tick(2)
    assert h.results()[1] == (2, 52)
    assert len(h.connections) == 1


def test_leaving_between_the_two_attempts_counts_as_the_first_one_would():
    for answer, verdict in ((None, "wrong"), (m.BindResponse(LDAPResult(BUSY)), "neither")):
        h = started("jane@corp.example")
        if answer is None:
            h.lost()
        else:
            h.answer(1, answer)
        h.do(h.session.client_lost(h.now))
        assert [said for _, said in h.attempts] == [verdict]
