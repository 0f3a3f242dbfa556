import pytest
from hypothesis import given, settings

from gateway.ldap import messages as m
from gateway.ldap.attribute_types import base_type
from gateway.ldap.controls import MANAGE_DSA_IT, PAGED_RESULTS, Control, PagedResults
from gateway.ldap.dn import parse
from gateway.ldap.entries import HIDDEN, SEEN
from gateway.ldap.filter_text import filter_text, parse_filter
from gateway.ldap.filters import Present
from gateway.policy.decision import AncestorPlan, Refuse, RootDsePlan, SearchPlan
from gateway.policy.entry import EntryJudge
from gateway.policy.reasons import REASONS, Reason
from gateway.policy.search import SearchJudge
from gateway.policy.settings import BaseAbove, Mode, Paging, WhenDenied
from tests.examples import examples
from tests.ldap import strategies
from tests.policy.policies import policy

BASE = "OU=Staff,DC=corp,DC=example"


def decide(
    base=BASE, scope=2, filter="(objectClass=*)", attributes=(), controls=(), limits=(0, 0), controls_=(), **changes
):
    if controls_:
        changes["controls"] = frozenset(controls_)
    request = m.SearchRequest(base, scope, parse_filter(filter), tuple(attributes), 3, *limits)
    return SearchJudge(policy(**changes)).decide(request, tuple(controls))


@pytest.mark.parametrize("scope", [1, 2])
@pytest.mark.parametrize("base, sent", [("", ""), ("o = Acme", "o=Acme"), ("cn=Everybody", "cn=Everybody")])
def test_the_root_may_be_an_allowed_base(base, scope, sent):
    plan = decide(base, scope, base_dns=(parse(""),), naming_contexts=(parse(""),), excluded_base_dns=())
    assert isinstance(plan, SearchPlan)
    assert [(part.base, part.scope) for part in plan.parts] == [(sent, scope)]
    assert not plan.narrowed


def test_below_an_allowed_root_exclusions_hold():
    root = {"base_dns": (parse(""),), "excluded_base_dns": (parse("OU=Board,O=Acme"),)}
    assert isinstance(decide("O=Acme", **root), SearchPlan)
    refused = decide("CN=Jane,OU=Board,O=Acme", **root)
    assert isinstance(refused, Refuse)
    assert refused.reason is Reason.base_excluded
    entries = EntryJudge(policy(**root))
    assert entries.judge_dn("CN=Everybody") == SEEN
    assert entries.judge_dn("CN=Jane,OU=board,O=ACME") == HIDDEN


def test_a_root_that_is_not_allowed_is_narrowed_to_organizations_and_flat_names():
    plan = decide("", base_dns=(parse("O=Acme"), parse("CN=Everybody")), excluded_base_dns=())
    assert isinstance(plan, SearchPlan)
    assert [part.base for part in plan.parts] == ["O=Acme", "CN=Everybody"]


def only_part(plan):
    (part,) = plan.parts
    return part


def test_every_reason_is_documented():
    assert set(REASONS) == set(Reason)


@pytest.mark.parametrize(
    "base, forwarded",
    [
        (BASE, BASE),
        ("ou=STAFF, dc=corp,dc=EXAMPLE", BASE),
        ("cn=a b,ou=staff,dc=corp,dc=example", "cn=a b,OU=Staff,DC=corp,DC=example"),
        (r"ou=sales\2c emea,dc=corp,dc=example", r"OU=Sales\, EMEA,DC=corp,DC=example"),
    ],
)
def test_a_base_inside_an_allowed_one_is_sent_in_the_configured_spelling(base, forwarded):
    assert only_part(decide(base)).base == forwarded


@pytest.mark.parametrize(
    "base, reason",
    [
        ("DC=corp,DC=example", "base-above-allowed"),
        ("DC=example", "base-above-allowed"),
        ("OU=Other,DC=corp,DC=example", "base-not-allowed"),
        ("OU=Other Staff,DC=corp,DC=example", "base-not-allowed"),
        (r"CN=x\,OU\=Staff\,DC\=corp,DC=example", "base-not-allowed"),
        ("OU=Secret," + BASE, "base-excluded"),
        ("CN=x,OU=sEcRét," + BASE, "base-excluded"),
        ("CN=x,OU=S e c r e t," + BASE, "base-excluded"),
        ("CN=x,OU=#020101," + BASE, "base-excluded"),
        ("Sales, EMEA", "base-malformed"),
        ("<SID=0105>", "base-malformed"),
        ("<GUID=4d0b>", "base-malformed"),
        ("ou=secret,dc=corp,dc=example\0,ou=staff,dc=corp,dc=example", "base-malformed"),
    ],
)
def test_every_other_base_is_refused(base, reason):
    refusal = decide(base, base_above=BaseAbove.refuse)
    assert isinstance(refusal, Refuse)
    assert refusal.reason == reason
    assert refusal.code == (34 if reason == "base-malformed" else 50)


@pytest.mark.parametrize(
    "asked, forwarded, held_back",
    [
        ((), ("mail", "displayName", "member", "objectClass"), ()),
        (("*",), ("mail", "displayName", "member", "objectClass"), ()),
        (("+",), ("1.1",), ("+",)),
        (("1.1",), ("1.1",), ()),
        (("*", "+"), ("mail", "displayName", "member", "objectClass"), ("+",)),
        (("MAIL", "mail"), ("mail",), ()),
        (("0.9.2342.19200300.100.1.3",), ("mail",), ()),
        (("OID.2.5.4.3",), ("1.1",), ("OID.2.5.4.3",)),
        (("member;range=0-1499",), ("member;range=0-1499",), ()),
        (("employeeID;range=0-*", "mail"), ("mail",), ("employeeID;range=0-*",)),
        (("employeeID",), ("1.1",), ("employeeID",)),
        (("1.2.840.113556.1.4.35",), ("1.1",), ("1.2.840.113556.1.4.35",)),
        (("mail\0", "mail ", ""), ("1.1",), ("mail\0", "mail ", "")),
        (("unicodePwd", "displayname"), ("displayName",), ("unicodePwd",)),
    ],
)
def test_only_listed_attributes_are_asked_for(asked, forwarded, held_back):
    plan = decide(attributes=asked)
    assert only_part(plan).attributes == forwarded
    assert plan.held_back == held_back


def test_when_denied_refuse_refuses_the_search():
    assert decide(attributes=["pager"], when_denied=WhenDenied.refuse).reason == "attribute-not-allowed"


@pytest.mark.parametrize(
    "text, forwarded",
    [
        ("(objectclass=*)", "(objectClass=*)"),
        ("(&(MAIL=*@x)(objectCategory=person))", "(&(mail=*@x)(objectCategory=person))"),
        ("(2.5.4.31=cn=x)", "(member=cn=x)"),
        ("(sAMAccountType:1.2.840.113556.1.4.803:=2)", "(sAMAccountType:1.2.840.113556.1.4.803:=2)"),
        ("(|)", "(|)"),
    ],
)
def test_permitted_filters_are_written_in_the_configured_spelling(text, forwarded):
    assert filter_text(only_part(decide(filter=text)).filter) == forwarded


@pytest.mark.parametrize(
    "text, reason",
    [
        ("(employeeID=L*)", "filter-attribute-not-allowed"),
        ("(!(employeeID=*))", "filter-attribute-not-allowed"),
        ("(|(mail=*)(&(1.2.840.113556.1.4.35=1)))", "filter-attribute-not-allowed"),
        ("(employeeID;binary=1)", "filter-attribute-not-allowed"),
        ("(anr=smith)", "filter-attribute-not-allowed"),
        ("(pager>=1)", "filter-attribute-not-allowed"),
        ("(pager~=1)", "filter-attribute-not-allowed"),
        ("(:1.2.840.113556.1.4.803:=2)", "filter-untyped"),
        ("(mail:dn:=x)", "filter-dn-attributes"),
        ("(member:1.2.840.113556.1.4.1941:=cn=x)", "matching-rule-not-allowed"),
    ],
)
def test_what_a_filter_could_reveal_is_refused(text, reason):
    assert decide(filter=text).reason == reason


def test_the_required_filter_comes_with_every_search():
    plan = decide(filter="(mail=*)", required_filter=Present("objectClass"))
    assert filter_text(only_part(plan).filter) == "(&(objectClass=*)(mail=*))"


def test_report_mode_relaxes_filters_and_says_so():
    plan = decide(filter="(pager=1)", attributes=["pager"], mode=Mode.report)
    assert plan.reported == ("filter-attribute-not-allowed", "attribute-not-allowed")
    assert decide("DC=example", mode=Mode.report, base_above=BaseAbove.refuse).reason == "base-above-allowed"
    assert decide(filter="(:1.2.3:=x)", mode=Mode.report).reason == "filter-untyped"


def test_what_only_report_mode_lets_pass_is_reported_each_time():
    judge = SearchJudge(policy(mode=Mode.report))
    request = m.SearchRequest(str(policy().base_dns[0]), 2, parse_filter("(pager=1)"), ("mail",))
    assert [judge.decide(request, ()).reported for _ in range(2)] == [(Reason.filter_attribute_not_allowed,)] * 2


@pytest.mark.parametrize("option", ["x", "x" * 1000])
def test_filters_without_end_are_not_remembered_without_end(option):
    judge = SearchJudge(policy())
    for number in range(300):
        wanted = Present(f"MAIL;{option}{number}")
        plan = judge.decide(m.SearchRequest(str(policy().base_dns[0]), 2, wanted, ("mail",)), ())
        assert plan.parts[0].filter == Present(f"mail;{option}{number}")
    remembered = judge._filters._permitted
    assert len(remembered) <= 100 and all(len(name) <= 256 for name in remembered)


def test_limits_are_clamped_and_aliases_not_followed():
    request = only_part(decide(limits=(0, 99), size_limit=10, time_limit=5))
    assert (request.size_limit, request.time_limit, request.deref_aliases) == (10, 5, 0)
    assert only_part(decide(limits=(7, 0), size_limit=10)).size_limit == 7
    assert only_part(decide(limits=(7, 8))).size_limit == 7


def test_controls_come_from_the_list():
    paged = PagedResults(100, b"c").to_control(True)
    assert decide(controls=[paged, Control("1.2.3.4")]).controls == ()
    manage = Control(MANAGE_DSA_IT, True)
    assert decide(controls=[paged, manage], controls_=[PAGED_RESULTS, MANAGE_DSA_IT]).controls == (manage,)
    # Not even where it is listed: nobody here knows what it does.
    assert decide(controls=[Control("1.2.3.4", True, b"value")], controls_=["1.2.3.4"]).code == 12
    assert decide(controls=[Control("1.2.3.4", False, b"value")], controls_=["1.2.3.4"]).controls == ()
    assert decide(controls=[Control("1.2.3.4", True)]).code == 12
    assert decide(controls=[Control(PAGED_RESULTS, True, b"\x30\x00")]).code == 2
    assert decide(controls=[paged, paged]).code == 2


@pytest.mark.parametrize(
    ("asked", "page"),
    [
        (PagedResults(100), PagedResults(100)),
        (PagedResults(5000), PagedResults(500)),
        (PagedResults(0), PagedResults(500)),
        (PagedResults(0, b"c"), PagedResults(0, b"c")),
        (PagedResults(10, b"c"), PagedResults(10, b"c")),
    ],
)
def test_pages_are_no_larger_than_page_size(asked, page):
    plan = decide(controls=[asked.to_control(True)])
    assert (plan.page, plan.page_critical) == (page, True)
    assert plan.controls == ()


def test_where_the_directory_cannot_page_the_whole_comes_or_a_refusal():
    never = Paging.never
    assert decide(controls=[PagedResults(10).to_control(False)], paging=never).page is None
    critical = decide(controls=[PagedResults(10).to_control(True)], paging=never)
    assert (critical.reason, critical.code) == ("paging-not-supported", 12)
    resumed = decide(controls=[PagedResults(10, b"c").to_control(False)], paging=never)
    assert (resumed.reason, resumed.code) == ("cookie-not-valid", 53)
    root_dse = decide("", 0, paging=never).entry
    assert "supportedControl" not in {attribute.type for attribute in root_dse.attributes}


STAFF, SALES = BASE, r"OU=Sales\, EMEA,DC=corp,DC=example"


@pytest.mark.parametrize(
    ("base", "scope", "parts"),
    [
        ("DC=corp,DC=example", 2, [(STAFF, 2), (SALES, 2)]),
        ("dc=EXAMPLE", 2, [(STAFF, 2), (SALES, 2)]),
        ("", 2, [(STAFF, 2), (SALES, 2)]),
        ("DC=corp,DC=example", 1, [(STAFF, 0), (SALES, 0)]),
    ],
)
def test_a_base_above_allowed_ones_is_narrowed_to_them(base, scope, parts):
    plan = decide(base, scope, limits=(10, 0))
    assert plan.narrowed
    assert [(part.base, part.scope) for part in plan.parts] == parts
    # Each server would count for itself, so only the gateway counts.
    assert (plan.size_limit, {part.size_limit for part in plan.parts}) == (10, {0})


def test_narrowing_keeps_the_filters_and_leaves_what_is_meant_alone():
    plan = decide("DC=corp,DC=example", filter="(mail=a)", required_filter=Present("objectClass"))
    assert {filter_text(part.filter) for part in plan.parts} == {"(&(objectClass=*)(mail=a))"}
    assert (plan.asked.base, filter_text(plan.asked.filter)) == ("DC=corp,DC=example", "(mail=a)")


def test_one_level_above_where_no_allowed_base_is_a_child_is_refused():
    assert decide("DC=example", 1).reason == "base-above-allowed"
    assert decide("", 1).reason == "base-above-allowed"


def test_the_entry_above_may_be_read_where_all_else_above_is_refused():
    assert isinstance(decide("DC=corp,DC=example", 0, base_above=BaseAbove.entry), AncestorPlan)
    for scope in (1, 2):
        refusal = decide("DC=corp,DC=example", scope, base_above=BaseAbove.entry)
        assert (refusal.reason, refusal.setting) == ("base-above-allowed", "clients.X.base_above")
    assert decide("DC=corp,DC=example", 0, base_above=BaseAbove.refuse).reason == "base-above-allowed"


def test_bases_that_are_excluded_are_no_part_of_it():
    plan = decide("DC=corp,DC=example", excluded_base_dns=(parse(STAFF),))
    assert [part.base for part in plan.parts] == [SALES]
    assert decide("DC=corp,DC=example", excluded_base_dns=(parse("DC=corp,DC=example"),)).reason == "base-excluded"


@pytest.mark.parametrize(
    ("asked", "forwarded"), [((), ("objectClass",)), (("mail",), ("1.1",)), (("OBJECTCLASS", "mail"), ("objectClass",))]
)
def test_the_entry_above_is_read_with_its_class_and_nothing_else(asked, forwarded):
    plan = decide("dc=CORP,DC=example", 0, attributes=asked, required_filter=Present("mail"))
    assert isinstance(plan, AncestorPlan)
    assert (plan.request.base, plan.request.scope, plan.request.attributes) == ("DC=corp,DC=example", 0, forwarded)
    assert filter_text(plan.request.filter) == "(objectClass=*)"


def test_a_filter_on_the_entry_above_may_not_ask_for_more_than_its_class():
    assert isinstance(decide("DC=corp,DC=example", 0, "(!(|(objectClass=domain)(objectClass=*)))"), AncestorPlan)
    assert decide("DC=corp,DC=example", 0, "(mail=a*)").reason == "base-above-allowed"
    assert decide("DC=corp,DC=example", 0, "(&(objectClass=*)(mail=a))").reason == "base-above-allowed"


def test_the_root_dse_is_the_gateways_own():
    plan = decide("", 0)
    assert isinstance(plan, RootDsePlan)
    shown = {attribute.type: attribute.values for attribute in plan.entry.attributes}
    assert shown["namingContexts"] == (b"DC=corp,DC=example",)
    assert "dnsHostName" not in shown
    assert decide("", 0, "(cn=x)").entry is None
    assert decide("", 0, attributes=["dnsHostName"]).entry.attributes == ()
    assert decide("", 2, base_above=BaseAbove.refuse).reason == "base-above-allowed"


@settings(max_examples=examples(500), deadline=None)
@given(strategies.search_requests, strategies.controls)
def test_whatever_is_asked_only_what_is_listed_is_forwarded(request, controls):
    settings_ = policy(base_dns=(parse("DC=x"),))
    decision = SearchJudge(settings_).decide(request, controls)
    if isinstance(decision, SearchPlan):
        for part in decision.parts:
            assert parse(part.base).is_inside(settings_.base_dns[0])
            assert {base_type(a) for a in part.attributes} <= {"mail", "displayname", "member", "objectclass", "1.1"}
        assert all(control.oid in settings_.controls for control in decision.controls)
