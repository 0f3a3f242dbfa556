import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap.dn import AVA, DN, DNError, HexValue, key, parse

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
avas = st.builds(AVA, st.sampled_from(["CN", "ou", "2.5.4.3", "dc"]), names)
dns = st.lists(avas.map(lambda ava: (ava,)), max_size=5).map(lambda rdns: DN(tuple(rdns)))


@given(dns)
def test_a_dn_comes_back_from_its_text(dn):
    assert parse(str(dn)) == dn


@given(dns, dns)
def test_what_is_put_below_a_base_is_inside_it_strictly_and_loosely(below, base):
    inside = DN(below.rdns + base.rdns)
    assert inside.is_inside(base)
    assert inside.is_inside_loosely(base)
    assert inside.rebase(base) == inside
    if below.rdns:
        assert not base.is_inside(inside)


@given(dns, dns)
def test_inside_strictly_is_inside_loosely(one, other):
    if one.is_inside(other):
        assert one.is_inside_loosely(other)
    assert one.same(other) == (key(one) == key(other))


@pytest.mark.parametrize(
    "written, value",
    [
        (r"OU=Sales\, EMEA", "Sales, EMEA"),
        (r"OU=Sales\2C EMEA", "Sales, EMEA"),
        (r"OU=R\+D", "R+D"),
        (r"OU=\#Ops", "#Ops"),
        (r"OU=a#b", "a#b"),
        (r"OU=\ lead", " lead"),
        (r"OU=trail\ ", "trail "),
        (r"OU= plain ", "plain"),
        (r"OU=The \"A\" Team", 'The "A" Team'),
        (r"OU=Back\\slash", "Back\\slash"),
        ("OU=A/B Testing", "A/B Testing"),
        (r"OU=Less\<Than", "Less<Than"),
        ("OU=x=y", "x=y"),
        (r"OU=Semi\;Colon", "Semi;Colon"),
        ("OU=Müller", "Müller"),
        (r"OU=M\c3\bcller", "Müller"),
        (r"OU=M\C3\BCller", "Müller"),
        ("OU=日本", "日本"),
        ("OU=(Paren)*theses*", "(Paren)*theses*"),
        ("OU=#0403616263", "abc"),
        ("OID.2.5.4.11=abc", "abc"),
    ],
)
def test_awkward_names_are_read(written, value):
    dn = parse(written + ",DC=corp,DC=example")
    assert dn.rdns[0][0].value == value
    assert parse(str(dn)) == dn


@pytest.mark.parametrize(
    "text",
    [
        "OU=Sales, EMEA,DC=corp",
        "OU=R+D,DC=corp",
        "OU=#Ops,DC=corp",
        'OU="quoted",DC=corp',
        "OU=a;DC=corp",
        "OU=a<b",
        "OU=a\\",
        "OU=a\\4",
        "OU=a\\zz",
        "OU=",
        "OU=a,",
        ",OU=a",
        "=a",
        "OU",
        "ou=secret,dc=x\0,ou=allowed,dc=x",
        "OU=a\\00b",
        "OU=#0401" + "00",
        "OU=\\ff",
        "OU;lang-de=a",
        "OU=a+OU=A",
        "<GUID=4d0b>",
        "<SID=S-1-5-21>",
        "<WKGUID=a9d1,dc=x>",
        "OU=" + "x" * 9000,
        ",".join(["OU=a"] * 101),
    ],
)
def test_what_is_no_dn_is_refused(text):
    with pytest.raises(DNError):
        parse(text)


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("OU=Staff,DC=x", "ou=STAFF, dc=X", True),
        ("OU=Staff,DC=x", "2.5.4.11=staff,domainComponent=x", True),
        ("OU=A  B", "OU=a b", True),
        (r"OU=\ A B\ ", "OU=A B", True),
        ("CN=a+OU=b", "ou=B+cn=A", True),
        ("OU=Müller", "OU=MÜLLER", True),
        ("OU=Müller", "OU=Muller", False),
        ("OU=\u00e9", "OU=e\u0301", False),
        ("OU=AB", "OU=A B", False),
        ("OU=a", "CN=a", False),
        ("OU=#020101", "OU=#020102", False),
    ],
)
def test_the_strict_comparison(one, other, same):
    assert parse(one).same(parse(other)) is same


@pytest.mark.parametrize(
    "name", ["OU=Sécret", "OU=SECRET", "OU=s e c r e t", "OU=ｓｅｃｒｅｔ", "OU=sec\u200bret", "OU=#020101", "9.9.9=secret"]
)
def test_an_exclusion_is_hard_to_get_round(name):
    assert parse("CN=x," + name + ",DC=x").is_inside_loosely(parse("OU=Secret,DC=x"))


def test_inside_is_a_matter_of_rdns_and_not_of_text():
    base = parse("OU=Staff,DC=x")
    assert not parse("OU=Other Staff,DC=x").is_inside(base)
    assert not parse(r"CN=a\,OU\=Staff,DC=x").is_inside(base)
    assert not parse("DC=x").is_inside(base)
    assert parse("CN=a,OU=Staff,DC=x").parent().same(base)


def test_a_hex_value_that_is_no_text_stays_one():
    assert parse("OU=#020101").rdns[0][0].value == HexValue(b"\x02\x01\x01")
