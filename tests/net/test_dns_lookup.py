"""A lookup of servers ends in time and well, whatever the DNS server does."""

import time

import dns.rcode
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.net.servers import dns_lookup
from gateway.net.servers.dns_lookup import LIFETIME, MOST_SERVERS, look_up
from gateway.net.servers.found_servers import NotFound
from gateway.net.servers.settings import DiscoverySettings
from tests.net.bad_dns import BadDns, reply

DOMAIN = "corp.example"
SERVICE = f"_ldap._tcp.dc._msdcs.{DOMAIN}"
GOOD = f"0 100 389 dc1.{DOMAIN}."


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A DNS server that is silent is waited for as long as a test can wait; nothing here depends on how long."""
    monkeypatch.setattr(dns_lookup, "LIFETIME", 2.0)
    monkeypatch.setattr(dns_lookup, "ROUNDS", (0.3, 0.6))


def asking(answering, **more):
    """What a lookup finds at such a server, and the server."""
    with BadDns(answering) as server:
        try:
            found = look_up(DiscoverySettings(SERVICE, 636, (DOMAIN,), ("127.0.0.1", server.port), **more))
        except NotFound as error:
            found = str(error)
        return found, server, server.open_connections()


def srv_only(*records, **more):
    """Answers the first question with these records, and questions for addresses with none."""
    return lambda question, by_tcp: reply(question, *(records if b"_ldap" in question else ()), **more)


def hosts(found):
    return [candidate.server.host for candidate in found.candidates]


def test_a_good_answer():
    found, server, _ = asking(srv_only(GOOD))
    assert hosts(found) == [f"dc1.{DOMAIN}"]
    assert found.left_out == ""
    assert server.asked[0] is False


def test_an_answer_that_is_cut_off_over_tcp_as_well_is_asked_for_once():
    found, server, left_open = asking(srv_only(GOOD, truncated=True))
    assert found == f"{SERVICE}: an answer that is cut off from 127.0.0.1:{server.port}"
    assert server.asked.count(True) == 1
    assert len(server.asked) <= 3
    assert left_open == 0


def test_a_long_answer_comes_over_tcp_and_the_connection_is_closed():
    def answering(question, by_tcp):
        records = [f"0 100 389 dc{i}.{DOMAIN}." for i in range(40)] if b"_ldap" in question else []
        return reply(question, *records) if by_tcp else reply(question, truncated=bool(records))

    found, server, left_open = asking(answering)
    assert len(found.candidates) == 40
    assert server.asked.count(True) == 1
    assert left_open == 0


@pytest.mark.parametrize("silent", ["by UDP", "by TCP", "for addresses"])
def test_silence_ends_within_the_time_limit(silent):
    def answering(question, by_tcp):
        if silent == "by UDP" or (silent == "by TCP" and by_tcp):
            return None
        if silent == "for addresses" and b"_ldap" not in question:
            return None
        records = [GOOD] if b"_ldap" in question else []
        return reply(question, *records, truncated=silent == "by TCP")

    began = time.monotonic()
    found, server, left_open = asking(answering)
    # The limit bounds the whole lookup; ten times as long is a machine that is busy.
    assert time.monotonic() - began < 10 * dns_lookup.LIFETIME
    if silent == "for addresses":
        assert hosts(found) == [f"dc1.{DOMAIN}"]
    else:
        assert found.startswith(f"{SERVICE}: no answer in time from ")
    assert server.asked.count(True) == (silent == "by TCP")
    assert left_open == 0


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (r"dc\195\188.corp.example.", r"dc\195\188.corp.example"),
        (r"dc\010fake:\032log\032line.corp.example.", r"dc\010fake:"),
        (r"dc\000.corp.example.", r"dc\000.corp.example"),
        (r"dc\.1.corp.example.", r"dc\.1.corp.example"),
        (r"\*.corp.example.", r"*.corp.example"),
    ],
)
def test_a_target_that_is_no_host_name_is_left_out_and_said(target, shown):
    found, _, _ = asking(srv_only(GOOD, f"0 100 389 {target}"))
    assert hosts(found) == [f"dc1.{DOMAIN}"]
    (said,) = found.unusable
    assert said.startswith(shown)
    assert said.isascii() and said.isprintable()
    assert "(no host name)" in found.left_out


def test_no_more_servers_are_taken_than_a_directory_may_have():
    found, _, _ = asking(srv_only(*(f"{i} 100 389 dc{i}.{DOMAIN}." for i in range(MOST_SERVERS + 30))))
    assert hosts(found) == [f"dc{i}.{DOMAIN}" for i in range(MOST_SERVERS)]
    assert found.surplus == 30
    assert "30 more servers" in found.left_out


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR, dns.rcode.YXDOMAIN])
def test_an_error_is_named(code):
    found, server, _ = asking(srv_only(rcode=code))
    assert found == f"{SERVICE}: error ({dns.rcode.to_text(code)}) from 127.0.0.1:{server.port}"


def test_a_second_server_is_asked_where_the_first_one_fails(monkeypatch):
    with BadDns(srv_only(rcode=dns.rcode.SERVFAIL)) as first, BadDns(srv_only(GOOD)) as second:
        places = [("127.0.0.1", first.port), ("127.0.0.1", second.port)]
        monkeypatch.setattr(dns_lookup, "_system_resolvers", lambda: places)
        assert hosts(look_up(DiscoverySettings(SERVICE, 636, (DOMAIN,)))) == [f"dc1.{DOMAIN}"]


@pytest.mark.parametrize(("text", "found"), [("nameserver 192.0.2.1\nnameserver 2001:db8::1\n", 2), ("options x\n", 0)])
def test_the_systems_dns_servers_are_those_of_resolv_conf(tmp_path, monkeypatch, text, found):
    path = tmp_path / "resolv.conf"
    path.write_text(text)
    monkeypatch.setattr(dns_lookup, "RESOLV_CONF", path)
    if found:
        assert dns_lookup._system_resolvers() == [("192.0.2.1", 53), ("2001:db8::1", 53)]
    else:
        with pytest.raises(NotFound, match=r"names no DNS server; set discover\.resolver"):
            dns_lookup._system_resolvers()


def mangled(question, cuts):
    """A right answer with some octets behind its ID replaced, removed or added."""
    records = [GOOD, f"5 1 389 dc2.{DOMAIN}."] if b"_ldap" in question else []
    answer = bytearray(reply(question, *records))
    for place, octets, removed in cuts:
        at = 2 + place % max(1, len(answer) - 2)
        answer[at : at + removed] = octets
    return bytes(answer)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=12), st.integers(0, 12)), min_size=1, max_size=4))
def test_any_answer_gives_servers_or_says_why_not(cuts):
    """And servers are host names inside of the domain."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dns_lookup, "ROUNDS", (0.02,))
        patched.setattr(dns_lookup, "LIFETIME", 0.1)
        found, server, left_open = asking(lambda question, by_tcp: mangled(question, cuts))
    assert server.asked.count(True) <= 3 and left_open == 0
    said = found if isinstance(found, str) else found.left_out
    assert said.isascii() and said.isprintable()
    if not isinstance(found, str):
        assert all(name.endswith(f".{DOMAIN}") for name in hosts(found))


def test_the_real_limits_are_such_that_a_sign_in_can_wait_for_them():
    """connect_patience is 15 seconds where nothing else is said."""
    assert LIFETIME < 15
