from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.ldap.controls import Control
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.messages import SearchRequest
from gateway.policy.shrink import AttributeSize, Loss, Shapes, ShrinkSettings, Sizes, losses
from tests.ldap import strategies

BASE = "OU=Staff,DC=corp,DC=example"
SETTINGS = ShrinkSettings()
NAMES = ("mail", "member", "proxyAddresses", "displayName")


def search(base=BASE, scope=2, filter="(objectClass=user)", attributes=("mail", "member"), **changes):
    return replace(SearchRequest(base, scope, parse_filter(filter), tuple(attributes)), **changes)


def shape_of(request, client="mimecast"):
    return Shapes(client).of(request)


def key(client="mimecast", controls=(), **changes):
    return Shapes(client).of(search(**changes), controls=controls).key


@given(st.permutations(NAMES), st.lists(st.booleans(), min_size=40, max_size=40), st.sampled_from(NAMES))
def test_order_case_and_repetition_of_attributes_make_no_other_shape(order, upper, again):
    def recased(text):
        return "".join(c.upper() if up else c.lower() for c, up in zip(text, upper, strict=False))

    assert key(attributes=[*map(recased, order), again]) == key(attributes=NAMES)
    assert key(attributes=order, base=recased(BASE)) == key(attributes=NAMES)


def test_an_attribute_by_its_oid_is_the_same_one():
    assert key(attributes=["0.9.2342.19200300.100.1.3"]) == key(attributes=["mail"])


@pytest.mark.parametrize(
    "other",
    [
        {"client": "another"},
        {"base": "OU=Groups,DC=corp,DC=example"},
        {"scope": 1},
        {"filter": "(objectClass=group)"},
        {"filter": "(!(objectClass=user))"},
        {"attributes": ["mail"]},
        {"attributes": []},
        {"types_only": True},
        {"controls": (Control("1.2.840.113556.1.4.417"),)},
    ],
)
def test_everything_that_means_another_search_is_another_shape(other):
    assert key(**other) != key()


@pytest.mark.parametrize("other", [{"size_limit": 5}, {"time_limit": 9}, {"deref_aliases": 3}])
def test_limits_are_not_part_of_the_shape(other):
    assert key(**other) == key()


@given(strategies.filters)
def test_a_shape_is_32_octets_and_the_same_every_time(filter):
    shape = shape_of(replace(search(), filter=filter))
    assume(shape is not None)
    assert len(shape.key) == 32
    assert shape == shape_of(replace(search(), filter=filter))


def test_times_of_today_are_not_part_of_the_shape():
    today, tomorrow = (f"(&(objectClass=user)(accountExpires>=13400{n}000000000000))" for n in (1, 2))
    assert key(filter=today) == key(filter=tomorrow) != key()


def test_each_account_has_a_shape_of_its_own_with_the_same_key():
    one, other = (Shapes("mimecast").of(search(), account) for account in ("svc@corp.example", "CORP\\svc"))
    assert one != other
    assert (one.key, one.account, other.account) == (other.key, "svc@corp.example", "CORP\\svc")


def test_a_search_for_changes_has_none():
    changes = search(filter="(&(objectClass=user)(whenChanged>=20260101000000.0Z))")
    assert Shapes("mimecast").of(changes) is None


def test_what_was_stored_is_found_again():
    """Keys lie on disk, so another one for the same search would forget what it gave."""
    assert key().hex() == "5ba2d94647b50a0a1b4e3ec749fad8d0bd3e8e5fbc465f23a88894b86e7295ff"


def test_the_description_has_no_values_of_the_filter():
    shape = shape_of(search(filter="(&(mail=ann@corp.example)(cn=secret*))"))
    assert shape.description.startswith(f"{BASE} (sub) (&(mail=?)(cn=")
    assert "ann" not in shape.description and "secret" not in shape.description
    assert shape_of(search(base="")).description.startswith("the root (sub) ")


attribute_sizes = st.builds(
    lambda found: tuple(AttributeSize(name, entries, values) for name, (entries, values) in sorted(found.items())),
    st.dictionaries(st.sampled_from(NAMES), st.tuples(st.integers(0, 10**6), st.integers(0, 10**6))),
)
all_sizes = st.builds(Sizes, st.integers(0, 10**6), attribute_sizes)
all_settings = st.builds(ShrinkSettings, keep_at_least=st.integers(1, 100), minimum=st.integers(1, 1000))


@given(all_sizes, all_settings)
def test_where_nothing_was_lost_there_are_no_losses(sizes, settings):
    assert losses(sizes, sizes, settings) == ()


@given(all_sizes, st.integers(0, 10**6), all_settings)
def test_growth_is_no_loss(sizes, more, settings):
    grown = Sizes(
        sizes.entries + more,
        tuple(AttributeSize(size.name, size.entries + more, size.values + more) for size in sizes.attributes),
    )
    assert losses(sizes, grown, settings) == ()


@given(all_sizes, all_sizes, all_settings)
def test_losses_are_exactly_the_figures_of_which_too_little_is_left(before, now, settings):
    then, left = figures(before), figures(now)
    expected = {
        figure
        for figure, count in then.items()
        if before.entries >= settings.minimum <= count
        and figure in left
        and left[figure] / count < settings.keep_at_least / 100
    }
    # No division that rounds stands between the two, except where they are equal.
    assume(all(left[f] * 100 != n * settings.keep_at_least for f, n in then.items() if f in left))
    found = losses(before, now, settings)
    assert {loss.figure for loss in found} == expected
    assert all((loss.before, loss.now) == (then[loss.figure], left[loss.figure]) for loss in found)


def figures(sizes):
    found = {"entries": sizes.entries}
    for size in sizes.attributes:
        found[f"entries with {size.name}"] = size.entries
        found[f"values of {size.name}"] = size.values
    return found


@given(st.integers(50, 10**6), st.integers(1, 100))
def test_the_threshold_is_exact(count, keep):
    settings = ShrinkSettings(keep_at_least=keep)
    least = -(-count * keep // 100)
    assert losses(Sizes(count), Sizes(least), settings) == ()
    assert losses(Sizes(count), Sizes(least - 1), settings) == (Loss("entries", count, least - 1),)


def test_a_fifth_may_go_and_one_more_may_not():
    assert losses(Sizes(5000), Sizes(4000), SETTINGS) == ()
    (loss,) = losses(Sizes(5000), Sizes(3999), SETTINGS)
    assert str(loss) == "entries: 3999, last time 5000"


def test_a_normal_leavers_day_passes():
    before = Sizes(
        5000, (AttributeSize("mail", 4800, 4800), AttributeSize("member", 120, 31_000), AttributeSize("pager", 3, 3))
    )
    leavers = Sizes(
        4960, (AttributeSize("mail", 4761, 4761), AttributeSize("member", 119, 30_700), AttributeSize("pager", 0, 0))
    )
    assert losses(before, leavers, SETTINGS) == ()


def test_lost_rights_on_an_attribute_are_seen_though_every_entry_is_there():
    before = Sizes(5000, (AttributeSize("mail", 4800, 4800), AttributeSize("member", 120, 31_000)))
    now = Sizes(5000, (AttributeSize("mail", 0, 0), AttributeSize("member", 120, 15_000)))
    assert [str(loss) for loss in losses(before, now, SETTINGS)] == [
        "entries with mail: 0, last time 4800",
        "values of mail: 0, last time 4800",
        "values of member: 15000, last time 31000",
    ]


def test_an_attribute_that_is_no_longer_listed_is_no_loss():
    before = Sizes(100, (AttributeSize("mail", 100, 100),))
    assert losses(before, Sizes(100), SETTINGS) == ()
    assert losses(before, Sizes(100, (AttributeSize("member", 0, 0),)), SETTINGS) == ()


def test_what_is_below_the_minimum_is_not_compared():
    assert losses(Sizes(49, (AttributeSize("member", 49, 9000),)), Sizes(0), SETTINGS) == ()
    assert losses(Sizes(50), Sizes(0), SETTINGS) == (Loss("entries", 50, 0),)
    before = Sizes(100, (AttributeSize("mail", 49, 50),))
    now = Sizes(100, (AttributeSize("mail", 0, 0),))
    assert [loss.figure for loss in losses(before, now, SETTINGS)] == ["values of mail"]
