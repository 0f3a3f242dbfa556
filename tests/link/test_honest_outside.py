"""What an outside sends is never refused by an inside that has the same lists: a refusal inside is an alert."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap.controls import PagedResults
from gateway.ldap.filter_text import filter_text, parse_filter
from gateway.ldap.messages import SearchRequest
from gateway.policy.decision import AncestorPlan, Refuse, SearchPlan, SubschemaPlan
from gateway.policy.search import SearchJudge
from gateway.policy.settings import BaseAbove, WhenDenied
from tests.examples import examples
from tests.policy.policies import policy

BASES = st.sampled_from(
    [
        *("OU=Staff,DC=corp,DC=example", "ou=STAFF, dc=corp,dc=example", "CN=jane,OU=Staff,DC=corp,DC=example"),
        *(
            "OU=Sales, EMEA,DC=corp,DC=example",
            r"OU=Sales\, EMEA,DC=corp,DC=example",
            "DC=corp,DC=example",
            "DC=example",
        ),
        *("", "OU=Secret,OU=Staff,DC=corp,DC=example", "CN=Schema,DC=corp,DC=example"),
    ]
)
ITEMS = st.sampled_from(
    [
        *(
            "(objectClass=*)",
            "(objectClass=person)",
            "(mail=*)",
            "(mail=a*b)",
            "(memberOf=x)",
            "(cn=a)",
            "(displayName~=a)",
        ),
        *("(member=CN=Fischer, Ada,OU=Staff,DC=corp,DC=example)", "(userAccountControl:1.2.840.113556.1.4.803:=2)"),
        *("(whenChanged>=20260101000000.0Z)", "(objectCategory=person)", "(member:dn:=CN=x,DC=corp,DC=example)"),
    ]
)
FILTERS = st.recursive(
    ITEMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: f"(&{''.join(each)})"),
        st.lists(inner, max_size=3).map(lambda each: f"(|{''.join(each)})"),
        inner.map(lambda each: f"(!{each})"),
    ),
    max_leaves=5,
)
ATTRIBUTES = st.lists(
    st.sampled_from(["mail", "displayname", "objectClass", "member;range=0-99", "cn", "*", "+", "1.1"]), max_size=4
).map(tuple)
REQUESTS = st.builds(
    SearchRequest,
    BASES,
    st.integers(0, 2),
    FILTERS.map(parse_filter),
    ATTRIBUTES,
    st.integers(0, 3),
    st.integers(0, 5),
    st.integers(0, 5),
    st.booleans(),
)
OUTSIDE = policy(subschema=policy().base_dns[0].parent(), required_filter=parse_filter("(mail=*)"))
INSIDE = replace(OUTSIDE, mending=False, when_denied=WhenDenied.refuse, base_above=BaseAbove.entry, tells_identity=True)


def sent(plan, paged):
    """The requests that the server gets, each with its controls."""
    if isinstance(plan, AncestorPlan | SubschemaPlan):
        return [(plan.request, ())]
    page = (PagedResults(500, b"").to_control(True),) if paged else ()
    return [(part, (*plan.controls, *page)) for part in plan.parts]


@settings(max_examples=examples(400))
@given(request=REQUESTS, paged=st.booleans(), when_denied=st.sampled_from(WhenDenied), asks=st.booleans())
def test_no_search_that_passes_outside_is_refused_inside(request, paged, when_denied, asks):
    outside = SearchJudge(replace(OUTSIDE, when_denied=when_denied))
    plan = outside.decide(request, (PagedResults(9, b"").to_control(False),) * asks)
    if not isinstance(plan, SearchPlan | AncestorPlan | SubschemaPlan):
        return
    for forwarded, controls in sent(plan, paged):
        judged = SearchJudge(INSIDE).decide(forwarded, controls)
        assert not isinstance(judged, Refuse), (forwarded.base, filter_text(forwarded.filter), judged)
