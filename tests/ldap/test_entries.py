"""The response path, held against a slow one that has nothing in common with it."""

import random

import pytest
from hypothesis import given, settings

from gateway.ldap import messages as m
from gateway.ldap.controls import Control
from gateway.ldap.decoding import read_envelope
from gateway.ldap.dn import parse
from gateway.ldap.encoding import encode
from gateway.ldap.entries import (
    EACH_BY_ITSELF,
    HELD_BACK,
    HIDDEN,
    LOOSE,
    LOOSELY_INSIDE,
    RANGED,
    SEEN,
    SENT,
    TOO_LARGE,
    TOO_MANY,
    EntryFilter,
)
from gateway.ldap.entry_stream import EntryStream, Tally
from gateway.ldap.errors import DecodeError
from gateway.ldap.framing import Framer
from gateway.policy.policy import Policy
from tests.examples import SEED, examples
from tests.ldap import reference_entries as reference
from tests.ldap import strategies
from tests.policy.policies import policy

MUTANTS = examples(20_000)
# Octets of one message, where the session's own limit is 32 MiB.
LIMIT = 100_000

SUFFIX = "DC=corp,DC=example"
STAFF, SECRET = f"OU=Staff,{SUFFIX}", f"OU=Secret,OU=Staff,{SUFFIX}"
ONE_PERSON = f"CN=Gast\\, Ä.,OU=Guests,{SUFFIX}"
LISTED_CONTROL = "2.16.840.1.113730.3.4.2"
ALLOWED = ("cn", "mail", "member", "proxyAddresses")
BASES, EXCLUDED = (parse(STAFF), parse(ONE_PERSON)), (parse(SECRET), parse(f"CN=Krbtgt,{STAFF}"))

SETTINGS = policy(base_dns=BASES, excluded_base_dns=EXCLUDED, attributes=ALLOWED, controls=frozenset({LISTED_CONTROL}))
POLICY = Policy(SETTINGS)
RULES = reference.Rules([name.lower() for name in ALLOWED], BASES, EXCLUDED)
OUTCOMES = {
    HELD_BACK: "held back",
    RANGED: "ranged",
    TOO_MANY: "too many",
    TOO_LARGE: "too large",
    LOOSELY_INSIDE: "loosely inside",
}

# RDNs and names above them as servers write them, and as nobody should.
RDNS = (
    *("CN=Ada", "cn=b b", "CN=Müller\\, Jörg", "CN=a\\2Cb", "CN=a\\2cb", "uid=x-1", "CN=C\\#", "CN=x=y", "CN=\\ a\\20"),
    *("CN=Secret", "OU=Secret", "OU=sécret", "CN=Gast\\2C Ä.", "CN=gast\\,  ä.", "CN=KRBTGT", "CN= krbtgt"),
    *("CN=a\\0Ab", "CN=a\\00", "CN=a\\c3\\a9", "CN=\\c3", "CN=#04026869", "CN=a+SN=b", "CN=a+CN=a", "2.5.4.3=Ada"),
    *("OID.2.5.4.3=x", "CN=", "CN= ", "CN=a ", "CN=a  b", "CN = a", "=a", "CN", "CN=a\\", "CN=a\\x", 'CN="a"'),
    *("CN=a<b", "CN=a>b", "CN=\x7f", "CN=\x1f", "CN=\0", "C N=a", "-CN=a", "CN=#", "CN=\\#a", "CN=\\7f", "CN=\\7E"),
    *("CN=a;b", "", f"CN={8190 * 'x'}"),
)
PARENTS = (
    *(STAFF, f"ou=staff,{SUFFIX.lower()}", f"OU=Sales\\2C EMEA,{STAFF}", f"OU=Sales\\, EMEA,{STAFF}", SECRET),
    *(f"OU=x,{SECRET}", f"OU=SECRET ,{STAFF}", f"OU=sécret,{STAFF}", SUFFIX, f"OU=Guests,{SUFFIX}"),
    *(
        f"OU=Stáff,{SUFFIX}",
        f"OU=Sales,OU=ST\u00a0AFF,{SUFFIX}",
        f"OU=Sécret,OU=Ｓtaff,{SUFFIX}",
        f"OU=Gúests,{SUFFIX}",
    ),
    *(f"OU=guests ,{SUFFIX}", f"CN=Krbtgt,{STAFF}", ONE_PERSON, f"OU=Staff+CN=x,{SUFFIX}", f"OU=Staff,,{SUFFIX}"),
    *(",".join(["OU=a"] * 97 + [STAFF]), ",".join(["OU=a"] * 96 + [STAFF]), f"OU={'o' * 600},{STAFF}", "OU=Staff"),
    *(f"OU=St\0aff,{SUFFIX}", "", " "),
)
DESCRIPTIONS = (
    *("cn", "CN", "mail", "member", "member;range=0-1499", "member;Range=0-*", "pager", "pager;range=0-9"),
    *("mail;lang-de", "proxyAddresses", "PROXYADDRESSES", "userPassword", "", ";", "cn;", "c\xe9"),
)
STRUCTURE = (0x00, 0x01, 0x04, 0x30, 0x31, 0x7F, 0x80, 0x81, 0x84, 0xFF)
SIZES = (0, 1, 3, 20, 124, 125, 126, 127, 128, 129, 250, 255, 256, 257, 700)


class Maker:
    """Messages of a server, mostly right; the same ones for the same seed. Lengths are written in any form."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def element(self, tag, contents):
        """With its length in the shortest form, or a longer one, as Active Directory writes them."""
        size = len(contents)
        shortest = 0 if size < 0x80 else (size.bit_length() + 7) // 8
        octets = shortest if self.random.random() < 0.8 else self.random.randint(max(1, shortest), 4)
        if not octets:
            return bytes((tag, size)) + contents
        return bytes((tag, 0x80 + octets)) + size.to_bytes(octets, "big") + contents

    def attribute(self):
        count = self.random.choice((0, 1, 1, 1, 2, 5))
        values = [self.random.randbytes(self.random.choice(SIZES)) for _ in range(count)]
        description = self.random.choice(DESCRIPTIONS).encode()
        contents = b"".join(self.element(0x04, value) for value in values)
        return self.element(0x30, self.element(0x04, description) + self.element(0x31, contents))

    def control(self):
        oid = self.random.choice((LISTED_CONTROL, "1.2.840.113556.1.4.319", "1.02"))
        critical = self.random.choice((b"", b"\x01\x01\xff", b"\x01\x01\x00", b"\x01\x01\x01"))
        value = self.random.choice((b"", self.element(0x04, b"value")))
        return self.element(0x30, self.element(0x04, oid.encode()) + critical + value)

    def dn(self):
        rdn = self.random.choice(RDNS[:12] if self.random.random() < 0.7 else RDNS)
        parent = self.random.choice(PARENTS[:5] if self.random.random() < 0.7 else PARENTS)
        text = f"{rdn},{parent}" if self.random.random() < 0.97 else rdn
        return text.encode("latin-1", "replace") if self.random.random() < 0.02 else text.encode()

    def message(self):
        message_id = self.random.choice((b"\x05", b"\x05", b"\x07", b"\x08", b"\x00\x81", b"\x00\x05", b"\xff", b""))
        listed = b"".join(self.attribute() for _ in range(self.random.choice((0, 1, 3, 8))))
        entry = self.element(0x04, self.dn()) + self.element(0x30, listed)
        controls = b""
        if self.random.random() < 0.05:
            controls = self.element(0xA0, b"".join(self.control() for _ in range(self.random.choice((0, 1, 2, 65)))))
        tag = 0x64 if self.random.random() < 0.97 else 0x65
        return self.element(0x30, self.element(0x02, message_id) + self.element(tag, entry) + controls)

    def mutant(self):
        message = bytearray(self.message())
        # Half of them are left as they are; what is changed lies more often in the front part, with the structure.
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2))):
            at = int(len(message) * self.random.random() ** 2)
            octet = self.random.choice((*STRUCTURE, self.random.randrange(256)))
            change = self.random.randrange(5)
            if change < 3:
                message[at] = octet
            elif change == 3:
                message.insert(at, octet)
            else:
                del message[at]
        return bytes(message)

    def searches(self):
        """Two of a session, by the server's message IDs, as the quick way and as the slow way has them."""
        quick, slow = {}, {}
        for server_id, client_id in ((5, 1), (7, 2**31 - 1)):
            ranges = self.random.random() < 0.5
            most = self.random.choice((None, None, 1, 3))
            octet_limit = self.random.choice((0, 0, 1000))
            tally = Tally(len(ALLOWED))
            in_order = self.random.random() < 0.3
            quick[server_id] = EntryStream(
                client_id, tally, ranges, -1 if most is None else most, octet_limit, in_order=in_order
            )
            slow[server_id] = reference.Search(client_id, ranges, most, octet_limit, in_order)
        return quick, slow


def quickly(message, streams):
    """As a session does it: in one go where that can be, by itself otherwise."""
    framer, pieces = Framer(LIMIT), []
    framer.feed(message)
    try:
        given_back = POLICY.entry_filter.relay(framer, streams, pieces)
        if given_back is None:
            return ("sent", b"".join(pieces)) if pieces else "held back"
        assert not pieces
        envelope = read_envelope(given_back)
        stream = streams.get(envelope.message_id)
        if stream is None or envelope.tag != m.SEARCH_ENTRY:
            return "not for it"
        outcome = POLICY.entry_filter.judge(given_back, envelope, stream, pieces)
    except DecodeError:
        return "unreadable"
    assert outcome == SENT or not pieces
    return ("sent", b"".join(pieces)) if outcome == SENT else OUTCOMES[outcome]


def slowly(message, searches):
    try:
        return reference.rewrite(message, searches, RULES)
    except reference.Unreadable:
        return "unreadable"
    except reference.NotForIt:
        return "not for it"


def counted(streams, searches):
    """What both have counted, side by side."""
    for server_id, stream in streams.items():
        search = searches[server_id]
        tallied = {i: [a.entries, a.values] for i, a in enumerate(stream.tally.attributes) if a.entries}
        quick = (stream.received, stream.passed, stream.sent, stream.octets, tallied)
        yield quick, (search.received, search.passed, search.sent, search.octets, search.counts)
        assert (stream.tally.sent, stream.tally.octets) == (stream.sent, stream.octets)


def whole(octets):
    """Whether it is one message and nothing else, so that framing has no say in it."""
    try:
        return len(reference.elements(octets)) == 1 and octets[0] == 0x30 and len(octets) <= LIMIT
    except reference.Unreadable:
        return False


@pytest.mark.fuzz
def test_both_ways_do_the_same_with_mutants():
    maker, seen, unframed = Maker(SEED), {}, 0
    for number in range(MUTANTS):
        if number % 20 == 0:
            streams, searches = maker.searches()
        message = maker.mutant()
        if not whole(message):
            unframed += 1
            continue
        expected = slowly(message, searches)
        assert quickly(message, streams) == expected, (number, message.hex())
        for quick, slow in counted(streams, searches):
            assert quick == slow, (number, message.hex())
        word = expected if isinstance(expected, str) else "sent"
        seen[word] = seen.get(word, 0) + 1
    # None of it happened by chance only once.
    assert min(seen.get(word, 0) for word in (*OUTCOMES.values(), "sent", "unreadable", "not for it")) > MUTANTS // 400
    assert unframed < MUTANTS // 2, seen


@pytest.mark.fuzz
def test_however_a_stream_is_cut_the_same_comes_out():
    """Whole streams of messages, with what a session does itself between them."""
    for seed in range(SEED, SEED + MUTANTS // 100):
        maker = Maker(seed)
        streams, searches = maker.searches()
        messages = [message for message in (maker.mutant() for _ in range(12)) if whole(message)]
        expected = [slowly(message, searches) for message in messages]
        framer, pieces, others = Framer(LIMIT), [], []
        octets = b"".join(messages)
        while octets:
            size = maker.random.choice((1, 7, 100, 1000, 5000))
            framer.feed(octets[:size])
            octets = octets[size:]
            while (given_back := POLICY.entry_filter.relay(framer, streams, pieces)) is not None:
                others.append(given_back)
                try:
                    envelope = read_envelope(given_back)
                    if envelope.tag == m.SEARCH_ENTRY and envelope.message_id in streams:
                        POLICY.entry_filter.judge(given_back, envelope, streams[envelope.message_id], pieces)
                except DecodeError:
                    pass
        assert framer.buffered() == 0
        assert b"".join(pieces) == b"".join(result[1] for result in expected if isinstance(result, tuple))
        for quick, slow in counted(streams, searches):
            assert quick == slow, seed
        # Nothing is passed over, and nothing that could pass at once is given back.
        at_once = [
            (result == "held back" or isinstance(result, tuple)) and not has_controls(message)
            for message, result in zip(messages, expected, strict=True)
        ]
        assert others == [message for message, passes in zip(messages, at_once, strict=True) if not passes]


def has_controls(message):
    return len(reference.elements(reference.the(message, 0x30)[0])) > 2


@settings(max_examples=examples(2000), deadline=None)
@given(strategies.ids, strategies.entries, strategies.controls, strategies.ids)
def test_both_ways_do_the_same_with_any_entry(server_id, entry, controls, client_id):
    octets = encode(m.LDAPMessage(server_id, entry, controls))
    streams = {server_id: EntryStream(client_id, Tally(len(ALLOWED)), True)}
    assert quickly(octets, streams) == slowly(octets, {server_id: reference.Search(client_id, True)})


def stream(*, ranges=True, **limits):
    return EntryStream(2, Tally(len(ALLOWED)), ranges, **limits)


def message(*attributes, dn=f"CN=x,{STAFF}", controls=(), message_id=5):
    found = tuple(m.Attribute(name, values) for name, values in attributes)
    return encode(m.LDAPMessage(message_id, m.SearchResultEntry(dn, found), controls))


def test_long_lengths_are_written_in_the_shortest_form():
    value = bytes.fromhex("048400000003") + b"abc"
    attribute = b"\x30\x84\x00\x00\x00\x15\x04\x04mail\x31\x84\x00\x00\x00\x09" + value
    dn = b"\x04" + bytes((len(f"CN=x,{STAFF}"),)) + f"CN=x,{STAFF}".encode()
    entry = b"\x64" + bytes((len(dn) + 2 + len(attribute),)) + dn + b"\x30" + bytes((len(attribute),)) + attribute
    octets = b"\x30" + bytes((3 + len(entry),)) + b"\x02\x01\x05" + entry
    expected = m.SearchResultEntry(f"CN=x,{STAFF}", (m.Attribute("mail", (b"abc",)),))
    assert quickly(octets, {5: stream()}) == ("sent", encode(m.LDAPMessage(2, expected)))


def test_an_entry_that_may_not_be_seen_is_held_back_and_not_counted():
    found = stream()
    assert quickly(message(("cn", (b"x",)), dn=f"CN=x,{SUFFIX}"), {5: found}) == "held back"
    assert (found.received, found.passed, found.tally.sent, found.tally.attributes[0].entries) == (1, 0, 0, 0)


def test_what_is_sent_is_counted_by_attribute():
    found = stream()
    quickly(message(("cn", (b"x",)), ("mail", ()), ("member", (b"a", b"b")), ("pager", (b"1",))), {5: found})
    quickly(message(("CN", (b"x",)), ("cn;lang-de", (b"y", b"z"))), {5: found})
    assert found.tally.sent == 2
    assert [(one.entries, one.values) for one in found.tally.attributes] == [(3, 4), (0, 0), (1, 2), (0, 0)]


@pytest.mark.parametrize(
    ("name", "ranges", "expected"),
    [
        ("member;range=0-1499", False, "ranged"),
        ("member;Range=0-*", False, "ranged"),
        ("member;range=0-1499", True, "sent"),
        ("pager;range=0-1499", False, "sent"),
    ],
)
def test_only_a_permitted_attribute_in_ranges_is_set_apart(name, ranges, expected):
    found = quickly(message((name, (b"a",))), {5: stream(ranges=ranges)})
    assert (found if isinstance(found, str) else found[0]) == expected


def test_an_entry_set_apart_is_passed_and_not_counted_as_sent():
    found = stream(ranges=False)
    quickly(message(("cn", (b"x",)), ("member;range=0-1499", (b"a",))), {5: found})
    assert (found.received, found.passed, found.tally.sent, found.tally.attributes[0].entries) == (1, 1, 0, 0)


def test_no_control_of_an_entry_passes():
    sent = encode(m.LDAPMessage(2, m.SearchResultEntry(f"CN=x,{STAFF}", ())))
    controls = (Control("1.2.3", True), Control(LISTED_CONTROL, False, b"x"))
    assert quickly(message(controls=controls), {5: stream()}) == ("sent", sent)


def test_in_a_sorted_search_nothing_passes_an_entry_that_was_set_apart():
    plain, ranged = message(("cn", (b"x",))), message(("member;range=0-1499", (b"a",)))
    for in_order, last in ((True, "ranged"), (False, "sent")):
        streams = {5: stream(ranges=False, in_order=in_order)}
        outcomes = [quickly(each, streams) for each in (plain, ranged, plain)]
        assert [outcome[0] if isinstance(outcome, tuple) else outcome for outcome in outcomes] == [
            "sent",
            "ranged",
            last,
        ]


def test_a_container_is_decided_on_once():
    asked = []

    def judge_below(text):
        asked.append(text)
        return POLICY.entries.judge_below(text)

    def judge_dn(text):
        raise AssertionError(text)

    filtering = EntryFilter(POLICY.entries.attribute_number, judge_dn, judge_below)
    framer, pieces = Framer(LIMIT), []
    framer.feed(b"".join(message(dn=f"CN={i},OU=Sales,{STAFF}") for i in range(50)))
    assert filtering.relay(framer, {5: stream()}, pieces) is None
    assert asked == [f"OU=Sales,{STAFF}"]


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        (f"OU=Sales,{STAFF}", SEEN),
        (f"OU=x,{SECRET}", HIDDEN),
        (f"OU=Other,{SUFFIX}", HIDDEN),
        (f"OU=Sales,OU=Stáff,{SUFFIX}", LOOSE),
        (f"OU=x,OU=Sécret,OU=Stáff,{SUFFIX}", HIDDEN),
        # An allowed or an excluded base lies directly below these.
        (STAFF, EACH_BY_ITSELF),
        (f"ou= STAFF,{SUFFIX}", EACH_BY_ITSELF),
        (f"OU=Guests,{SUFFIX}", EACH_BY_ITSELF),
        (SUFFIX, EACH_BY_ITSELF),
        # These differ from such a base's parent in what some server may overlook.
        (f"OU=Stáff,{SUFFIX}", EACH_BY_ITSELF),
        (f"OU=S taff,{SUFFIX}", EACH_BY_ITSELF),
        (f"OU=Gúests,{SUFFIX}", EACH_BY_ITSELF),
    ],
)
def test_containers_above_a_configured_base_are_not_decided_on_as_a_whole(parent, expected):
    assert POLICY.entries.judge_below(parent) == expected
