"""Whoever may not sign in looks like a wrong password: in what comes, in when it comes, and in what is counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.filters import Present
from gateway.ldap.results import LDAPResult
from gateway.policy.lockout import LockoutSettings
from gateway.policy.reasons import REASONS, Reason
from gateway.relay.from_client import PIPELINED_OCTETS
from tests.examples import examples
from tests.relay.harness import bind, search, split
from tests.relay.sign_ins import PASSWORD, REFUSED, WRONG, Person, Times, World, sub_code

JANE = "jane@corp.example"

refused = pytest.mark.parametrize("person", [pytest.param(row[0], id=name) for name, row in REFUSED.items()])
passed = pytest.mark.parametrize("pass_diagnostics", [False, True])


def world(person, **more):
    return World(
        {JANE: person, "CORP\\jane": person, "john@corp.example": Person(), "svc-sync@corp.example": Person()}, **more
    )


def seen(person, password, then=lambda made: None, **more):
    """What the client gets of a sign-in, and of what it does then."""
    made = world(person, **more)
    made.sign_in(password=password)
    then(made)
    return made.seen


@refused
@passed
def test_the_answer_to_a_right_password_is_that_to_a_wrong_one_at_the_same_time(person, pass_diagnostics):
    wrong = seen(person, WRONG, pass_diagnostics=pass_diagnostics)
    right = seen(person, PASSWORD, pass_diagnostics=pass_diagnostics)
    assert right == wrong == [(0.25, encode(m.LDAPMessage(1, m.BindResponse(LDAPResult(49)))))]


@pytest.mark.parametrize("name", list(REFUSED))
def test_why_it_was_refused_is_in_the_audit(name):
    person, reason = REFUSED[name]
    made = world(person)
    made.sign_in()
    (record,) = made.audit
    assert (record.reason, record.code) == (reason, 49)
    assert record.seconds == pytest.approx(0.25)
    if not reason:
        assert record.server_code == person.bound.result.code


@refused
def test_each_counts_once_as_wrong_so_that_no_more_than_failures_reach_a_server(person):
    for passwords in (
        [WRONG, WRONG, PASSWORD, PASSWORD],
        [PASSWORD] * 4,
        [WRONG] * 4,
        [PASSWORD, WRONG, PASSWORD, WRONG],
    ):
        made = world(person, lockout=LockoutSettings(failures=3))
        for number, password in enumerate(passwords, 1):
            made.sign_in(password=password, start=number)
        assert [password for _, password in made.asked] == passwords[:3]
        assert made.audit[-1].reason == Reason.account_guarded
        # The guard has the same answer at the same time.
        assert made.seen[3][0] == pytest.approx(1.0)


def test_the_right_password_of_somebody_who_may_sign_in_is_answered_at_once_and_clears_the_count():
    made = world(Person(), lockout=LockoutSettings(failures=3))
    for number, password in enumerate([WRONG, WRONG, PASSWORD, WRONG, WRONG, PASSWORD], 1):
        made.sign_in(password=password, start=number)
    assert len(made.asked) == 6
    times = [at for at, _ in made.seen]
    # Connect, bind, two searches.
    assert times[2] - times[1] == pytest.approx(0.006 + 3 * 0.002)


def test_an_answer_that_says_nothing_of_the_person_is_passed_at_once_without_its_text_and_counts_nothing():
    for code in (1, 2, 3, 7, 8, 11, 13, 34, 51, 52, 80):
        made = world(Person(m.BindResponse(LDAPResult(code, diagnostic="dc1 says"))), pass_diagnostics=True)
        for number in range(1, 5):
            if code in (51, 52):
                made.send(bind(JANE, PASSWORD), start=number)
                # The second server says the same.
                made.run(0.1)
            else:
                made.sign_in(start=number)
        assert [record.code for record in made.audit] == [code] * 4
        assert all(at < 0.2 * number for number, (at, _) in enumerate(made.seen, 1))
        assert b"dc1 says" not in b"".join(octets for _, octets in made.seen)


@refused
@given(data=st.data())
@settings(max_examples=examples(15), deadline=None)
def test_what_a_client_does_next_tells_nothing_either(person, data):
    """Whatever is sent with the refused bind, behind it or later, until the session ends by itself."""
    follows = data.draw(st.lists(st.tuples(st.sampled_from(list(NEXT)), st.floats(0, 2)), max_size=4))
    limits = data.draw(st.fixed_dictionaries({"failures": st.integers(0, 4), "per_source": st.sampled_from([0, 2, 5])}))
    behind = data.draw(
        st.lists(st.sampled_from(["search", "root dse", "sync", "john", "unbind", "rubbish"]), max_size=2)
    )

    def seen_with(password):
        made = world(person, lockout=LockoutSettings(**limits), pass_diagnostics=True)
        made.send(bind(JANE, password), *(NEXT[name] for name in behind if name != "rubbish"))
        if "rubbish" in behind:
            made.do(made.session.client_data(b"GET / HTTP/1.1\r\n\r\n", made.now))
        for number, (name, pause) in enumerate(follows):
            made.run(pause)
            request = NEXT[name]
            if request is not None:
                made.send(bind(JANE, password) if name == "again" else request, start=20 + number)
        made.run(700)
        return made.seen, [record.code for record in made.audit], len(made.asked)

    assert seen_with(PASSWORD) == seen_with(WRONG)


NEXT = {
    "search": search(),
    "root dse": m.SearchRequest("", 0, Present("objectClass")),
    "again": bind(JANE, WRONG),
    "other name": bind("CORP\\jane", WRONG),
    "sync": bind("svc-sync@corp.example", PASSWORD),
    "john": bind("john@corp.example", PASSWORD),
    "not permitted": bind("jane@elsewhere.example", PASSWORD),
    "empty": bind(JANE, b""),
    "starttls": m.ExtendedRequest(m.START_TLS),
    "unbind": m.UnbindRequest(),
    "abandon": m.AbandonRequest(1),
    "write": None,
    "rubbish": None,
}


@pytest.mark.parametrize(
    "name", ["nobody@elsewhere.example", "CN=jane,OU=Other,DC=corp,DC=example", "jane", "svc-sync@CORP"]
)
def test_a_name_that_no_server_is_asked_about_is_answered_at_the_same_time(name):
    made = world(Person())
    for number in range(1, 6):
        made.sign_in(name, start=number)
    assert [at for at, _ in made.seen] == pytest.approx([0.25 * number for number in range(1, 6)])
    assert made.asked == []
    assert {record.reason for record in made.audit} != {Reason.account_guarded}
    # And what comes meanwhile waits for that as well.
    made.send(bind(name, PASSWORD), m.SearchRequest("", 0, Present("objectClass")), start=10)
    made.run(1)
    assert {at for at, _ in made.seen[5:]} == {1.5}


def test_so_is_a_sync_account_so_that_nobody_learns_which_names_are_one():
    made = world(Person())
    made.sign_in("svc-sync@corp.example", WRONG)
    assert made.seen[0][0] == pytest.approx(0.25)


OUTSIDE = REFUSED["outside"][0]


def waiting(person=OUTSIDE, **more):
    """A sign-in that is refused, and waits for its floor."""
    made = world(person, **more)
    made.send(bind(JANE, PASSWORD))
    made.run(0.1)
    assert made.seen == []
    return made


def test_what_comes_meanwhile_waits_for_it():
    made = waiting()
    made.send(
        search(), m.SearchRequest("", 0, Present("objectClass")), bind("svc-sync@corp.example", PASSWORD), start=2
    )
    made.do(made.session.client_data(b"", made.now))
    assert (made.session.busy, made.seen) == (True, [])
    made.run(1)
    assert [at for at, _ in made.seen] == pytest.approx([0.25, 0.25, 0.25, 0.258])
    answers = [message for _, octets in made.seen for message in split(octets, decode_response)]
    results = [(x.message_id, x.operation.result.code) for x in answers if hasattr(x.operation, "result")]
    assert results == [(1, 49), (2, 50), (3, 0), (4, 0)]


def test_no_more_is_read_than_for_any_other_bind():
    made = waiting()
    assert made.session.client.reads
    made.do(made.session.client_data(b"0" * PIPELINED_OCTETS, made.now))
    assert not made.session.client.reads


@pytest.mark.parametrize(
    ("person", "reason"), [(OUTSIDE, "login-outside-base"), (Person(sub_code("52e")), "client-gone")]
)
def test_who_leaves_meanwhile_has_had_the_guess_and_the_audit_says_why_it_failed(person, reason):
    made = waiting(person)
    made.do(made.session.client_lost(made.now))
    (record,) = made.audit
    assert (record.reason, record.code, made.seen) == (reason, None, [(0.1, b"closed")])
    assert (REASONS[Reason.client_gone].meaning in record.detail) == (reason != "client-gone")
    assert made.session.deadline() is None
    # One of three is used up, so the third from here on reaches no server.
    for _ in range(3):
        other = world(person, attempts=made.attempts, start=made.now)
        other.sign_in()
    assert other.audit[-1].reason == Reason.account_guarded


def test_a_session_that_stops_answers_at_the_floor_and_ends():
    made = waiting()
    made.do(made.session.stop(made.now))
    made.run(1)
    assert {at for at, _ in made.seen} == {0.25}
    assert made.seen[0][1] == encode(m.LDAPMessage(1, m.BindResponse(LDAPResult(49))))
    assert made.session.closed


def test_a_session_that_is_ended_answers_like_any_bind_that_is_under_way():
    ended = []
    for person, password in ((OUTSIDE, PASSWORD), (OUTSIDE, WRONG)):
        made = world(person)
        made.send(bind(JANE, password))
        made.run(0.1)
        made.do(made.session.abort(Reason.stopping, "the gateway is stopping", made.now))
        assert made.session.closed
        ended.append(made.seen)
    assert ended[0] == ended[1]
    assert split(ended[0][0][1], decode_response)[0].operation.result.code == 52


@pytest.mark.parametrize("floor", [0, 0.25, 2])
@pytest.mark.parametrize("answer", [0.001, 0.1, 0.6])
def test_the_floor_is_no_more_than_that(floor, answer):
    made = world(Person(sub_code("52e")), floor=floor, times=Times(connect=0, answer=answer))
    made.sign_in()
    assert made.seen[0][0] == pytest.approx(max(floor, answer))


def test_the_next_bind_finds_no_connection_that_carried_one():
    """Neither after a wrong password nor after a right one; after a success it does."""
    for person, password, took in ((OUTSIDE, WRONG, 0.008), (OUTSIDE, PASSWORD, 0.008), (Person(), PASSWORD, 0.002)):
        made = world(person)
        made.sign_in(password=password)
        began = made.now
        made.sign_in("svc-sync@corp.example", start=2)
        assert made.now - began == pytest.approx(took)
