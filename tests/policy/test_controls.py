"""The closed table of controls: whatever comes, it is honoured as its standard says, or refused, or ignored."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.controls import (
    DOMAIN_SCOPE,
    MANAGE_DSA_IT,
    PAGED_RESULTS,
    PASSWORD_POLICY,
    SORT,
    SORT_RESULT,
    Control,
    PagedResults,
    paged_results,
)
from gateway.ldap.dn import parse
from gateway.ldap.errors import DecodeError
from gateway.ldap.filters import Present
from gateway.ldap.password_policy import PasswordPolicyAnswer, password_policy_answer
from gateway.ldap.sorting import MOST_KEYS, SortKey, SortResult, sort_control, sort_keys, sort_result
from gateway.policy.controls import NOT_UNDERSTOOD, UNDERSTOOD, ControlJudge, why_not_understood
from gateway.policy.decision import AncestorPlan, Refuse, RootDsePlan, SearchPlan
from gateway.policy.search import SearchJudge
from gateway.policy.settings import Mode
from tests.examples import examples
from tests.ldap import strategies
from tests.policy.policies import policy

BASE, ABOVE = "OU=Staff,DC=corp,DC=example", "DC=corp,DC=example"
ALL = frozenset(UNDERSTOOD)
RULE = "2.5.13.3"
LISTED_KEYS = ("mail", "MAIL", "displayName;lang-de", "0.9.2342.19200300.100.1.3", "whenChanged")
UNLISTED_KEYS = ("pager", "employeeID", "mail;range=0-1", "", "mail ", "1.2.840.113556.1.4.35")

keys = st.lists(
    st.builds(
        SortKey,
        st.sampled_from((*LISTED_KEYS, *UNLISTED_KEYS)),
        st.none() | st.sampled_from((RULE, "caseIgnoreOrderingMatch")),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
no_values = st.none() | st.just(b"") | st.just(b"x")
understood = st.one_of(
    st.builds(
        lambda size, cookie, critical: PagedResults(size, cookie).to_control(critical),
        st.integers(0, 1000),
        st.sampled_from((b"", b"cookie")),
        st.booleans(),
    ),
    st.builds(sort_control, keys, st.booleans()),
    st.builds(Control, st.sampled_from((PAGED_RESULTS, SORT)), st.booleans(), st.none() | strategies.values),
    st.builds(Control, st.sampled_from((MANAGE_DSA_IT, DOMAIN_SCOPE, PASSWORD_POLICY)), st.booleans(), no_values),
)
others = st.builds(Control, st.sampled_from((*NOT_UNDERSTOOD, "1.2.3.4")), st.booleans(), no_values)
control_lists = st.lists(understood | others, max_size=5).map(tuple)
bases = st.sampled_from(((BASE, 2), (BASE, 0), (ABOVE, 2), (ABOVE, 1), (ABOVE, 0), ("", 0)))


def request(base=BASE, scope=2):
    return m.SearchRequest(base, scope, Present("objectClass"), ("mail",))


def decide(*controls, base=BASE, scope=2, listed=ALL, **changes):
    changes.setdefault("matching_rules", frozenset({RULE}))
    return SearchJudge(policy(controls=listed, **changes)).decide(request(base, scope), controls)


def sort(*names, critical=False, **fields):
    return sort_control(tuple(SortKey(name, **fields) for name in names), critical)


def sort_code(controls):
    """Of the answer to a sort among them; None where there is none."""
    codes = [sort_result(control).code for control in controls if control.oid == SORT_RESULT]
    assert len(codes) < 2
    return codes[0] if codes else None


def sortable(control):
    """The listed keys in their configured spelling; None where one of them is not to be sorted by."""
    spelt = {"mail": "mail", "displayname;lang-de": "displayName;lang-de", "whenchanged": "whenChanged"}
    spelt[LISTED_KEYS[3]] = "mail"
    found = sort_keys(control)
    if any(key.attribute.lower() not in spelt or key.rule not in (None, RULE) for key in found):
        return None
    return tuple(SortKey(spelt[key.attribute.lower()], key.rule, key.reverse) for key in found)


def is_well_formed(control):
    """A value as its control has it."""
    try:
        if control.oid == PAGED_RESULTS:
            paged_results(control)
        elif control.oid == SORT:
            sort_keys(control)
        else:
            return not control.value
    except DecodeError:
        return False
    return True


@settings(max_examples=examples(1500), deadline=None)
@given(control_lists, st.frozensets(st.sampled_from(sorted((*UNDERSTOOD, *NOT_UNDERSTOOD)))), bases)
def test_every_control_of_a_search_is_honoured_or_refused_or_ignored(controls, listed, where):
    base, scope = where
    decision = decide(*controls, base=base, scope=scope, listed=listed)
    served = [each for each in controls if each.oid in listed & (ALL - {PASSWORD_POLICY})]
    if len({each.oid for each in controls}) < len(controls):
        assert (decision.reason, decision.code) == ("control-malformed", 2)
        return
    if any(each.critical and each not in served for each in controls):
        assert (decision.reason, decision.code) == ("control-not-allowed", 12)
        return
    if not all(map(is_well_formed, served)):
        assert isinstance(decision, Refuse)
        assert decision.code in (2, 12)
        return
    asked = {each.oid: each for each in served}
    parts = 2 if base == ABOVE and scope else 1
    by = asked.get(SORT)
    # None where it is not asked for. "done": by the server, or because one entry is sorted by itself.
    done = None if by is None else sortable(by) is not None and parts == 1
    if by is not None and by.critical and not done:
        assert decision.code == 12
        assert sort_code(decision.controls) in (18, 50, 53)
        return
    page = None if PAGED_RESULTS not in asked else paged_results(asked[PAGED_RESULTS])
    if not isinstance(decision, SearchPlan):
        assert scope == 0 and base != BASE
        if page is not None and page.cookie:
            assert decision.reason == "cookie-not-valid"
            return
        assert isinstance(decision, AncestorPlan if base else RootDsePlan)
        assert (PAGED_RESULTS in {each.oid for each in decision.answers}) is (page is not None)
        assert sort_code(decision.answers) == {None: None, True: 0}.get(done, sort_code(decision.answers))
        assert done is not False or sort_code(decision.answers) in (18, 50)
        if isinstance(decision, AncestorPlan):
            sent = tuple(Control(oid, each.critical) for oid, each in asked.items() if oid == MANAGE_DSA_IT)
            assert decision.controls == sent
        return
    assert len(decision.parts) == parts
    assert (decision.page is not None) is (page is not None)
    assert decision.drops_references is (DOMAIN_SCOPE in asked)
    forwarded = {each.oid: each for each in decision.controls}
    assert set(forwarded) == {oid for oid in (SORT, MANAGE_DSA_IT) if oid in asked and (oid != SORT or done)}
    for oid, each in forwarded.items():
        assert each.critical is asked[oid].critical
        assert each.value is None if oid == MANAGE_DSA_IT else sort_keys(each) == sortable(by)
    # RFC 2891 2: what is not sorted comes all the same where that was not demanded, and the answer says so.
    assert (sort_code(decision.answers) in (18, 50, 53)) is (done is False)


@settings(max_examples=examples(500), deadline=None)
@given(control_lists, st.frozensets(st.sampled_from(sorted(UNDERSTOOD))))
def test_of_a_binds_controls_only_password_policy_is_sent_on(controls, listed):
    judged = ControlJudge(policy(controls=listed)).of_bind(controls)
    asked = [each for each in controls if each.oid == PASSWORD_POLICY and each.oid in listed]
    twice = len({each.oid for each in controls}) < len(controls)
    if not twice and any(each.critical for each in controls):
        assert (judged.reason, judged.code) == ("control-not-allowed", 12)
    elif twice or any(each.value for each in asked):
        assert (judged.reason, judged.code) == ("control-malformed", 2)
    else:
        assert judged == ((Control(PASSWORD_POLICY),) if asked else ())


def test_an_order_by_what_is_not_listed_is_no_order():
    for name in UNLISTED_KEYS:
        refused = decide(sort("mail", name, critical=True))
        assert (refused.reason, refused.code, sort_code(refused.controls)) == ("sort-key-not-allowed", 12, 50)
        plan = decide(sort("mail", name))
        assert (plan.controls, sort_code(plan.answers)) == ((), 50)
    assert decide(sort("mail", critical=True, rule="1.2.3")).reason == "sort-key-not-allowed"
    # mode: report relaxes no control.
    assert decide(sort("pager", critical=True), mode=Mode.report).reason == "sort-key-not-allowed"


def test_a_sort_of_several_parts_is_not_done_and_not_said_to_be():
    refused = decide(sort("mail", critical=True), base=ABOVE)
    assert (refused.reason, refused.code, sort_code(refused.controls)) == ("sort-over-several-bases", 12, 53)
    plan = decide(sort("mail"), base=ABOVE)
    assert (len(plan.parts), plan.controls, sort_code(plan.answers)) == (2, (), 53)
    one = decide(sort("mail", critical=True), base=ABOVE, base_dns=(parse(BASE),))
    assert [each.oid for each in one.controls] == [SORT]


def test_a_sort_has_a_bounded_number_of_keys():
    value = sort_control((SortKey("mail"),) * (MOST_KEYS + 1), True)
    assert decide(value).reason == "control-malformed"
    assert isinstance(decide(sort_control((SortKey("mail"),) * MOST_KEYS, True)), SearchPlan)
    assert decide(Control(SORT, True, b"\x30\x00")).reason == "control-malformed"


@given(keys, st.booleans())
def test_sort_keys_come_back_as_they_were_written(wanted, critical):
    assert sort_keys(sort_control(wanted, critical)) == wanted


@given(st.builds(SortResult, st.integers(0, 2**31 - 1), st.none() | st.just("mail")))
def test_sort_results_come_back_as_they_were_written(result):
    assert sort_result(result.to_control()) == result


@given(
    st.builds(PasswordPolicyAnswer, st.none() | st.integers(0, 2**31 - 1), st.none(), st.none() | st.integers(0, 99))
    | st.builds(PasswordPolicyAnswer, st.none(), st.none() | st.integers(0, 2**31 - 1), st.none() | st.integers(0, 99))
)
def test_password_policy_answers_come_back_as_they_were_written(answer):
    assert password_policy_answer(answer.to_control()) == answer


@given(st.sampled_from((sort_result, password_policy_answer, sort_keys)), st.none() | strategies.values)
def test_values_of_any_octets_are_read_or_refused(read, value):
    try:
        read(Control("1.2", False, value))
    except DecodeError as error:
        assert str(error)


def test_samba_and_openldap_write_the_attribute_of_a_sort_result_under_different_tags():
    for tag in (b"\x04", b"\x80"):
        value = b"\x30\x09\x0a\x01\x10" + tag + b"\x04mail"
        assert sort_result(Control(SORT_RESULT, False, value)) == SortResult(16, "mail")


def test_of_a_servers_answers_no_name_passes_that_is_not_listed():
    judge = ControlJudge(policy())
    (answer,) = judge.sort_answer((SortResult(16, "pager").to_control(),))
    assert sort_result(answer) == SortResult(16)
    (answer,) = judge.sort_answer((SortResult(16, "MAIL").to_control(),))
    assert sort_result(answer) == SortResult(16, "mail")
    assert judge.sort_answer((Control("1.2.3"), PagedResults(0).to_control(False))) == ()
    assert judge.bind_answer((Control("1.2.3"),)) == ()


@pytest.mark.parametrize("oid", [*NOT_UNDERSTOOD, "1.2.3.4"])
def test_why_a_control_is_not_understood_names_those_that_are(oid):
    said = why_not_understood(oid)
    assert oid not in UNDERSTOOD
    assert all(each in said for each in UNDERSTOOD)
    assert NOT_UNDERSTOOD.get(oid, ("does not understand",))[0] in said
