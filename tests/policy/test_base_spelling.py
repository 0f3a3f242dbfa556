"""Two spellings of a base DN: how they are shown, and which of a server's a client may use."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap.dn import escape_value, parse
from gateway.policy.base_spelling import BaseSpelling, shown_apart, usable
from gateway.policy.policy import Policy
from tests.policy.policies import policy
from tests.spellings import spellings

SUFFIX = "DC=corp,DC=example"
COMPOSED, DECOMPOSED = parse(f"OU=Z\u00fcrich,{SUFFIX}"), parse(f"OU=Zu\u0308rich,{SUFFIX}")
STAFF = parse(f"OU=Staff,{SUFFIX}")


@st.composite
def spelt(draw):
    """A name of several RDNs, twice."""
    words = draw(st.lists(st.sampled_from(["Zürich", "Head Office", "R+D, Nord", "日本"]), min_size=1, max_size=3))
    twice = [
        ",".join(f"OU={escape_value(draw(spellings(word)).strip() or word)}" for word in words) + f",{SUFFIX}"
        for _ in range(2)
    ]
    return parse(twice[0]), parse(twice[1])


@given(spelt())
def test_what_is_shown_is_the_same_name_and_looks_different_where_it_differs(names):
    one, other = names
    shown = shown_apart(one, other)
    assert [parse(text).same(name) for text, name in zip(shown, names, strict=True)] == [True, True]
    assert one.same(other) or shown[0] != shown[1]


def test_only_what_differs_is_shown_in_hexadecimal_pairs():
    one, other = parse(f"OU=Süd,{COMPOSED}"), parse(f"OU=Süd,{DECOMPOSED}")
    assert shown_apart(one, other) == (f"OU=Süd,OU=Z\\c3\\bcrich,{SUFFIX}", f"OU=Süd,OU=Zu\\cc\\88rich,{SUFFIX}")


def test_a_client_may_use_spellings_of_its_own_bases_that_are_not_excluded():
    mine, others = BaseSpelling(COMPOSED, DECOMPOSED), BaseSpelling(STAFF, parse(f"OU=Stáff,{SUFFIX}"))
    assert usable((mine, others), policy(base_dns=(COMPOSED,), excluded_base_dns=())) == (mine,)
    assert usable((mine, others), policy(base_dns=(COMPOSED, STAFF), excluded_base_dns=(DECOMPOSED,))) == (others,)


def test_servers_of_one_spelling_share_the_way_of_the_entries():
    bases = Policy(policy(base_dns=(COMPOSED,), excluded_base_dns=()))
    found = bases.entry_filter_of((BaseSpelling(COMPOSED, DECOMPOSED),))
    assert found is not bases.entry_filter
    assert found is bases.entry_filter_of((BaseSpelling(COMPOSED, DECOMPOSED),))
    # And where it makes no difference for this client, that of all others.
    assert bases.entry_filter_of(()) is bases.entry_filter
    assert bases.entry_filter_of((BaseSpelling(STAFF, parse(f"OU=Stáff,{SUFFIX}")),)) is bases.entry_filter
