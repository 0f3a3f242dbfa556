import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.controls import Control
from gateway.ldap.decoding import RequestLimits, decode_request, decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.errors import DecodeError
from gateway.ldap.filters import And, FilterLimits, Not, Or, Present
from tests.examples import examples
from tests.ldap import strategies


@settings(max_examples=examples(3000), deadline=None)
@given(strategies.request_messages)
def test_a_request_comes_back_as_it_was_written(message):
    assert decode_request(encode(message)) == message


@settings(max_examples=examples(3000), deadline=None)
@given(strategies.response_messages)
def test_a_response_comes_back_as_it_was_written(message):
    assert decode_response(encode(message)) == message


def in_long_form(octets):
    """The same elements with every length as 84 xx xx xx xx, as AD writes them."""
    written = b""
    while octets:
        tag, first, end = element(octets)
        contents = in_long_form(octets[first:end]) if tag & 0x20 else octets[first:end]
        written += bytes((tag, 0x84)) + len(contents).to_bytes(4, "big") + contents
        octets = octets[end:]
    return written


def element(octets):
    """The tag, and where the contents of the first element begin and end."""
    length, first = octets[1], 2
    if length & 0x80:
        first += length & 0x7F
        length = int.from_bytes(octets[2:first], "big")
    return octets[0], first, first + length


@settings(max_examples=examples(500), deadline=None)
@given(strategies.request_messages, strategies.response_messages)
def test_the_long_form_of_every_length_means_the_same(request_message, response_message):
    assert decode_request(in_long_form(encode(request_message))) == request_message
    assert decode_response(in_long_form(encode(response_message))) == response_message


@settings(max_examples=examples(2000), deadline=None)
@given(strategies.request_messages, st.data())
def test_a_damaged_request_is_refused_or_written_canonically(message, data):
    octets = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_request(bytes(octets))
    except DecodeError:
        return
    if not isinstance(decoded.operation, m.UnservedRequest):
        assert decode_request(encode(decoded)) == decoded


@settings(max_examples=examples(1000), deadline=None)
@given(st.binary(max_size=60))
def test_noise_raises_nothing_but_decode_error(octets):
    for decode in (decode_request, decode_response):
        with contextlib.suppress(DecodeError):
            decode(octets)


BIND = "300c020101600702010304008000"


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "30",
        "3080020101600702010304008000",  # indefinite length
        "308500000000" + "0c020101600702010304008000",  # five octets of length
        BIND + "00",  # trailing
        "300d020101600702010304008000" + "00",  # trailing inside
        "310c020101600702010304008000",  # no SEQUENCE
        "300d02020001600702010304008000",  # message ID not in its shortest form
        "300c0201ff600702010304008000",  # negative message ID
        "300f020480000000600702010304008000",  # message ID of 2^31 as a negative number
        "30100205008000000060070201030400" + "8000",  # message ID beyond 2^31-1
        "300c020101600702010004008000",  # version 0
        "300d020101600802010304018080" + "00",  # name runs into the password
        "300e0201016009020103040200c18000"[:-2] + "00",  # a name that is not UTF-8
        "3005020101610000",  # a response as a request
        "30050201017f0000",  # multi-octet tag
        "300602010142020000",  # unbind with contents
    ],
)
def test_what_is_not_exactly_ldap_is_refused(octets):
    with pytest.raises(DecodeError):
        decode_request(bytes.fromhex(octets))


def test_the_long_form_of_lengths_is_read_everywhere():
    # AD writes every length as 84 xx xx xx xx.
    octets = "30840000001002010160840000000702010304008000"
    decoded = decode_request(bytes.fromhex(octets))
    assert decoded == decode_request(bytes.fromhex(BIND))
    assert encode(decoded).hex() == BIND


@pytest.mark.parametrize("octet", [*range(0x100)])
def test_a_boolean_is_any_octet_and_is_written_as_00_or_ff(octet):
    """Go's library and old ones of Ruby send 01 for TRUE."""
    octets = encode(m.LDAPMessage(1, m.SearchRequest("", 0, Present("cn"), types_only=True)))
    assert octets.count(b"\x01\x01\xff") == 1
    decoded = decode_request(octets.replace(b"\x01\x01\xff", bytes((1, 1, octet))))
    assert decoded.operation.types_only == (octet != 0)
    assert (encode(decoded) == octets) == (octet != 0)


@pytest.mark.parametrize("contents", [b"", b"\xff\xff"])
def test_a_boolean_has_one_octet(contents):
    octets = encode(m.LDAPMessage(1, m.ExtendedRequest("1.2.3"), (Control("1.2.3", True),)))
    broken = octets.replace(b"\x01\x01\xff", bytes((1, len(contents))) + contents)
    with pytest.raises(DecodeError):
        decode_request(broken)


def test_no_password_is_in_a_repr():
    request = m.BindRequest(3, "cn=x", m.SimpleAuthentication(b"hunter2"))
    assert "hunter2" not in repr(m.LDAPMessage(1, request))


def nested(depth):
    found = Present("cn")
    for _ in range(depth - 1):
        found = Not(found)
    return encode(m.LDAPMessage(1, m.SearchRequest("", 0, found)))


def test_filters_nest_as_deep_as_the_limit_and_no_deeper():
    assert decode_request(nested(50))
    with pytest.raises(DecodeError, match="nested more than 50"):
        decode_request(nested(51))


def test_filter_elements_are_counted_over_the_whole_tree():
    limits = RequestLimits(filter=FilterLimits(elements=5))
    small = m.SearchRequest("", 0, Or((And((Present("a"), Present("b"))), Present("c"))))
    large = m.SearchRequest("", 0, Or((And((Present("a"), Present("b"))), Present("c"), Present("d"))))
    assert decode_request(encode(m.LDAPMessage(1, small)), limits)
    with pytest.raises(DecodeError, match="elements"):
        decode_request(encode(m.LDAPMessage(1, large)), limits)


@pytest.mark.parametrize(
    "tag, name", [(0x66, "modify"), (0x68, "add"), (0x4A, "delete"), (0x6C, "modifyDN"), (0x6E, "compare")]
)
def test_operations_that_are_never_served_are_recognised(tag, name):
    request = decode_request(bytes((0x30, 5, 2, 1, 7, tag, 0))).operation
    assert request.name == name
    response = m.final_response(request, m.LDAPResult(53))
    assert encode(m.LDAPMessage(7, response))[5] == request.response_tag
