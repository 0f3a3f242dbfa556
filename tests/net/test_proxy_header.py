"""What a proxy may say before a connection's own first octet, and what nobody may."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.net.listeners.proxy_header import (
    LONGEST_V1,
    LONGEST_V2,
    V1_BEGINS,
    V2_BEGINS,
    ProxyHeaderError,
    ProxyHeaderReader,
)

V4 = IPv4Address("198.51.100.7")
V6 = IPv6Address("2001:db8::7")


def v1(source, port=40_000):
    family = f"TCP{source.version}"
    return f"PROXY {family} {source} {source} {port} 636\r\n".encode()


def v2(source, port=40_000, *, command=0x21, family=None, tlvs=b""):
    if family is None:
        family = 0x11 if source.version == 4 else 0x21
    body = source.packed * 2 + port.to_bytes(2, "big") + (636).to_bytes(2, "big") + tlvs
    return V2_BEGINS + bytes((command, family)) + len(body).to_bytes(2, "big") + body


def read(data):
    return ProxyHeaderReader().feed(data)


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
ports = st.integers(0, 65_535)
headers = st.one_of(
    st.builds(v1, addresses, ports),
    st.builds(v2, addresses, ports, tlvs=st.binary(max_size=400)),
    st.builds(v2, addresses, ports, command=st.just(0x20), family=st.integers(0, 255)),
    st.just(b"PROXY UNKNOWN\r\n"),
)

LONGEST_LINE = b"PROXY UNKNOWN " + b"f" * (LONGEST_V1 - 16) + b"\r\n"
EVERY_KIND = [v1(V4), v1(V6), v2(V4), v2(V6), v2(V4, tlvs=b"\x04\x00\x03abc"), LONGEST_LINE, b"PROXY UNKNOWN\r\n"]


@given(addresses, ports, st.binary(max_size=40))
def test_both_versions_say_who_connected(source, port, rest):
    for data in (v1(source, port), v2(source, port), v2(source, port, tlvs=b"\x02\x00\x01x")):
        header = read(data + rest)
        assert (header.source, header.rest) == (source, rest)


@given(headers, st.binary(max_size=10), st.data())
def test_in_whatever_pieces_it_comes_it_is_the_same(data, rest, draw):
    whole = read(data + rest)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=6)))
    reader = ProxyHeaderReader()
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    *before, last = [piece for piece in pieces if piece]
    for piece in before:
        assert reader.feed(piece) is None
    assert reader.feed(last + rest) == whole


@pytest.mark.parametrize("data", EVERY_KIND)
def test_every_truncation_waits_and_every_cut_in_two_gives_the_same(data):
    whole = read(data + b"\x30")
    for cut in range(1, len(data)):
        reader = ProxyHeaderReader()
        assert reader.feed(data[:cut]) is None
        assert reader.feed(data[cut:] + b"\x30") == whole


@pytest.mark.parametrize("data", EVERY_KIND)
def test_octet_by_octet(data):
    reader = ProxyHeaderReader()
    for octet in data[:-1]:
        assert reader.feed(bytes((octet,))) is None
    assert reader.feed(data[-1:]) == read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN 198.51.100.7 198.51.100.8 1 2\r\n",
        b"PROXY UNKNOWN anything at all\r\n",
        LONGEST_LINE,
        v2(V4, command=0x20),
        v2(V4, command=0x20, family=0x00),
        v2(V4, family=0x00),
        V2_BEGINS + b"\x20\x00\x00\x00",
        V2_BEGINS + b"\x21\x00\x00\x00",
    ],
)
def test_a_probe_has_no_source_even_where_it_names_one(data):
    header = read(data + b"rest")
    assert header.source is None
    assert header.rest == b"rest"


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"\x30\x0c\x02\x01\x01",
        b"GET / HTTP/1.1\r\n",
        b"proxy TCP4 198.51.100.7 198.51.100.8 1 2\r\n",
        b" PROXY TCP4 198.51.100.7 198.51.100.8 1 2\r\n",
        b"PROXY  TCP4 198.51.100.7 198.51.100.8 1 2\r\n",
        b"PROXY TCP4  198.51.100.7 198.51.100.8 1 2\r\n",
        b"PROXY TCP4 198.51.100.7 198.51.100.8 1 2 \r\n",
        b"PROXY TCP4 198.51.100.7 198.51.100.8 1\r\n",
        b"PROXY TCP4 198.51.100.7 198.51.100.8 1 2 3\r\n",
        b"PROXY TCP4\r\n",
        b"PROXY \r\n",
        b"PROXY TCP 198.51.100.7 198.51.100.8 1 2\r\n",
        b"PROXY UDP4 198.51.100.7 198.51.100.8 1 2\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::8 1 2\r\n",
        b"PROXY TCP6 198.51.100.7 198.51.100.8 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
        b"PROXY TCP4 198.51.100.007 198.51.100.8 1 2\r\n",
        b"PROXY TCP4 198.51.100.7/24 198.51.100.8 1 2\r\n",
        b"PROXY TCP4 3325256711 198.51.100.8 1 2\r\n",
        b"PROXY TCP4 198.51.100.7 proxy.example 1 2\r\n",
        b"PROXY TCP4 198.51.100.7 198.51.100.8 65536 2\r\n",
        b"PROXY TCP4 198.51.100.7 198.51.100.8 -1 2\r\n",
        b"PROXY TCP4 198.51.100.7 198.51.100.8 01 2\r\n",
        b"PROXY TCP4 198.51.100.7 198.51.100.8 +1 2\r\n",
        b"PROXY TCP4 198.51.100.7 198.51.100.8 1 \r\n",
        b"PROXY TCP4 198.51.100.7 198.51.100.8 1 99999999999\r\n",
        b"PROXY TCP4 198.51.100.7 198.51.100.8 1 2\nPROXY TCP4 198.51.100.7 198.51.100.8 1 2\r\n",
        b"PROXY TCP4 198.51.100.7\x00 198.51.100.8 1 2\r\n",
        "PROXY TCP4 198.51.100.٧ 198.51.100.8 1 2\r\n".encode(),
        "PROXY TCP4 198.51.100.7 198.51.100.8 ٧ 2\r\n".encode(),
        b"PROXY UNKNOWN " + b"f" * LONGEST_V1,
        b"PROXY TCP4 198.51.100.7 198.51.100.8 1 2" + b"0" * LONGEST_V1 + b"\r\n",
        b"PROXY UNKNOWN " + b"f" * (LONGEST_V1 - 15) + b"\r\n",
        v2(V4, command=0x22),
        v2(V4, command=0x11),
        v2(V4, command=0x00),
        v2(V4, family=0x12),
        v2(V4, family=0x31),
        v2(V4, family=0x10),
        v2(V4, family=0xFF),
        v2(V4, family=0x21),
        V2_BEGINS + b"\x21\x11\x00\x0b" + bytes(11),
        V2_BEGINS + b"\x21\x21\x00\x23" + bytes(35),
        V2_BEGINS + b"\x21\x11" + (LONGEST_V2 - 15).to_bytes(2, "big"),
        V2_BEGINS + b"\x21\x11\xff\xff",
        V2_BEGINS + b"\x20\x00\xff\xff",
        V2_BEGINS[:-1] + b"\r",
    ],
)
def test_anything_else_is_refused_and_what_came_is_not_repeated(data):
    with pytest.raises(ProxyHeaderError) as raised:
        read(data)
    assert "198.51" not in str(raised.value)


def test_the_longest_of_the_second_version_passes():
    tlvs = bytes(LONGEST_V2 - 16 - 12)
    data = v2(V4, tlvs=tlvs)
    assert len(data) == LONGEST_V2
    assert read(data).source == V4


def test_what_cannot_become_a_header_is_refused_at_its_first_wrong_octet():
    for begin in (V1_BEGINS, V2_BEGINS):
        for cut in range(len(begin)):
            reader = ProxyHeaderReader()
            assert cut == 0 or reader.feed(begin[:cut]) is None
            with pytest.raises(ProxyHeaderError):
                reader.feed(bytes((begin[cut] ^ 0x80,)))


@given(st.one_of(st.binary(max_size=700), st.binary(max_size=700).map(V2_BEGINS.__add__)))
def test_garbage_raises_nothing_else_and_never_waits_for_more_than_the_longest_header(data):
    try:
        header = read(data)
    except ProxyHeaderError:
        return
    assert header is not None or len(data) < LONGEST_V2
