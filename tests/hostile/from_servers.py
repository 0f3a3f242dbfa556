"""Hostile and odd octets that a server sends while two searches of one session are open, and what becomes of them.

A row is: its name, the octets, the verdict. FIRST and SECOND are the searches' message IDs at the server, 5 and 6 at
the client; IDLE is the ID of the bind that has long been answered. Behind the octets the server answers both searches
with success, if it can still be heard.
"""

from dataclasses import dataclass

from tests.hostile.answers import Entry, Result
from tests.hostile.octets import (
    BASE,
    NOTICE,
    PAGED,
    Text,
    abandon,
    attribute,
    bind,
    control,
    done,
    entry,
    enumerated,
    extended,
    integer,
    message,
    page,
    result,
    search,
    sequence,
    text,
    tlv,
    unbind,
)

IDLE, FIRST, SECOND, UNKNOWN = 1, 2, 3, 99
DN = f"CN=a,{BASE}"
MAIL = attribute("mail", "a@corp.example")
# The largest response of a server, as the sessions of these cases have it.
LARGEST = 2 * 1024 * 1024


@dataclass(frozen=True)
class SearchVerdict:
    """results: the searches' codes by the client's message ID. entries: those that the client
    gets. ends: with a notice of disconnection, unavailable."""

    results: tuple[Result, ...]
    entries: tuple[Entry, ...] = ()
    ends: bool = False


def fails(code: int, *entries: Entry) -> SearchVerdict:
    """The first search ends with this code; the second knows nothing of it."""
    return SearchVerdict(((5, code), (6, 0)), entries)


def passes(*entries: Entry) -> SearchVerdict:
    return SearchVerdict(((5, 0), (6, 0)), entries)


IGNORED = passes()
ENTRY = passes((5, ("mail",)))
UNREADABLE = fails(52)
# The connection is of no use any more.
LOST = SearchVerdict(((5, 52), (6, 52)), (), True)
EMPTY_ENTRY = passes((5, ()))


def whole(*parts: bytes) -> bytes:
    return sequence(integer(FIRST), *parts)


def entry_of(*parts: bytes) -> bytes:
    return whole(tlv(0x64, *parts))


IDS = [
    ("an entry for an unknown message ID", entry(DN, MAIL, id=UNKNOWN), IGNORED),
    ("a result for an unknown message ID", done(id=UNKNOWN), IGNORED),
    ("a bind response for an unknown message ID", result(0x61, id=UNKNOWN), IGNORED),
    ("an entry for the bind that is over", entry(DN, MAIL, id=IDLE), IGNORED),
    ("a second bind response", result(0x61, id=IDLE), IGNORED),
    ("an entry with message ID 0", entry(DN, MAIL, id=0), IGNORED),
    ("a result with message ID 0", done(id=0), IGNORED),
    ("an entry with the client's message ID", entry(DN, MAIL, id=5), IGNORED),
    ("an entry with message ID -1", entry(DN, MAIL, id=-1), LOST),
    ("an entry with message ID 2^31", entry(DN, MAIL, id=2**31), LOST),
    ("an entry with a message ID of 100,000 octets", sequence(tlv(2, b"\x7f" * 100_000), tlv(0x64)), LOST),
    ("an entry whose message ID has a leading zero", sequence(tlv(2, b"\0\x02"), tlv(0x64)), LOST),
    ("a result twice", done(id=FIRST) * 2, IGNORED),
    ("an entry behind its result", done(id=FIRST) + entry(DN, MAIL, id=FIRST), IGNORED),
    ("a success and then an error", done(id=FIRST) + done(1, id=FIRST), IGNORED),
    (
        "entries of two searches in turns",
        (entry(DN, MAIL, id=SECOND) + entry(DN, MAIL, id=FIRST)) * 2,
        passes((6, ("mail",)), (5, ("mail",)), (6, ("mail",)), (5, ("mail",))),
    ),
]

TYPES = [
    ("a bind response to a search", result(0x61, id=FIRST), UNREADABLE),
    ("a failed bind response to a search", result(0x61, 49, id=FIRST), fails(49)),
    ("an extended response to a search", result(0x78, id=FIRST), UNREADABLE),
    ("an extended error to a search", result(0x78, 12, id=FIRST), fails(12)),
    ("a modify response to a search", result(0x67, id=FIRST), UNREADABLE),
    ("a compare response of compareTrue", result(0x6F, 6, id=FIRST), fails(6)),
    ("a bind request", bind(id=FIRST), UNREADABLE),
    ("a search request", search(id=FIRST), UNREADABLE),
    ("an unbind", unbind(id=FIRST), UNREADABLE),
    ("an abandon", abandon(SECOND, id=FIRST), UNREADABLE),
    ("an extended request", extended("1.3.6.1.4.1.1466.20037", id=FIRST), UNREADABLE),
    ("an operation that does not exist", whole(tlv(0x7E)), UNREADABLE),
    ("an operation under a tag of several octets", whole(b"\x7f\x23\0"), LOST),
    ("an operation of universal tag 0", whole(tlv(0)), UNREADABLE),
    ("an intermediate response", whole(tlv(0x79, text("1.2.3", 0x80), text("x", 0x81))), IGNORED),
    ("an intermediate response of nothing", whole(tlv(0x79)), IGNORED),
    ("an intermediate response of rubbish", whole(tlv(0x79, b"\xff\xff")), UNREADABLE),
    ("a reference to another server", whole(tlv(0x73, text("ldap://evil.example/DC=corp"))), IGNORED),
    ("a reference to a web page", whole(tlv(0x73, text("https://evil.example/"))), IGNORED),
    ("a reference with a user in it", whole(tlv(0x73, text("ldap://dc1@evil.example/"))), IGNORED),
    ("a reference with an unfinished address", whole(tlv(0x73, text("ldap://[::1"))), IGNORED),
    ("a reference to nowhere", whole(tlv(0x73)), IGNORED),
    ("a reference that is not UTF-8", whole(tlv(0x73, text(b"\xff"))), UNREADABLE),
    ("a reference of integers", whole(tlv(0x73, integer(1))), UNREADABLE),
]

FRAMING = [
    ("an indefinite length", b"\x30\x80" + done(id=FIRST)[2:] + b"\0\0", LOST),
    ("a length of 127 octets", b"\x30\xff" + bytes(127), LOST),
    ("a SET for the message", b"\x31" + done(id=FIRST)[1:], LOST),
    ("an HTTP response", b"HTTP/1.1 400 Bad Request\r\n\r\n", LOST),
    ("a TLS alert inside TLS", b"\x15\x03\x03\0\x02\x02\x28", LOST),
    ("an empty message", b"\x30\0", LOST),
    ("a message without an operation", whole(), LOST),
    (
        "an octet behind the operation",
        sequence(integer(FIRST), tlv(0x65, enumerated(0), text(""), text("")), b"\0"),
        UNREADABLE,
    ),
    ("an octet behind a result", whole(tlv(0x65, enumerated(0), text(""), text(""), b"\0")), UNREADABLE),
    ("an operation longer than its message", whole(b"\x65\x7f\x0a\x01\0"), LOST),
    (
        "lengths in the long form everywhere",
        b"\x30\x84\0\0\0\x16\x02\x01\x02\x65\x84\0\0\0\x0d\x0a\x01\0\x04\x84\0\0\0\0\x04\x82\0\0",
        IGNORED,
    ),
    (
        "a response larger than the limit",
        b"\x30\x84" + (LARGEST - 5).to_bytes(4, "big") + b"\x02\x01\x02\x64",
        SearchVerdict(((5, 11), (6, 52)), (), True),
    ),
    (
        "a response of 4 GiB less one",
        b"\x30\x84\xff\xff\xff\xff\x02\x01\x02\x64",
        SearchVerdict(((5, 11), (6, 52)), (), True),
    ),
    ("a response larger than the limit for an unknown message ID", b"\x30\x84\xff\xff\xff\xff\x02\x01\x63\x64", LOST),
    ("a response larger than the limit without a message ID", b"\x30\x84\xff\xff\xff\xff\x64\x84" + bytes(12), LOST),
]

ENTRIES = [
    ("an entry", entry(DN, MAIL, id=FIRST), ENTRY),
    ("an entry at the base", entry(BASE, MAIL, id=FIRST), ENTRY),
    ("an entry outside the base", entry("CN=a,OU=Other,DC=corp,DC=example", MAIL, id=FIRST), IGNORED),
    ("an entry above the base", entry("DC=corp,DC=example", MAIL, id=FIRST), IGNORED),
    ("an entry in an excluded part", entry(f"CN=a,OU=Secret,{BASE}", MAIL, id=FIRST), IGNORED),
    ("an entry in an excluded part by another spelling", entry(f"CN=a,OU=\\53ecret ,{BASE}", MAIL, id=FIRST), IGNORED),
    ("an entry whose name only ends like the base", entry(f"CN=a,X{BASE}", MAIL, id=FIRST), IGNORED),
    (
        "an entry whose base is in a value",
        entry(f"CN=a\\,{BASE.replace(',', chr(92) + ',')},DC=other", MAIL, id=FIRST),
        IGNORED,
    ),
    ("an entry with a NUL in its name", entry(f"CN=a\0,{BASE}", MAIL, id=FIRST), UNREADABLE),
    ("an entry without a name", entry("", MAIL, id=FIRST), IGNORED),
    ("an entry whose name is no DN", entry("anything", MAIL, id=FIRST), UNREADABLE),
    ("an entry whose name is not UTF-8", entry(b"CN=\xff," + BASE.encode(), MAIL, id=FIRST), UNREADABLE),
    (
        "an entry whose name is 100,000 octets long",
        entry("CN=" + "a" * 100_000 + "," + BASE, MAIL, id=FIRST),
        UNREADABLE,
    ),
    ("an entry of 4,000 RDNs", entry("CN=a," * 4_000 + BASE, MAIL, id=FIRST), UNREADABLE),
    ("an attribute never asked for", entry(DN, MAIL, attribute("unicodePwd", "secret"), id=FIRST), ENTRY),
    (
        "nothing but attributes never asked for",
        entry(DN, attribute("unicodePwd", "x"), attribute("pager", "1"), id=FIRST),
        EMPTY_ENTRY,
    ),
    (
        "a listed attribute never asked for",
        entry(DN, attribute("displayName", "A"), id=FIRST),
        passes((5, ("displayName",))),
    ),
    ("a hidden attribute by its OID", entry(DN, attribute("1.2.840.113556.1.4.90", "x"), id=FIRST), EMPTY_ENTRY),
    (
        "a listed attribute with an option",
        entry(DN, attribute("mail;lang-de", "x"), id=FIRST),
        passes((5, ("mail;lang-de",))),
    ),
    ("a hidden attribute with a listed option", entry(DN, attribute("pager;mail", "x"), id=FIRST), EMPTY_ENTRY),
    ("a type with a NUL behind a listed one", entry(DN, attribute("mail\0pager", "x"), id=FIRST), EMPTY_ENTRY),
    ("a type with a space behind a listed one", entry(DN, attribute("mail ", "x"), id=FIRST), EMPTY_ENTRY),
    ("a type in capitals", entry(DN, attribute("MAIL", "x"), id=FIRST), passes((5, ("MAIL",)))),
    ("a type of no octets", entry(DN, attribute("", "x"), id=FIRST), EMPTY_ENTRY),
    ("a type that is not UTF-8", entry(DN, attribute(b"\xff", "x"), id=FIRST), UNREADABLE),
    ("a type of 100,000 octets", entry(DN, attribute("x" * 100_000, "x"), id=FIRST), EMPTY_ENTRY),
    ("an attribute twice", entry(DN, MAIL, MAIL, id=FIRST), passes((5, ("mail", "mail")))),
    ("an attribute without values", entry(DN, attribute("mail"), id=FIRST), ENTRY),
    ("an empty value", entry(DN, attribute("mail", ""), id=FIRST), ENTRY),
    ("a value of 1 MiB", entry(DN, attribute("mail", b"x" * (1 << 20)), id=FIRST), ENTRY),
    ("100,000 values", entry(DN, attribute("member", *[b"CN=x"] * 100_000), id=FIRST), passes((5, ("member",)))),
    ("10,000 hidden attributes", entry(DN, *[attribute(f"x{i}", "1") for i in range(10_000)], id=FIRST), EMPTY_ENTRY),
    ("a value of all octets", entry(DN, attribute("mail", bytes(range(256))), id=FIRST), ENTRY),
    ("a value that looks like a result", entry(DN, attribute("mail", done(id=FIRST)), id=FIRST), ENTRY),
    (
        "a value that is an integer",
        entry_of(text(DN), sequence(sequence(text("mail"), tlv(0x31, integer(1))))),
        UNREADABLE,
    ),
    (
        "a constructed value",
        entry_of(text(DN), sequence(sequence(text("mail"), tlv(0x31, tlv(0x24, text("a")))))),
        UNREADABLE,
    ),
    (
        "a value longer than its set",
        entry_of(text(DN), sequence(sequence(text("mail"), tlv(0x31, b"\x04\x7fa")))),
        UNREADABLE,
    ),
    ("values in a sequence", entry_of(text(DN), sequence(sequence(text("mail"), tlv(0x30, text("a"))))), UNREADABLE),
    (
        "a hidden attribute's value of an indefinite length",
        entry_of(text(DN), sequence(sequence(text("pager"), tlv(0x31, b"\x04\x80\0\0")))),
        UNREADABLE,
    ),
    ("an attribute without a set", entry_of(text(DN), sequence(sequence(text("mail")))), UNREADABLE),
    (
        "an attribute of three parts",
        entry_of(text(DN), sequence(sequence(text("mail"), tlv(0x31), text("x")))),
        UNREADABLE,
    ),
    ("an entry without attributes", entry_of(text(DN)), UNREADABLE),
    ("an entry of nothing", entry_of(), UNREADABLE),
    ("an entry with something behind its attributes", entry_of(text(DN), sequence(), text("x")), UNREADABLE),
    ("an entry outside the base that cannot be read", entry_of(text("DC=other"), sequence(b"\x30\x7f")), UNREADABLE),
    ("a control with an entry", entry(DN, MAIL, id=FIRST, controls=[control("1.2.3", True, b"x")]), ENTRY),
    ("a control with an entry that is no OID", entry(DN, MAIL, id=FIRST, controls=[control("x")]), UNREADABLE),
    ("65 controls with an entry", entry(DN, MAIL, id=FIRST, controls=[control("1.2.3")] * 65), UNREADABLE),
    (
        "an entry that can be read, then one that cannot",
        entry(DN, MAIL, id=FIRST) + entry_of(),
        fails(52, (5, ("mail",))),
    ),
    (
        "a range where nothing is left",
        entry(DN, attribute("member;range=0-*", "x"), id=FIRST),
        passes((5, ("member",))),
    ),
    ("a range of a hidden attribute", entry(DN, attribute("pager;range=0-1", "x"), id=FIRST), EMPTY_ENTRY),
]

RESULTS = [
    ("a result of code 80", done(80, id=FIRST), fails(80)),
    ("a result of code 2^31-1", done(2**31 - 1, id=FIRST), fails(2**31 - 1)),
    ("a result of code 2^31", done(2**31, id=FIRST), UNREADABLE),
    ("a result of code -1", done(-1, id=FIRST), UNREADABLE),
    ("a result whose code is an INTEGER", whole(tlv(0x65, integer(0), text(""), text(""))), UNREADABLE),
    ("a result of nothing", whole(tlv(0x65)), UNREADABLE),
    ("a success with a matched DN", result(0x65, 0, b"DC=secret", id=FIRST), IGNORED),
    (
        "an error with a matched DN and a text",
        result(0x65, 32, b"DC=secret", b"DC=secret is not here", id=FIRST),
        fails(32),
    ),
    ("a text that is not UTF-8", result(0x65, 1, b"", b"\xff\xfe", id=FIRST), fails(1)),
    ("a text of 1 MiB", result(0x65, 1, b"", b"x" * (1 << 20), id=FIRST), fails(1)),
    ("a text with line breaks and escapes", result(0x65, 1, b"", b"\r\n\x1b[2Jroot", id=FIRST), fails(1)),
    (
        "a referral to another server",
        result(0x65, 10, b"", b"", tlv(0xA3, text("ldap://evil.example/")), id=FIRST),
        fails(53),
    ),
    ("a referral to nowhere", result(0x65, 10, b"", b"", tlv(0xA3), id=FIRST), fails(53)),
    (
        "a success with a referral",
        result(0x65, 0, b"", b"", tlv(0xA3, text("ldap://evil.example/")), id=FIRST),
        IGNORED,
    ),
    ("saslBindInProgress to a search", done(14, id=FIRST), fails(14)),
    ("a paged results control that nobody asked for", done(id=FIRST, controls=[page(0, b"more")]), UNREADABLE),
    ("a paged results control without a cookie that nobody asked for", done(id=FIRST, controls=[page(0)]), IGNORED),
    (
        "a paged results control that cannot be read",
        done(id=FIRST, controls=[control(PAGED, False, b"\xff")]),
        UNREADABLE,
    ),
    ("a critical control with a result", done(id=FIRST, controls=[control("1.2.3", True)]), IGNORED),
    ("a control whose type is no OID with a result", done(id=FIRST, controls=[control("x")]), UNREADABLE),
    ("1,000 controls with a result", done(id=FIRST, controls=[control("1.2.3")] * 1_000), UNREADABLE),
]


def notification(oid: Text, code: int = 52) -> bytes:
    return result(0x78, code, b"", b"", text(oid, 0x8A), id=0)


NOTICES = [
    ("a notice of disconnection", notification(NOTICE), LOST),
    ("a notice of disconnection with code success", notification(NOTICE, 0), LOST),
    (
        "a notice of disconnection, then answers",
        notification(NOTICE) + entry(DN, MAIL, id=FIRST) + done(id=FIRST),
        LOST,
    ),
    (
        "a notice of disconnection under a search's message ID",
        result(0x78, 52, b"", b"", text(NOTICE, 0x8A), id=FIRST),
        fails(52),
    ),
    ("an unknown notification", notification("1.2.3.4"), IGNORED),
    ("a notification without a name", result(0x78, 52, id=0), IGNORED),
    ("a notification that cannot be read", sequence(integer(0), tlv(0x78)), LOST),
    ("a thousand unknown notifications", notification("1.2.3.4") * 1_000, IGNORED),
    ("an intermediate response with message ID 0", message(tlv(0x79), id=0), IGNORED),
]

FAMILIES = {
    "message ID": IDS,
    "type": TYPES,
    "framing": FRAMING,
    "entry": ENTRIES,
    "result": RESULTS,
    "notice": NOTICES,
}
