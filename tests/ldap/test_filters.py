"""What is counted of a filter. Its encoding is tested with the messages that it comes in."""

from hypothesis import given

from gateway.ldap import ber
from gateway.ldap.filters import FilterLimits, FilterReader, count_elements, write_filter
from tests.ldap.strategies import filters


@given(filters)
def test_elements_are_counted_alike_with_the_limit_and_without(found):
    reader = FilterReader(FilterLimits())
    assert reader.read(ber.Reader(write_filter(found))) == found
    assert count_elements(found) == reader.elements
