"""Two directories that differ in hidden entries only look the same to a client, with any pages and limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.controls import PAGED_RESULTS, SORT, SORT_RESULT, PagedResults, paged_results
from gateway.ldap.dn import parse
from gateway.ldap.encoding import encode
from gateway.ldap.sorting import SortKey, SortResult, sort_control
from gateway.policy.reasons import Reason
from gateway.policy.settings import Paging
from gateway.policy.shrink import ShrinkMode, ShrinkSettings
from gateway.relay.settings import SessionLimits
from tests.relay.harness import BASE, OK, Harness, bind, done, search

OTHER = "OU=Other,DC=corp,DC=example"
SECRET = "OU=Secret," + BASE
OTHER_SECRET = "OU=Secret," + OTHER
BASES = {"base_dns": (parse(BASE), parse(OTHER)), "excluded_base_dns": (parse(SECRET), parse(OTHER_SECRET))}
ABOVE = "DC=corp,DC=example"


def person(name, hidden, base=BASE, values=1):
    dn = f"CN={name},{'OU=Secret,' if hidden else ''}{base}"
    return m.SearchResultEntry(dn, (m.Attribute("mail", tuple(b"%d" % i for i in range(values))),))


class Directory:
    """A server. entries: by base, in its order. pages: whether it knows paged results. says: controls of each result
    besides."""

    def __init__(self, entries, pages=True):
        self.entries = entries
        self.pages = pages
        self.asked = []
        self.says = ()

    def answer(self, message):
        """The operations that answer a search, and the controls of the last one."""
        request = message.operation
        if request.base == "":
            return [m.SearchResultEntry("", ()), done()], ()
        found = self.entries.get(request.base, [])
        control = next((x for x in message.controls if x.oid == PAGED_RESULTS), None)
        if control is None or not self.pages:
            if request.size_limit and len(found) > request.size_limit:
                return [*found[: request.size_limit], done(4)], ()
            return [*found, done()], ()
        page = paged_results(control)
        self.asked.append(page.size)
        start = int(page.cookie or b"0")
        end = start + page.size
        cookie = b"%d" % end if end < len(found) else b""
        return [*found[start:end], done()], (PagedResults(0, cookie).to_control(False),)


class Client(Harness):
    """A client, and the gateway between it and a directory."""

    def __init__(self, directory, **changes):
        super().__init__(**{**BASES, "shrink": ShrinkSettings(mode=ShrinkMode.off), **changes})
        self.directory = directory
        self.bound()

    def ask(self, request, number, page=None, *more):
        """What the client gets, without the words of its cookie, and the cookie. more: controls besides."""
        controls = more if page is None else (PagedResults(*page).to_control(True), *more)
        self.to_client.clear()
        self.to_server.clear()
        self.do(self.session.client_data(encode(m.LDAPMessage(number, request, controls)), self.now))
        while self.to_server:
            message = self.to_server.pop(0)
            if isinstance(message.operation, m.SearchRequest):
                operations, last = self.directory.answer(message)
                *entries, end = operations
                data = b"".join(encode(m.LDAPMessage(message.message_id, each)) for each in entries)
                data += encode(m.LDAPMessage(message.message_id, end, (*last, *self.directory.says)))
                self.do(self.session.server_data(data, self.now))
        cookie = b""
        seen = []
        for message in self.to_client:
            controls = [x for x in message.controls if x.oid == PAGED_RESULTS]
            for control in controls:
                cookie = paged_results(control).cookie
            seen.append((message.message_id, message.operation, [len(paged_results(x).cookie) for x in controls]))
        return seen, cookie

    def read(self, request, size=None):
        """All that the client sees of a search, page by page."""
        seen, cookie = self.ask(request, 10, None if size is None else (size, b""))
        everything = [seen]
        while cookie:
            seen, cookie = self.ask(request, 10 + len(everything), (size, cookie))
            everything.append(seen)
        return everything


def entries_of(page):
    return [operation for _, operation, _ in page if isinstance(operation, m.SearchResultEntry)]


def code_of(page):
    return page[-1][1].result.code


PLACES = st.lists(st.integers(0, 12), max_size=12)
REQUESTS = st.tuples(st.sampled_from([BASE, ABOVE]), st.none() | st.integers(1, 6), st.integers(0, 8))


def directory(visible, hidden, others=0, **more):
    """hidden: before which visible entry each hidden one stands."""

    def tree(base, number):
        found = [(place, False, person(f"v{place}", False, base)) for place in range(number)]
        found += [(min(place, number), True, person(f"h{i}", True, base)) for i, place in enumerate(hidden)]
        return [each for _, is_visible, each in sorted(found, key=lambda one: (one[0], not one[1]))]

    return Directory({BASE: tree(BASE, visible), OTHER: tree(OTHER, others)}, **more)


@pytest.mark.parametrize("paging", [Paging.auto, Paging.always])
@given(st.integers(0, 9), st.integers(0, 4), PLACES, PLACES, REQUESTS)
def test_what_differs_in_hidden_entries_looks_the_same(paging, visible, others, some, more, asked):
    base, size, limit = asked
    request = search(base, size_limit=limit)
    pairs = [directory(visible, hidden, others) for hidden in (some, more)]
    seen = [Client(each, paging=paging, page_size=5).read(request, size) for each in pairs]
    assert seen[0] == seen[1]
    people = visible + (others if base == ABOVE else 0)
    pages = seen[0]
    got = [each for page in pages for each in entries_of(page)]
    assert not [each for each in got if "OU=Secret" in each.dn]
    if limit and people > limit:
        assert (len(got), code_of(pages[-1])) == (limit, 4)
    else:
        assert (len(got), code_of(pages[-1])) == (people, 0)
    if size is not None:
        # Each page is full but the last one, which has no cookie.
        full = min(size, 5)
        assert all(len(entries_of(page)) == full for page in pages[:-1])
        assert entries_of(pages[-1]) or len(pages) == 1 or code_of(pages[-1]) == 4


@given(st.integers(0, 9), PLACES, st.integers(1, 6), st.integers(0, 8))
def test_a_server_without_pages_shows_no_more(visible, hidden, size, limit):
    """The client's pages are filled all the same: this server sends everything at once."""
    request = search(BASE, size_limit=limit)
    seen = Client(directory(visible, hidden, pages=False)).read(request, size)
    assert seen == Client(directory(visible, [], pages=False)).read(request, size)


def test_without_exclusions_the_server_is_asked_for_the_clients_page():
    found = directory(5, [])
    Client(found, excluded_base_dns=()).read(search(BASE), 2)
    assert found.asked == [2, 2, 2]


def test_among_many_hidden_entries_the_server_is_asked_for_more_at_once():
    found = directory(1, [0] * 500 + [1] * 500)
    client = Client(found)
    pages = client.read(search(BASE), 1)
    assert [len(entries_of(page)) for page in pages] == [1]
    assert len(found.asked) < 30 and max(found.asked) <= 64


def test_what_is_carried_has_room_and_gives_it_back():
    large = [person(f"v{i}", False, values=200) for i in range(4)]
    octets = len(encode(m.LDAPMessage(1, large[0])))
    for room, code in ((octets + 50, 0), (octets - 50, 11)):
        client = Client(Directory({BASE: large}), limits=SessionLimits(refusal_floor=0, expanded_entry=room))
        pages = client.read(search(BASE), 1)
        assert code_of(pages[-1]) == code
        assert (client.audit[-1].reason == Reason.expanded_entry_too_large) == bool(code)
        if not code:
            assert [len(entries_of(page)) for page in pages] == [1, 1, 1, 1]
    # Also where the client never asks for the rest.
    client = Client(Directory({BASE: large}), limits=SessionLimits(refusal_floor=0, expanded_entry=octets + 50))
    _, cookie = client.ask(search(BASE), 7, (1, b""))
    assert cookie
    client.ask(search(BASE), 8, (0, cookie))
    for number in range(20, 24):
        seen, cookie = client.ask(search(BASE), number, (1, b""))
        assert code_of(seen) == 0
        client.ask(search(BASE), number + 10, (0, cookie))


def roomy(directory, messages):
    """A client with room for so many carried entries of the directory, and a bit of one more."""
    octets = len(encode(m.LDAPMessage(1, directory.entries[BASE][0]))) * messages + 60
    return Client(directory, limits=SessionLimits(refusal_floor=0, expanded_entry=octets))


LARGE = [person(f"v{i}", False, values=200) for i in range(4)]


def test_a_search_that_fails_gives_its_room_back():
    client = roomy(Directory({BASE: LARGE}, pages=False), 2)
    for number in range(10, 14):
        # Three of them come that the page has no room for.
        seen, _ = client.ask(search(BASE), number, (1, b""))
        assert code_of(seen) == 11
    seen, cookie = client.ask(search(BASE), 20, (2, b""))
    assert (code_of(seen), len(entries_of(seen)), len(cookie)) == (0, 2, 16)


@pytest.mark.parametrize("forget", ["oldest", "bind", "another search"])
def test_a_search_that_is_forgotten_gives_its_room_back(forget):
    client = roomy(Directory({BASE: LARGE}), 11 if forget == "oldest" else 1)
    for number in range(10, 40):
        seen, cookie = client.ask(search(BASE), number, (1, b""))
        assert code_of(seen) == 0 and cookie
        if forget == "bind":
            client.send(bind("svc-sync@corp.example"), start=number + 100)
            client.answer(client.to_server[-1].message_id, m.BindResponse(OK))
        elif forget == "another search":
            seen, _ = client.ask(search(ABOVE), number + 100, (1, cookie))
            assert code_of(seen) != 0


@pytest.mark.parametrize("hidden", [[], [0, 0, 0], [1, 1, 1, 1], [0] * 9])
def test_every_page_of_a_sorted_search_has_the_answer_to_the_sort(hidden):
    """Also one that was carried whole, for which no server is asked."""
    found = directory(4, hidden)
    found.says = (SortResult(0).to_control(),)
    client = Client(found, controls=frozenset({PAGED_RESULTS, SORT}))
    client.facts.controls["ldaps://dc1"] = frozenset({PAGED_RESULTS, SORT})
    sorted_by = sort_control((SortKey("mail"),), critical=True)
    cookie, pages = b"", 0
    while cookie or not pages:
        seen, cookie = client.ask(search(BASE), 10 + pages, (1, cookie), sorted_by)
        assert (code_of(seen), len(entries_of(seen))) == (0, 1)
        assert {control.oid for control in client.to_client[-1].controls} == {PAGED_RESULTS, SORT_RESULT}
        pages += 1
    assert pages == 4


def test_each_operation_has_in_its_record_what_it_sent():
    client = Client(directory(5, [0, 1, 1, 3, 5]))
    client.read(search(BASE), 2)
    records = [record for record in client.audit if record.operation == "search"]
    assert [record.sent for record in records] == [2, 2, 1]
    assert sum(record.entries_held_back for record in records) == 5


def test_the_shrink_guard_counts_what_is_carried_once():
    client = Client(directory(7, [0, 2, 4]), shrink=ShrinkSettings(minimum=1))
    client.read(search(BASE), 2)
    (remembered,) = client.sizes.values()
    assert remembered.sizes.entries == 7
