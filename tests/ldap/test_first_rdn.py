"""The quick look at a DN's first RDN, held against the parser of DNs."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap.dn import parse
from gateway.ldap.first_rdn import end_of_first_rdn

TYPES = st.sampled_from(["cn", "OU", "a-b", "1a", "2.5.4.3", "", " cn", "cn "])
VALUES = st.text(alphabet='ab \\,=+#;"<>\x00\x7fé5C', max_size=8) | st.text(max_size=6)
NAMES = st.builds("{}={},DC=corp".format, TYPES, VALUES)


@given(NAMES)
def test_where_it_finds_an_end_the_parser_finds_the_same_one(name):
    data = name.encode()
    comma = end_of_first_rdn(data, 0, len(data))
    if comma < 0:
        return
    first, rest = data[:comma].decode(), data[comma + 1 :].decode()
    alone = parse(first)
    assert len(alone.rdns) == 1
    assert len(alone.rdns[0]) == 1
    try:
        whole = parse(name)
    except ValueError:
        # Of the rest it says nothing.
        return
    assert whole.rdns == alone.rdns + parse(rest).rdns


def test_it_finds_the_end_of_a_usual_one():
    data = rb"xxCN=Doe\, Jane,OU=Staff,DC=corpxx"
    assert end_of_first_rdn(data, 2, len(data) - 2) == data.index(b",OU=")


@given(st.sampled_from(["CN=a+SN=b", "2.5.4.3=a", "CN=#04", "CN= a", "CN=a ", "CN =a", "CN=a\\C3\\A9", "CN=\x01"]))
def test_it_leaves_what_needs_more_than_a_look_to_the_parser(rdn):
    data = f"{rdn},DC=corp".encode()
    assert end_of_first_rdn(data, 0, len(data)) == -1
