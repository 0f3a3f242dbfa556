"""What hostile messages cost: twice as much of anything costs no more than about twice as much work and memory.

Work is counted in calls, of Python's and of C's functions, and memory as the most that was allocated at once; neither
depends on how fast or how busy the machine is. What C does within one call shows only in time: eight times as much may
take 24 times as long, where what grows with the square takes 64.
"""

import sys
import time
import tracemalloc

import pytest

from gateway.ldap import messages as m
from tests.hostile import octets as o
from tests.hostile.answers import results
from tests.hostile.asking import Asking
from tests.hostile.at_work import HostileServer, RawConnection, gateway_configuration
from tests.hostile.from_servers import DN, FIRST
from tests.hostile.served import Served
from tests.traced_memory import tracing

# Twice the work, and something for what grows in steps; the square would be four times.
FACTOR = 3
# Seconds that are too few to be compared.
SHORTEST = 0.0005


def calls(act):
    counted = 0

    def count(frame, event, argument):
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return counted


def peak(act):
    with tracing():
        act()
        return tracemalloc.get_traced_memory()[1]


def least_time(act):
    """Of the processor, in seconds, at the best of several times."""
    times = []
    for _ in range(5):
        begun = time.process_time()
        act()
        times.append(time.process_time() - begun)
    return max(SHORTEST, min(times))


def base(text):
    return o.search(base=text + o.BASE)


FROM_CLIENTS = {
    "an OR of many": (900, lambda n: o.search(filter_=o.any_of(*[o.equal("mail", "x")] * n))),
    "an OR of more than are taken": (20_000, lambda n: o.search(filter_=o.any_of(*[o.present()] * n))),
    "nested ANDs": (24, lambda n: o.search(filter_=o.nested(0xA0, n, o.present()))),
    "NOTs nested deeper than is taken": (40_000, lambda n: o.search(filter_=o.nested(0xA2, n, o.present()))),
    "many substrings": (900, lambda n: o.search(filter_=o.substrings("mail", *[o.text("a", 0x81)] * n))),
    "a long value": (30_000, lambda n: o.search(filter_=o.equal("mail", "\\" * n))),
    "a value that is a long DN": (500, lambda n: o.search(filter_=o.equal("member", "CN=a, " * n + o.BASE))),
    "a value of many commas": (2_000, lambda n: o.search(filter_=o.equal("member", "CN=" + "," * n + o.BASE))),
    "many attributes": (240, lambda n: o.search(attributes=[f"x{i}" for i in range(n)])),
    "many times the same attribute": (240, lambda n: o.search(attributes=["mail"] * n)),
    "many controls": (8, lambda n: o.search(*[o.control(f"1.2.{i}") for i in range(n)])),
    "a base of many RDNs": (500, lambda n: base("CN=a," * n)),
    "a base of many commas": (2_000, lambda n: base("CN=a" + "," * n)),
    "a base of many unescaped commas": (300, lambda n: base("CN=a, b" * n + ",")),
    "a base of many backslashes": (2_000, lambda n: base("CN=" + "\\" * n)),
    "a base of many escapes": (1_000, lambda n: base("CN=" + r"\c3\a9" * n + ",")),
    "a base of many quotes": (2_000, lambda n: base('CN="' + '"' * n)),
    "a base of many values": (1_000, lambda n: base("+".join(["CN=a"] * n) + ",")),
    "a base of many equals signs": (2_000, lambda n: base("CN" + "=" * n + ",")),
    "a base of many spaces": (2_000, lambda n: base("CN=a" + " " * n + "b,")),
    "a bind name of many commas": (2_000, lambda n: o.bind("CN=u" + "," * n + o.BASE)),
    "a bind name of many backslashes": (2_000, lambda n: o.bind("CORP" + "\\" * n + "u")),
    "a bind name of many at signs": (2_000, lambda n: o.bind("u" + "@" * n + "corp.example")),
    "many searches": (40, lambda n: b"".join(o.search(id=10 + i) for i in range(n))),
    "many refusals": (200, lambda n: b"".join(o.extended("1.2.3", id=10 + i) for i in range(n))),
    "many abandons": (200, lambda n: b"".join(o.abandon(7, id=10 + i) for i in range(n))),
    "a cookie that is long": (100_000, lambda n: o.search(o.page(5, bytes(n)))),
}


@pytest.mark.parametrize("size, octets", FROM_CLIENTS.values(), ids=FROM_CLIENTS)
def test_what_clients_send_costs_no_more_than_it_is_long(size, octets):
    once, twice = octets(size), octets(2 * size)
    # What is made once, at the first message of its kind, is no part of it.
    Served().receive(once)
    for measure in (calls, peak):
        least = measure(lambda: Served().receive(o.search()))
        small = measure(lambda: Served().receive(once))
        large = measure(lambda: Served().receive(twice))
        assert large - least <= FACTOR * max(small - least, least), (measure.__name__, least, small, large)
    quarter = octets(size // 4)
    small, large = least_time(lambda: Served().receive(quarter)), least_time(lambda: Served().receive(twice))
    assert large <= 24 * small


FROM_SERVERS = {
    "an entry of many attributes": (1_000, lambda n: o.entry(DN, *[o.attribute("x", "1")] * n, id=FIRST)),
    "an entry of many different attributes": (
        1_000, lambda n: o.entry(DN, *[o.attribute(f"x{i}", "1") for i in range(n)], id=FIRST)),
    "an entry of many values": (10_000, lambda n: o.entry(DN, o.attribute("mail", *["a"] * n), id=FIRST)),
    "a long value": (200_000, lambda n: o.entry(DN, o.attribute("mail", bytes(n)), id=FIRST)),
    "many entries": (200, lambda n: o.entry(DN, o.attribute("mail", "a"), id=FIRST) * n),
    "many entries outside": (200, lambda n: o.entry("CN=a,DC=other", o.attribute("mail", "a"), id=FIRST) * n),
    "many entries for nobody": (200, lambda n: o.entry(DN, o.attribute("mail", "a"), id=99) * n),
    "many results": (200, lambda n: o.done(id=FIRST) * n),
    "a name of many RDNs": (500, lambda n: o.entry("CN=a," * n + o.BASE, id=FIRST)),
    "a long text": (200_000, lambda n: o.result(0x65, 1, b"", b"\xff" * n, id=FIRST)),
    "many references": (
        1_000, lambda n: o.message(o.tlv(0x73, *[o.text("ldap://evil.example/")] * n), id=FIRST)),
    "many notifications": (200, lambda n: o.result(0x78, 0, b"", b"", o.text("1.2.3", 0x8A), id=0) * n),
    "many controls": (30, lambda n: o.done(id=FIRST, controls=[o.control("1.2.3")] * n)),
}  # fmt: skip


@pytest.mark.parametrize("size, octets", FROM_SERVERS.values(), ids=FROM_SERVERS)
def test_what_servers_send_costs_no_more_than_it_is_long(size, octets):
    once, twice = octets(size), octets(2 * size)
    Asking().hear(once)
    for measure in (calls, peak):
        least = measure(lambda: Asking().hear(o.done(id=99)))
        small = measure(lambda: Asking().hear(once))
        large = measure(lambda: Asking().hear(twice))
        assert large - least <= FACTOR * max(small - least, least), (measure.__name__, least, small, large)
    quarter = octets(size // 4)
    small, large = least_time(lambda: Asking().hear(quarter)), least_time(lambda: Asking().hear(twice))
    assert large <= 24 * small


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_a_message_in_small_pieces_costs_no_more_than_it_is_long(piece):
    def pieces(octets):
        session = Served()
        for at in range(0, len(octets), piece):
            session.session.client_data(octets[at : at + piece], session.now)

    once, twice = (o.search(filter_=o.equal("mail", "x" * n)) for n in (3_000, 6_000))
    for measure in (calls, peak):
        pieces(once)
        small, large = measure(lambda: pieces(once)), measure(lambda: pieces(twice))
        assert large <= FACTOR * small, (measure.__name__, small, large)


# As much as fits one response by default, and as much again.
FLOOD = 64 * 1024 * 1024


class Flooding(HostileServer):
    """Answers a search with one entry of FLOOD octets, while it is let."""

    sent = 0

    def answers(self, message):
        if not isinstance(message.operation, m.SearchRequest):
            yield from super().answers(message)
            return
        yield b"\x30\x84" + FLOOD.to_bytes(4, "big") + o.integer(message.message_id) + b"\x64"
        for _ in range(FLOOD // 65_536):
            yield bytes(65_536)
            self.sent += 65_536


def test_a_response_that_is_too_large_is_never_held(certificates, server_certificates, start_gateway):
    with Flooding(server_certificates) as server:
        limits = {"response_message": 32 * 1024 * 1024}
        running = start_gateway(gateway_configuration(certificates, server, limits=limits))
        with RawConnection(running.port, certificates.ca_file) as session:
            session.signed_in()
            before = running.resident_octets()
            session.send(o.search(id=5))
            assert results(session.until_results(2)) == ((5, 11), (0, 52))
            assert session.message() is None
            assert running.resident_octets() - before < 16 * 1024 * 1024
    assert server.sent < FLOOD // 2
    (record,) = running.wait_for_audit(operation="search")
    assert (record["reason"], record["code"]) == ("response-too-large", 11)
