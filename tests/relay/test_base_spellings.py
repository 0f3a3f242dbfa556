"""Servers that spell the base DNs of the configuration otherwise: a search is whole, or it fails and says why."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.dn import escape_value, parse
from gateway.ldap.messages import BASE_OBJECT
from gateway.policy.reasons import Reason
from gateway.policy.settings import Paging
from gateway.policy.shrink import ShrinkMode, ShrinkSettings
from gateway.relay.paging import ServerFacts
from gateway.relay.standing import Peer
from tests.examples import examples
from tests.relay.harness import Harness, done, search
from tests.relay.test_hidden_entries import Client, Directory, code_of, entries_of
from tests.spellings import spellings

SUFFIX = "DC=corp,DC=example"
COMPOSED, DECOMPOSED = f"OU=Z\u00fcrich,{SUFFIX}", f"OU=Zu\u0308rich,{SUFFIX}"
PLAIN, BROKEN = f"OU=Head Office,{SUFFIX}", f"OU=Head\u00a0Office,{SUFFIX}"
OTHER = f"OU=Other,{SUFFIX}"
READER = ("ldaps://dc1", "svc-sync@corp.example")
NO_EXCLUSIONS = {"excluded_base_dns": (), "shrink": ShrinkSettings(mode=ShrinkMode.off)}


def person(name, base):
    return m.SearchResultEntry(f"CN={name},{base}", (m.Attribute("mail", (b"v",)),))


class Spelling(Directory):
    """A server that has its own spelling of each base. names: it, by the configured one; a base that is in neither
    spelling does not exist. reads: bases that were read by themselves."""

    def __init__(self, entries, names, pages=True):
        super().__init__(entries, pages)
        self.names = names
        self.reads = []
        self.searched = []

    def answer(self, message):
        request = message.operation
        if request.scope == BASE_OBJECT and request.base:
            self.reads.append(request.base)
            if request.base not in self.names:
                return [done(32)], ()
            return [m.SearchResultEntry(self.names[request.base], ()), done()], ()
        self.searched.append(request.base)
        if request.base and request.base not in self.entries:
            return [done(32)], ()
        return super().answer(message)


def client(directory, *bases, facts=None, account=READER[1], **changes):
    made = Client(directory, **{"base_dns": tuple(map(parse, bases)), **NO_EXCLUSIONS, **changes})
    if facts is not None:
        # As another session of the same directory.
        facts.is_active_directory.update(made.facts.is_active_directory)
        made.session = type(made.session)(Peer("s2", "198.51.100.1"), made.session.policy, made.limits, facts, made.now)
        made.facts = facts
        made.bound(account)
    return made


def whole(asking, base, size=None):
    """The names of all entries that came, and the last code."""
    pages = asking.read(search(base), size)
    return [each.dn for page in pages for each in entries_of(page)], code_of(pages[-1])


NAMES = [f"p{number}" for number in range(6)]


@pytest.mark.parametrize("size", [None, 2])
@pytest.mark.parametrize("paging", [Paging.auto, Paging.always])
@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize(("configured", "stored"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), (PLAIN, BROKEN)])
def test_a_sync_is_whole_where_the_server_spells_the_base_otherwise(configured, stored, above, paging, size):
    entries = [person(name, stored) for name in NAMES]
    directory = Spelling({configured: entries, OTHER: [person("x", OTHER)]}, {configured: stored, OTHER: OTHER})
    asking = client(directory, OTHER, configured, paging=paging, page_size=2)
    expected = [entry.dn for entry in entries]
    if above:
        expected = [f"CN=x,{OTHER}", *expected]
    assert whole(asking, SUFFIX if above else configured, size) == (expected, 0)
    details = [record.detail for record in asking.audit if record.operation == "search"]
    assert sum(bool(detail) for detail in details) == 1
    assert asking.audit[-1].entries_held_back == 0
    # What is known costs no further read, in this session or another one.
    reads = list(directory.reads)
    assert reads == [configured]
    again = client(directory, OTHER, configured, facts=asking.facts, paging=paging, page_size=2)
    for each in (asking, again):
        assert whole(each, configured, size) == ([entry.dn for entry in entries], 0)
    assert directory.reads == reads


def test_an_ascii_base_on_which_both_agree_is_never_read():
    directory = Spelling({PLAIN: [person("a", PLAIN)], OTHER: []}, {PLAIN: PLAIN, OTHER: OTHER})
    asking = client(directory, PLAIN, OTHER)
    assert whole(asking, PLAIN) == ([f"CN=a,{PLAIN}"], 0)
    assert directory.reads == []


def test_a_base_beyond_ascii_is_read_once_for_each_server():
    directory = Spelling({COMPOSED: [person("a", COMPOSED)]}, {COMPOSED: COMPOSED})
    asking = client(directory, COMPOSED)
    for _ in range(3):
        assert whole(asking, COMPOSED) == ([f"CN=a,{COMPOSED}"], 0)
    assert directory.reads == [COMPOSED]
    other = client(directory, COMPOSED, facts=asking.facts)
    other.session.server._upstream.url = "ldaps://dc2"
    other.facts.is_active_directory["ldaps://dc2"] = False
    assert whole(other, COMPOSED) == ([f"CN=a,{COMPOSED}"], 0)
    assert directory.reads == [COMPOSED, COMPOSED]


def test_an_entry_under_a_third_spelling_ends_the_search_with_both_spellings_in_the_audit():
    directory = Spelling({COMPOSED: [person("a", f"OU=Zurich,{SUFFIX}")]}, {COMPOSED: DECOMPOSED})
    asking = client(directory, COMPOSED)
    assert whole(asking, COMPOSED) == ([], 52)
    record = asking.audit[-1]
    assert record.reason == Reason.base_spelled_otherwise
    assert f"OU=Z\\c3\\bcrich,{SUFFIX}" in record.detail
    assert f"OU=Zurich,{SUFFIX}" in record.detail and "CN=a" not in record.detail
    (answer,) = [x.operation.result for x in asking.to_client]
    assert answer.diagnostic.startswith("base-spelled-otherwise: ") and answer.diagnostic.endswith("not complete")


@pytest.mark.parametrize("says", [None, OTHER, COMPOSED, SUFFIX, f"OU=Staff,{DECOMPOSED}", ""])
def test_where_the_server_does_not_give_that_spelling_for_the_base_the_search_fails(says):
    names = {} if says is None else {COMPOSED: says}
    asking = client(Spelling({COMPOSED: [person("a", DECOMPOSED)]}, names), COMPOSED)
    assert whole(asking, COMPOSED) == ([], 52)
    assert asking.audit[-1].reason == Reason.base_spelled_otherwise


def test_behind_an_entry_that_the_client_has_the_search_fails_and_the_next_one_is_whole():
    """It may not be asked again: entries that were sent would come twice."""
    entries = [person("a", PLAIN), person("b", BROKEN)]
    asking = client(Spelling({PLAIN: entries}, {PLAIN: BROKEN}), PLAIN)
    names, code = whole(asking, PLAIN)
    assert (names, code) == ([entries[0].dn], 52)
    assert whole(asking, PLAIN) == ([each.dn for each in entries], 0)


def test_behind_a_reference_that_the_client_has_the_search_fails():
    asking = Harness(base_dns=(parse(PLAIN),), referral_hosts=frozenset({"dc9"}), **NO_EXCLUSIONS).bound()
    asking.send(search(PLAIN), start=5)
    reference = m.SearchResultReference((f"ldap://dc9/OU=x,{PLAIN}",))
    asking.answer(2, reference, person("a", BROKEN))
    assert isinstance(asking.to_server[1].operation, m.AbandonRequest)
    asking.answer(asking.to_server[-1].message_id, m.SearchResultEntry(BROKEN, ()), done())
    assert asking.results() == [(5, 52)]


def test_a_spelling_that_an_answer_contradicts_is_dropped():
    directory = Spelling({COMPOSED: [person("a", DECOMPOSED)]}, {COMPOSED: DECOMPOSED})
    asking = client(directory, COMPOSED)
    assert whole(asking, COMPOSED) == ([f"CN=a,{DECOMPOSED}"], 0)
    # The container has been renamed: the entries' names say so, and then the base itself.
    third = f"OU=Zurich,{SUFFIX}"
    directory.entries[COMPOSED] = [person("a", third)]
    directory.names[COMPOSED] = third
    assert whole(asking, COMPOSED) == ([f"CN=a,{third}"], 0)
    directory.entries[COMPOSED] = [person("a", DECOMPOSED)]
    assert whole(asking, COMPOSED) == ([], 52)
    # It is gone.
    directory.names[COMPOSED] = DECOMPOSED
    assert whole(asking, COMPOSED)[1] == 0
    del directory.entries[COMPOSED]
    assert whole(asking, COMPOSED) == ([], 32)
    assert asking.facts.bases.spellings(READER) == ()


def test_an_exclusion_holds_in_the_servers_spelling():
    excluded = f"OU=B\u00f6ard,{COMPOSED}"
    hidden = f"OU=Bo\u0308ard,{DECOMPOSED}"
    entries = [person("a", DECOMPOSED), person("secret", hidden), person("b", DECOMPOSED)]
    directory = Spelling({COMPOSED: entries}, {COMPOSED: DECOMPOSED})
    asking = client(directory, COMPOSED, excluded_base_dns=(parse(excluded),))
    for size in (None, 1):
        assert whole(asking, COMPOSED, size) == ([entries[0].dn, entries[2].dn], 0)
    # Nor may a search begin there.
    assert whole(asking, f"CN=secret,{hidden}")[1] == 50
    assert asking.audit[-1].reason == Reason.base_excluded


def test_a_spelling_that_is_excluded_permits_nothing():
    """Some server reads this Roman numeral as letters, and another one as a number."""
    configured, stored = f"OU=Team II,{SUFFIX}", f"OU=Team \u2161,{SUFFIX}"
    directory = Spelling({configured: [person("a", stored), person("b", configured)]}, {configured: stored})
    asking = client(directory, configured, excluded_base_dns=(parse(f"OU=Team 2,{SUFFIX}"),))
    for _ in range(2):
        assert whole(asking, configured) == ([f"CN=b,{configured}"], 0)
        asking.facts.bases.note(READER, parse(configured), parse(stored))
    assert whole(asking, f"CN=a,{stored}")[1] == 50


# Loosely the first is the second, and the first is the third, and the second is not the third.
ROMAN, LETTERS, DIGIT = (f"OU=Team {number},{SUFFIX}" for number in ("\u2161", "II", "2"))


def test_an_exclusion_in_a_third_spelling_of_the_base_holds_in_the_servers_spelling():
    """Written as the configured base is excluded, though not as the server's spelling of it."""
    hidden = f"OU=Board,{LETTERS}"
    entries = [person("a", LETTERS), person("secret", hidden), person("b", LETTERS)]
    directory = Spelling({ROMAN: entries, f"OU=Board,{ROMAN}": entries[1:2]}, {ROMAN: LETTERS})
    asking = client(directory, ROMAN, excluded_base_dns=(parse(f"OU=Board,{DIGIT}"),))
    for size in (None, 1):
        assert whole(asking, ROMAN, size) == ([entries[0].dn, entries[2].dn], 0)
    searched = list(directory.searched)
    assert whole(asking, hidden)[1] == 50
    assert whole(asking, f"CN=secret,{hidden}")[1] == 50
    assert directory.searched == searched


def test_a_base_that_is_excluded_as_it_is_configured_is_not_opened_by_what_another_client_was_told():
    facts = ServerFacts()
    facts.bases.note(READER, parse(ROMAN), parse(LETTERS))
    names = {ROMAN: LETTERS, OTHER: OTHER}
    directory = Spelling({ROMAN: [person("a", LETTERS)], OTHER: [person("b", LETTERS)]}, names)
    asking = client(directory, ROMAN, OTHER, facts=facts, excluded_base_dns=(parse(DIGIT),))
    assert whole(asking, LETTERS)[1] == 50
    assert whole(asking, OTHER) == ([], 0)
    assert directory.searched == [OTHER]


def test_another_clients_spelling_permits_nothing():
    """What is known of a server is shared by the clients of its directory."""
    facts = ServerFacts()
    facts.bases.note(READER, parse(COMPOSED), parse(DECOMPOSED))
    directory = Spelling({OTHER: [person("a", OTHER), person("b", DECOMPOSED)]}, {OTHER: OTHER})
    asking = client(directory, OTHER, facts=facts)
    assert whole(asking, OTHER) == ([f"CN=a,{OTHER}"], 0)
    assert whole(asking, f"CN=b,{DECOMPOSED}")[1] == 50


def test_an_entry_that_is_not_in_the_base_of_its_own_search_is_held_back():
    """A server that sends what nobody asked for leaks nothing, and spoils nothing."""
    directory = Spelling({OTHER: [person("a", OTHER), person("b", BROKEN)]}, {OTHER: OTHER})
    asking = client(directory, OTHER, PLAIN)
    assert whole(asking, OTHER) == ([f"CN=a,{OTHER}"], 0)
    assert directory.reads == []


@pytest.mark.parametrize("inner", [f"OU=Staff,{COMPOSED}", f"OU=Staff,OU=Z\u00fcrich Nord,{SUFFIX}"])
def test_nested_bases(inner):
    """The inner one is in the search of the outer one, or lies beside it."""
    outer = COMPOSED
    stored = unicodedata.normalize("NFD", inner)
    directory = Spelling(
        {outer: [person("a", DECOMPOSED)], inner: [person("b", stored)]}, {outer: DECOMPOSED, inner: stored}
    )
    asking = client(directory, inner, outer)
    assert whole(asking, inner) == ([f"CN=b,{stored}"], 0)
    assert whole(asking, outer) == ([f"CN=a,{DECOMPOSED}"], 0)


def test_the_base_itself_and_entries_next_to_it():
    entries = [m.SearchResultEntry(BROKEN, ()), person("a", BROKEN), person("b", f"OU=Sub,{BROKEN}")]
    asking = client(Spelling({PLAIN: entries}, {PLAIN: BROKEN}), PLAIN)
    assert whole(asking, PLAIN) == ([each.dn for each in entries], 0)


def test_a_base_below_another_spelling_of_what_is_above_it():
    """The container that is spelled otherwise is above the configured one."""
    configured, stored = f"OU=Staff,{PLAIN}", f"OU=Staff,{BROKEN}"
    entries = [m.SearchResultEntry(stored, ()), person("a", stored)]
    asking = client(Spelling({configured: entries}, {configured: stored}), configured)
    assert whole(asking, configured) == ([each.dn for each in entries], 0)


def test_a_client_may_begin_where_the_server_said_that_an_entry_is():
    """By the spelling of the entries that it got; the server is sent the configured one all the same."""
    directory = Spelling({PLAIN: [person("a", BROKEN)], f"CN=a,{PLAIN}": [person("a", BROKEN)]}, {PLAIN: BROKEN})
    asking = client(directory, PLAIN)
    # Not before it is known.
    assert whole(asking, f"CN=a,{BROKEN}")[1] == 50
    assert whole(asking, PLAIN)[1] == 0
    assert whole(asking, f"CN=a,{BROKEN}") == ([f"CN=a,{BROKEN}"], 0)
    assert directory.searched[-1] == f"CN=a,{PLAIN}"
    # Neither at another server, nor for a name that only looks alike.
    assert whole(asking, f"CN=a,OU=Head\u2003Office,{SUFFIX}")[1] == 50
    asking.session.server._upstream.url = "ldaps://dc2"
    assert whole(asking, f"CN=a,{BROKEN}")[1] == 50


def test_in_the_middle_of_a_paged_search_a_page_is_not_asked_for_twice():
    entries = [person(name, BROKEN) for name in NAMES]
    directory = Spelling({PLAIN: entries}, {PLAIN: BROKEN})
    asking = client(directory, PLAIN)
    seen, cookie = asking.ask(search(PLAIN), 10, (2, b""))
    assert [each.dn for each in entries_of(seen)] == [each.dn for each in entries[:2]]
    directory.names[PLAIN] = f"OU=HEAD\u2003OFFICE,{SUFFIX}"
    directory.entries[PLAIN] = [person(name, directory.names[PLAIN]) for name in NAMES]
    asked = len(directory.asked)
    seen, cookie = asking.ask(search(PLAIN), 11, (2, cookie))
    assert (entries_of(seen), code_of(seen)) == ([], 52)
    assert len(directory.asked) == asked + 1
    assert whole(asking, PLAIN, 2) == ([each.dn for each in directory.entries[PLAIN]], 0)


def test_an_account_that_may_not_see_the_base_disturbs_no_sync_of_another_one():
    """It is told noSuchObject, in the middle of the other one's pages."""
    entries = [person(name, BROKEN) for name in NAMES]
    asking = client(Spelling({PLAIN: entries}, {PLAIN: BROKEN}), PLAIN)
    seen, cookie = asking.ask(search(PLAIN), 10, (2, b""))
    other = "svc-other@corp.example"
    blind = client(Spelling({}, {}), PLAIN, facts=asking.facts, account=other, sync_accounts=(READER[1], other))
    assert whole(blind, PLAIN) == ([], 32)
    pages = [seen]
    while cookie:
        seen, cookie = asking.ask(search(PLAIN), 10 + len(pages), (2, cookie))
        pages.append(seen)
    assert [each.dn for page in pages for each in entries_of(page)] == [each.dn for each in entries]
    assert code_of(seen) == 0


def test_what_was_carried_is_not_lost_where_the_spelling_has_changed_meanwhile():
    entries = [person(name, BROKEN) for name in NAMES]
    directory = Spelling({PLAIN: entries}, {PLAIN: BROKEN}, pages=False)
    asking = client(directory, PLAIN, excluded_base_dns=(parse(f"OU=x,{PLAIN}"),))
    seen, cookie = asking.ask(search(PLAIN), 10, (2, b""))
    assert len(entries_of(seen)) == 2 and cookie
    asking.facts.bases.note(READER, parse(PLAIN), None)
    asking.ask(search(PLAIN), 11)
    asking.facts.bases.note(READER, parse(PLAIN), None)
    asking.session.operations._entries.filter = asking.session.policy.entry_filter
    seen, cookie = asking.ask(search(PLAIN), 12, (2, cookie))
    assert (len(entries_of(seen)), code_of(seen), cookie) == (0, 52, b"")


# Names that servers spell in many ways, and what of a name's spellings is drawn.
WORDS = ("Head Office", "Z\u00fcrich", "Vertrieb Süd", "Ødegård", "οδυσσευς", "ＡＢＣ", "Kanzlei")


@st.composite
def trees(draw):
    """A configured base, the server's spelling of it, and entries: in that spelling, in the configured one, in a third
    one, in an excluded container in any spelling, or outside."""
    word = draw(st.sampled_from(WORDS))
    configured = f"OU={escape_value(word)},{SUFFIX}"
    theirs, third = (f"OU={_written(draw, word)},{SUFFIX}" for _ in range(2))
    kinds = draw(st.lists(st.sampled_from("tttccxhho"), max_size=8))
    entries = []
    for number, kind in enumerate(kinds):
        below = {"t": theirs, "c": configured, "x": third, "o": OTHER}.get(kind)
        if kind == "h":
            below = f"OU={_written(draw, 'Vorstand')},{draw(st.sampled_from((theirs, configured, third)))}"
        entries.append((kind, person(f"p{number}", below)))
    return configured, theirs, entries


def _written(draw, word):
    written = draw(spellings(word)).strip()
    return escape_value(written or word)


@given(trees(), st.sampled_from([None, 1, 3]), st.booleans(), st.sampled_from([Paging.auto, Paging.always]))
@settings(max_examples=examples(150), deadline=None)
def test_whatever_the_spellings_a_search_is_whole_or_fails(tree, size, pages, paging):
    configured, theirs, entries = tree
    listed = [entry for _, entry in entries]
    directory = Spelling({configured: listed}, {configured: theirs}, pages=pages)
    asking = client(
        directory,
        configured,
        excluded_base_dns=(parse(f"OU=Vorstand,{configured}"),),
        paging=paging,
        page_size=2,
    )
    allowed = [parse(configured), parse(theirs)]
    visible = [entry.dn for kind, entry in entries if kind in "tcx" and parse(entry.dn).is_inside_loosely(allowed[0])]
    known = all(any(parse(dn).is_inside(base) for base in allowed) for dn in visible)
    # The first search may have to fail once the client has something of it, the second one knows.
    codes = []
    for _ in range(2):
        names, code = whole(asking, configured, size)
        codes.append(code)
        assert all("secret" not in name and parse(name).is_inside_loosely(allowed[0]) for name in names)
        assert not any(parse(name).is_inside_loosely(parse(f"OU=Vorstand,{configured}")) for name in names)
        assert names == visible if code == 0 else names == visible[: len(names)]
        assert (asking.audit[-1].reason == Reason.base_spelled_otherwise) == (code == 52)
    assert (codes[1] == 0) == known
    assert len(directory.reads) <= 4
