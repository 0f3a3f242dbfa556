"""Which addresses stand for whoever comes through them."""

import struct
from ipaddress import ip_address, ip_network

import pytest

from gateway.net.listeners.shared_addresses import SharedSources, shared_addresses, warning_if_shared

HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"


def in_route_file(address):
    return f"{struct.unpack('=L', ip_address(address).packed)[0]:08X}"


def machine(directory, *, route="", route6="", bridges=()):
    """What /proc and /sys have of a machine."""
    (directory / "proc/net").mkdir(parents=True)
    (directory / "proc/net/route").write_text(HEADER + route)
    (directory / "proc/net/ipv6_route").write_text(route6)
    (directory / "sys/class/net/eth0").mkdir(parents=True)
    for name in bridges:
        (directory / f"sys/class/net/{name}/bridge").mkdir(parents=True)
    return directory


def default_route(gateway, flags="0003"):
    return f"eth0\t00000000\t{in_route_file(gateway)}\t{flags}\t0\t0\t0\t00000000\t0\t0\t0\n"


def test_in_a_container_it_is_the_default_gateway(tmp_path):
    local = f"eth0\t{in_route_file('172.17.0.0')}\t00000000\t0001\t0\t0\t0\t{in_route_file('255.255.0.0')}\t0\t0\t0\n"
    other = f"eth0\t{in_route_file('10.0.0.0')}\t{in_route_file('172.17.0.9')}\t0003\t0\t0\t0\t000000FF\t0\t0\t0\n"
    zero = "0" * 32
    gateway6 = ip_address("fd00::1").packed.hex()
    six = f"{zero} 00 {zero} 00 {gateway6} 00000400 00000001 00000000 00000003 eth0\n"
    six += f"{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n"
    root = machine(tmp_path, route=default_route("172.17.0.1") + local + other, route6=six)
    found = shared_addresses(root)
    assert set(found) == {ip_address("172.17.0.1"), ip_address("fd00::1")}
    assert "container network" in found[ip_address("172.17.0.1")]


def test_on_the_host_it_is_the_bridge(tmp_path):
    addresses = {"docker0": "172.17.0.1", "br-unused": None}
    root = machine(tmp_path, bridges=addresses)
    assert shared_addresses(root, addresses.get) == {
        ip_address("172.17.0.1"): "this host's address on the bridge docker0"
    }


@pytest.mark.parametrize("route", ["", "nonsense\n", default_route("192.0.2.1").replace("00000000", "zz"), "eth0\n"])
def test_what_cannot_be_read_is_no_reason_to_fail(tmp_path, route):
    assert shared_addresses(machine(tmp_path, route=route)) == {}
    assert shared_addresses(tmp_path / "nowhere") == {}


def test_this_machine_can_be_asked():
    assert isinstance(shared_addresses(), dict)


SHARED = {ip_address("172.17.0.1"): "the default gateway"}


@pytest.mark.parametrize(
    "network, warned", [("172.17.0.1", True), ("172.17.0.2", False), ("172.17.0.0/16", False), ("fd00::1", False)]
)
def test_a_listed_source_that_is_such_an_address(network, warned):
    said = warning_if_shared(ip_network(network), SHARED)
    assert (said is not None) == warned
    if said is not None:
        assert "172.17.0.1 is the default gateway" in said and "trusted_proxies" in said


def test_a_seen_source_is_told_once():
    sources = SharedSources(SHARED)
    assert sources.seen(ip_address("172.17.0.2")) is None
    assert "172.17.0.1 is the default gateway" in sources.seen(ip_address("172.17.0.1"))
    assert sources.seen(ip_address("172.17.0.1")) is None
