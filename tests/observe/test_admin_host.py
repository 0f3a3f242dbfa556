"""The admin pages answer to loopback names alone, so that no page of somebody else can read them in a browser (DNS
rebinding)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport

from gateway.observe.page.admin import admin_site
from gateway.observe.page.admin_host import is_own_host
from tests.observe.ledgers import ledger

OWN = ["localhost", "LocalHost", "localhost.", "127.0.0.1", "127.8.9.10", "[::1]", "[0:0::1]", "[::ffff:127.0.0.1]"]
OTHERS = [
    "rebound.example",
    "localhost.rebound.example",
    "127.0.0.1.rebound.example",
    "rebound.example:localhost",
    "user@localhost",
    "localhost, rebound.example",
    "localhost rebound.example",
    "localhost:80:80",
    "localhost:http",
    "198.51.100.7",
    "0.0.0.0",
    "[::]",
    "[2001:db8::1]",
    "[::ffff:198.51.100.7]",
    "[127.0.0.1]",
    "::1",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "[::1%lo]",
    "",
    ":8389",
    "localhost\x00",
    "loc\xe4lhost",
]
PORTS = ["", ":", ":80", ":8389", ":65535"]


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("host", OWN)
def test_loopback_names_with_any_port_are_its_own(host, port):
    assert is_own_host([f"{host}{port}".encode()], is_http_1_1=True)


@pytest.mark.parametrize("host", OTHERS)
def test_every_other_name_is_not(host):
    for port in ["", ":8389"]:
        assert not is_own_host([f"{host}{port}".encode("latin-1")], is_http_1_1=True)
        assert not is_own_host([f"{host}{port}".encode("latin-1")], is_http_1_1=False)


LABEL = st.text(alphabet="abcxyz0123456789-", min_size=1, max_size=10)


@given(
    st.sampled_from(OWN), LABEL, st.sampled_from(["{own}.{label}", "{label}.{own}", "{label}@{own}", "{own}/{label}"])
)
def test_a_name_around_its_own_is_another(own, label, form):
    name = form.format(own=own.removesuffix("."), label=f"{label}x")
    assert not is_own_host([name.encode()], is_http_1_1=True)


def test_two_hosts_are_none():
    assert not is_own_host([b"localhost", b"localhost"], is_http_1_1=True)
    assert not is_own_host([b"localhost", b"rebound.example"], is_http_1_1=True)


def test_only_a_request_of_http_1_0_may_name_none():
    assert is_own_host([], is_http_1_1=False)
    assert not is_own_host([], is_http_1_1=True)


def asked(request):
    """Status and text of the answer of the site itself."""
    transport = StringTransport()
    channel = admin_site(ledger()).buildProtocol(None)
    channel.makeConnection(transport)
    channel.dataReceived(request)
    head, _, text = transport.value().partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), text


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"OPTIONS"])
@pytest.mark.parametrize("page", [b"/", b"/healthz", b"/readyz", b"/metrics", b"/elsewhere", b"http://localhost/"])
def test_no_page_and_no_method_answers_another_name(method, page):
    status, text = asked(method + b" " + page + b" HTTP/1.1\r\nHost: rebound.example:8389\r\n\r\n")
    assert status == 421
    assert method == b"HEAD" or (text.startswith(b"These pages are for this host only") and b"rebound" not in text)


@pytest.mark.parametrize("host", [b"localhost:9000", b"127.0.0.1", b"[::1]:8389"])
def test_its_own_names_get_the_page(host):
    assert asked(b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")[0] == 200
    assert asked(b"GET /healthz HTTP/1.0\r\n\r\n")[0] == 200
