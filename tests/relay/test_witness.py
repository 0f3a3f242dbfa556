"""What a session tells of its servers: how each step of a bind ended, and what came behind an accepted bind."""

import pytest

from gateway.ldap import messages as m
from gateway.ldap.results import LDAPResult
from gateway.policy.reasons import Reason
from gateway.relay import questions as q
from gateway.relay.settings import SessionLimits
from gateway.relay.witness import CLOSES_AT_ONCE
from tests.relay.harness import BASE, OK, Harness, bind, done, entry, search

PERSON = "jane@corp.example"
BIND, SERVICE = q.Duty.bind, q.Duty.service
ANSWERED, GIVEN_UP, SILENT, CLOSED, FAILED = q.Conduct


class Watched(Harness):
    """told: what was told, as (duty, conduct), the conduct None where a step begins to wait. Everything that begins
    must end once, with the same server and time."""

    def __init__(self):
        self.told = []
        self.waiting = []
        super().__init__(limits=SessionLimits(refusal_floor=0, bind=30, silence=100))

    def do(self, commands):
        for command in commands:
            if isinstance(command, q.ServerAsked):
                self.waiting.append((command.server, command.duty, command.since))
                self.told.append((command.duty, None))
            elif isinstance(command, q.ServerBehaved):
                awaited = (command.server, command.duty, command.since)
                if awaited in self.waiting:
                    self.waiting.remove(awaited)
                self.told.append((command.duty, command.conduct))
        super().do(commands)

    def at(self, patience=None):
        self.do(self.session.server_connected("ldaps://dc1", self.now, patience))

    def lost(self):
        self.do(self.session.server_lost("reset", self.now))

    def accepted(self, name="svc-sync@corp.example"):
        self.send(bind(name))
        self.at()
        self.answer(1, m.BindResponse(OK))
        return self

    def ends(self):
        """The conducts that were told, and nothing waits any more."""
        assert self.waiting == []
        return [each for each in self.told if each[1] is not None]


def begun(patience=None):
    h = Watched()
    h.send(bind("svc-sync@corp.example"))
    h.at(patience)
    assert h.told == [(BIND, None)]
    return h


def silence(h):
    h.tick(30)


def loss(h):
    h.lost()


def stop(h):
    h.do(h.session.abort(Reason.stopping, "the gateway is stopping", h.now))


def undecodable(h):
    h.do(h.session.server_data(b"\x30\x03\x02\x01", h.now))
    h.do(h.session.server_data(b"\x01" * 9, h.now))


def misplaced(h):
    h.answer(1, done())


def answer(code):
    return lambda h: h.answer(1, m.BindResponse(LDAPResult(code)))


@pytest.mark.parametrize(
    "end, conduct",
    [
        (answer(0), ANSWERED),
        (answer(49), ANSWERED),
        (answer(53), ANSWERED),
        (answer(51), FAILED),
        (answer(52), FAILED),
        (silence, SILENT),
        (loss, FAILED),
        (undecodable, FAILED),
        (misplaced, FAILED),
        (stop, GIVEN_UP),
    ],
)
def test_every_bind_that_is_sent_ends_once(end, conduct):
    h = begun()
    end(h)
    assert h.ends() == [(BIND, conduct)]


@pytest.mark.parametrize("end, conduct", [(answer(49), ANSWERED), (silence, SILENT), (loss, FAILED)])
def test_a_bind_whose_client_leaves_ends_as_it_ends_at_the_server(end, conduct):
    h = begun()
    h.do(h.session.client_lost(h.now))
    end(h)
    assert h.ends() == [(BIND, conduct)]


def test_a_connection_that_was_kept_ready_may_have_been_dead():
    h = begun(patience=5)
    h.tick(5)
    assert h.ends() == [(BIND, FAILED)]


def test_what_cannot_be_connected_to_is_told_elsewhere():
    h = Watched()
    h.send(bind("svc-sync@corp.example"))
    h.do(h.session.server_failed("refused", h.now))
    assert h.told == []


@pytest.mark.parametrize("end, conduct", [(silence, SILENT), (loss, CLOSED), (stop, GIVEN_UP)])
def test_the_look_up_behind_a_sign_in_is_the_gateways_own(end, conduct):
    h = Watched().accepted(PERSON)
    assert h.told == [(BIND, None), (BIND, ANSWERED), (SERVICE, None)]
    end(h)
    assert h.ends() == [(BIND, ANSWERED), (SERVICE, conduct)]


def test_a_server_that_closes_behind_an_accepted_bind_and_was_asked_nothing():
    h = Watched().accepted()
    h.tick(CLOSES_AT_ONCE)
    h.lost()
    assert h.ends()[1:] == [(SERVICE, CLOSED)]


@pytest.mark.parametrize("work", ["nothing", "a search", "entries of a search", "a bind anew"])
def test_a_server_that_closes_a_session_which_it_served_or_that_nobody_uses_has_done_nothing_wrong(work):
    h = Watched().accepted()
    if work == "nothing":
        h.tick(CLOSES_AT_ONCE + 1)
    else:
        h.send(search(), start=2)
        h.answer(2, entry(f"CN=x,{BASE}", "mail"))
        if work != "entries of a search":
            h.answer(2, done())
    if work == "a bind anew":
        h.send(bind("svc-sync@corp.example"), start=3)
        h.answer(3, m.BindResponse(LDAPResult(49)))
    h.lost()
    assert all(conduct is ANSWERED for _, conduct in h.ends())


@pytest.mark.parametrize("end", [loss, undecodable, lambda h: h.tick(100)])
def test_a_search_under_way_may_be_what_the_server_did_not_stand(end):
    h = Watched().accepted()
    h.send(search(), start=2)
    end(h)
    assert h.ends()[1:] == [(SERVICE, FAILED)]


def test_a_search_that_its_own_time_limit_ends_is_not_the_servers():
    h = Watched().accepted()
    h.send(search(), start=2)
    h.tick(99)
    h.do(h.session.client_lost(h.now))
    assert h.ends() == [(BIND, ANSWERED)]


def test_of_a_connection_the_first_answer_is_told_and_no_other():
    h = Watched().accepted()
    for message_id in (2, 3, 4):
        h.send(search(), start=message_id)
        h.answer(message_id, done())
    assert h.ends() == [(BIND, ANSWERED), (SERVICE, ANSWERED)]
