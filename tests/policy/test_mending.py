import unicodedata
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap.dn import DNError, key, parse
from gateway.ldap.filter_text import filter_text
from gateway.ldap.filters import And, EqualityMatch, ExtensibleMatch, Not, Present, Substrings
from gateway.ldap.messages import BindRequest, SearchRequest, SimpleAuthentication
from gateway.policy.bind import BindJudge
from gateway.policy.decision import AncestorPlan, BindPlan, Mended, Refuse, SearchPlan
from gateway.policy.mending import KnownNames
from gateway.policy.search import SearchJudge
from gateway.policy.settings import BaseAbove, Mode
from tests.examples import examples
from tests.policy.mistypes import NAMES, STAFF, WAYS, right, typed
from tests.policy.policies import policy

SUFFIX = "DC=corp,DC=example"
SALES = rf"OU=Sales\, EMEA,{SUFFIX}"


def client(**changes):
    return policy(**{"attributes": ("mail", "memberOf", "displayName"), "excluded_base_dns": (), **changes})


ANYTHING = Present("objectClass")


@cache
def searches(**changes):
    return SearchJudge(client(**changes))


@cache
def binds(**changes):
    return BindJudge(client(**changes))


def search(base=STAFF, wanted=ANYTHING, scope=2, **changes):
    return searches(**changes).decide(SearchRequest(base, scope, wanted, ("mail",)), ())


def bind(name, **changes):
    return binds(**changes).decide(BindRequest(3, name, SimpleAuthentication(b"secret-Passw0rd")))


def as_base(text, bases):
    decision = search(text, base_dns=bases)
    return decision if isinstance(decision, Refuse) else (decision.parts[0].base, decision.mended, decision.suspicious)


def as_bind_name(text, bases):
    decision = bind(text, login_base_dns=bases)
    return decision if isinstance(decision, Refuse) else (decision.request.name, decision.mended, ())


def as_member_of(text, bases):
    wanted = EqualityMatch("memberOf", text.encode())
    decision = search(str(bases[0]), wanted, base_dns=bases)
    if isinstance(decision, Refuse):
        return decision
    return decision.parts[0].filter.value.decode(), decision.mended, decision.suspicious


PLACES = [(as_base, ""), (as_bind_name, "CN=Jane Doe,"), (as_member_of, "CN=Everybody,")]
CONFIGURED = tuple(parse(right(name)) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place, below", PLACES)
@pytest.mark.parametrize("way", WAYS)
def test_a_configured_name_is_reached_in_whatever_way_it_is_typed(name, place, below, way):
    meant = below + right(name)
    text = typed(way, meant)
    forwarded, mended, _ = place(text, CONFIGURED)
    assert key(parse(forwarded)) == key(parse(meant))
    assert forwarded.endswith(right(name)) or not mended
    assert [(found.received, found.meant) for found in mended] in ([], [(text, forwarded)])


# Ways that leave a name below a configured one with a second reading, and the names that they do it to.
AMBIGUOUS = {
    "escapes doubled": {"Sales, EMEA", "R+D", 'The "A" Team', "Less<Than", "Greater>Than", "Semi;Colon", NAMES[-1]},
    "quotes, nothing escaped in them": {'The "A" Team', NAMES[-1]},
    "parentheses escaped": {"(Paren)*theses*"},
}
AMBIGUOUS["escapes doubled as hexadecimal pairs"] = AMBIGUOUS["escapes doubled"]
# Ways that make the right spelling of another name out of it: forwarded as what it is.
ANOTHER_NAME = {
    "escapes doubled": {"#Ops", " Leading space", "Trailing space ", "Back\\slash", "x=y"},
    "hexadecimal pairs doubled": {
        *("Sales, EMEA", "R+D", "#Ops", " Leading space", "Trailing space ", 'The "A" Team', "Back\\slash"),
        *("Less<Than", "Greater>Than", "x=y", "Semi;Colon", NAMES[-1]),
    },
    "nothing escaped, decomposed": {"Müller"},
}
ANOTHER_NAME["escapes doubled as hexadecimal pairs"] = ANOTHER_NAME["escapes doubled"]
ANOTHER_NAME["hexadecimal pairs doubled as such"] = ANOTHER_NAME["hexadecimal pairs doubled"]


def shown_spellings(text):
    return text.rpartition("; write ")[2].split(" or ")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place, below", PLACES)
@pytest.mark.parametrize("way", WAYS)
def test_a_name_below_a_configured_one_is_reached_or_refused_with_the_right_spelling(name, place, below, way):
    meant = below + right(name)
    text = typed(way, meant)
    found = place(text, (parse(STAFF),))
    if name in AMBIGUOUS.get(way, ()):
        assert isinstance(found, Refuse)
        assert found.reason == "ambiguous-dn"
        assert meant in shown_spellings(found.detail if place is as_bind_name else found.text)
        return
    forwarded, mended, _ = found
    if name in ANOTHER_NAME.get(way, ()):
        assert key(parse(forwarded)) == key(parse(text)) != key(parse(meant))
        assert not mended
    else:
        assert key(parse(forwarded)) == key(parse(meant))


@pytest.mark.parametrize("name", NAMES)
def test_at_least_eight_ways_reach_each_name_or_are_refused_with_its_right_spelling(name):
    assert sum(name not in ANOTHER_NAME.get(way, ()) for way in WAYS) >= 8


@pytest.mark.parametrize(
    "text, readings",
    [
        ("CN=Smith, John,OU=Staff,DC=x", [r"CN=Smith\, John,OU=Staff,DC=x"]),
        ("CN=Smith, John;OU=Staff;DC=x", [r"CN=Smith\, John,OU=Staff,DC=x"]),
        ("CN=R+D, Core,DC=x", [r"CN=R\+D\, Core,DC=x"]),
        ('CN="Smith, OU=x",DC=x', [r"CN=Smith\, OU\=x,DC=x"]),
        ('CN="a" and "b",DC=x', [r"CN=\"a\" and \"b\",DC=x", r"CN=a\" and \"b,DC=x"]),
        ('CN="a,DC=x', [r"CN=\"a,DC=x"]),
        (r"CN=a\b,DC=x", [r"CN=a\\b,DC=x"]),
        (r"CN=a\xb,DC=x", [r"CN=a\\xb,DC=x"]),
        (r"CN=\ff\fe,DC=x", [r"CN=\\ff\\fe,DC=x"]),
        (r"CN=M\c3\bcller, A,DC=x", [r"CN=Müller\, A,DC=x"]),
        (r"CN=A\/B, C,DC=x", [r"CN=A/B\, C,DC=x"]),
        (r"CN=a\(b,DC=x", [r"CN=a\\(b,DC=x", "CN=a(b,DC=x"]),
        ("CN=#0A,DC=x", [r"CN=\#0A,DC=x"]),
        ("CN=Smith, J+UID=x,DC=x", [r"CN=Smith\, J\+UID\=x,DC=x", r"CN=Smith\, J+UID=x,DC=x"]),
        ("CN=a, b, foo=c,DC=x", [r"CN=a\, b\, foo\=c,DC=x", r"CN=a\, b,foo=c,DC=x"]),
        ("foo=a, b,DC=x", [r"foo=a\, b,DC=x"]),
        ("OID.2.5.4.3=a, b,DC=x", [r"CN=a\, b,DC=x"]),
        ("CN=Smith,John", [r"CN=Smith\,John"]),
        ("CN=right,DC=x", ["CN=right,DC=x"]),
        (r"CN=right\\2ctoo,DC=x", [r"CN=right\\2ctoo,DC=x"]),
        ("John Smith, CN=a", []),
        ("person", []),
        ("", []),
        ("=", []),
        ("CN=,DC=x", []),
        ("CN=a, b\0,DC=x", []),
        (r"CN=a, b\00,DC=x", []),
        ("<GUID=4d0b>", []),
        (" <SID=S-1-5>,DC=x", []),
        ("CN=a, b," + "DC=x," * 3000 + "DC=x", []),
        ("CN=" + "<" * 5000, []),
    ],
)
def test_what_may_be_meant_where_nothing_is_known(text, readings):
    assert [str(found) for found in KnownNames(()).readings(text)] == readings


def test_the_longest_known_name_counts_and_two_of_a_length_are_two_readings():
    one, other, above = parse("OU=a,OU=b,DC=x"), parse(r"OU=a\,OU\=b,DC=x"), parse("DC=x")
    assert KnownNames((above, other)).readings("OU=a,OU=b;DC=x") == (other,)
    assert set(KnownNames((above, other, one)).readings("OU=a,OU=b;DC=x")) == {one, other}


def test_composed_and_decomposed_spellings_of_a_configured_name_are_one_name_unless_both_are_configured():
    composed, decomposed = (parse(unicodedata.normalize(form, "OU=Größe,DC=x")) for form in ("NFC", "NFD"))
    for known in (composed, decomposed):
        assert KnownNames((known,)).readings("CN=a," + str(decomposed))[0].parent() == known
        assert KnownNames((known,)).readings("CN=a," + str(composed))[0].parent() == known
    assert len(KnownNames((composed, decomposed)).readings(str(composed))) == 2


def test_a_known_name_of_several_types_or_of_what_is_no_text():
    several = parse(r"CN=a\,b+UID=c,OU=x,DC=x")
    assert KnownNames((several,)).readings("CN=a,b+UID=c,OU=x,DC=x") == (several,)
    assert KnownNames((parse("OU=#020101,DC=x"),)).readings("CN=a, b,DC=x") == (parse(r"CN=a\, b,DC=x"),)


def test_an_escaped_comma_never_separates():
    assert search(r"CN=x\,OU\=Staff\,DC\=corp,DC=example").reason == "base-not-allowed"
    assert search(r"OU=Staff\,DC=corp,DC=example").reason == "base-not-allowed"


def test_what_is_right_and_allowed_is_not_looked_at():
    # By its unescaped spelling the first of these bases is another name for the text.
    bases = (parse(rf"OU=a\,OU\=Staff,{SUFFIX}"), parse(STAFF))
    plan = search(f"OU=a,{STAFF}", base_dns=bases)
    assert (plan.parts[0].base, plan.mended) == (f"OU=a,{STAFF}", ())


def test_a_mended_base_is_judged_like_its_right_spelling():
    excluded = (parse(rf"OU=Board\, Top,{STAFF}"),)
    for text in (f"OU=Board, Top,{STAFF}", f'OU="BOARD,  TOP";{STAFF}', rf"CN=a, b,OU=Board\\, Top,{STAFF}"):
        assert search(text, excluded_base_dns=excluded).reason == "base-excluded"
    outside = search(f"OU=Sales, APAC,{SUFFIX}")
    assert (outside.reason, outside.code) == ("base-not-allowed", 50)
    assert outside.text.endswith(rf"it was read as OU=Sales\, APAC,{SUFFIX}")
    above = search("DC=corp;DC=example")
    assert [part.base for part in above.parts] == [STAFF, SALES]
    assert above.mended == (Mended("base", "DC=corp;DC=example", SUFFIX),)
    entry = search("DC=corp;DC=example", scope=0)
    assert (entry.request.base, entry.mended) == (SUFFIX, above.mended)
    assert search("DC=corp;DC=example", base_above=BaseAbove.refuse).reason == "base-above-allowed"


def test_what_may_be_an_excluded_name_is_not_read_as_another_one():
    excluded, allowed = (parse(rf"OU=A\\2CB,{SUFFIX}"),), (parse(rf"OU=A\, B,{SUFFIX}"),)
    assert search(rf"OU=A\\2C B,{SUFFIX}", base_dns=allowed).parts[0].base == str(allowed[0])
    assert search(rf"OU=A\\2C B,{SUFFIX}", base_dns=allowed, excluded_base_dns=excluded).reason == "base-excluded"
    assert bind(rf"OU=A\\2C B,{SUFFIX}", login_base_dns=allowed).request.name == str(allowed[0])
    refusal = bind(rf"OU=A\\2C B,{SUFFIX}", login_base_dns=allowed, excluded_base_dns=excluded)
    assert (refusal.reason, refusal.detail) == ("login-outside-base", "")


def test_without_mending_a_refusal_says_what_would_have_worked():
    refusal = search(f"OU=Sales, EMEA,{SUFFIX}", mending=False)
    assert (refusal.reason, refusal.code) == ("base-malformed", 34)
    assert refusal.text.endswith(f"; write {SALES}")
    assert "write" not in search(f"OU=Sales, APAC,{SUFFIX}", mending=False).text
    not_listed = bind("EVIL\\\\jane", mending=False)
    assert (not_listed.reason, not_listed.detail) == ("bind-name-form-not-allowed", "")
    denied = bind(f"CN=Smith, John,{STAFF}", mending=False)
    assert (denied.reason, denied.code, denied.text) == ("bind-name-form-not-allowed", 49, "")
    assert denied.detail == rf"write CN=Smith\, John,{STAFF}"
    value = b"CN=All, EMEA," + STAFF.encode()
    assert search(wanted=EqualityMatch("memberOf", value), mending=False).parts[0].filter.value == value


def test_a_base_with_two_readings_is_refused_and_both_are_shown():
    refusal = search(f"CN=Smith, J+UID=x,{STAFF}")
    assert (refusal.reason, refusal.code) == ("ambiguous-dn", 34)
    assert refusal.text.endswith(rf"write CN=Smith\, J\+UID\=x,{STAFF} or CN=Smith\, J+UID=x,{STAFF}")


def test_report_mode_makes_no_difference():
    assert search(f"CN=Smith, J+UID=x,{STAFF}", mode=Mode.report).reason == "ambiguous-dn"
    assert search(f"OU=Sales, EMEA,{SUFFIX}", mode=Mode.report).parts[0].base == SALES


@pytest.mark.parametrize(
    "name, sent, kind",
    [
        (" svc-sync@corp.example\r\n", "svc-sync@corp.example", "sync"),
        ("cn=svc-sync;ou=service;dc=corp;dc=example", "CN=svc-sync,OU=Service,DC=corp,DC=example", "sync"),
        ("CORP\\\\jane", "CORP\\jane", "login"),
        (" CORP\\jane ", "CORP\\jane", "login"),
        ("\tjane@corp.example", "jane@corp.example", "login"),
        (f"CN=Doe, Jane,{STAFF}", rf"CN=Doe\, Jane,{STAFF}", "login"),
    ],
)
def test_bind_names_are_mended(name, sent, kind):
    plan = bind(name)
    assert (plan.request.name, plan.kind) == (sent, kind)
    assert plan.request.authentication.password == b"secret-Passw0rd"
    assert plan.mended == (Mended("name", name, sent),)
    assert plan.look_up is None or plan.look_up.text == sent
    off = bind(name, mending=False)
    assert (off.code, off.text, off.detail) == (49, "", f"write {sent}")


def test_a_sync_account_with_a_backslash_or_with_marks_is_found_by_the_spellings_of_its_name():
    accounts = ("CORP\\svc-bücher",)
    for name in ("CORP\\\\svc-bücher", unicodedata.normalize("NFD", "corp\\svc-bücher"), "\tcorp\\\\SVC-bücher"):
        assert bind(name, sync_accounts=accounts).request.name == "CORP\\svc-bücher"


@pytest.mark.parametrize(
    "name, reason, detail",
    [
        ("EVIL\\\\jane", "login-domain-not-listed", "read as EVIL\\jane"),
        ("CORP\\\\svc-sync", "account-spelling-not-listed", "read as CORP\\svc-sync"),
        (f"CN=Doe, Jane,OU=Other,{SUFFIX}", "login-outside-base", rf"read as CN=Doe\, Jane,OU=Other,{SUFFIX}"),
        (f"CN=Doe, J+UID=x,{STAFF}", "ambiguous-dn", rf"CN=Doe\, J\+UID\=x,{STAFF} or CN=Doe\, J+UID=x,{STAFF}"),
        (f"CN=Doe, Jane,OU=Secret;{STAFF}", "login-outside-base", rf"read as CN=Doe\, Jane,OU=Secret,{STAFF}"),
        (f"CN=svc - sync,OU=Service,{SUFFIX}", "account-spelling-not-listed", ""),
        ("Jane Doe", "bind-name-form-not-allowed", ""),
        ("CORP\\\\\\\\jane", "bind-name-form-not-allowed", ""),
    ],
)
def test_who_may_not_bind_is_not_told_of_mending(name, reason, detail):
    refusal = bind(name, excluded_base_dns=(parse(f"OU=Secret,{STAFF}"),))
    assert (refusal.reason, refusal.code, refusal.text, refusal.detail) == (reason, 49, "", detail)


def value_of(attribute, value, **changes):
    decision = search(wanted=EqualityMatch(attribute, value), filter_attributes=(attribute,), **changes)
    return decision if isinstance(decision, Refuse) else decision.parts[0].filter.value


@pytest.mark.parametrize(
    "attribute",
    [
        *("memberOf", "member", "MANAGER", "distinguishedName", "owner", "seeAlso", "secretary", "managedBy"),
        *("directReports", "1.2.840.113556.1.2.102", "member;x-y", "objectCategory"),
    ],
)
def test_values_of_attributes_with_dn_syntax_are_mended(attribute):
    received, meant = f"CN=All, EMEA,CN=Users,{SUFFIX}", rf"CN=All\, EMEA,CN=Users,{SUFFIX}"
    wanted = EqualityMatch(attribute, received.encode())
    plan = search(wanted=wanted, attributes=("mail",), filter_attributes=(attribute.partition(";")[0],))
    assert plan.parts[0].filter.value == meant.encode()
    assert plan.mended == (Mended(attribute, received, meant),)


@pytest.mark.parametrize(
    "attribute, value",
    [
        ("displayName", f"CN=All, EMEA,CN=Users,{SUFFIX}"),
        ("homeDirectory", r"\\fs\ad01"),
        ("objectCategory", "person"),
        ("objectCategory", f"CN=Person,CN=Schema,CN=Configuration,{SUFFIX}"),
        ("memberOf", r"cn=ALL\2c emea, cn=users,dc=corp,dc=example"),
        ("memberOf", "CN=All, EMEA,DC=other"),
        ("memberOf", "<SID=S-1-5-21-1>"),
        ("memberOf", f"CN=All, EMEA{SUFFIX}\0"),
        ("memberOf", ""),
    ],
)
def test_every_other_value_is_forwarded_as_it_came(attribute, value):
    assert value_of(attribute, value.encode()) == value.encode()
    assert value_of(attribute, b"\xff" + value.encode()) == b"\xff" + value.encode()


def test_a_value_is_mended_wherever_it_stands_in_the_filter():
    received, meant = f"CN=All, EMEA,{STAFF}", rf"CN=All\, EMEA,{STAFF}"
    chain = "1.2.840.113556.1.4.1941"
    parts = (Not(EqualityMatch("memberOf", received.encode())), ExtensibleMatch(chain, "memberOf", received.encode()))
    plan = search(wanted=And(parts), matching_rules=frozenset({chain}))
    written = meant.replace("\\", "\\5c")
    assert filter_text(plan.parts[0].filter) == f"(&(!(memberOf={written}))(memberOf:{chain}:={written}))"
    assert len(plan.mended) == 2


def test_a_value_with_two_readings_is_refused_with_both():
    refusal = value_of("memberOf", rf"CN=All\\, EMEA,{STAFF}".encode())
    assert (refusal.reason, refusal.code, refusal.detail) == ("ambiguous-dn", 34, "memberOf")
    assert refusal.text.endswith(rf"write CN=All\\\, EMEA,{STAFF} or CN=All\, EMEA,{STAFF}")


def test_a_right_value_changes_only_to_what_is_configured():
    groups = parse(unicodedata.normalize("NFC", f"OU=Größe,{SUFFIX}"))
    decomposed = unicodedata.normalize("NFD", f"CN=All,{groups}").encode()
    assert value_of("memberOf", decomposed, base_dns=(parse(STAFF), groups)) == f"CN=All,{groups}".encode()
    assert value_of("memberOf", decomposed) == decomposed


def test_what_mending_costs_is_bounded_over_a_whole_filter():
    hard = EqualityMatch("memberOf", f"CN={'a, ' * 300}{STAFF}".encode())
    plan = search(wanted=And((hard,) * 200))
    assert 0 < len(plan.mended) < 10
    assert plan.parts[0].filter.filters[-1] == hard


def test_a_name_longer_than_anybody_types_is_not_mended():
    plan = search(wanted=EqualityMatch("memberOf", f"CN={'a, ' * 2000}{STAFF}".encode()))
    assert plan.mended == ()


@pytest.mark.parametrize(
    "wanted",
    [
        EqualityMatch("displayName", rb"Sales\2c EMEA"),
        EqualityMatch("displayName", rb"Back\5cslash"),
        Substrings("displayName", None, (rb"\28x",), None),
        EqualityMatch("memberOf", rb"CN=Sales\5c2c EMEA,OU=Groups,DC=corp,DC=example"),
        EqualityMatch("memberOf", rb"CN=Sales\\2C EMEA," + STAFF.encode()),
    ],
)
def test_what_looks_escaped_twice_is_noticed_and_left_alone(wanted):
    plan = search(wanted=wanted)
    assert plan.suspicious == (wanted.attribute,)
    assert plan.parts[0].filter == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        EqualityMatch("displayName", rb"\\fs\ad01"),
        EqualityMatch("displayName", b"Sales, EMEA (x)*"),
        EqualityMatch("memberOf", rb"CN=Sales\2c EMEA,OU=Groups,DC=corp,DC=example"),
    ],
)
def test_what_is_escaped_once_is_not_suspicious(wanted):
    assert search(wanted=wanted).suspicious == ()


def test_a_base_that_looks_escaped_twice_is_noticed():
    plan = search(rf"OU=Sales\\2C EMEA,{STAFF}")
    assert (plan.suspicious, plan.mended) == (("base",), ())


# Whatever comes, what is forwarded lies inside an allowed base: names are mistyped at random.

ALLOWED = [STAFF, SALES, rf"OU=Back\\slash,{SUFFIX}", f"OU=Größe,{SUFFIX}"]
EXCLUDED = [rf"OU=Board\, Top,{STAFF}", f"OU=Secret,{STAFF}"]
CLIENT = client(
    base_dns=tuple(map(parse, ALLOWED)),
    excluded_base_dns=tuple(map(parse, EXCLUDED)),
    login_base_dns=tuple(map(parse, ALLOWED[:2])),
)
PARSED = {base: parse(base) for base in ALLOWED}
SEARCHES = SearchJudge(CLIENT)
BINDS = BindJudge(CLIENT)

beginnings = st.sampled_from(
    [
        *(*ALLOWED, *EXCLUDED, SUFFIX, "DC=example", f"CN=Users,{SUFFIX}", "OU=Staff,DC=other", ""),
        *(f"CN=Smith\\, John,{base}" for base in (*ALLOWED, *EXCLUDED, SUFFIX)),
        *(right(name) for name in NAMES),
        *CLIENT.sync_accounts,
        "CORP\\jane",
    ]
)
pieces = st.sampled_from(
    [
        *('\\,;+="<>#/(*) \0\n\u200b\u00a0\u0301éßİ'),
        *("\\\\", "\\5c", "\\2c", "\\,", "\\00", "\\c3", ", OU=", ",DC=", "+CN=", "=x"),
        *("OU=Staff", "OU=Secret", "OU=Board, Top", "DC=corp,DC=example", "<GUID=4d0b>"),
    ]
)


# Made once, because making a strategy takes longer than drawing from it.
number_of_changes, changes = st.integers(0, 5), st.integers(0, 9)
ways = st.sampled_from(list(WAYS))
for_backslashes, for_commas = st.sampled_from(["", "\\\\", "\\5c"]), st.sampled_from([";", " , ", "\\,"])
forms, cases = st.sampled_from(["NFC", "NFD", "NFKC"]), st.sampled_from([str.upper, str.swapcase])


@st.composite
def mistyped(draw):
    text = draw(beginnings)
    for _ in range(draw(number_of_changes)):
        at = draw(st.integers(0, len(text)))
        change = draw(changes)
        if change <= 2:
            text = text[:at] + draw(pieces) + text[at:]
        elif change == 3:
            text = text[:at] + text[at + 1 :]
        elif change == 4:
            try:
                text = typed(draw(ways), text)
            except (DNError, KeyError, ValueError):
                text = text.replace("\\", "")
        elif change == 5:
            text = text.replace("\\", draw(for_backslashes))
        elif change == 6:
            text = unicodedata.normalize(draw(forms), text)
        elif change == 7:
            text = draw(cases)(text)
        elif change == 8:
            text = text.replace(",", draw(for_commas), 1)
        else:
            text = text[:at] + draw(beginnings)
    return text


def inside(name, bases):
    dn = parse(name)
    assert str(dn) == name
    assert not any(dn.is_inside_loosely(excluded) for excluded in CLIENT.excluded_base_dns)
    return any(dn.is_inside(PARSED[base]) and name.endswith(base) for base in bases)


@settings(max_examples=examples(5000), deadline=None)
@given(mistyped(), st.sampled_from([0, 1, 2]))
def test_nothing_outside_the_allowed_bases_is_reachable(text, scope):
    value = EqualityMatch("memberOf", text.encode("utf-8", "surrogatepass"))
    found = SEARCHES.decide(SearchRequest(text, scope, Present("objectClass"), ("mail",)), ())
    if isinstance(found, SearchPlan):
        assert all(inside(part.base, ALLOWED) for part in found.parts)
        again = SEARCHES.decide(SearchRequest(str(found.asked.base), scope, Present("objectClass"), ("mail",)), ())
        assert (again.parts, again.mended) == (found.parts, ())
    elif isinstance(found, AncestorPlan):
        assert any(PARSED[base].is_inside(parse(found.request.base)) for base in ALLOWED)

    bound = BINDS.decide(BindRequest(3, text, SimpleAuthentication(b"secret-Passw0rd")))
    if isinstance(bound, BindPlan):
        name = bound.request.name
        assert name in CLIENT.sync_accounts or bound.look_up is not None or inside(name, ALLOWED[:2])

    filtered = SEARCHES.decide(SearchRequest(STAFF, 2, value, ("mail",)), ())
    if isinstance(filtered, SearchPlan):
        forwarded = filtered.parts[0].filter.value
        if forwarded != value.value:
            dn = parse(forwarded.decode())
            assert str(dn).encode() == forwarded
            assert dn.is_inside(parse(SUFFIX))
            assert filtered.mended == (Mended("memberOf", text, str(dn)),)
