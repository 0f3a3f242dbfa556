"""What counts as one source."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.source_network import source_network

IPV4 = st.integers(0, 2**32 - 1).map(IPv4Address)
IPV6 = st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda address: address.ipv4_mapped is None)


@given(IPV6, st.integers(0, 2**64 - 1))
def test_addresses_of_ipv6_are_one_source_where_they_have_one_64(address, own):
    neighbour = IPv6Address(int(address) >> 64 << 64 | own)
    if neighbour.ipv4_mapped is None:
        assert source_network(str(address)) == source_network(str(neighbour))
    elsewhere = IPv6Address(int(address) ^ 1 << 64)
    if elsewhere.ipv4_mapped is None:
        assert source_network(str(address)) != source_network(str(elsewhere))


@given(IPV4, IPV4)
def test_addresses_of_ipv4_are_one_source_where_they_are_the_same(one, other):
    assert (source_network(str(one)) == source_network(str(other))) == (one == other)


@given(IPV4)
def test_a_mapped_address_is_its_ipv4_address_and_no_other_form_is_a_second_source(address):
    (network,) = {
        source_network(text)
        for text in (str(address), f"::ffff:{address}", IPv6Address(0xFFFF << 32 | int(address)).exploded)
    }
    assert network == f"{address}/32"


@given(IPV6)
def test_the_spelling_of_an_address_does_not_matter(address):
    spellings = (str(address), address.exploded, address.exploded.upper(), f"{address}%eth0")
    assert len({source_network(text) for text in spellings}) == 1


@pytest.mark.parametrize("name", ["preview", ""])
def test_what_is_no_address_is_its_own_name(name):
    assert source_network(name) == name
