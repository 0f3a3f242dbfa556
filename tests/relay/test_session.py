"""The session without a socket: bytes and events in, commands out."""

import pytest

from gateway.ldap import messages as m
from gateway.ldap.controls import Control
from gateway.ldap.encoding import encode
from gateway.ldap.filters import EqualityMatch, Present
from gateway.ldap.results import LDAPResult
from gateway.policy.decision import Mended
from gateway.policy.lockout import LockoutSettings
from gateway.policy.reasons import Reason
from gateway.policy.settings import Paging
from gateway.relay import commands as c
from tests.relay.harness import BASE, OK, Harness, bind, done, entry, search


def test_a_search_is_forwarded_anew_and_its_entries_are_filtered():
    h = Harness().bound()
    h.send(search("ou=staff,dc=corp,dc=example"), start=7)
    (sent,) = h.to_server
    assert (sent.operation.base, sent.operation.attributes) == (BASE, ("mail",))
    h.answer(
        sent.message_id,
        entry("CN=a," + BASE, "mail", "pager"),
        entry("CN=b,OU=Other,DC=corp,DC=example", "mail"),
        entry("CN=c,OU=Secret," + BASE, "mail"),
        m.SearchResultReference(("ldap://dc2/",)),
        done(),
    )
    assert [x.message_id for x in h.to_client] == [7, 7]
    assert h.to_client[0].operation == entry("CN=a," + BASE, "mail")
    assert h.results() == [(7, 0)]
    record = h.audit[-1]
    assert (record.received, record.sent, record.references_dropped, record.held_back) == (3, 1, 1, ("pager",))


def test_names_that_were_put_right_are_in_the_record_of_their_operation():
    h = Harness().bound()
    received, meant = "OU=Sales, EMEA,DC=corp,DC=example", r"OU=Sales\, EMEA,DC=corp,DC=example"
    twice = EqualityMatch("displayName", rb"a\2cb")
    h.send(m.SearchRequest(received, 2, twice, ("mail",)), start=7)
    (sent,) = h.to_server
    assert (sent.operation.base, sent.operation.filter) == (meant, twice)
    h.answer(sent.message_id, done())
    assert h.audit[-1].mended == (Mended("base", received, meant),)
    assert h.audit[-1].suspicious == ("displayName",)
    above = m.SearchRequest("DC=corp;DC=example", 0, Present("objectClass"), ("objectClass",))
    h.send(above, start=8)
    h.answer(h.to_server[-1].message_id, done())
    assert h.audit[-1].mended == (Mended("base", "DC=corp;DC=example", "DC=corp,DC=example"),)
    h.send(bind(" svc-sync@corp.example"), start=9)
    assert h.to_server[-1].operation.name == "svc-sync@corp.example"
    h.answer(h.to_server[-1].message_id, m.BindResponse(OK))
    assert h.audit[-1].account == "svc-sync@corp.example"
    assert h.audit[-1].mended == (Mended("name", " svc-sync@corp.example", "svc-sync@corp.example"),)


def test_searches_may_end_in_any_order():
    h = Harness().bound()
    h.send(search(), search(), start=5)
    first, second = [x.message_id for x in h.to_server]
    h.answer(second, entry("CN=b," + BASE, "mail"), done())
    h.answer(first, entry("CN=a," + BASE, "mail"), done(4))
    assert [x.message_id for x in h.to_client] == [6, 6, 5, 5]
    assert h.results() == [(6, 0), (5, 4)]


def test_a_lost_server_ends_every_open_search_with_unavailable():
    h = Harness().bound()
    h.send(search(), search(), start=5)
    h.answer(h.to_server[0].message_id, entry("CN=a," + BASE, "mail"))
    h.do(h.session.server_lost("reset", h.now))
    assert h.results() == [(5, 52), (6, 52), (0, 52)]
    assert h.to_client[-1].operation.oid == m.NOTICE_OF_DISCONNECTION
    assert h.other[-1] is c.CloseClient
    assert h.session.closed


def test_an_entry_that_cannot_be_read_fails_the_search_and_no_other():
    h = Harness().bound()
    h.send(search(), search(), start=5)
    first, second = [x.message_id for x in h.to_server]
    h.answer(first, entry("not a dn", "mail"), done())
    h.answer(second, done())
    assert h.results() == [(5, 52), (6, 0)]


def test_an_answer_of_the_wrong_type_is_an_error_that_the_client_can_read():
    h = Harness().bound()
    for number, wrong in enumerate((m.BindResponse(OK), m.ExtendedResponse(OK), m.ExtendedResponse(LDAPResult(10))), 5):
        h.send(search(), start=number)
        h.answer(h.to_server[-1].message_id, wrong)
        assert (h.results()[-1], h.audit[-1].reason) == ((number, 52), "server-wrong-response")


@pytest.mark.parametrize("code", sorted(set(range(1, 81)) - {10}))
@pytest.mark.parametrize("pass_diagnostics", [False, True])
def test_an_extended_error_to_a_search_means_what_a_search_result_would(code, pass_diagnostics):
    """Samba refuses critical controls so."""
    said = []
    for form in (m.SearchResultDone, m.ExtendedResponse):
        h = Harness(paging=Paging.always, pass_diagnostics=pass_diagnostics).bound()
        h.send(search(), start=5)
        h.answer(h.to_server[-1].message_id, form(LDAPResult(code, "", "Unknown critical extension")))
        record = h.audit[-1]
        said.append((h.to_client, record.reason, record.code, record.server_code, record.server_meaning, record.detail))
    assert said[0] == said[1]
    assert said[1][1:4] == ("", code, code)
    assert said[1][5] == ("critical controls: 1.2.840.113556.1.4.319" if code == 12 else "")


def test_the_root_dse_is_taken_from_no_other_entry():
    h = Harness(paging=Paging.auto)
    h.facts.is_active_directory.clear()
    h.bound()
    h.send(search(), start=5)
    asked = h.to_server[-1]
    assert asked.operation.base == ""
    h.answer(asked.message_id, entry("CN=a," + BASE, "supportedCapabilities"), done())
    assert (h.results(), h.audit[-1].reason) == ([(5, 52)], "server-wrong-response")
    assert not h.facts.is_active_directory


@pytest.mark.parametrize(
    "dn, ends", [("dc=CORP,dc=example", 0), ("DC=co\u0301rp,DC=example", 0), (BASE, 52), ("", 52), ("no name", 52)]
)
def test_the_entry_above_the_bases_is_no_other_one(dn, ends):
    h = Harness().bound()
    h.send(m.SearchRequest("DC=corp,DC=example", 0, Present("objectClass"), ("objectClass",)), start=7)
    h.answer(h.to_server[-1].message_id, entry(dn, "objectClass"), done())
    assert h.results() == [(7, ends)]
    delivered = [x.operation for x in h.to_client[:-1]]
    assert delivered == ([] if ends else [entry("DC=corp,DC=example", "objectClass")])


def test_a_referral_is_no_short_success_and_names_no_host():
    h = Harness().bound()
    h.send(search(), start=5)
    h.answer(h.to_server[0].message_id, done(10, referral=("ldap://dc9.inside/",)))
    assert h.results() == [(5, 53)]
    assert h.to_client[0].operation.result.referral == ()


def test_the_servers_words_stay_inside():
    h = Harness().bound()
    h.send(search(), start=5)
    h.answer(h.to_server[0].message_id, done(32, matched_dn="OU=Hidden,DC=corp", diagnostic="dc1 says"))
    result = h.to_client[0].operation.result
    assert (result.code, result.matched_dn) == (32, "")
    assert "dc1" not in result.diagnostic


LOCKED = "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 775, v3839"


@pytest.mark.parametrize("passed", [False, True])
def test_what_a_servers_refusal_means_is_in_the_audit_and_its_words_are_not(passed):
    h = Harness(pass_diagnostics=passed)
    h.send(bind("svc-sync@corp.example"))
    h.connected()
    h.answer(h.to_server[-1].message_id, m.BindResponse(LDAPResult(49, diagnostic=LOCKED)))
    assert h.to_client[0].operation.result == LDAPResult(49, "", LOCKED if passed else "")
    (record,) = h.audit
    assert (record.server_code, record.sync_bind) == (49, True)
    assert record.server_meaning == "the account is locked after too many wrong passwords"
    assert LOCKED not in repr(record)


def test_the_meaning_is_that_of_the_servers_last_result():
    h = Harness().bound()
    h.audit.clear()
    h.send(search(), start=5)
    h.answer(h.to_server[-1].message_id, done(32, diagnostic="dc1 says"))
    h.send(search(), start=6)
    h.answer(h.to_server[-1].message_id, done())
    missing = "no entry has this name, or the account may not see it"
    assert [record.server_meaning for record in h.audit] == [missing, ""]


def test_an_abandoned_search_is_abandoned_upstream_and_never_answered():
    h = Harness().bound()
    h.send(search(), start=5)
    upstream_id = h.to_server[0].message_id
    h.send(m.AbandonRequest(5), start=6)
    assert h.to_server[-1].operation == m.AbandonRequest(upstream_id)
    h.answer(upstream_id, entry("CN=a," + BASE, "mail"), done())
    assert h.to_client == []


def test_nothing_is_searched_before_a_bind():
    h = Harness()
    h.send(search())
    assert h.results() == [(1, 50)]
    assert h.other == []


def test_while_a_bind_runs_nothing_else_is_sent():
    h = Harness()
    h.send(bind("svc-sync@corp.example"), search())
    assert h.other == [c.ConnectServer]
    h.connected()
    assert [type(x.operation) for x in h.to_server] == [m.BindRequest]
    h.answer(1, m.BindResponse(OK))
    assert [type(x.operation) for x in h.to_server] == [m.BindRequest, m.SearchRequest]


def test_a_failed_bind_leaves_the_session_anonymous():
    h = Harness().bound()
    h.send(bind("svc-sync@corp.example", b"Wrong-Passw0rd"), search(), start=5)
    h.answer(h.to_server[-1].message_id, m.BindResponse(LDAPResult(49, diagnostic="data 52e")))
    assert h.results() == [(5, 49), (6, 50)]
    assert h.to_client[0].operation.result.diagnostic == ""


def test_a_refused_bind_drops_the_identity_that_the_server_still_has():
    h = Harness().bound()
    h.send(bind("nobody"), search(), start=5)
    assert h.results() == [(5, 49), (6, 50)]
    assert c.CloseServer in h.other
    assert isinstance(h.to_server[-1].operation, m.UnbindRequest)


def test_a_bind_ends_what_is_open_with_an_error():
    h = Harness().bound()
    h.send(search(), bind("svc-sync@corp.example"), start=5)
    assert h.results() == [(5, 1)]
    assert [type(x.operation) for x in h.to_server] == [m.SearchRequest, m.AbandonRequest, m.BindRequest]


SID = bytes((1, 5)) + bytes(6) + bytes(20)
TOKENS = m.SearchResultEntry("", (m.Attribute("tokenGroups", (SID,)),))


def login(person_dn, sam=b"jane"):
    h = Harness()
    h.send(bind("jane@corp.example"))
    h.connected()
    h.answer(1, m.BindResponse(OK))
    h.answer(2, TOKENS, done())
    assert h.to_server[-1].operation.base == f"<SID={SID.hex()}>"
    h.answer(3, m.SearchResultEntry(person_dn, (m.Attribute("sAMAccountName", (sam,)),)), done())
    return h


def test_a_login_counts_only_inside_login_base_dns():
    assert login("CN=jane," + BASE).results() == [(1, 0)]
    outside = login("CN=jane,OU=Other,DC=corp,DC=example")
    assert outside.results() == [(1, 49)]
    assert outside.to_client[0].operation.result.diagnostic == ""
    assert outside.other[-1] is c.CloseServer


def test_an_entry_with_another_name_is_not_the_person():
    h = login("CN=jane," + BASE, b"Domain Users")
    assert isinstance(h.to_server[-1].operation, m.ExtendedRequest)
    h.answer(4, m.ExtendedResponse(LDAPResult(2)))
    assert h.to_server[-1].operation.base == "DC=corp,DC=example"
    h.answer(5, entry("CN=jane," + BASE), entry("CN=jane2," + BASE), done())
    assert h.results() == [(1, 49)]
    assert h.audit[-1].reason == Reason.login_identity_unknown


def test_a_login_may_not_search():
    h = login("CN=jane," + BASE)
    h.send(search(), start=9)
    assert h.results()[-1] == (9, 50)


def test_a_guarded_account_is_refused_like_a_wrong_password_and_nothing_is_sent():
    h = Harness()
    h.guarded.add("name:jane")
    h.send(bind("jane@corp.example"))
    assert h.results() == [(1, 49)]
    assert (h.to_client[0].operation.result.diagnostic, h.other, h.to_server) == ("", [], [])
    assert h.audit[-1].reason == Reason.account_guarded


def test_it_tells_of_binds_under_way_and_whether_one_that_needs_an_account_ever_succeeded():
    h = Harness(allow_anonymous=True)

    def told():
        standing = h.session.standing
        return standing.binds, standing.binding is not None, standing.has_bound

    assert told() == (0, False, False)
    h.send(m.BindRequest(3, "", m.SimpleAuthentication(b"")))
    h.connected()
    assert told() == (1, True, False)
    h.answer(1, m.BindResponse(OK))
    assert told() == (1, False, False)
    h.send(bind("svc-sync@corp.example"), bind("svc-sync@corp.example"), start=2)
    assert told() == (2, True, False)
    h.answer(2, m.BindResponse(LDAPResult(49)))
    assert told() == (3, True, False)
    h.connected()
    h.answer(1, m.BindResponse(OK))
    assert told() == (3, False, True)
    h.send(bind("svc-sync@corp.example"), start=4)
    h.answer(2, m.BindResponse(LDAPResult(49)))
    assert told() == (4, False, True)
    # What the policy refuses is a try as well, lest somebody send nothing else; it is under way until its answer goes.
    h.send(bind("elsewhere@evil.example"), start=5)
    assert told() == (5, False, True)


PER_SOURCE = LockoutSettings(3, 100, per_source=5)


def test_where_sources_are_counted_a_guarded_one_is_refused_like_a_wrong_password_and_nothing_is_sent():
    h = Harness(lockout=PER_SOURCE)
    h.guarded.add("address:198.51.100.1/32")
    h.send(bind("jane@corp.example"))
    assert h.results() == [(1, 49)]
    assert (h.to_client[0].operation.result.diagnostic, h.other, h.to_server, h.attempts) == ("", [], [], [])
    assert h.audit[-1].reason == Reason.source_guarded


@pytest.mark.parametrize(
    ("code", "diagnostic", "of_account", "of_source"),
    [(0, "", "right", "neither"), (49, "data 52e", "wrong", "wrong"), (49, "data 533", "neither", "neither")],
)
def test_a_wrong_password_counts_for_the_source_and_a_right_one_clears_only_the_account(
    code, diagnostic, of_account, of_source
):
    h = Harness(lockout=PER_SOURCE)
    h.send(bind("svc-sync@corp.example"))
    h.connected()
    h.answer(1, m.BindResponse(LDAPResult(code, diagnostic=diagnostic)))
    assert h.attempts == [("name:svc-sync", of_account), ("address:198.51.100.1/32", of_source)]


def test_a_guarded_account_costs_its_source_nothing():
    h = Harness(lockout=PER_SOURCE)
    h.guarded.add("name:jane")
    h.send(bind("jane@corp.example"))
    assert h.attempts == [("address:198.51.100.1/32", "neither")]
    assert h.audit[-1].reason == Reason.account_guarded


def test_how_each_attempt_went_is_told_once():
    h = Harness().bound()
    assert h.attempts == [("name:svc-sync", "right")]
    h.send(bind("svc-sync@corp.example", b"Wrong-Passw0rd"), start=5)
    h.answer(h.to_server[-1].message_id, m.BindResponse(LDAPResult(49, diagnostic="x data 52e, v1")))
    h.send(bind("svc-sync@corp.example"), start=6)
    h.connected()
    h.answer(1, m.BindResponse(LDAPResult(49, diagnostic="x data 533, v1")))
    h.send(bind("svc-sync@corp.example"), start=7)
    h.connected()
    h.do(h.session.server_lost("reset", h.now))
    h.connected()
    h.do(h.session.server_lost("reset", h.now))
    assert [verdict for _, verdict in h.attempts] == ["right", "wrong", "neither", "neither"]


def test_a_sign_in_by_name_tells_which_entry_it_is_a_name_of():
    assert login("CN=jane," + BASE).joined == [("name:jane", "dn:jane,staff,corp,example")]


def test_no_server_is_unavailable():
    h = Harness()
    h.send(bind("svc-sync@corp.example"))
    h.do(h.session.server_failed("refused", h.now))
    assert h.results() == [(1, 52), (0, 52)]


def test_malformed_bytes_get_a_notice_and_the_end():
    h = Harness()
    h.do(h.session.client_data(b"GET / HTTP/1.1\r\n\r\n", h.now))
    assert h.results() == [(0, 2)]
    assert h.other == [c.CloseClient]
    h.do(h.session.client_data(b"more", h.now))
    assert len(h.to_client) == 1


def test_a_message_id_in_use_ends_the_session():
    h = Harness().bound()
    h.send(search(), start=5)
    h.send(search(), start=5)
    assert h.results() == [(5, 52), (0, 2)]


def test_before_starttls_nothing_but_it_and_the_root_dse():
    h = Harness(tls=False, needs_tls=True)
    root_dse = m.SearchRequest("", 0, Present("objectClass"))
    h.send(bind("svc-sync@corp.example"), root_dse, search(), m.ExtendedRequest(m.START_TLS))
    assert h.results() == [(1, 13), (2, 0), (3, 13), (4, 0)]
    assert h.other == [c.StartTls]
    h.send(m.ExtendedRequest(m.START_TLS), start=5)
    assert h.results()[-1] == (5, 1)


def test_plain_bytes_behind_starttls_end_the_session():
    h = Harness(tls=False, needs_tls=True)
    h.send(m.ExtendedRequest(m.START_TLS), bind("svc-sync@corp.example"))
    assert h.results() == [(0, 2)]
    assert h.other == [c.CloseClient]


def test_what_is_never_served_gets_its_own_response_type():
    h = Harness()
    for tag in (0x66, 0x68, 0x4A, 0x6C, 0x6E):
        h.do(h.session.client_data(bytes((0x30, 5, 2, 1, tag, tag, 0)), h.now))
    assert [(x.operation.tag, x.operation.result.code) for x in h.to_client] == [
        (0x67, 53),
        (0x69, 53),
        (0x6B, 53),
        (0x6D, 53),
        (0x6F, 53),
    ]


def test_unknown_extended_operations_and_critical_controls():
    h = Harness()
    h.send(m.ExtendedRequest(m.WHO_AM_I))
    critical = m.LDAPMessage(2, bind("svc-sync@corp.example"), (Control("1.2.3.4", True),))
    h.do(h.session.client_data(encode(critical), h.now))
    assert h.results() == [(1, 2), (2, 12)]


def test_a_bind_while_the_session_stops_is_answered_before_it_ends():
    h = Harness().bound()
    h.send(search(), start=5)
    h.do(h.session.stop(h.now))
    assert not h.session.closed
    h.send(bind("svc-sync@corp.example"), start=6)
    assert h.results() == [(5, 1), (6, 52), (0, 52)]
    assert h.session.closed


def test_the_clocks():
    h = Harness()
    h.tick(29)
    assert not h.session.closed
    h.tick(2)
    assert h.session.closed

    h = Harness().bound()
    h.tick(599)
    assert not h.session.closed
    h.tick(2)
    assert h.audit[-1].operation == "bind" and h.session.closed

    h = Harness().bound()
    h.send(search(), start=5)
    h.tick(149)
    h.answer(h.to_server[0].message_id, entry("CN=a," + BASE, "mail"))
    h.tick(149)
    assert h.results() == []
    h.tick(2)
    assert h.results() == [(5, 52), (0, 52)]


def test_the_servers_clock_stands_while_its_reading_is_paused():
    h = Harness().bound()
    h.send(search(), start=5)
    h.session.server.clock.hold(h.now)
    h.tick(1000)
    h.session.server.clock.release(h.now)
    h.tick(149)
    assert h.results() == []
    h.tick(2)
    assert h.results() == [(5, 52), (0, 52)]


def test_the_time_of_the_server_is_told_apart():
    h = Harness()
    h.send(bind("svc-sync@corp.example"))
    h.now += 3
    h.connected()
    h.now += 0.5
    h.answer(1, m.BindResponse(OK))
    assert (h.audit[0].seconds, h.audit[0].server_seconds) == (3.5, 0.5)
    h.send(search(), start=2)
    h.now += 1
    h.session.server.clock.hold(h.now)
    h.now += 20
    h.session.server.clock.release(h.now)
    h.now += 2
    h.answer(2, done())
    assert (h.audit[1].seconds, h.audit[1].server_seconds) == (23, 3)
    h.send(search(), start=3)
    h.now += 4
    h.session.server.clock.hold(h.now)
    h.now += 5
    h.do(h.session.server_lost("gone", h.now))
    assert (h.audit[2].seconds, h.audit[2].server_seconds) == (9, 4)


def test_stopping_lets_open_operations_finish():
    h = Harness().bound()
    h.send(search(), start=5)
    h.do(h.session.stop(h.now))
    h.send(search(), start=6)
    assert h.results() == [(6, 52)]
    h.answer(h.to_server[0].message_id, done())
    assert h.results() == [(6, 52), (5, 0), (0, 52)]
    assert h.session.closed


def test_a_bind_to_a_stopping_session_is_answered_like_what_it_ends():
    h = Harness().bound()
    h.send(search(), start=5)
    h.do(h.session.stop(h.now))
    h.send(bind("svc-sync@corp.example"), start=6)
    assert h.results() == [(5, 1), (6, 52), (0, 52)]
    assert h.session.closed


def test_a_client_that_goes_leaves_nothing_open():
    h = Harness().bound()
    h.send(search(), start=5)
    h.do(h.session.client_lost(h.now))
    assert c.CloseServer in h.other
    assert h.audit[-1].reason == Reason.client_gone
    assert h.to_client == []


def test_answers_to_nobody_are_dropped():
    h = Harness().bound()
    h.answer(77, entry("CN=a," + BASE, "mail"), done())
    assert h.to_client == [] and not h.session.closed


def test_a_server_that_says_goodbye_is_lost():
    h = Harness().bound()
    h.answer(0, m.ExtendedResponse(LDAPResult(52), m.NOTICE_OF_DISCONNECTION))
    assert h.results() == [(0, 52)]


def test_no_password_is_in_any_record():
    h = Harness()
    h.send(bind("svc-sync@corp.example", b"hunter2"))
    assert "hunter2" not in repr([getattr(h.session, name) for name in dir(h.session)]) + repr(h.audit)
