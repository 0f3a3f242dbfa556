"""Controls that change a result make another search of it; a cookie of an earlier one makes it a search for changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap import ber
from gateway.ldap.controls import PAGED_RESULTS, Control
from gateway.policy.sync_controls import ask_for_changes, result_controls

DIR_SYNC, DIR_SYNC_EX = "1.2.840.113556.1.4.841", "1.2.840.113556.1.4.2090"
CONTENT_SYNC = "1.3.6.1.4.1.4203.1.9.1.1"
SORT, DOMAIN_SCOPE, SHOW_DELETED = "1.2.840.113556.1.4.473", "1.2.840.113556.1.4.1339", "1.2.840.113556.1.4.417"


def dir_sync(flags, cookie, oid=DIR_SYNC):
    return Control(oid, True, ber.element(ber.SEQUENCE, ber.integer(flags) + ber.integer(0) + ber.octets(cookie)))


def content_sync(mode, cookie, hint):
    contents = ber.integer(mode, ber.ENUMERATED) + (b"" if cookie is None else ber.octets(cookie))
    return Control(CONTENT_SYNC, True, ber.element(ber.SEQUENCE, contents + (ber.boolean(True) if hint else b"")))


controls = st.lists(
    st.builds(Control, st.sampled_from([SHOW_DELETED, DIR_SYNC, "1.2.3"]), st.booleans(), st.none() | st.binary()),
    max_size=3,
    unique_by=lambda control: control.oid,
)


@given(controls, st.data())
def test_order_criticality_and_what_changes_no_result_make_no_difference(found, data):
    harmless = [Control(oid, False, data.draw(st.binary())) for oid in (PAGED_RESULTS, SORT, DOMAIN_SCOPE)]
    again = [Control(control.oid, data.draw(st.booleans()), control.value) for control in found]
    mixed = data.draw(st.permutations([*again, *data.draw(st.sampled_from([[], harmless]))]))
    assert result_controls(tuple(mixed)) == result_controls(tuple(found))


@given(controls, controls)
def test_others_are_told_apart(one, other):
    def meant(found):
        return {control.oid: control.value for control in found}

    same = result_controls(tuple(one)) == result_controls(tuple(other))
    assert same == (meant(one) == meant(other))


@given(
    st.sampled_from([-0x80000000, 0, 1]), st.binary(max_size=9), st.sampled_from([DIR_SYNC, DIR_SYNC_EX]), st.booleans()
)
def test_dir_sync_with_a_cookie_asks_for_changes(flags, cookie, oid, others):
    found = (Control(SHOW_DELETED), dir_sync(flags, cookie, oid)) if others else (dir_sync(flags, cookie, oid),)
    assert ask_for_changes(found) == (cookie != b"")


@given(st.sampled_from([1, 3]), st.none() | st.binary(max_size=9), st.booleans())
def test_content_sync_with_a_cookie_asks_for_changes(mode, cookie, hint):
    assert ask_for_changes((content_sync(mode, cookie, hint),)) == bool(cookie)


@pytest.mark.parametrize("value", [None, b"", b"\x30\x00", b"cookie"])
@pytest.mark.parametrize("oid", [DIR_SYNC, CONTENT_SYNC, SHOW_DELETED])
def test_what_cannot_be_read_is_no_cookie(oid, value):
    assert not ask_for_changes((Control(oid, True, value),))
