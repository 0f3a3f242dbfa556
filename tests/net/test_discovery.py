"""Servers that DNS names: found, refreshed, kept when DNS is gone, and never believed beyond their domain."""

import concurrent.futures
import contextlib
import json
import time

import pytest

from gateway.demo.certificates import make_certificates
from gateway.net.servers.discovery import find_servers
from gateway.net.servers.found_servers import NotFound
from gateway.net.servers.settings import DiscoverySettings
from tests.net.bad_dns import BadDns, reply
from tests.net.dns_server import DnsServer
from tests.observe.admin_client import samples
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer

pytestmark = pytest.mark.servers

DOMAIN = "corp.example"
SERVICE = f"_ldap._tcp.dc._msdcs.{DOMAIN}"
ACCOUNT = ("svc@corp.example", "Passw0rd")
CLIENT = {"sync_accounts": [ACCOUNT[0]], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}


@pytest.fixture
def dns(tmp_path):
    with DnsServer(tmp_path) as running:
        yield running


@pytest.fixture
def pair(tmp_path):
    """Two servers on one port, dc1 at 127.0.0.1 and dc2 at 127.0.0.2, of one authority."""
    shown = make_certificates(tmp_path, "dcs", (f"dc1.{DOMAIN}", f"dc2.{DOMAIN}"))
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(StubServer(shown))
        second = stack.enter_context(StubServer(shown, address=("127.0.0.2", first.port)))
        yield first, second


def records(*priorities, weight=100):
    return {SERVICE: [(priority, weight, 389, f"DC{i}.{DOMAIN}") for i, priority in enumerate(priorities, 1)]}


ADDRESSES = {f"dc{i}.{DOMAIN}": [f"127.0.0.{i}"] for i in (1, 2)}


def config(certificates, dns, pair, **more):
    directory = {
        "discover": {"domain": DOMAIN, "port": pair[0].port, "resolver": dns.resolver},
        "ca_file": pair[0].ca_file,
        "paging": "never",
        "connect_timeout": 2,
        **more,
    }
    return configuration(certificates, directory, CLIENT, admin={"address": "127.0.0.1:0"})


def bind(running, certificates):
    with RawClient(running.port, certificates.ca_file) as session:
        return session.bind(*ACCOUNT)


def taken(running):
    return [record["server"].split(".")[0] for record in running.audit(operation="bind")]


def until(reached):
    end = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_better_priority_is_taken_and_the_other_when_that_is_down(certificates, dns, pair, tmp_path):
    dns.set(records(10, 0), ADDRESSES)
    with GatewayProcess(tmp_path, config(certificates, dns, pair, health="off")) as running:
        assert bind(running, certificates) == 0
        dns.set(records(10, 0), {**ADDRESSES, f"dc2.{DOMAIN}": ["127.0.0.3"]})
        pair[1].__exit__()
        assert bind(running, certificates) == 0
        assert taken(running) == ["ldaps://dc2", "ldaps://dc1"]
        assert f"{SERVICE} names ldaps://dc2.{DOMAIN}:{pair[0].port}, ldaps://dc1.{DOMAIN}" in running.log()


def test_it_is_asked_again_when_the_ttl_has_passed_and_sessions_stay(certificates, dns, pair, tmp_path):
    dns.set(records(0), ADDRESSES, ttl=1)
    with GatewayProcess(tmp_path, config(certificates, dns, pair)) as running:
        with RawClient(running.port, certificates.ca_file) as session:
            assert session.bind(*ACCOUNT) == 0
            dns.set({SERVICE: [(0, 100, 389, f"dc2.{DOMAIN}.")]}, ADDRESSES, ttl=1)
            running.wait_for(f"{SERVICE} names ldaps://dc2")
            assert bind(running, certificates) == 0
            assert session.result(session.search("DC=corp,DC=example"))[1].code == 0
        assert taken(running) == ["ldaps://dc1", "ldaps://dc2"]
        # What DNS no longer names is not shown any more.
        found = samples(running.admin_port)
        assert ("ldap_gateway_server_up", "corp", f"dc1.{DOMAIN}:{pair[0].port}") not in found
        assert found["ldap_gateway_server_up", "corp", f"dc2.{DOMAIN}:{pair[0].port}"] == 1


def test_the_last_answer_stays_when_dns_is_gone_and_that_is_said(certificates, dns, pair, tmp_path):
    dns.set(records(0), ADDRESSES, ttl=1)
    text = config(certificates, dns, pair)
    with GatewayProcess(tmp_path, text) as running:
        assert bind(running, certificates) == 0
        assert samples(running.admin_port)["ldap_gateway_discovery_success", "corp"] == 1
        dns.kill()
        said = running.wait_for("the servers that it named before stay in use")
        assert f"directory corp: {SERVICE}: no answer in time from {dns.resolver}" in said
        assert bind(running, certificates) == 0
        assert samples(running.admin_port)["ldap_gateway_discovery_success", "corp"] == 0
        # A reload asks anew, and has the last answer until then.
        assert "reloaded" in running.reload(text)
        assert bind(running, certificates) == 0


def test_without_any_answer_it_is_unavailable_and_says_why(certificates, dns, pair, tmp_path):
    with GatewayProcess(tmp_path, config(certificates, dns, pair)) as running:
        assert bind(running, certificates) == 52
        (record,) = running.wait_for_audit(operation="bind")
        assert record["detail"] == f"{SERVICE}: no such name in DNS"
        assert f"{SERVICE}: no such name in DNS; no server is known" in running.log()
        dns.set(records(0), ADDRESSES)
        running.wait_for(f"{SERVICE} names ldaps://dc1")
        assert bind(running, certificates) == 0


def test_a_server_of_another_domain_is_not_believed(certificates, dns, pair, tmp_path):
    elsewhere = (0, 100, 636, "dc1.corp.example.attacker.test")
    dns.set({SERVICE: [elsewhere, *records(10)[SERVICE]]}, ADDRESSES | {elsewhere[3]: ["127.0.0.2"]})
    with GatewayProcess(tmp_path, config(certificates, dns, pair)) as running:
        assert bind(running, certificates) == 0
        assert taken(running) == ["ldaps://dc1"]
        assert f"also names servers that were left out: {elsewhere[3]} (not in discover.domain" in running.log()
        assert pair[1].requests == []


@pytest.fixture
def ask(dns, on_reactor):
    def ask(domains=(DOMAIN,), resolver=None):
        settings = DiscoverySettings(SERVICE, 636, domains, resolver or ("127.0.0.1", dns.port))
        return on_reactor(lambda reactor: find_servers(settings, reactor))

    return ask


def test_what_dns_says_of_each_server(dns, ask):
    dns.set(records(5, 0, weight=7), {f"dc1.{DOMAIN}": ["127.0.0.9", "127.0.0.1"]}, ttl=77)
    found = ask()
    assert found.ttl == 77
    first, second = found.candidates
    assert (first.server.server_name, first.priority, first.weight) == (f"dc2.{DOMAIN}", 0, 7)
    assert (second.server.url, second.server.addresses) == (f"ldaps://dc1.{DOMAIN}:636", ("127.0.0.1", "127.0.0.9"))
    # One without an address is left to the system.
    assert first.server.addresses == ()


def test_an_answer_too_long_for_a_datagram_is_fetched_whole(dns, ask):
    dns.set({SERVICE: [(0, 100, 389, f"dc{i:03}.{DOMAIN}") for i in range(60)]})
    assert len(ask().candidates) == 60


@pytest.mark.parametrize(
    ("srv", "said"),
    [
        ({}, "no such name in DNS"),
        ({SERVICE: []}, "DNS names no server"),
        ({SERVICE: [(0, 0, 0, "")]}, "DNS names no server"),
        ({SERVICE: [(0, 0, 389, "dc.evil.test")]}, "only servers that cannot be used: dc.evil.test"),
        ({SERVICE: [(0, 0, 389, "evilcorp.example")]}, "only servers that cannot be used: evilcorp.example"),
    ],
)
def test_why_none_is_found(dns, ask, srv, said):
    dns.set(srv)
    with pytest.raises(NotFound, match=f"^{SERVICE}: .*{said}"):
        ask()


def test_other_domains_are_believed_where_they_are_listed(dns, ask):
    dns.set({SERVICE: [(0, 0, 389, "dc.other.test")]})
    assert [each.server.host for each in ask((DOMAIN, "other.test")).candidates] == ["dc.other.test"]


def test_sign_ins_wait_for_dns_no_longer_than_connect_patience_and_share_one_lookup(certificates, pair, tmp_path):
    with BadDns(lambda question, by_tcp: None) as silent:
        discover = {"domain": DOMAIN, "port": pair[0].port, "resolver": f"127.0.0.1:{silent.port}"}
        directory = {"discover": discover, "ca_file": pair[0].ca_file, "connect_timeout": 1, "connect_patience": 1}
        # All five binds reach the connector at once: the guard lets a sync account's last failure wait for the others.
        client = CLIENT | {"lockout": {"failures": 10}}
        with GatewayProcess(tmp_path, configuration(certificates, directory, client)) as running:
            running.wait_for("no answer in time")
            before = len(silent.asked)
            with concurrent.futures.ThreadPoolExecutor(5) as pool:
                assert list(pool.map(lambda _: bind(running, certificates), range(5))) == [52] * 5
            for record in running.wait_for_audit(5, operation="bind"):
                assert record["detail"] == f"{SERVICE}: no answer within connect_patience"
            # The sign-ins' lookup and the one in the background, each with a question in both of its rounds.
            assert len(silent.asked) - before <= 4
            # A thread that waits for DNS does not hold up the end.
            assert running.stop() == 0


def test_a_log_of_dns_has_no_line_that_dns_wrote(certificates, pair, tmp_path):
    names = [r"dc1\010forged\032line.corp.example.", r"dc\195\188.corp.example.", f"dc1.{DOMAIN}."]
    with BadDns(lambda question, by_tcp: _srv(question, names)) as server:
        discover = {"domain": DOMAIN, "port": pair[0].port, "resolver": f"127.0.0.1:{server.port}"}
        directory = {"discover": discover, "ca_file": pair[0].ca_file}
        with GatewayProcess(tmp_path, configuration(certificates, directory, CLIENT)) as running:
            said = running.wait_for("left out")
            # Those of one priority and weight come in any order (RFC 2782).
            left_out = said.partition("left out: ")[2].partition(" (no host name)")[0].split(", ")
            assert sorted(left_out) == [r"dc1\010forged\032line.corp.example", r"dc\195\188.corp.example"]
            assert bind(running, certificates) == 0
            assert "Traceback" not in running.log()
            assert len([line for line in running.log().splitlines() if "DNS" in line or SERVICE in line]) <= 3


def _srv(question, names):
    if b"_ldap" in question:
        return reply(question, *(f"0 100 389 {name}" for name in names))
    return reply(question, *(["127.0.0.1"] if b"\x00\x01\x00\x01" in question[12:] else []))


def test_what_a_session_of_before_the_reload_finds_is_nobody_elses(dns, pair, tmp_path):
    certificates = make_certificates(tmp_path, "gateway")
    before = json.loads(config(certificates, dns, pair, discover={"domain": DOMAIN, "resolver": dns.resolver}))
    discover = before["directories"]["corp"]["discover"] | {"port": pair[0].port}
    before["directories"]["corp"]["discover"] = {**discover, "site": "old"}
    dns.set({}, {})
    with (
        GatewayProcess(tmp_path, json.dumps(before)) as running,
        RawClient(running.port, certificates.ca_file) as session,
    ):
        running.wait_for("no such name in DNS; no server is known")
        session.result(session.search("", scope=0))
        before["directories"]["corp"]["discover"] = discover
        dns.set(records(0), ADDRESSES)
        assert "reloaded" in running.reload(json.dumps(before))
        running.wait_for(f"{SERVICE} names ldaps://dc1")
        assert bind(running, certificates) == 0
        old = f"_ldap._tcp.old._sites.dc._msdcs.{DOMAIN}"
        dns.set(records(0) | {old: [(0, 1, 389, f"dc2.{DOMAIN}")]}, ADDRESSES)
        assert session.bind(*ACCOUNT) == 0
        found = samples(running.admin_port)
        servers = [sample[2] for sample in found if sample[0] == "ldap_gateway_server_up"]
        assert servers == [f"dc1.{DOMAIN}:{pair[0].port}"]
