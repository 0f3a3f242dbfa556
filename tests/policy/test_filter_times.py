"""Times in filters: a search for changes is told from a full one, and a full one is the same whatever the time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap.filter_text import parse_filter
from gateway.ldap.filters import (
    And,
    ApproxMatch,
    EqualityMatch,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    write_filter,
)
from gateway.policy.filter_times import asks_for_changes, without_times
from tests.ldap import strategies

EPOCH_1601 = datetime(1601, 1, 1, tzinfo=UTC)

MARKS = ["whenChanged", "WHENCREATED", "modifyTimestamp", "createTimestamp", "2.5.18.2", "1.2.840.113556.1.2.3"]
COUNTS = ["uSNChanged", "usncreated", "entryUSN", "1.2.840.113556.1.2.120"]
OTHER_TIMES = ["accountExpires", "lastLogonTimestamp", "pwdLastSet", "krbPasswordExpiration"]
ORDINARY = [Present("objectClass"), EqualityMatch("objectClass", b"user"), EqualityMatch("employeeID", b"20260101")]

moments = st.datetimes(datetime(1995, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
generalized = st.one_of(
    moments.map(lambda moment: f"{moment:%Y%m%d%H%M%S}.0Z"),
    moments.map(lambda moment: f"{moment:%Y%m%d%H%M%S}Z"),
    moments.map(lambda moment: f"{moment:%Y%m%d%H%M}+0130"),
    moments.map(lambda moment: f"{moment:%Y%m%d%H},5-0130"),
)
file_times = moments.map(lambda moment: str((moment - EPOCH_1601) // timedelta(microseconds=1) * 10))
counts = st.integers(2, 2**63 - 1).map(str)
times = {
    **dict.fromkeys(MARKS, generalized),
    **dict.fromkeys(COUNTS, counts),
    **dict.fromkeys(OTHER_TIMES, st.one_of(generalized, file_times)),
    "shadowExpire": st.integers(10_000, 60_000).map(str),
    "sambaKickoffTime": st.integers(10**9, 4 * 10**9).map(str),
}
# A filter that lacks its times: the kind of assertion and the attribute stand for one that has one.
holes = st.tuples(
    st.sampled_from([GreaterOrEqual, LessOrEqual, EqualityMatch, ApproxMatch]), st.sampled_from(sorted(times))
)
templates = st.recursive(
    st.one_of(st.sampled_from(ORDINARY), holes),
    lambda inner: st.one_of(
        inner.map(lambda part: (Not, part)),
        st.lists(inner, max_size=3).map(lambda parts: (And, *parts)),
        st.lists(inner, max_size=3).map(lambda parts: (Or, *parts)),
    ),
    max_leaves=8,
)


def filled(template, draw):
    """The filter, with times that draw gives by the attribute."""
    if not isinstance(template, tuple):
        return template
    kind, *rest = template
    if kind is Not:
        return Not(filled(rest[0], draw))
    if kind in (And, Or):
        return kind(tuple(filled(part, draw) for part in rest))
    return kind(rest[0], draw(times[rest[0]]).encode())


@given(templates, st.data())
def test_filters_that_differ_in_times_alone_are_one(template, data):
    one, other = filled(template, data.draw), filled(template, data.draw)
    assert without_times(one) == without_times(other)
    assert asks_for_changes(one) == asks_for_changes(other)


@given(strategies.filters)
def test_what_is_no_time_stays(filter):
    """So that what was remembered of ordinary searches is found again: their octets are in the key."""
    plain = without_times(filter)
    if b"\0time" not in write_filter(plain):
        assert plain == filter


def holds(filter, unchanged, choose):
    """Whether an entry matches: unchanged: that has not changed since any of the filter's times; choose: the answer of
    each assertion that is not about changes."""
    if isinstance(filter, Not):
        return not holds(filter.filter, unchanged, choose)
    if isinstance(filter, And):
        return all(holds(part, unchanged, choose) for part in filter.filters)
    if isinstance(filter, Or):
        return any(holds(part, unchanged, choose) for part in filter.filters)
    if not isinstance(filter, Present) and filter.attribute in (*MARKS, *COUNTS):
        if isinstance(filter, GreaterOrEqual):
            return not unchanged
        if isinstance(filter, LessOrEqual):
            return unchanged
    return choose()


@given(templates, st.data())
def test_no_search_that_finds_old_entries_is_taken_for_one_of_changes(template, data):
    """The other way would leave a full sync without a measure."""
    filter = filled(template, data.draw)
    if asks_for_changes(filter):
        assert not holds(filter, True, lambda: data.draw(st.booleans()))


@given(templates, st.sampled_from([*MARKS, *COUNTS]), st.booleans(), st.data())
def test_a_bound_that_every_entry_must_keep_makes_a_search_for_changes(template, attribute, negated, data):
    bound = (Not, (LessOrEqual, attribute)) if negated else (GreaterOrEqual, attribute)
    for whole in ((And, template, bound), (And, (And, bound), template), (Not, (Or, (Not, bound), template))):
        assert asks_for_changes(filled(whole, data.draw))
    assert not asks_for_changes(filled((Or, bound, ORDINARY[0]), data.draw))
    assert not asks_for_changes(filled((Not, bound), data.draw))


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("(&(objectClass=user)(whenChanged>=20260101000000.0Z))", True),
        ("(&(objectClass=user)(!(uSNChanged<=4711)))", True),
        ("(entryCSN>=20260101000000.000000Z#000000#000#000000)", True),
        ("(|(whenChanged>=20260101000000.0Z)(uSNChanged>=4711))", True),
        ("(|(whenChanged>=20260101000000.0Z)(objectClass=user))", False),
        ("(&(objectClass=user)(whenChanged<=20260101000000.0Z))", False),
        ("(&(objectClass=user)(accountExpires>=134000000000000000))", False),
        # How a service begins that will ask for changes: everything matches.
        ("(&(objectClass=user)(uSNChanged>=0))", False),
        ("(&(objectClass=user)(uSNChanged>=1))", False),
        ("(&(objectClass=user)(whenChanged>=16010101000000.0Z))", False),
        ("(&(objectClass=user)(whenChanged>=19700101000000Z))", False),
        ("(&(objectClass=user)(!(uSNChanged<=0)))", False),
    ],
)
def test_which_searches_ask_for_changes(text, changes):
    assert asks_for_changes(parse_filter(text)) == changes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # "Never" is no time, and a number may be anything.
        ("(accountExpires=0)", "(accountExpires=9223372036854775807)"),
        ("(uidNumber>=1000000000)", "(uidNumber>=2000000000)"),
        ("(employeeID=20260101)", "(employeeID=20260102)"),
        ("(telephoneNumber=0049123456-12)", "(telephoneNumber=0049123457-12)"),
        ("(accountExpires>=134000000000000000)", "(accountExpires<=134000000000000000)"),
        ("(accountExpires>=134000000000000000)", "(pwdLastSet>=134000000000000000)"),
    ],
)
def test_what_differs_in_more_than_times_is_not_one(one, other):
    assert without_times(parse_filter(one)) != without_times(parse_filter(other))
