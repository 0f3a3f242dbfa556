"""Digests of lists: what they tell, and what they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.link.digests import differing, list_digests

ENDS = ("SHA256:outside", "SHA256:inside")
lists = st.dictionaries(
    st.sampled_from(["base_dns", "attributes", "controls"]), st.lists(st.text(max_size=3), max_size=4)
)


@given(lists, lists)
def test_lists_differ_where_their_digests_do(ours, theirs):
    # What one end alone has a digest of may be a key that the other end's version does not know.
    expected = {name for name in ours.keys() & theirs.keys() if set(ours[name]) != set(theirs[name])}
    assert differing(list_digests(ours, *ENDS), list_digests(theirs, *ENDS)) == sorted(expected)


def test_order_does_not_count():
    one = list_digests({"attributes": ["mail", "cn"]}, *ENDS)
    assert one == list_digests({"attributes": ["cn", "mail"]}, *ENDS)


@pytest.mark.parametrize("ends", [("SHA256:inside", "SHA256:outside"), ("SHA256:other", "SHA256:inside")])
def test_those_of_another_link_say_nothing(ends):
    same = {"attributes": ["mail"]}
    assert differing(list_digests(same, *ENDS), list_digests(same, *ends)) == ["attributes"]


def test_two_lists_with_the_same_values_do_not_show_it():
    found = list_digests({"attributes": ["mail"], "filter_attributes": ["mail"]}, *ENDS)
    assert len(set(found.values())) == 2


def test_values_cannot_be_moved_between_each_other():
    one = list_digests({"attributes": ["ab", "c"]}, *ENDS)
    assert differing(one, list_digests({"attributes": ["a", "bc"]}, *ENDS)) == ["attributes"]
