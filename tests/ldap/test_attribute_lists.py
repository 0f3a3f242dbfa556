import pytest

from gateway.ldap import attribute_lists
from gateway.ldap.decoding import RequestLimits, decode_request
from gateway.ldap.encoding import encode
from gateway.ldap.errors import DecodeError
from gateway.ldap.filters import Present
from gateway.ldap.messages import LDAPMessage, SearchRequest

WIDE = RequestLimits()


def asking_for(*names):
    return encode(LDAPMessage(1, SearchRequest("", 2, Present("cn"), names)))


def names_read(octets, limits=WIDE):
    return decode_request(octets, limits).operation.attributes


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        (RequestLimits(attributes=2), "more than 2 attributes"),
        (RequestLimits(attribute_length=4), "description of more than 4 octets"),
    ],
)
def test_a_list_that_was_read_once_is_refused_within_narrower_limits(limits, error):
    octets = asking_for("cn", "mail", "münch")
    assert names_read(octets) == ("cn", "mail", "münch")
    with pytest.raises(DecodeError, match=error):
        names_read(octets, limits)
    assert names_read(octets) == ("cn", "mail", "münch")


def test_the_limits_are_met_exactly_each_time():
    octets = asking_for("cn", "münch")
    for _ in range(2):
        assert names_read(octets, RequestLimits(attributes=2, attribute_length=6)) == ("cn", "münch")
        with pytest.raises(DecodeError):
            names_read(octets, RequestLimits(attributes=2, attribute_length=5))


def test_what_is_no_list_of_names_is_refused_each_time():
    octets = asking_for("cn", "mail").replace(b"mail", b"ma\xffl")
    for _ in range(2):
        with pytest.raises(DecodeError, match="UTF-8"):
            names_read(octets)


@pytest.mark.parametrize("size", [1, 200])
def test_lists_without_end_are_not_remembered_without_end(size):
    for number in range(200):
        names = tuple(f"a{number}-{i}" for i in range(size))
        assert names_read(asking_for(*names)) == names
    for remembered in (attribute_lists._READ, attribute_lists._WRITTEN):
        assert len(remembered) <= 50
        assert all(sum(map(len, names)) <= 1024 for names in remembered if isinstance(names, tuple))
        assert all(len(octets) <= 1024 for octets in remembered if isinstance(octets, bytes))
