from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.net.sessions.sources import SourceTable

TABLE = SourceTable(
    [
        (ip_network("198.51.100.0/24"), "net"),
        (ip_network("198.51.100.7/32"), "host"),
        (ip_network("2001:db8::/32"), "six"),
    ]
)


@pytest.mark.parametrize(
    "address, client",
    [
        ("198.51.100.1", "net"),
        ("198.51.100.7", "host"),
        ("::ffff:198.51.100.7", "host"),
        ("198.51.101.1", None),
        ("2001:db8::1", "six"),
        ("2001:db9::1", None),
        ("fe80::1%eth0", None),
        # As a number it lies in 198.51.100.0/24.
        ("::c633:6401", None),
    ],
)
def test_the_most_specific_network_decides(address, client):
    assert TABLE.find(address) == client


@given(st.lists(st.tuples(st.ip_addresses(), st.integers(0, 128)), max_size=30), st.ip_addresses())
def test_it_finds_what_looking_at_every_network_finds(drawn, address):
    networks = {}
    for base, length in drawn:
        network = ip_network((base, min(length, base.max_prefixlen)), strict=False)
        networks[network] = str(network)
    inside = [n for n in networks if n.version == address.version and address in n]
    expected = str(max(inside, key=lambda n: n.prefixlen)) if inside else None
    if getattr(address, "ipv4_mapped", None) is None:
        assert SourceTable(networks.items()).find(str(address)) == expected
