import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap.errors import DecodeError, MessageTooLarge
from gateway.ldap.framing import Framer


def message(size):
    return b"\x30\x84" + size.to_bytes(4, "big") + bytes(size)


@given(st.lists(st.integers(0, 300), max_size=8), st.lists(st.integers(1, 50), max_size=60))
def test_messages_come_out_whole_however_they_were_cut(sizes, cuts):
    sent = [message(size) for size in sizes]
    stream = b"".join(sent)
    framer = Framer(1000)
    received = []
    while stream:
        cut = cuts.pop() if cuts else len(stream)
        framer.feed(stream[:cut])
        stream = stream[cut:]
        while (found := framer.next_message()) is not None:
            received.append(found)
    assert received == sent
    assert framer.buffered() == 0


def test_a_message_that_is_too_large_is_refused_by_its_header():
    framer = Framer(1000)
    framer.feed(message(2000)[:6])
    with pytest.raises(DecodeError):
        framer.next_message()


@pytest.mark.parametrize(
    "beginning, message_id",
    [
        (b"", None),
        (b"\x02", None),
        (b"\x02\x02\x01", None),
        (b"\x02\x02\x01\x07", 0x107),
        (b"\x02\x84\0\0\0\x01", None),
        (b"\x02\x84\0\0\0\x01\x07", 7),
        (b"\x64\x84" + bytes(8), 0),
        (b"\x02\x01\xff" + bytes(7), 0),
    ],
)
def test_whose_message_is_too_large_is_told_as_soon_as_it_can_be(beginning, message_id):
    framer = Framer(1000)
    framer.feed(message(10) + message(2000)[:6] + beginning)
    assert framer.next_message() == message(10)
    for _ in range(2):
        with pytest.raises(MessageTooLarge) as raised:
            framer.next_message()
        assert raised.value.message_id == message_id


@pytest.mark.parametrize("octets", [b"\x31", b"GET / HTTP/1.1\r\n", b"\x30\x80", b"\x30\x85", b"\x30\xff"])
def test_what_begins_no_message_is_refused(octets):
    framer = Framer(1000)
    framer.feed(octets)
    with pytest.raises(DecodeError):
        framer.next_message()


def test_a_message_may_come_octet_by_octet():
    framer = Framer(2_000_000)
    whole = message(100_000)
    framer.feed(whole[:6])
    assert framer.next_message() is None
    for i in range(6, len(whole) - 1):
        framer.feed(whole[i : i + 1])
        assert framer.next_message() is None
    framer.feed(whole[-1:])
    assert framer.next_message() == whole


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), st.integers(0, 300), st.booleans())
def test_the_size_of_the_next_message_is_told_before_it_is_taken(sizes, cut, at_once):
    octets = b"".join(message(size) for size in sizes)
    framer = Framer(1000)
    framer.feed(octets if at_once else octets[:cut])
    if not at_once:
        framer.feed(octets[cut:])
    for size in sizes:
        assert framer.next_size() == len(message(size))
        assert framer.next_message() == message(size)
    assert framer.next_size() == 0


@given(st.integers(0, 300), st.integers(1, 300))
def test_of_a_message_that_has_come_in_part_that_part_counts(size, missing):
    octets = message(size)[:-missing]
    framer = Framer(1000)
    framer.feed(octets)
    assert framer.next_size() == len(octets)
    framer.feed(message(size)[len(octets) :])
    assert framer.next_message() == message(size)


def test_what_is_no_message_counts_as_much_as_has_come():
    framer = Framer(1000)
    framer.feed(b"GET / HTTP/1.1\r\n")
    assert framer.next_size() == 16
