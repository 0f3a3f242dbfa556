"""Binds of mapped accounts: the order of things, what each side is told, and what counts as wrong for whom."""

import pytest

from gateway.ldap import messages as m
from gateway.ldap.controls import PASSWORD_POLICY, Control
from gateway.ldap.encoding import encode
from gateway.ldap.results import LDAPResult
from gateway.policy.credentials import OwnPassword, Secret, SecretVerdict
from gateway.policy.lockout import LockoutSettings
from gateway.policy.reasons import Reason
from gateway.relay import commands as c
from tests.policy.mapped import OWN_DN, OWN_PASSWORD, forwarded_account, mapped_account, mapped_changes
from tests.relay.harness import OK, Harness, bind, search
from tests.relay.two_gateways import TwoGateways

OUTER = b"Outer-Passw0rd"
RIGHT, WRONG, UNDECIDED = SecretVerdict
WRONG_PASSWORD = LDAPResult(49, diagnostic="80090308: AcceptSecurityContext error, data 52e, v1")
DISABLED = LDAPResult(49, diagnostic="80090308: AcceptSecurityContext error, data 533, v1")
OUTER_ACCOUNT = "mapped:mimecast/mimecast-sync"
OWN_ACCOUNT = "dn:svc-gateway,staff,corp,example"


def harness(*accounts, **changes):
    return Harness(**mapped_changes(*(accounts or (mapped_account("mimecast-sync"),)), **changes))


def signed_in(h, message_id=1):
    """As far as the gateway's own bind."""
    h.send(bind("mimecast-sync", OUTER), start=message_id)
    h.verified(RIGHT)
    if c.ConnectServer in h.other:
        h.connected()
    return h


def test_the_server_is_asked_once_the_secret_proved_right_and_with_nothing_of_the_client():
    h = harness()
    h.send(bind("mimecast-sync", OUTER))
    assert (h.other, h.to_server, h.to_client) == ([], [], [])
    assert h.verifying[0][1].secret == Secret(OUTER)
    h.verified(RIGHT)
    h.connected()
    assert [x.operation for x in h.to_server] == [bind(OWN_DN, OWN_PASSWORD)]
    h.answer(1, m.BindResponse(OK))
    assert h.results() == [(1, 0)]
    assert h.attempts == [(OUTER_ACCOUNT, "right"), (OWN_ACCOUNT, "right")]
    record = h.audit[-1]
    assert (record.account, record.mapped_to, record.sync_bind) == ("mimecast-sync", OWN_DN, True)
    h.send(search(), start=2)
    assert h.to_server[-1].operation.attributes == ("mail",)


def test_a_wrong_secret_is_invalid_credentials_and_no_server_hears_of_it():
    h = harness()
    h.send(bind("mimecast-sync", b"guess"))
    h.verified(WRONG)
    assert h.to_client[0].operation.result == LDAPResult(49)
    assert (h.other, h.to_server) == ([], [])
    assert h.attempts == [(OUTER_ACCOUNT, "wrong")]
    assert (h.audit[-1].reason, h.audit[-1].decision) == (Reason.secret_wrong, "permit")


@pytest.mark.parametrize("name", ["unknown", "jane@evil.example", OWN_DN, "mimecast-sync@corp.example"])
def test_a_refused_name_takes_the_time_of_a_wrong_secret_and_gets_its_answer(name):
    h = harness()
    h.send(bind(name, OUTER))
    assert h.to_client == []
    assert h.verifying[0][1].hashes == ("decoy 1", "decoy 2")
    # Whatever the verdict: it is no account.
    h.verified(RIGHT)
    assert h.to_client[0].operation.result == LDAPResult(49)
    assert (h.other, h.to_server, h.attempts) == ([], [], [])
    assert h.audit[-1].decision == "refuse"


def test_a_guarded_account_takes_the_time_of_a_wrong_secret_as_well():
    h = harness()
    h.guarded.add(OUTER_ACCOUNT)
    h.send(bind("mimecast-sync", OUTER))
    assert h.verifying[0][1].hashes == ("decoy 1", "decoy 2")
    h.verified(RIGHT)
    assert h.to_client[0].operation.result == LDAPResult(49)
    assert (h.to_server, h.audit[-1].reason) == ([], Reason.account_guarded)


@pytest.mark.parametrize("name", ["mimecast-sync", "unknown"])
def test_what_cannot_be_verified_now_is_busy_for_every_name_and_counts_for_nobody(name):
    h = harness()
    h.send(bind(name, OUTER))
    h.verified(UNDECIDED)
    assert h.results() == [(1, 51)]
    assert h.to_server == []
    assert {said for _, said in h.attempts} <= {"neither"}
    assert h.audit[-1].reason == Reason.too_many_verifications


@pytest.mark.parametrize(("answer", "counted"), [(WRONG_PASSWORD, "wrong"), (DISABLED, "neither")])
@pytest.mark.parametrize("pass_diagnostics", [True, False])
def test_the_gateways_own_account_refused_is_unavailable(answer, counted, pass_diagnostics):
    h = signed_in(harness(pass_diagnostics=pass_diagnostics))
    h.answer(1, m.BindResponse(answer))
    result = h.to_client[0].operation.result
    assert result.code == 52
    assert result.diagnostic.startswith("gateway-account-refused: ")
    assert "data" not in result.diagnostic
    assert h.attempts == [(OUTER_ACCOUNT, "right"), (OWN_ACCOUNT, counted)]
    record = h.audit[-1]
    assert (record.reason, record.mapped_to, record.server_code) == (Reason.gateway_account_refused, OWN_DN, 49)
    h.send(search(), start=2)
    assert h.results()[-1] == (2, 50)


@pytest.mark.parametrize("code", [8, 13, 32, 34, 48, 50, 53])
def test_whatever_else_a_server_refuses_the_own_account_with_is_unavailable(code):
    h = signed_in(harness())
    h.answer(1, m.BindResponse(LDAPResult(code)))
    assert h.results() == [(1, 52)]
    assert h.audit[-1].reason == Reason.gateway_account_refused


@pytest.mark.parametrize("code", [51, 52])
def test_a_server_that_cannot_answer_now_has_refused_nobody(code):
    h = signed_in(harness())
    h.answer(1, m.BindResponse(LDAPResult(code)))
    h.do(h.session.server_failed("the directory has no other server", h.now))
    assert h.results() == [(1, code)]
    assert h.audit[-1].reason == ""


def test_a_guarded_own_account_is_not_tried():
    h = harness()
    h.guarded.add(OWN_ACCOUNT)
    h.send(bind("mimecast-sync", OUTER))
    h.verified(RIGHT)
    assert h.results() == [(1, 52)]
    assert (h.other, h.to_server) == ([], [])
    assert h.audit[-1].reason == Reason.gateway_account_guarded
    assert h.attempts == [(OUTER_ACCOUNT, "right")]


def test_a_replaced_password_is_not_tried():
    account = mapped_account("mimecast-sync")
    h = harness(account)
    account.own.password.later = OwnPassword(b"New-Passw0rd")
    h.send(bind("mimecast-sync", OUTER))
    h.verified(RIGHT)
    assert h.results() == [(1, 52)]
    assert h.to_server == []
    assert h.audit[-1].reason == Reason.gateway_account_replaced
    assert h.attempts == [(OUTER_ACCOUNT, "right"), (OWN_ACCOUNT, "neither")]


def test_without_a_guard_nothing_is_counted():
    h = signed_in(harness(lockout=LockoutSettings(0, 60)))
    h.answer(1, m.BindResponse(OK))
    assert (h.results(), h.attempts) == ([(1, 0)], [])


def test_who_leaves_while_the_secret_is_verified_has_no_session_and_counts_for_nobody():
    h = harness()
    h.send(bind("mimecast-sync", OUTER))
    h.do(h.session.client_lost(h.now))
    assert h.attempts == [(OUTER_ACCOUNT, "neither")]
    h.verified(RIGHT)
    assert (h.to_client, h.to_server) == ([], [])
    assert c.ConnectServer not in h.other
    assert h.audit[-1].reason == Reason.client_gone


def test_what_comes_behind_the_bind_waits_for_it():
    h = harness()
    h.send(bind("mimecast-sync", OUTER), search())
    assert h.to_client == []
    h.verified(WRONG)
    assert h.results() == [(1, 49), (2, 50)]


@pytest.mark.parametrize("verdict", [WRONG, UNDECIDED])
def test_a_bind_that_fails_leaves_no_connection_with_the_gateways_identity(verdict):
    h = signed_in(harness())
    h.answer(1, m.BindResponse(OK))
    h.send(bind("mimecast-sync", b"guess"), start=2)
    h.verified(verdict)
    assert c.CloseServer in h.other
    h.send(search(), start=3)
    assert h.results()[-1] == (3, 50)


def test_a_person_signs_in_on_the_same_session_with_the_own_password_only():
    h = signed_in(harness())
    h.answer(1, m.BindResponse(OK))
    h.send(bind("cn=jane,ou=staff,dc=corp,dc=example", b"Jane's"), start=2)
    assert h.to_server[-1].operation == bind("cn=jane,OU=Staff,DC=corp,DC=example", b"Jane's")
    h.answer(2, m.BindResponse(OK))
    assert h.results() == [(1, 0), (2, 0)]
    assert h.verifying == []


def test_stopping_while_a_secret_is_verified_answers_the_bind():
    h = harness()
    h.send(bind("mimecast-sync", OUTER))
    h.do(h.session.abort(Reason.stopping, "the gateway is stopping", h.now))
    assert h.results()[0] == (1, 52)
    h.verified(RIGHT)
    assert h.to_server == []


def test_where_sources_are_counted_a_wrong_secret_counts_for_its_source():
    h = harness(lockout=LockoutSettings(3, 100, per_source=5))
    h.send(bind("mimecast-sync", OUTER))
    h.verified(WRONG)
    assert h.attempts == [(OUTER_ACCOUNT, "wrong"), ("address:198.51.100.1/32", "wrong")]
    h.guarded.add("address:198.51.100.1/32")
    h.send(bind("mimecast-sync", OUTER), start=2)
    assert h.verifying[-1][1].hashes == ("decoy 1", "decoy 2")
    h.verified(RIGHT)
    assert h.results() == [(1, 49), (2, 49)]
    assert h.audit[-1].reason == Reason.source_guarded


# Accounts for which the gateway has none of its own: the bind is forwarded once its secret has proved right.

FORWARDED = forwarded_account("mimecast-sync")
AT_SERVER = "name:mimecast-sync"


def forwarding(**changes):
    return harness(FORWARDED, gateway_accounts=(), **changes)


def test_the_very_bind_is_forwarded_once_its_secret_proved_right():
    h = forwarding()
    h.send(bind("MIMECAST-sync", OUTER))
    assert (h.other, h.to_server, h.to_client) == ([], [], [])
    h.verified(RIGHT)
    h.connected()
    assert [x.operation for x in h.to_server] == [bind("mimecast-sync", OUTER)]
    h.answer(1, m.BindResponse(OK))
    assert h.results() == [(1, 0)]
    assert h.attempts == [(OUTER_ACCOUNT, "right"), (AT_SERVER, "right")]
    record = h.audit[-1]
    assert (record.account, record.mapped_to, record.sync_bind) == ("mimecast-sync", "", True)
    h.send(search(), start=2)
    assert h.to_server[-1].operation.attributes == ("mail",)


@pytest.mark.parametrize("verdict", [WRONG, UNDECIDED])
def test_what_did_not_prove_right_is_not_forwarded(verdict):
    h = forwarding()
    h.send(bind("mimecast-sync", b"guess"))
    h.verified(verdict)
    assert (h.other, h.to_server) == ([], [])
    assert h.results() == [(1, 49 if verdict is WRONG else 51)]
    assert h.attempts == [(OUTER_ACCOUNT, "wrong" if verdict is WRONG else "neither")]


def test_a_guarded_name_is_not_forwarded_either():
    h = forwarding()
    h.guarded.add(OUTER_ACCOUNT)
    h.send(bind("mimecast-sync", OUTER))
    h.verified(RIGHT)
    assert (h.results(), h.to_server) == ([(1, 49)], [])


@pytest.mark.parametrize(
    ("answer", "counted"), [(WRONG_PASSWORD, "wrong"), (DISABLED, "neither"), (LDAPResult(49), "wrong")]
)
@pytest.mark.parametrize("pass_diagnostics", [True, False])
def test_a_right_secret_that_the_server_refuses_is_unavailable(answer, counted, pass_diagnostics):
    h = signed_in(forwarding(pass_diagnostics=pass_diagnostics))
    h.answer(1, m.BindResponse(answer))
    result = h.to_client[0].operation.result
    assert (result.code, result.diagnostic.partition(": ")[0]) == (52, "gateway-account-refused")
    assert "data" not in result.diagnostic
    assert h.attempts == [(OUTER_ACCOUNT, "right"), (AT_SERVER, counted)]
    assert h.audit[-1].reason == Reason.gateway_account_refused
    h.send(search(), start=2)
    assert h.results()[-1] == (2, 50)


@pytest.mark.parametrize("code", [51, 52])
def test_a_server_that_cannot_answer_a_forwarded_bind_now_has_refused_nobody(code):
    h = signed_in(forwarding())
    h.answer(1, m.BindResponse(LDAPResult(code)))
    h.do(h.session.server_failed("the directory has no other server", h.now))
    assert (h.results(), h.audit[-1].reason) == ([(1, code)], "")
    assert h.attempts == [(OUTER_ACCOUNT, "right"), (AT_SERVER, "neither")]


def test_what_the_server_counts_as_wrong_is_not_sent_for_ever():
    h = forwarding()
    h.guarded.add(AT_SERVER)
    h.send(bind("mimecast-sync", OUTER))
    h.verified(RIGHT)
    assert (h.results(), h.other, h.to_server) == ([(1, 52)], [], [])
    assert h.audit[-1].reason == Reason.gateway_account_guarded


def test_controls_of_a_forwarded_bind_go_with_it_and_the_servers_come_back():
    def asked(*accounts):
        h = harness(*accounts, controls=frozenset({PASSWORD_POLICY}))
        message = m.LDAPMessage(1, bind("mimecast-sync", OUTER), (Control(PASSWORD_POLICY),))
        h.do(h.session.client_data(encode(message), h.now))
        h.verified(RIGHT)
        h.connected()
        answer = m.LDAPMessage(1, m.BindResponse(OK), (Control(PASSWORD_POLICY, value=b"\x30\x00"),))
        sent = h.to_server[0].controls
        h.do(h.session.server_data(encode(answer), h.now))
        return [x.oid for x in sent], [x.oid for x in h.to_client[0].controls]

    assert asked(FORWARDED) == ([PASSWORD_POLICY], [PASSWORD_POLICY])
    assert asked(mapped_account("mimecast-sync")) == ([], [])


def two_gateways(right, answer=OK):
    def server(message):
        return [m.BindResponse(answer)]

    outside = mapped_changes(FORWARDED, gateway_accounts=())
    return TwoGateways(outside, mapped_changes(mapped_account("mimecast-sync")), server, right)


def test_the_gateway_inside_maps_what_the_gateway_outside_forwards():
    two = two_gateways(({OUTER}, {OUTER}))
    assert two.send(bind("mimecast-sync", OUTER)).operation.result == OK
    assert two.between == [bind("mimecast-sync", OUTER)]
    assert two.asked == [bind(OWN_DN, OWN_PASSWORD)]
    assert OWN_DN not in repr(two.outside.audit)


def test_a_guess_dies_at_the_gateway_outside():
    two = two_gateways(({OUTER}, {OUTER}))
    assert two.send(bind("mimecast-sync", b"guess")).operation.result == LDAPResult(49)
    assert (two.between, two.asked) == ([], [])


def test_a_secret_that_is_right_outside_and_wrong_inside_is_no_wrong_password():
    two = two_gateways(({OUTER}, {b"another"}))
    result = two.send(bind("mimecast-sync", OUTER)).operation.result
    assert (result.code, result.diagnostic.partition(": ")[0]) == (52, "gateway-account-refused")
    assert two.asked == []


def test_an_inside_whose_own_account_is_refused_is_unavailable_through_both():
    two = two_gateways(({OUTER}, {OUTER}), WRONG_PASSWORD)
    # The gateway inside says `unavailable`, so the bind is tried once more, as it would be at another one.
    assert two.send(bind("mimecast-sync", OUTER)).operation.result.code == 52
    assert two.asked == [bind(OWN_DN, OWN_PASSWORD)] * 2
    assert two.outside.attempts == [(OUTER_ACCOUNT, "right"), (AT_SERVER, "neither")]
