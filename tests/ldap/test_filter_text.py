import pytest
from hypothesis import given

from gateway.ldap.filter_text import FilterTextError, filter_text, parse_filter
from gateway.ldap.filters import And, EqualityMatch, ExtensibleMatch, Or, Present, Substrings
from tests.ldap import strategies


@given(strategies.filters)
def test_a_filter_comes_back_from_its_text(value):
    assert parse_filter(filter_text(value)) == value


@pytest.mark.parametrize(
    "text, value",
    [
        ("(&)", And(())),
        ("(|)", Or(())),
        ("(cn=*)", Present("cn")),
        ("(cn=a*b*c)", Substrings("cn", b"a", (b"b",), b"c")),
        ("(cn=*b*)", Substrings("cn", None, (b"b",), None)),
        (r"(cn=\2a\28\00)", EqualityMatch("cn", b"*(\0")),
        (r"(objectGUID=\ff\fe)", EqualityMatch("objectGUID", b"\xff\xfe")),
        ("(cn:dn:2.5.13.5:=x)", ExtensibleMatch("2.5.13.5", "cn", b"x", True)),
        ("(:caseExactMatch:=x)", ExtensibleMatch("caseExactMatch", None, b"x")),
    ],
)
def test_texts_are_read_as_rfc_4515_says(text, value):
    assert parse_filter(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "cn=a", "(cn=a", "(cn=a))", "(cn=a(b)", "(cn=**)"),
        *(r"(cn=\2)", r"(cn=\zz)", "(:=x)", "(c n=a)", "(!)", "(" * 99),
    ],
)
def test_what_is_no_filter_is_refused(text):
    with pytest.raises(FilterTextError):
        parse_filter(text)


def test_without_values_only_the_shape_is_told():
    shown = filter_text(parse_filter("(&(mail=secret@x)(cn=a*b)(!(x>=5))(u:1.2.3:=7))"), values=False)
    assert shown == "(&(mail=?)(cn=?*?)(!(x>=?))(u:1.2.3:=?))"
