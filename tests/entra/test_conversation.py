"""What the responder answers on one connection, beside what it finds."""

import sqlite3
from contextlib import closing

import pytest

from gateway.entra.published import LAYOUT_KEY, create_tables
from gateway.entra.store_file import open_for_writing
from gateway.entra.token_file import SHORTEST, TokenError, is_token, make_token
from gateway.ldap import ber
from gateway.ldap.controls import DOMAIN_SCOPE, MANAGE_DSA_IT, Control, PagedResults
from gateway.ldap.encoding import encode
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.messages import (
    NOTICE_OF_DISCONNECTION,
    START_TLS,
    WHO_AM_I,
    AbandonRequest,
    BindRequest,
    ExtendedRequest,
    ExtendedResponse,
    LDAPMessage,
    SaslAuthentication,
    SearchRequest,
    SearchResultDone,
    SimpleAuthentication,
    UnbindRequest,
    UnservedResponse,
)
from tests.entra.company import ANN, BOB, EVERYTHING, PARTNER, UNITS, company
from tests.entra.copies import BASE, USERS, containers, person
from tests.entra.talk import TOKEN, Talk

SCHEMA = f"CN=Aggregate,CN=Schema,CN=Configuration,{BASE}"
EVERY = parse_filter("(objectClass=*)")


def read(base, scope=0, filter=EVERY, attributes=(), **others):
    return SearchRequest(base, scope, filter, tuple(attributes), **others)


def checkpoint(path):
    """Writes what is in the log beside the file into the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


@pytest.fixture
def talk(open_talk):
    return open_talk(company()[len(containers()) :])


# Who may ask.


@pytest.mark.parametrize("name", ["CN=gateway", "gateway", "CN=gateway,DC=corp,DC=example", ""])
def test_the_token_binds_whatever_the_name(talk, name):
    assert talk.bind(name).code == 0
    assert talk.found("(cn=ann)") == [ANN]


@pytest.mark.parametrize(
    ("password", "code"), [("Wrong-Passw0rd-of-the-tests", 49), (TOKEN[:-1], 49), (f"{TOKEN}x", 49), ("", 53)]
)
def test_without_the_token_nothing_is_read_but_the_root_dse(talk, password, code):
    assert talk.bind("CN=gateway", password).code == code
    assert talk.result(read(BASE)).code == 50
    assert talk.result(read(SCHEMA)).code == 50
    assert talk.shown("")["supportedLDAPVersion"] == (b"3",)


def test_an_anonymous_bind_is_one(talk):
    assert talk.bind("", "").code == 0
    assert talk.result(read(BASE)).code == 50


def test_before_a_bind_nothing_is_read(talk, tmp_path, token_file):
    other = Talk(tmp_path / "copy.db", token_file, readings=talk.readings)
    assert other.result(read(BASE, 2)).code == 50


def test_a_refused_bind_ends_the_one_before_it(talk):
    assert talk.bind(password="Wrong-Passw0rd-of-the-tests").code == 49
    assert talk.result(read(BASE)).code == 50


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (BindRequest(2, "CN=gateway", SimpleAuthentication(TOKEN.encode())), 2),
        (BindRequest(3, "CN=gateway", SaslAuthentication("PLAIN", TOKEN.encode())), 7),
    ],
)
def test_other_binds_are_refused(talk, request_, code):
    assert talk.result(request_).code == code
    assert talk.result(read(BASE)).code == 50


def test_a_new_token_holds_at_once(talk, token_file):
    token_file.write_text("Another-Passw0rd-of-the-tests")
    assert talk.bind().code == 49
    assert talk.bind(password="Another-Passw0rd-of-the-tests").code == 0


@pytest.mark.parametrize("contents", [None, "", "short\n"])
def test_without_a_good_token_nobody_binds(talk, token_file, contents):
    token_file.unlink()
    if contents is not None:
        token_file.write_text(contents)
    for said in (TOKEN, "short", "short\n"):
        assert talk.bind(password=said).code == 52


def test_a_token_is_made_once_and_for_the_group(tmp_path):
    path = tmp_path / "made"
    assert make_token(path)
    token = path.read_bytes()
    assert not make_token(path)
    assert path.read_bytes() == token
    assert len(token.strip()) > SHORTEST
    # The group may read it, unless the umask is stricter; nobody else may.
    assert path.stat().st_mode & 0o737 == 0o600
    assert is_token(path, token.strip())
    with pytest.raises(TokenError, match="there is no such file"):
        is_token(tmp_path / "none", b"x")


# The root DSE and the schema.


def test_the_root_dse(talk):
    shown = talk.shown("")
    assert shown["namingContexts"] == shown["defaultNamingContext"] == (BASE.encode(),)
    assert b"1.2.840.113556.1.4.800" in shown["supportedCapabilities"]
    assert b"1.2.840.113556.1.4.319" in shown["supportedControl"]
    assert shown["subschemaSubentry"] == (SCHEMA.encode(),)
    assert shown == talk.shown("", ["*"]) == talk.shown("", ["+"]) == talk.shown("", ["*", "+"])
    assert set(talk.shown("", ["namingcontexts", "1.1"])) == {"namingContexts"}
    assert talk.shown("", ["1.1"]) == {}


@pytest.mark.parametrize(("filter", "found"), [("(objectClass=top)", 1), ("(cn=*)", 0), ("(!(cn=*))", 1), ("(x=y)", 0)])
def test_a_filter_holds_for_the_root_dse(talk, filter, found):
    entries, done = talk.search(read("", 0, parse_filter(filter)))
    assert len(entries) == found
    assert done.operation.result.code == 0


@pytest.mark.parametrize("scope", [1, 2])
def test_nothing_is_found_below_the_root(talk, scope):
    result = talk.result(read("", scope))
    assert (result.code, result.matched_dn) == (32, "")


def test_the_schema_describes_what_entries_show(talk):
    shown = talk.shown(SCHEMA, ["attributeTypes", "objectClasses", "ldapSyntaxes", "matchingRules"])
    types = b"\n".join(shown["attributeTypes"]).decode()
    for dn in EVERYTHING:
        for name in talk.shown(dn):
            assert f"NAME '{name}'" in types
    syntaxes = {text.split()[1] for text in b"\n".join(shown["ldapSyntaxes"]).decode().splitlines()}
    used = {line.split(" SYNTAX ")[1].split()[0] for line in types.splitlines()}
    assert used == syntaxes
    rules = b"\n".join(shown["matchingRules"]).decode()
    named = {word for line in types.splitlines() for word in line.split() if word.endswith("Match")}
    assert all(f"NAME '{rule}'" in rules for rule in named)
    assert b"( 1.2.840.113556.1.5.9 NAME 'user' SUP organizationalPerson STRUCTURAL )" in shown["objectClasses"]


# What a search shows.


def test_all_attributes_are_shown_in_the_spelling_of_active_directory(talk):
    assert set(talk.shown(BOB)) == {
        *("objectClass", "objectCategory", "objectGUID", "distinguishedName", "cn", "name", "displayName", "sn"),
        *("mail", "sAMAccountName", "userAccountControl", "manager", "memberOf", "whenCreated"),
        "msExchHideFromAddressLists",
    }
    assert talk.shown(BOB) == talk.shown(BOB, ["*"]) == talk.shown(BOB, ["*", "mail"])


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (["MAIL"], {"mail"}),
        (["mail", "mail", "Mail"], {"mail"}),
        (["rfc822mailbox"], {"mail"}),
        (["0.9.2342.19200300.100.1.3"], {"mail"}),
        (["mail", "1.1"], {"mail"}),
        (["1.1"], set()),
        (["noSuchType", "pager", "title"], set()),
        (["mail;lang-de"], set()),
        (["mail;binary"], {"mail;binary"}),
        (["mail", "mail;binary"], {"mail", "mail;binary"}),
        (["+"], {"subschemaSubentry"}),
        (["subschemasubentry", "mail"], {"mail", "subschemaSubentry"}),
        ([""], set()),
        (["mail;"], set()),
    ],
)
def test_chosen_attributes(talk, asked, shown):
    assert set(talk.shown(BOB, asked)) == shown
    assert set(talk.shown(BOB, asked, types_only=True)) == shown


def test_types_without_values(talk):
    shown = talk.shown(BOB, types_only=True)
    assert set(shown) == set(talk.shown(BOB))
    assert set(shown.values()) == {()}
    assert talk.shown("", ["namingContexts"], types_only=True) == {"namingContexts": ()}


def test_all_and_the_operational_ones(talk):
    assert set(talk.shown(BOB, ["*", "+"])) == {*talk.shown(BOB), "subschemaSubentry"}


@pytest.mark.parametrize(
    ("asked", "name", "count"),
    [
        ("member;range=0-*", "member;range=0-*", 7),
        ("member;range=0-2", "member;range=0-2", 3),
        ("member;Range=3-5", "member;range=3-5", 3),
        ("member;range=3-6", "member;range=3-*", 4),
        ("member;range=5-99", "member;range=5-*", 2),
        ("member;range=7-*", None, 0),
        ("member;range=5-3", None, 0),
        ("mail;range=0-*", None, 0),
    ],
)
def test_ranges_of_values(open_talk, asked, name, count):
    members = [f"CN=P{number},{USERS}" for number in range(7)]
    talk = open_talk([person("Ann", member=members, mail=["a@x"])])
    shown = talk.shown(ANN, [asked])
    first = int(asked.split("=")[1].split("-")[0])
    assert shown == ({} if name is None else {name: tuple(each.encode() for each in members[first : first + count])})


# What is refused, and how searches end.


@pytest.mark.parametrize(
    ("base", "code", "matched"),
    [
        (f"CN=Nobody,{USERS}", 32, USERS),
        (f"CN=x,CN=y,{ANN}", 32, ANN),
        (f"CN=Schema,CN=Configuration,{BASE}", 32, BASE),
        ("DC=elsewhere,DC=example", 32, ""),
        ("DC=example", 32, ""),
        ("nonsense", 34, ""),
        ("<GUID=f82d79af12784894ac01d90e30875cf8>", 34, ""),
    ],
)
@pytest.mark.parametrize("scope", [0, 1, 2])
def test_a_base_that_is_not_there(talk, base, scope, code, matched):
    result = talk.result(read(base, scope))
    assert (result.code, result.matched_dn) == (code, matched)


@pytest.mark.parametrize(("limit", "code"), [(1, 4), (13, 4), (14, 0), (0, 0)])
def test_the_size_limit(talk, limit, code):
    entries, done = talk.search(read(BASE, 2, size_limit=limit))
    assert done.operation.result.code == code
    assert len(entries) == (limit or len(EVERYTHING))


def test_aliases_are_none(talk):
    entries, _ = talk.search(read(BASE, 1, deref_aliases=3))
    assert [each.dn for each in entries] == list(UNITS)


@pytest.mark.parametrize("oid", [DOMAIN_SCOPE, MANAGE_DSA_IT])
def test_controls_that_change_nothing_here(talk, oid):
    entries, done = talk.search(read(BASE, 2), Control(oid, True))
    assert (len(entries), done.operation.result.code) == (len(EVERYTHING), 0)


def test_an_unknown_control_is_refused_where_it_is_critical(talk):
    for request in (read(BASE), read(""), BindRequest(3, "CN=x", SimpleAuthentication(TOKEN.encode()))):
        assert talk.result(request, Control("1.2.3.4", True)).code == 12
    entries, done = talk.search(read(ANN), Control("1.2.3.4", False, b"?"))
    assert (len(entries), done.operation.result.code) == (1, 0)


@pytest.mark.parametrize("oid", [START_TLS, WHO_AM_I, "1.2.3"])
def test_extended_operations_are_unknown(talk, oid):
    assert talk.result(ExtendedRequest(oid)).code == 2


@pytest.mark.parametrize(("tag", "answer"), [(0x66, 0x67), (0x68, 0x69), (0x4A, 0x6B), (0x6C, 0x6D), (0x6E, 0x6F)])
def test_nothing_can_be_changed(talk, tag, answer):
    body = ber.integer(9) + ber.element(tag, ANN.encode() if tag == 0x4A else ber.text(ANN))
    talk.conversation.received(ber.element(ber.SEQUENCE, body))
    (message,) = talk.hear()
    assert isinstance(message.operation, UnservedResponse)
    assert (message.message_id, message.operation.tag, message.operation.result.code) == (9, answer, 53)


def test_requests_are_answered_in_their_order(talk):
    asked = [talk.say(read(dn)) for dn in (ANN, f"CN=Nobody,{USERS}", BOB, "nonsense", PARTNER)]
    answered = [message.message_id for message in talk.hear() if isinstance(message.operation, SearchResultDone)]
    assert answered == asked


def test_what_is_abandoned_is_not_answered(talk):
    first = talk.say(read(BASE, 2))
    talk.conversation.work()
    second, third = talk.say(read(ANN)), talk.say(read(BOB))
    talk.say(AbandonRequest(first))
    talk.say(AbandonRequest(second))
    talk.say(AbandonRequest(4711))
    assert [message.message_id for message in talk.hear()][-1] == third
    assert talk.found("(cn=ann)") == [ANN]


def test_an_unbind_ends_everything(talk):
    talk.say(read(BASE, 2))
    talk.say(UnbindRequest())
    assert talk.conversation.ended
    assert not talk.conversation.has_work
    talk.say(read(BASE, 2))
    assert talk.hear() == []


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x30\x80",
        ber.element(ber.SEQUENCE, ber.integer(1) + ber.element(0x64, b"")),
        encode(LDAPMessage(0, read(BASE))),
        ber.header(ber.SEQUENCE, 64 * 1024 * 1024),
    ],
)
def test_what_is_no_ldap_ends_the_connection(talk, octets):
    talk.conversation.received(octets)
    (message,) = talk.hear()
    assert isinstance(message.operation, ExtendedResponse)
    assert (message.message_id, message.operation.oid) == (0, NOTICE_OF_DISCONNECTION)
    assert talk.conversation.ended


def test_a_request_with_an_odd_value_is_answered_for_itself(talk):
    body = ber.text(BASE) + ber.integer(7, ber.ENUMERATED)
    talk.conversation.received(ber.element(ber.SEQUENCE, ber.integer(9) + ber.element(0x63, body)))
    (message,) = talk.hear()
    assert (message.message_id, message.operation.result.code) == (9, 2)
    assert talk.found("(cn=ann)") == [ANN]


def test_no_more_is_read_than_waits(talk):
    for _ in range(200):
        talk.say(read(ANN))
    assert talk.conversation.full
    assert sum(isinstance(message.operation, SearchResultDone) for message in talk.hear()) == 200
    assert not talk.conversation.full


# Where there is nothing that may be read.


def test_an_old_copy_is_unavailable(open_talk):
    talk = open_talk(at=1_790_000_000)
    result = talk.result(read(BASE, 2))
    assert result.code == 52
    assert "2026-09-21 14:13:20 UTC" in result.diagnostic
    assert "24 hours (refuse_after)" in result.diagnostic
    assert talk.result(read(SCHEMA)).code == 52
    assert talk.shown("")["supportedLDAPVersion"] == (b"3",)


def test_a_copy_of_the_future_is_unavailable(open_talk):
    talk = open_talk(at=4_000_000_000)
    result = talk.result(read(BASE, 2))
    assert result.code == 52
    assert "set this machine's clock" in result.diagnostic


def test_without_a_file_everything_is_unavailable(tmp_path, token_file):
    talk = Talk(tmp_path / "none.db", token_file)
    assert talk.bind().code == 0
    result = talk.result(read(BASE, 2))
    assert result.code == 52
    assert "nothing of the tenant is published yet" in result.diagnostic
    assert not (tmp_path / "none.db").exists()


def test_a_file_without_a_publish_is_unavailable(tmp_path, token_file):
    writer = open_for_writing(tmp_path / "copy.db")
    talk = Talk(tmp_path / "copy.db", token_file)
    assert talk.bind().code == 0
    for _ in range(2):
        result = talk.result(read(BASE, 2))
        assert result.code == 52
        create_tables(writer)
    assert "nothing of the tenant is published yet" in result.diagnostic
    writer.close()


def test_another_layout_is_unavailable(open_talk, tmp_path):
    talk = open_talk()
    with closing(sqlite3.connect(tmp_path / "copy.db", isolation_level=None)) as other:
        other.execute("UPDATE meta SET value = 'older' WHERE key = ?", (LAYOUT_KEY,))
    result = talk.result(read(BASE, 2))
    assert result.code == 52
    assert "another version" in result.diagnostic


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 400])
def test_a_damaged_file_is_unavailable_until_another_one_lies_there(open_talk, tmp_path, damage):
    talk = open_talk([person("Ann")])
    # Into the file, from the log of later changes beside it.
    checkpoint(tmp_path / "copy.db")
    assert talk.found("(cn=ann)") == [ANN]
    (tmp_path / "bad.db").write_bytes(damage)
    (tmp_path / "copy.db").rename(tmp_path / "aside.db")
    (tmp_path / "bad.db").rename(tmp_path / "copy.db")
    result = talk.result(read(BASE, 2))
    assert result.code == 52
    assert "published yet" in result.diagnostic if not damage else "damaged" in result.diagnostic
    (tmp_path / "aside.db").rename(tmp_path / "copy.db")
    assert talk.found("(cn=ann)") == [ANN]


def test_a_file_that_is_damaged_in_the_middle_ends_the_search_with_an_error(open_talk, tmp_path):
    talk = open_talk([person(f"P {number}", department=["x" * 500]) for number in range(300)])
    path = tmp_path / "copy.db"
    checkpoint(path)
    with path.open("r+b") as file:
        file.seek(16 * 4096)
        file.write(b"\xff" * (path.stat().st_size - 16 * 4096))
    entries, done = talk.search(read(BASE, 2))
    assert done.operation.result.code == 52
    assert len(entries) < 300


def test_pages_of_no_entries_begin_no_search(talk):
    result = talk.result(read(BASE, 2), PagedResults(0).to_control(critical=True))
    assert result.code == 53
