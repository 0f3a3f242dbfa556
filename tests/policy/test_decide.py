"""The one door: in which order a request is judged, and what is asked of it with which facts."""

import re
from pathlib import Path

import pytest

import gateway
from gateway.ldap import messages as m
from gateway.ldap.controls import PASSWORD_POLICY, SORT, Control, PagedResults
from gateway.ldap.errors import RequestFault, beyond_limit
from gateway.ldap.filters import Present
from gateway.ldap.sorting import SortKey, sort_control
from gateway.policy.asked import Asked
from gateway.policy.at_server import Features
from gateway.policy.decision import AccountKind, BindPlan, Refuse, SearchPlan, StartTlsPlan, WhoAmIPlan
from gateway.policy.lockout import LockoutSettings
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from tests.policy.mapped import forwarded_account, mapped_account, mapped_policy
from tests.policy.policies import policy

BASE = "OU=Staff,DC=corp,DC=example"
SYNC = "svc-sync@corp.example"
BLANK = m.BindRequest(3, "", m.SimpleAuthentication(b""))


def search(base=BASE, wanted="mail"):
    return m.SearchRequest(base, 2, Present(wanted), ("mail",))


def bind(name=SYNC):
    return m.BindRequest(3, name, m.SimpleAuthentication(b"Decided-Passw0rd"))


def reason(request, settings=None, **facts):
    """Why the request is refused; None where it is permitted."""
    decision = Policy(settings or policy()).decide(Asked(request, **facts))
    return decision.reason if isinstance(decision, Refuse) else None


def test_what_meets_a_request_at_its_arrival_comes_before_all_that_is_in_it():
    fault = RequestFault(1, m.BIND_REQUEST, beyond_limit("a name", "limits.dn_length"))
    facts = {"tls": False, "needs_tls": True, "fault": fault, "bound_as": AccountKind.sync}
    for obstacle in (Reason.stopping, Reason.too_much_waiting, Reason.too_many_requests_of_account):
        assert reason(BLANK, obstacle=obstacle, **facts) is obstacle
    assert reason(BLANK, **facts) is Reason.starttls_required
    assert reason(BLANK, fault=fault) is Reason.request_too_large
    assert reason(BLANK) is Reason.anonymous_not_allowed


def test_a_refusal_for_a_limit_names_its_setting():
    fault = RequestFault(1, m.SEARCH_REQUEST, beyond_limit("a filter", "limits.filter_elements"))
    refused = Policy(policy()).decide(Asked(search(), bound_as=AccountKind.sync, fault=fault))
    assert (refused.code, refused.setting_of("mimecast", "corp")) == (11, "limits.filter_elements")


def test_whether_anybody_may_search_comes_before_what_is_searched():
    odd = search("OU=Other,DC=corp,DC=example")
    assert reason(odd) is Reason.not_bound
    assert reason(odd, bound_as=AccountKind.login) is Reason.login_may_only_bind
    assert reason(odd, bound_as=AccountKind.sync) is Reason.base_not_allowed
    assert reason(search(), bound_as=AccountKind.anonymous) is None


def test_the_controls_of_a_bind_come_before_its_name_and_go_with_its_plan():
    critical = (Control(PASSWORD_POLICY, True),)
    assert reason(bind("nobody at all"), controls=critical) is Reason.control_not_allowed
    plan = Policy(policy(controls=frozenset({PASSWORD_POLICY}))).decide(Asked(bind(), (Control(PASSWORD_POLICY),)))
    assert isinstance(plan, BindPlan) and plan.controls == (Control(PASSWORD_POLICY),)
    assert Policy(policy()).decide(Asked(bind(), (Control(PASSWORD_POLICY),))).controls == ()


def test_starttls_is_for_a_connection_without_tls_and_with_nothing_open():
    request = m.ExtendedRequest(m.START_TLS)
    assert isinstance(Policy(policy()).decide(Asked(request, tls=False, needs_tls=True)), StartTlsPlan)
    assert reason(request, tls=True) is Reason.starttls_out_of_order
    assert reason(request, tls=False, busy=True) is Reason.starttls_out_of_order


ASKS_WHO = m.ExtendedRequest(m.WHO_AM_I)


def test_who_am_i_is_answered_only_where_the_client_is_told():
    told = policy(tells_identity=True)
    for bound_as in (None, *AccountKind):
        refused = Policy(policy()).decide(Asked(ASKS_WHO, bound_as=bound_as))
        text = "extended-not-allowed: the only extended operation here is StartTLS"
        assert (refused.reason, refused.code, refused.text) == (Reason.extended_not_allowed, 2, text)
        assert isinstance(Policy(told).decide(Asked(ASKS_WHO, bound_as=bound_as)), WhoAmIPlan)


def test_who_am_i_is_decided_like_every_other_request():
    told = policy(tells_identity=True)
    assert reason(ASKS_WHO, told, tls=False, needs_tls=True) is Reason.starttls_required
    assert reason(ASKS_WHO, told, obstacle=Reason.stopping) is Reason.stopping
    assert reason(ASKS_WHO, told, controls=(Control("1.2.3", True),)) is Reason.control_not_allowed
    assert reason(ASKS_WHO, told, controls=(Control("1.2.3"),)) is None
    assert reason(m.ExtendedRequest(m.WHO_AM_I, b""), told) is Reason.request_malformed
    assert reason(m.ExtendedRequest(m.START_TLS), told) is Reason.starttls_out_of_order


@pytest.mark.parametrize("oid", ["", "1.3.6.1.4.1.4203.1.11.1", "1.3.6.1.4.1.4203.1.11.30", "1.3.6.1.1.21.1"])
def test_no_other_extended_operation_is_served_with_it(oid):
    refused = Policy(policy(tells_identity=True)).decide(Asked(m.ExtendedRequest(oid)))
    assert (refused.reason, refused.code) == (Reason.extended_not_allowed, 2)
    assert "StartTLS and Who am I?" in refused.text


def test_the_root_dse_names_who_am_i_where_it_is_served():
    def named(**changes):
        decision = Policy(policy(**changes)).decide(Asked(m.SearchRequest("", 0, Present("objectClass"), ())))
        return [
            value for each in decision.entry.attributes if each.type == "supportedExtension" for value in each.values
        ]

    assert named() == []
    assert named(tells_identity=True) == [m.WHO_AM_I.encode()]
    both = {m.WHO_AM_I.encode(), m.START_TLS.encode()}
    assert set(named(tells_identity=True, extensions=frozenset({m.START_TLS}))) == both


@pytest.mark.parametrize("request_", [m.UnbindRequest(), m.AbandonRequest(1)])
def test_nothing_is_decided_of_what_has_no_response(request_):
    with pytest.raises(TypeError):
        Policy(policy()).decide(Asked(request_))


def test_what_depends_on_the_server_is_decided_once_it_is_known():
    settings = policy(filter_attributes=("name",), controls=frozenset({SORT}))
    by_name = {"settings": settings, "bound_as": AccountKind.sync}
    assert reason(search(wanted="name"), **by_name) is None
    assert reason(search(wanted="name"), server=Features(True), **by_name) is None
    assert reason(search(wanted="name"), server=Features(False), **by_name) is Reason.filter_supertype
    sorted_ = (sort_control((SortKey("mail"),), critical=True),)
    assert reason(search(), controls=sorted_, server=Features(True), **by_name) is Reason.control_not_supported
    assert reason(search(), controls=sorted_, server=Features(True, frozenset({SORT})), **by_name) is None


GUARDED = (Reason.account_guarded, Reason.too_many_guarded, Reason.too_many_attempts)
OF_MAPPED = (Reason.too_many_verifications, Reason.gateway_account_guarded, Reason.gateway_account_replaced)


def test_an_obstacle_meets_only_what_it_can_meet():
    sync, person = bind(), bind("jane@corp.example")
    for obstacle in GUARDED:
        assert reason(sync, obstacle=obstacle) is obstacle
        assert reason(person, obstacle=obstacle) is obstacle
        assert reason(sync, policy(lockout=LockoutSettings(failures=0)), obstacle=obstacle) is None
        assert reason(search(), bound_as=AccountKind.sync, obstacle=obstacle) is None
    # What a person mistypes is not kept.
    assert reason(sync, obstacle=Reason.password_known_wrong) is Reason.password_known_wrong
    assert reason(person, obstacle=Reason.password_known_wrong) is None
    assert reason(person, obstacle=Reason.source_guarded) is None
    counted = policy(lockout=LockoutSettings(per_source=3))
    assert reason(person, counted, obstacle=Reason.source_guarded) is Reason.source_guarded
    for obstacle in OF_MAPPED:
        assert reason(bind("outer"), mapped_policy(mapped_account("outer")), obstacle=obstacle) is obstacle
        assert reason(sync, obstacle=obstacle) is None
    forwarded = mapped_policy(forwarded_account("outer"))
    for obstacle in (Reason.too_many_verifications, Reason.gateway_account_guarded):
        assert reason(bind("outer"), forwarded, obstacle=obstacle) is obstacle
    assert reason(bind("outer"), forwarded, obstacle=Reason.gateway_account_replaced) is None
    # The gateway says of no name whether it is a mapped account's.
    mapped = mapped_policy(mapped_account("outer"))
    assert reason(bind("other"), mapped, obstacle=Reason.too_many_verifications) is Reason.too_many_verifications
    assert reason(search(), obstacle=Reason.too_many_requests_of_account) is Reason.not_bound


def test_a_cookie_that_the_session_does_not_know_is_refused_only_where_there_is_one():
    facts = {"bound_as": AccountKind.sync, "obstacle": Reason.cookie_not_valid}
    with_cookie = (PagedResults(10, b"c").to_control(critical=False),)
    assert reason(search(), controls=with_cookie, **facts) is Reason.cookie_not_valid
    assert reason(search(), controls=(PagedResults(10).to_control(critical=False),), **facts) is None
    assert isinstance(Policy(policy()).decide(Asked(search(), (), **facts)), SearchPlan)


def test_nobody_goes_around_the_door():
    """Requests are judged by Policy.decide alone; its judges are no business of other rooms."""
    judges = re.compile(r"\.(?:search|bind)\.decide\(|\bdecide_(?:operation|start_tls)\(|\.of_(?:bind|search)\(")
    sources = [path for path in Path(gateway.__file__).parent.rglob("*.py") if path.parent.name != "policy"]
    assert len(sources) > 100
    assert not [str(path) for path in sources if judges.search(path.read_text())]
