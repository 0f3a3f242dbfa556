"""Hypothesis strategies for LDAP values.

In all a run of the tests proves the codec on more than 10,000 generated messages: 6,000 round trips in test_messages
and 6,000 that second decoders read, in test_against_ldap3 and test_against_ldaptor.
"""

from itertools import product

from hypothesis import strategies as st

from gateway.ldap import filters as f
from gateway.ldap import messages as m
from gateway.ldap.controls import Control
from gateway.ldap.dn import AVA, DN, HexValue, rdn_key
from gateway.ldap.results import LDAPResult

ids = st.integers(1, 2**31 - 1)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.binary(max_size=20)
types = st.sampled_from(["cn", "mail", "proxyAddresses", "2.5.4.3", "member;range=0-9", "userCertificate;binary"])
filter_types = st.sampled_from(["cn", "mail", "2.5.4.3", "userCertificate;binary"])
parts = st.binary(min_size=1, max_size=8)
OIDS = ("1.2.840.113556.1.4.319", "1.3.6.1.4.1.1466.20037", "2.16.840.1.113730.3.4.2")
oids = st.sampled_from(OIDS)

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
# BER elements that are no text strings.
hex_values = st.binary(max_size=8).map(lambda octets: HexValue(bytes((0x30, len(octets))) + octets))
avas = st.builds(AVA, st.sampled_from(["CN", "ou", "2.5.4.4", "dc"]), names | hex_values)
rdns = st.lists(avas, min_size=1, max_size=3, unique_by=lambda ava: rdn_key((ava,))).map(tuple)
dns = st.lists(rdns, max_size=5).map(lambda found: DN(tuple(found)))


@st.composite
def substrings(draw: st.DrawFn) -> f.Filter:
    found = f.Substrings(
        draw(filter_types), draw(st.none() | parts), tuple(draw(st.lists(parts, max_size=3))), draw(st.none() | parts)
    )
    return found if found.initial or found.any or found.final else f.Present(found.attribute)


@st.composite
def extensible(draw: st.DrawFn) -> f.ExtensibleMatch:
    rule = draw(st.none() | oids)
    attribute = draw(filter_types) if rule is None else draw(st.none() | filter_types)
    return f.ExtensibleMatch(rule, attribute, draw(values), draw(st.booleans()))


leaves = st.one_of(
    st.builds(f.EqualityMatch, filter_types, values),
    st.builds(f.GreaterOrEqual, filter_types, values),
    st.builds(f.LessOrEqual, filter_types, values),
    st.builds(f.ApproxMatch, filter_types, values),
    st.builds(f.Present, filter_types),
    substrings(),
    extensible(),
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda found: f.And(tuple(found))),
        st.lists(inner, min_size=1, max_size=3).map(lambda found: f.Or(tuple(found))),
        inner.map(f.Not),
    ),
    max_leaves=6,
)
limits = st.integers(0, 2**31 - 1)


def _search_request(
    base: str, sought: f.Filter, attributes: list[str], small: tuple[int, int, bool], size_limit: int, time_limit: int
) -> m.SearchRequest:
    scope, aliases, types_only = small
    return m.SearchRequest(base, scope, sought, tuple(attributes), aliases, size_limit, time_limit, types_only)


# What has few values is drawn together: Hypothesis takes longer for a draw than the codec for a message.
search_requests = st.builds(
    _search_request,
    texts,
    filters,
    st.lists(types, max_size=4),
    st.sampled_from([*product(range(3), range(4), (False, True))]),
    limits,
    limits,
)
requests = st.one_of(
    search_requests,
    st.builds(
        m.BindRequest,
        st.integers(1, 127),
        texts,
        st.builds(m.SimpleAuthentication, values) | st.builds(m.SaslAuthentication, texts, st.none() | values),
    ),
    st.just(m.UnbindRequest()),
    st.builds(m.AbandonRequest, st.integers(0, 2**31 - 1)),
    st.builds(m.ExtendedRequest, oids, st.none() | values),
)
results = st.builds(LDAPResult, st.integers(0, 80), texts, texts, st.lists(texts, max_size=2).map(tuple))
attributes = st.builds(m.Attribute, types, st.lists(values, max_size=3).map(tuple))
entries = st.builds(m.SearchResultEntry, texts, st.lists(attributes, max_size=4).map(tuple))
responses = st.one_of(
    entries,
    st.builds(m.SearchResultDone, results),
    st.builds(m.SearchResultReference, st.lists(texts, min_size=1, max_size=3).map(tuple)),
    st.builds(m.BindResponse, results, st.none() | values),
    st.builds(m.ExtendedResponse, results, st.none() | oids, st.none() | values),
    st.builds(m.IntermediateResponse, st.none() | oids, st.none() | values),
    st.builds(m.UnservedResponse, st.sampled_from([0x67, 0x69, 0x6B, 0x6D, 0x6F]), results),
)
controls = st.lists(
    st.builds(
        lambda kind, value: Control(kind[0], kind[1], value),
        st.sampled_from([*product(OIDS, (False, True))]),
        st.none() | values,
    ),
    max_size=3,
).map(tuple)
request_messages = st.builds(m.LDAPMessage, ids, requests, controls)
response_messages = st.builds(m.LDAPMessage, ids, responses, controls)
