from ipaddress import ip_network

import pytest

from gateway.net.sources import QUIET_SECONDS, REMEMBERED_STRANGERS, SourceTable, Strangers

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


def test_a_stranger_is_worth_a_line_once_a_minute():
    strangers = Strangers()
    assert strangers.worth_logging("192.0.2.1", 0)
    assert not strangers.worth_logging("192.0.2.1", 1)
    assert strangers.worth_logging("192.0.2.2", 1)
    assert not strangers.worth_logging("192.0.2.1", QUIET_SECONDS - 1)
    assert strangers.worth_logging("192.0.2.1", QUIET_SECONDS)
    assert not strangers.worth_logging("192.0.2.1", QUIET_SECONDS + 1)


def test_only_so_many_strangers_are_remembered_and_the_oldest_are_forgotten():
    strangers = Strangers()
    for number in range(REMEMBERED_STRANGERS + 1):
        assert strangers.worth_logging(f"s{number}", 0)
    assert strangers.worth_logging("s0", 1)
    assert not strangers.worth_logging(f"s{REMEMBERED_STRANGERS}", 1)
