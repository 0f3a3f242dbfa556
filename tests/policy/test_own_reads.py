"""The root DSE beyond the gateway's own, and the schema's entry: what of them is asked of the server."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap.dn import parse
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.filters import Present
from gateway.ldap.messages import SearchRequest
from gateway.policy.decision import Refuse, RootDsePlan, SubschemaPlan
from gateway.policy.rootdse import root_dse_problem
from gateway.policy.search import SearchJudge
from gateway.policy.settings import WhenDenied
from gateway.policy.subschema import ATTRIBUTES
from tests.policy.policies import policy

AGGREGATE = "CN=Aggregate,CN=Schema,CN=Configuration,DC=corp,DC=example"
LISTED = ("subschemaSubentry", "highestCommittedUSN")
CLASS = Present("objectClass")

WITHOUT = SearchJudge(policy())
WITH = SearchJudge(policy(root_dse=LISTED, subschema=parse(AGGREGATE)))

PARTS = [
    *("CN=Aggregate", "cn=aggregate", "CN=Schema", "CN=Configuration", "DC=corp", "DC=example", "OU=Staff"),
    *("CN=Other", "cn=Subschema", "CN=Aggregate+CN=x", "CN=Aggrégate"),
]
BASES = st.lists(st.sampled_from(PARTS), max_size=6).map(",".join) | st.sampled_from([AGGREGATE, AGGREGATE.lower()])
NAMES = st.lists(
    st.sampled_from(["attributeTypes", "mail", "*", "+", "1.1", "objectclass", "pager", *LISTED]), max_size=3
)


@given(BASES, st.integers(0, 2), st.sampled_from(["(objectClass=*)", "(mail=*)", "(cn=a)"]), NAMES)
def test_nothing_else_is_decided_otherwise(base, scope, filter_, names):
    request = SearchRequest(base, scope, parse_filter(filter_), tuple(names))
    found, before = WITH.decide(request, ()), WITHOUT.decide(request, ())
    if scope == 0 and base and parse(base).same(parse(AGGREGATE)):
        assert isinstance(before, Refuse)
        assert isinstance(found, SubschemaPlan) is (filter_ == "(objectClass=*)")
        if isinstance(found, SubschemaPlan):
            assert (found.request.base, found.request.scope) == (AGGREGATE, 0)
            assert set(found.request.attributes) <= {*ATTRIBUTES, "1.1"} and found.request.attributes
    elif isinstance(found, RootDsePlan):
        assert isinstance(before, RootDsePlan)
        assert found.entry == before.entry
        assert before.more is None
        assert found.more is None or set(found.more.attributes) <= set(LISTED)
    else:
        assert found == before


@pytest.mark.parametrize(
    "asked, forwarded, held_back",
    [
        ((), ATTRIBUTES, ()),
        (("*",), ATTRIBUTES, ()),
        (("+",), ATTRIBUTES, ()),
        (("+", "mail"), ATTRIBUTES, ("mail",)),
        (("ATTRIBUTETYPES", "attributeTypes", "objectClasses"), ("attributeTypes", "objectClasses"), ()),
        (("mail", "objectClasses"), ("objectClasses",), ("mail",)),
        (("mail",), ("1.1",), ("mail",)),
        (("1.1",), ("1.1",), ()),
    ],
)
def test_of_the_schema_its_own_attributes_are_asked_for(asked, forwarded, held_back):
    plan = WITH.decide(SearchRequest(AGGREGATE.upper(), 0, CLASS, asked), ())
    assert (plan.request.attributes, plan.held_back, plan.request.base) == (forwarded, held_back, AGGREGATE)


def test_a_client_that_is_refused_what_is_denied_is_here_too():
    judge = SearchJudge(policy(subschema=parse("cn=Subschema"), when_denied=WhenDenied.refuse))
    refused = judge.decide(SearchRequest("cn=Subschema", 0, CLASS, ("mail",)), ())
    assert (refused.reason.value, refused.detail) == ("attribute-not-allowed", "mail")


@pytest.mark.parametrize("text", ["(attributeTypes=*)", "(|(objectClass=*)(cn=a*))", "(!(modifyTimestamp>=2020))"])
def test_the_schema_is_not_searched(text):
    refused = WITH.decide(SearchRequest(AGGREGATE, 0, parse_filter(text)), ())
    assert refused.reason.value == "filter-attribute-not-allowed"


@pytest.mark.parametrize(
    "asked, more, held_back",
    [
        ((), LISTED, ()),
        (("*", "+"), LISTED, ()),
        (("HIGHESTCOMMITTEDUSN",), ("highestCommittedUSN",), ()),
        (("highestCommittedUSN", "dnsHostName"), ("highestCommittedUSN",), ("dnsHostName",)),
        (("namingContexts",), None, ()),
        (("1.1",), None, ()),
    ],
)
def test_of_the_root_dse_what_is_listed_is_asked_for(asked, more, held_back):
    plan = WITH.decide(SearchRequest("", 0, CLASS, asked), ())
    assert (None if plan.more is None else plan.more.attributes, plan.held_back) == (more, held_back)


def test_where_the_filter_does_not_match_nothing_is_asked():
    plan = WITH.decide(SearchRequest("", 0, parse_filter("(objectClass=person)")), ())
    assert plan.entry is None
    assert plan == replace(plan, entry=None)


@pytest.mark.parametrize("name", ["namingContexts", "SUPPORTEDCONTROL", "supportedSASLMechanisms", "objectClass"])
def test_what_the_gateway_says_of_itself_cannot_be_the_servers(name):
    assert "answers this one by itself" in root_dse_problem(name)


@pytest.mark.parametrize("name", ["dnsHostName", "serverName", "altServer", "ldapServiceName", "dsServiceName"])
def test_no_server_is_named(name):
    assert "names servers of the inside" in root_dse_problem(name)


@pytest.mark.parametrize("name", [*LISTED, "currentTime", "vendorName", "domainFunctionality"])
def test_all_else_may_be_listed(name):
    assert root_dse_problem(name) is None
