"""The load client's counting of messages, against messages that the codec writes."""

import pytest

from bench.requests import ATTRIBUTES, Lookups, PagedRead
from bench.wire import Scanner, next_cookie, result_code, successful
from gateway.ldap.controls import PagedResults
from gateway.ldap.decoding import decode_request
from gateway.ldap.encoding import encode
from gateway.ldap.messages import (
    Attribute,
    BindResponse,
    LDAPMessage,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
)
from gateway.ldap.results import LDAPResult, ResultCode


def entry(octets, message_id=7):
    values = (b"x" * octets,)
    return encode(LDAPMessage(message_id, SearchResultEntry("CN=a,DC=corp", (Attribute("cn", values),))))


def done(code=0, cookie=b"", message_id=7):
    control = PagedResults(0, cookie).to_control(critical=False)
    return encode(LDAPMessage(message_id, SearchResultDone(LDAPResult(ResultCode(code))), (control,)))


def long_form(message):
    """The same message with the length in four octets, as Active Directory writes it."""
    start = 2 + (message[1] & 0x7F if message[1] >= 0x80 else 0)
    contents = message[start:]
    return b"\x30\x84" + len(contents).to_bytes(4, "big") + contents


STREAM = (
    encode(LDAPMessage(1, BindResponse(LDAPResult(ResultCode.success)))),
    entry(3),
    entry(200, message_id=2**31 - 1),
    long_form(entry(40)),
    entry(70_000),
    done(cookie=b"more"),
    long_form(entry(3)),
    long_form(done()),
)
OTHERS = [STREAM[0], STREAM[5], STREAM[7]]


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 13, 64, 1000, 100_000])
def test_counts_entries_and_gives_back_the_rest_whole_however_the_stream_is_cut(piece):
    scanner = Scanner()
    whole = b"".join(STREAM)
    found = []
    for at in range(0, len(whole), piece):
        found += scanner.feed(whole[at : at + piece])
    assert scanner.entries == 5
    assert found == OTHERS
    assert scanner.octets == len(whole)


def test_refuses_what_is_no_ldap_message():
    with pytest.raises(ValueError, match="no LDAP message at octet"):
        Scanner().feed(entry(3) + b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("code", [0, 3, 52])
@pytest.mark.parametrize("form", [bytes, long_form])
def test_reads_the_result_code(code, form):
    assert result_code(form(done(code))) == code


def test_an_entry_has_no_result_code():
    with pytest.raises(ValueError, match="no result"):
        result_code(entry(3))


def test_a_result_that_is_no_success_ends_the_measurement():
    with pytest.raises(RuntimeError, match="no success"):
        successful(done(51))


def test_a_paged_read_asks_with_the_servers_cookie_until_there_is_none():
    read = PagedRead(500)
    read.first()
    request = read.next(done(cookie=b"here"))
    control = decode_request(request).controls[0]
    assert control == PagedResults(500, b"here").to_control(critical=True)
    assert read.next(done()) is None
    assert next_cookie(done(cookie=b"here")) == b"here"


def test_lookups_are_requests_that_decode():
    class Chance:
        numbers = iter([1, 20_000])

        def randint(self, low, high):
            assert (low, high) == (1, 20_000)
            return next(self.numbers)

    lookups = Lookups(2, 20_000, Chance())
    requests = [decode_request(lookups.first()).operation, decode_request(lookups.next(done())).operation]
    assert all(isinstance(request, SearchRequest) and request.attributes == ATTRIBUTES for request in requests)
    assert [request.filter.value for request in requests] == [b"u00001@corp.example", b"u20000"]
    assert lookups.next(done()) is None
    assert len(lookups.seconds) == 2
