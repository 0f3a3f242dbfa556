"""Which searches a search above the allowed bases becomes."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap.dn import DN, key, parse
from gateway.policy.narrowing import narrowed, outermost

NAMES = ["DC=x", "OU=a,DC=x", "OU=b,OU=a,DC=x", "OU=c,OU=a,DC=x", "OU=d,DC=x", "O=y", "OU=a,O=y"]
bases = st.lists(st.sampled_from(NAMES).map(parse), max_size=6).map(tuple)
entries = st.sampled_from([f"CN=p,{name}" for name in NAMES] + NAMES).map(parse)


@given(bases)
def test_the_outermost_bases_hold_what_all_hold_and_each_entry_once(given_bases):
    kept = outermost(given_bases)
    for name in NAMES:
        entry = parse(f"CN=p,{name}")
        inside = any(entry.is_inside(base) for base in given_bases)
        assert sum(entry.is_inside(base) for base in kept) == inside
    assert [key(base) for base in kept] == [key(b) for b in dict.fromkeys(given_bases) if b in kept]


@given(st.sampled_from(["", *NAMES]).map(parse), bases, entries)
def test_a_narrowed_subtree_gives_exactly_the_allowed_entries_below_the_base(base, given_bases, entry):
    seen = sum(entry.is_inside(part) for part, _ in narrowed(base, 2, given_bases))
    allowed = [found for found in given_bases if found.is_inside(base)]
    assert seen == any(entry.is_inside(found) for found in allowed)


@given(st.sampled_from(["", *NAMES]).map(parse), bases)
def test_one_level_gives_the_allowed_children_each_read_by_itself(base, given_bases):
    parts = narrowed(base, 1, given_bases)
    assert {scope for _, scope in parts} <= {0}
    children = {key(each) for each in given_bases if each not in (base, DN(())) and each.parent() == base}
    assert {key(dn) for dn, _ in parts} == children
