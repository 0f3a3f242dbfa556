"""The keys of a directory that say how its servers are found, chosen and watched."""

import pytest

from gateway.config.problems import ConfigurationError
from gateway.net.servers.settings import DiscoverySettings, HealthSettings, Order
from tests.config.test_load import CONTEXTS, GOOD, load

SERVERS = next(line for line in GOOD.splitlines() if "servers:" in line)


def directory(tmp_path, *lines, servers=SERVERS):
    added = "".join(f"\n    {line}" for line in lines)
    text = GOOD.replace(SERVERS, servers).replace(CONTEXTS, CONTEXTS + added)
    return load(tmp_path, text).settings.clients[0].directory


def test_what_is_not_written(tmp_path):
    found = directory(tmp_path)
    assert (found.order, found.spares, found.discover) == (Order.priority, 2, None)
    assert (found.connect_timeout, found.connect_patience) == (5, 15)
    assert found.health == HealthSettings(30, 5, 2, 3)


def test_what_is_written(tmp_path):
    (tmp_path / "probe").write_bytes("Pässword \n".encode())
    found = directory(
        tmp_path,
        "order: least-sessions",
        "spares: 0",
        "connect_patience: 20",
        "health: {interval: 1m, timeout: 2, rise: 1, fall: 5, bind_dn: probe@corp.example, password_file: probe}",
    )
    assert (found.order, found.spares, found.connect_patience) == (Order.least_sessions, 0, 20)
    assert found.health == HealthSettings(60, 2, 1, 5, "probe@corp.example", "Pässword ".encode())
    assert "ssword" not in repr(found)


def test_servers_whose_certificates_carry_one_name_are_told_apart(tmp_path):
    hosts = ("10.1.2.3", "10.1.2.4", "10.1.2.4:3269", "10.1.2.3")
    listed = ", ".join(f'{{url: "ldaps://{host}", server_name: corp.example}}' for host in hosts)
    found = directory(tmp_path, servers=f"    servers: [{listed}]").servers
    labels = ["corp.example:636", "corp.example:636 #2", "corp.example:3269", "corp.example:636"]
    assert [server.label for server in found] == labels


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("ldaps://dc1.corp.example.", "dc1.corp.example"),
        ('{url: "ldaps://10.1.2.3", server_name: dc1.corp.example.}', "dc1.corp.example"),
        ('{url: "ldaps://10.1.2.3", server_name: bücher.corp.example}', "bücher.corp.example"),
        ('"ldaps://[2001:db8::1]"', "2001:db8::1"),
    ],
)
def test_the_name_that_a_servers_certificate_must_have(tmp_path, written, name):
    (server,) = directory(tmp_path, servers=f"    servers: [{written}]").servers
    assert server.server_name == name


@pytest.mark.parametrize("name", ['"dc1\\x1f"', '"dc1 corp"', ".corp.example", "dc1..example", f"{'a' * 64}.corp", "."])
def test_a_name_that_no_certificate_can_have(tmp_path, name):
    with pytest.raises(ConfigurationError, match=r"(?s)directories\.corp\.servers.* is no name that a certificate can"):
        directory(tmp_path, servers=f'    servers: [{{url: "ldaps://10.1.2.3", server_name: {name}}}]')


@pytest.mark.parametrize("off", ["off", '"off"'])
def test_checks_may_be_off(tmp_path, off):
    assert directory(tmp_path, f"health: {off}").health is None


@pytest.mark.parametrize(
    ("written", "service", "port"),
    [
        ("Corp.Example.", "_ldap._tcp.dc._msdcs.corp.example", 636),
        ("{domain: corp.example, site: DMZ-1}", "_ldap._tcp.DMZ-1._sites.dc._msdcs.corp.example", 636),
        ("{domain: corp.example, global_catalog: true}", "_gc._tcp.corp.example", 3269),
        ("{domain: corp.example, global_catalog: true, site: A}", "_gc._tcp.A._sites.corp.example", 3269),
        ("{domain: corp.example, port: 1636}", "_ldap._tcp.dc._msdcs.corp.example", 1636),
    ],
)
def test_what_dns_is_asked(tmp_path, written, service, port):
    found = directory(tmp_path, servers=f"    discover: {written}")
    assert (found.servers, found.discover) == ((), DiscoverySettings(service, port, ("corp.example",)))


def test_whom_to_ask_and_whom_to_believe(tmp_path):
    more = "resolver: 10.1.2.3, server_domains: [other.example]"
    found = directory(tmp_path, servers=f"    discover: {{domain: corp.example, {more}}}").discover
    assert (found.resolver, found.domains) == (("10.1.2.3", 53), ("corp.example", "other.example"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("order: random", "priority' or 'least-sessions"),
        ("spares: -1", "of at least 0"),
        ("spares: 1000", "of at most 50"),
        ("health: on", "health"),
        ("health: {falls: 2}", 'health.falls: unknown key; did you mean "fall"'),
        ("health: {rise: 0}", "of at least 1"),
        ("health: {interval: 0.5}", "of at least 1"),
        ("health: {interval: soon}", "a time like 45s, 30m or 2h"),
        ("health: {bind_dn: probe@corp.example}", "password_file is missing"),
        ("health: {password_file: gateway.key}", "bind_dn is missing"),
        ("health: {bind_dn: probe@corp.example, password_file: none}", "none: cannot be read: there is no such file"),
        ("health: {bind_dn: probe@corp.example, password_file: empty}", "empty: it is empty"),
        ("discover: corp.example", "either servers or discover is needed, and not both"),
    ],
)
def test_mistakes_are_named(tmp_path, line, said):
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigurationError, match=said) as error:
        directory(tmp_path, line)
    assert "directories.corp" in str(error.value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("naming_contexts: []", "either servers or discover is needed"),
        ("discover: corp", "a DNS name like corp.example is expected"),
        ("discover: 'ldap://corp.example'", "a DNS name like corp.example is expected"),
        ("discover: {domain: corp.example, site: 'a.b'}", "directories.corp.discover.site: "),
        ("discover: {domain: corp.example, resolver: dns.corp.example}", "the IPv4 address of a DNS server"),
        ("discover: {domain: corp.example, resolver: '10.1.2.3:0'}", "the IPv4 address of a DNS server"),
        ("discover: {domain: corp.example, server_domains: ['*']}", "a DNS name like corp.example is expected"),
        ("discover: {domains: corp.example}", "directories.corp.discover.domain: is required"),
        ("discover: {domain: corp.example, prot: 1}", 'discover.prot: unknown key; did you mean "port"'),
    ],
)
def test_mistakes_about_dns_are_named(tmp_path, written, said):
    servers = "    servers: []" if "naming" in written else f"    {written}"
    with pytest.raises(ConfigurationError, match=said):
        directory(tmp_path, servers=servers)
