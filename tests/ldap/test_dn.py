import pytest
from cryptography import x509
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.ldap.dn import AVA, DN, DNError, HexValue, key, parse, portable, rdn_key
from tests.examples import examples
from tests.ldap.strategies import dns, names, rdns

SPELLINGS = {
    "CN": ["cn", "Cn", "commonName", "2.5.4.3", "OID.2.5.4.3"],
    "ou": ["OU", "organizationalUnitName", "2.5.4.11", "oid.2.5.4.11"],
    "2.5.4.4": ["sn", "surname", "2.5.4.4"],
    "dc": ["DC", "domainComponent", "0.9.2342.19200300.100.1.25"],
}
blanks = st.sampled_from(["", " ", "   "])


def respelled(draw, dn):
    """The text of a DN that RFC 4514 and caseIgnoreMatch take for the same, written as strangely as they allow."""
    written = []
    for rdn in dn.rdns:
        parts = [draw(blanks) + respelled_ava(draw, ava) for ava in draw(st.permutations(rdn))]
        written.append("+".join(parts))
    return ",".join(written)


def respelled_ava(draw, ava):
    before = draw(st.sampled_from(SPELLINGS[ava.type])) + draw(blanks) + "=" + draw(blanks)
    if isinstance(ava.value, HexValue):
        digits = ava.value.octets.hex()
        return before + "#" + (digits.upper() if draw(st.booleans()) else digits) + draw(blanks)
    value = "".join(c.swapcase() if c.isascii() and draw(st.booleans()) else c for c in ava.value)
    value = draw(blanks) + value.replace(" ", " " + draw(blanks)) + draw(blanks)
    octets = value.encode()
    if len(octets) < 128 and draw(st.booleans()):
        return before + f"#{draw(st.sampled_from(['04', '0C', '13', '16']))}{len(octets):02x}{octets.hex()}"
    return before + "".join(respelled_character(draw, character) for character in value)


def respelled_character(draw, character):
    if draw(st.booleans()):
        return "".join(f"\\{octet:02X}" for octet in character.encode())
    return "\\" + character if character in ' "#+,;<=>\\' else character


@given(dns)
def test_a_dn_comes_back_from_its_text(dn):
    assert parse(str(dn)) == dn


@settings(max_examples=examples(200), deadline=None)
@given(dns, st.data())
def test_another_spelling_is_the_same_name(dn, data):
    other = parse(respelled(data.draw, dn))
    assert other.same(dn) and dn.same(other)
    assert key(other) == key(dn)
    assert other.is_inside(dn) and dn.is_inside(other)
    assert other.is_inside_loosely(dn) and dn.is_inside_loosely(other)
    assert other.rebase(dn) == dn


@given(dns, dns, dns)
def test_being_inside_is_an_order(one, two, three):
    assert one.is_inside(one)
    assert (one.is_inside(two) and two.is_inside(one)) is one.same(two)
    below, middle = DN(one.rdns + two.rdns + three.rdns), DN(two.rdns + three.rdns)
    assert below.is_inside(middle) and middle.is_inside(three) and below.is_inside(three)


@given(dns.filter(lambda dn: dn.rdns), st.data())
def test_another_value_anywhere_is_another_name(dn, data):
    place = data.draw(st.integers(0, len(dn.rdns) - 1))
    changed = data.draw(rdns.filter(lambda rdn: rdn_key(rdn) != rdn_key(dn.rdns[place])))
    other = DN((*dn.rdns[:place], changed, *dn.rdns[place + 1 :]))
    assert not other.same(dn)
    assert key(other) != key(dn)
    assert not DN(((AVA("CN", "x"),), *other.rdns)).is_inside(dn)


@given(dns.filter(lambda dn: dn.rdns), names)
def test_a_value_that_reads_like_the_base_is_not_inside_it(base, value):
    forged = DN(((AVA("CN", f"{value},{base}"),), (AVA("DC", "elsewhere"),)))
    assert parse(str(forged)) == forged
    assume(not forged.parent().is_inside(base))
    assert not forged.is_inside(base)
    assert not DN(((AVA("CN", f"{value},{base}"),),)).is_inside(base)


# What X.509's reader of RFC 4514 knows: no control characters, no values of other types than text.
printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)
plain_avas = st.builds(AVA, st.sampled_from(["CN", "OU", "DC", "2.5.4.3"]), printable)
plain_rdns = st.lists(plain_avas, min_size=1, max_size=2, unique_by=lambda ava: rdn_key((ava,))).map(tuple)


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(plain_rdns, min_size=1, max_size=4).map(lambda found: DN(tuple(found))))
def test_another_reader_finds_the_same_values(dn):
    read = x509.Name.from_rfc4514_string(str(dn))
    # Its order is that of the certificate: the root first.
    found = [sorted(attribute.value for attribute in rdn) for rdn in reversed(read.rdns)]
    assert found == [sorted(ava.value for ava in rdn) for rdn in dn.rdns]


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
    again = parse(str(dn))
    assert again.same(dn)
    assert again.rdns[0][0].value == value


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
    "name",
    ["OU=Sécret", "OU=SECRET", "OU=s e c r e t", "OU=ｓｅｃｒｅｔ", "OU=sec\u200bret", "OU=#020101", "9.9.9=secret"],
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


@pytest.mark.parametrize(
    "written, types",
    [
        ("CN", ["commonName", "COMMONNAME", "2.5.4.3", "OID.2.5.4.3"]),
        ("L", ["localityName", "2.5.4.7"]),
        ("ST", ["stateOrProvinceName", "2.5.4.8"]),
        ("O", ["organizationName", "2.5.4.10"]),
        ("OU", ["organizationalUnitName", "2.5.4.11"]),
        ("C", ["countryName", "2.5.4.6"]),
        ("STREET", ["2.5.4.9"]),
        ("DC", ["domainComponent", "0.9.2342.19200300.100.1.25"]),
        ("UID", ["userid", "0.9.2342.19200300.100.1.1"]),
    ],
)
def test_long_types_are_written_short_and_stay_the_same_name(written, types):
    for each in types:
        dn = parse(f"{each}=a\\,b+{each}=#0C0163,dc=x")
        assert str(dn) == f"{written}=a\\,b+{written}=c,dc=x"
        assert portable(dn) == f"{written}=a\\2Cb+{written}=c,dc=x"
        assert parse(str(dn)).same(dn)
        assert str(parse(f"{each}=#30020500")) == f"{written}=#30020500"
    # In what case a short name was written is left alone.
    assert str(parse(f"{written.lower()}=x")) == f"{written.lower()}=x"


def test_types_without_a_short_name_are_written_as_they_were():
    for each in ("surname", "2.5.4.4", "1.2.3", "x-own"):
        assert str(parse(f"{each}=x")) == f"{each}=x"
