"""A search over parts and pages, seen from both sides of a session."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.controls import MANAGE_DSA_IT, PAGED_RESULTS, Control, PagedResults, paged_results
from gateway.ldap.dn import parse
from gateway.ldap.encoding import encode
from gateway.ldap.filters import EqualityMatch, GreaterOrEqual
from gateway.policy.settings import Paging
from gateway.policy.shrink import Remembered, ShrinkMode, ShrinkSettings
from gateway.relay import commands as c
from gateway.relay.ranges import EntryChanged, RangedEntry
from gateway.relay.settings import SessionLimits
from tests.policy.policies import POLICY
from tests.relay.harness import BASE, OK, Harness, bind, done, entry, search

SALES = r"OU=Sales\, EMEA,DC=corp,DC=example"
ABOVE = "DC=corp,DC=example"
ALWAYS = {"paging": Paging.always, "page_size": 2}


def page(cookie=b"", size=0):
    return PagedResults(size, cookie).to_control(False)


class Paged(Harness):
    """The client's and the server's side of paged results. Nothing is excluded unless a test says so: then the gateway
    fills the client's pages (test_hidden_entries.py)."""

    def __init__(self, **changes):
        super().__init__(**{"excluded_base_dns": (), **changes})

    def ask(self, request=None, size=2, cookie=b"", number=7, critical=False):
        control = PagedResults(size, cookie).to_control(critical)
        data = encode(m.LDAPMessage(number, request or search(), (control,)))
        self.do(self.session.client_data(data, self.now))

    def serve(self, *entries, code=0, cookie=None, number=None):
        """Answers the request that the server was sent last."""
        number = number or self.to_server[-1].message_id
        controls = () if cookie is None else (page(cookie),)
        self.answer(number, *entries)
        self.do(self.session.server_data(encode(m.LDAPMessage(number, done(code), controls)), self.now))

    def asked(self):
        """Base, page size and cookie of each search that the server was sent."""
        found = []
        for message in self.to_server:
            if isinstance(message.operation, m.SearchRequest):
                pages = [paged_results(x) for x in message.controls if x.oid == PAGED_RESULTS]
                found.append((message.operation.base, *((p.size, p.cookie) for p in pages)))
        return found

    def names(self):
        return [x.operation.dn.split(",")[0] for x in self.to_client if isinstance(x.operation, m.SearchResultEntry)]

    def cookie(self):
        """Of the answer that the client got last."""
        (control,) = self.to_client[-1].controls
        return paged_results(control).cookie


def person(name, base=BASE):
    return entry(f"CN={name},{base}", "mail")


def test_what_no_client_paged_is_paged_and_comes_in_one():
    h = Paged(**ALWAYS).bound()
    h.send(search(), start=7)
    h.serve(person("a"), person("b"), cookie=b"one")
    h.serve(person("c"), cookie=b"")
    assert h.asked() == [(BASE, (2, b"")), (BASE, (2, b"one"))]
    assert all(x.critical for message in h.to_server for x in message.controls)
    assert h.names() == ["CN=a", "CN=b", "CN=c"]
    assert h.results() == [(7, 0)]
    assert h.to_client[-1].controls == ()
    assert (h.audit[-1].pages, h.audit[-1].sent) == (2, 3)


@pytest.mark.parametrize("is_active_directory", [True, False])
def test_auto_asks_the_server_once_whether_it_is_an_active_directory(is_active_directory):
    h = Paged(page_size=2).bound()
    h.facts.is_active_directory.clear()
    h.send(search(), start=7)
    assert (h.to_server[-1].operation.base, h.to_server[-1].operation.scope) == ("", 0)
    oid = b"1.2.840.113556.1.4.800" if is_active_directory else b"1.2.3"
    h.serve(m.SearchResultEntry("", (m.Attribute("supportedCapabilities", (oid,)),)))
    pages = [(2, b"")] if is_active_directory else []
    assert h.asked()[1:] == [(BASE, *pages)]
    h.serve(person("a"), cookie=b"" if is_active_directory else None)
    h.send(search(), start=8)
    assert h.asked()[2:] == [(BASE, *pages)]


def test_a_root_dse_that_cannot_be_read_is_asked_for_again():
    h = Paged().bound()
    h.facts.is_active_directory.clear()
    for number in (7, 8):
        h.send(search(), start=number)
        h.serve(code=50)
        assert h.to_server[-1].operation.base == BASE
        h.serve()
    assert h.results() == [(7, 0), (8, 0)]


def test_one_entry_read_by_itself_needs_no_pages():
    h = Paged(**ALWAYS).bound()
    h.send(m.SearchRequest(BASE, 0, EqualityMatch("objectClass", b"x")), start=7)
    assert h.asked() == [(BASE,)]


def test_searches_that_the_gateway_pages_run_one_after_another():
    h = Paged(**ALWAYS).bound()
    h.send(search(), search(SALES), start=7)
    assert h.asked() == [(BASE, (2, b""))]
    h.serve(person("a"), cookie=b"one")
    h.serve(person("b"), cookie=b"")
    assert h.asked()[-1] == (SALES, (2, b""))
    h.serve(person("c", SALES), cookie=b"")
    assert h.results() == [(7, 0), (8, 0)]


@pytest.mark.parametrize("given_up", [False, True])
def test_a_clients_page_waits_for_a_search_that_the_gateway_pages(given_up):
    h = Paged(**ALWAYS).bound()
    h.ask(search(SALES), number=6)
    h.serve(person("a", SALES), cookie=b"sales")
    h.send(search(), start=7)
    h.ask(search(SALES), size=0 if given_up else 2, cookie=h.cookie(), number=8)
    h.serve(person("b"), cookie=b"one")
    assert h.asked()[-1] == (BASE, (2, b"one"))
    h.serve(person("c"), cookie=b"")
    assert h.asked()[-1] == (SALES, (0 if given_up else 2, b"sales"))
    h.serve(cookie=b"")
    assert h.results() == [(6, 0), (7, 0), (8, 0)]


def test_the_turn_goes_on_when_its_search_is_abandoned_and_not_when_the_server_is_lost():
    h = Paged(**ALWAYS).bound()
    h.send(search(), search(SALES), start=7)
    h.send(m.AbandonRequest(7), start=9)
    assert h.asked()[-1] == (SALES, (2, b""))
    h.send(search(), start=10)
    sent, connected = h.asked(), len(h.other)
    h.do(h.session.server_lost("reset", h.now))
    assert h.asked() == sent
    assert c.ConnectServer not in h.other[connected:]
    assert h.results() == [(8, 52), (10, 52), (0, 52)]


def test_a_clients_pages_come_with_the_gateways_own_cookies():
    h = Paged(page_size=2).bound()
    h.ask(size=1000)
    h.serve(person("a"), person("b"), cookie=b"server cookie")
    cookie = h.cookie()
    assert cookie
    assert b"server" not in cookie
    h.ask(size=1000, cookie=cookie, number=8)
    h.serve(person("c"), cookie=b"")
    assert h.cookie() == b""
    assert h.asked() == [(BASE, (2, b"")), (BASE, (2, b"server cookie"))]
    assert h.results() == [(7, 0), (8, 0)]
    assert [record.more for record in h.audit[-2:]] == [True, False]


@pytest.mark.parametrize("critical", [True, False])
def test_a_clients_page_is_as_critical_as_it_said(critical):
    h = Paged().bound()
    h.ask(critical=critical)
    assert [x.critical for x in h.to_server[-1].controls] == [critical]


def test_a_server_that_does_not_page_gives_the_whole_and_that_is_the_last_page():
    h = Paged().bound()
    h.ask(size=1)
    h.serve(person("a"), person("b"))
    assert (h.names(), h.cookie()) == (["CN=a", "CN=b"], b"")


@pytest.mark.parametrize("change", ["unknown", "used", "search", "session", "bind", "server"])
def test_a_cookie_is_of_use_once_in_its_session_for_its_search_on_its_server(change):
    h = Paged().bound()
    h.ask()
    h.serve(person("a"), cookie=b"one")
    cookie, request = h.cookie(), search()
    if change == "unknown":
        cookie = cookie + b"x"
    elif change == "used":
        h.ask(cookie=cookie, number=8)
        h.serve(person("b"), cookie=b"two")
    elif change == "search":
        request = search(SALES)
    elif change == "session":
        h = Paged().bound()
    elif change == "bind":
        h.send(bind("svc-sync@corp.example"), start=8)
        h.answer(h.to_server[-1].message_id, m.BindResponse(done().result))
    else:
        h.send(bind("nobody"), bind("svc-sync@corp.example"), start=8)
        h.connected()
        h.answer(1, m.BindResponse(done().result))
    sent = len(h.to_server)
    h.ask(request, cookie=cookie, number=20)
    assert h.results()[-1] == (20, 53)
    assert h.audit[-1].reason == "cookie-not-valid"
    assert len(h.to_server) == sent


def test_a_client_gives_a_paged_search_up():
    h = Paged().bound()
    h.ask()
    h.serve(person("a"), cookie=b"one")
    cookie = h.cookie()
    h.ask(size=0, cookie=cookie, number=8)
    assert h.asked()[-1] == (BASE, (0, b"one"))
    h.serve(cookie=b"")
    assert (h.results()[-1], h.cookie()) == ((8, 0), b"")
    assert h.audit[-1].more
    h.ask(cookie=cookie, number=9)
    assert h.results()[-1] == (9, 53)


def test_no_more_paged_searches_are_kept_than_ten():
    h = Paged().bound()
    cookies = []
    for number in range(11):
        h.ask(number=10 + number)
        h.serve(person("a"), cookie=b"%d" % number)
        cookies.append(h.cookie())
    h.ask(cookie=cookies[0], number=30)
    assert h.results()[-1] == (30, 53)
    h.ask(cookie=cookies[1], number=31)
    assert h.asked()[-1] == (BASE, (2, b"1"))


def test_a_cookie_that_cannot_be_read_fails_the_search():
    h = Paged(**ALWAYS).bound()
    h.send(search(), start=7)
    broken = encode(m.LDAPMessage(h.to_server[-1].message_id, done(), (Control(PAGED_RESULTS, False, b"\x30"),)))
    h.do(h.session.server_data(broken, h.now))
    assert h.results() == [(7, 52)]
    assert h.audit[-1].reason == "server-undecodable"


@pytest.mark.parametrize("code", [4, 11, 53, 80])
def test_an_error_on_a_later_page_fails_the_whole_search(code):
    h = Paged(**ALWAYS).bound()
    h.send(search(), start=7)
    h.serve(person("a"), cookie=b"one")
    h.serve(person("b"), code=code)
    assert h.results() == [(7, code)]


# Narrowing.


def test_a_search_from_above_is_one_result_from_the_allowed_bases():
    h = Paged().bound()
    h.send(search(ABOVE), start=7)
    h.serve(person("a"))
    assert h.results() == []
    h.serve(person("b", SALES))
    assert h.asked() == [(BASE,), (SALES,)]
    assert h.names() == ["CN=a", "CN=b"]
    assert h.results() == [(7, 0)]
    assert h.audit[-1].narrowed_to == (BASE, SALES)


def test_it_is_paged_over_the_bases_with_no_page_too_long():
    h = Paged(page_size=3).bound()
    h.ask(search(ABOVE), size=3)
    h.serve(person("a"), person("b"), cookie=b"")
    assert h.asked() == [(BASE, (3, b"")), (SALES, (1, b""))]
    h.serve(person("c", SALES), cookie=b"more")
    assert h.names() == ["CN=a", "CN=b", "CN=c"]
    h.ask(search(ABOVE), size=3, cookie=h.cookie(), number=8)
    assert h.asked()[-1] == (SALES, (3, b"more"))
    h.serve(person("d", SALES), cookie=b"")
    assert h.results() == [(7, 0), (8, 0)]
    assert h.cookie() == b""


def test_a_page_that_a_base_fills_ends_before_the_next_base():
    h = Paged().bound()
    h.ask(search(ABOVE), size=2)
    h.serve(person("a"), person("b"), cookie=b"")
    assert h.results() == [(7, 0)]
    assert h.cookie()
    h.ask(search(ABOVE), size=2, cookie=h.cookie(), number=8)
    assert h.asked()[-1] == (SALES, (2, b""))


def test_an_allowed_base_that_does_not_exist_fails_the_search_by_its_name():
    h = Paged().bound()
    h.send(search(ABOVE), start=7)
    h.serve(person("a"))
    h.serve(code=32)
    assert h.results() == [(7, 53)]
    assert SALES in h.to_client[-1].operation.result.diagnostic
    assert h.audit[-1].reason == "narrowed-base-missing"


@pytest.mark.parametrize("paging", [Paging.never, Paging.always])
def test_narrowed_and_paged_by_the_gateway_or_not_at_all(paging):
    h = Paged(paging=paging, page_size=2).bound()
    h.send(search(ABOVE), start=7)
    h.serve(person("a"), cookie=None if paging is Paging.never else b"")
    h.serve(person("b", SALES), cookie=None if paging is Paging.never else b"")
    assert h.results() == [(7, 0)]
    pages = [] if paging is Paging.never else [(2, b"")]
    assert h.asked() == [(BASE, *pages), (SALES, *pages)]


def test_the_entry_above_is_given_with_its_class_alone():
    h = Paged().bound()
    h.send(m.SearchRequest("dc=CORP,DC=example", 0, search().filter), start=7)
    assert h.to_server[-1].operation.attributes == ("objectClass",)
    h.serve(entry(ABOVE, "objectClass", "mail", "description"))
    assert h.to_client[0].operation == entry(ABOVE, "objectClass")
    assert h.results() == [(7, 0)]


@pytest.mark.parametrize("other", ["CN=x,DC=corp,DC=example", "DC=example", "DC=corp, DC=\0", BASE])
def test_no_other_entry_passes_for_the_one_above(other):
    h = Paged().bound()
    h.send(m.SearchRequest(ABOVE, 0, search().filter), start=7)
    h.serve(entry(other, "objectClass"))
    assert (h.names(), h.results()) == ([], [(7, 52)])


# Limits on entries.


@pytest.mark.parametrize(
    ("changes", "asked", "sent"), [({"size_limit": 2}, 0, 2), ({}, 2, 2), ({"size_limit": 3}, 2, 2), ({}, 3, 3)]
)
def test_a_server_that_ignores_the_limit_does_not_matter(changes, asked, sent):
    h = Paged(**changes).bound()
    h.send(search(size_limit=asked), start=7)
    number = h.to_server[-1].message_id
    h.serve(person("a"), person("b"), person("c"), person("d"))
    assert len(h.names()) == sent
    assert h.results() == [(7, 4)]
    assert h.audit[-1].reason == "size-limit-reached"
    assert h.to_server[-1].operation == m.AbandonRequest(number)


def test_just_as_many_as_permitted_are_a_success():
    h = Paged(size_limit=2, excluded_base_dns=()).bound()
    h.send(search(), start=7)
    h.serve(person("a"), person("b"), person("x", "DC=elsewhere"))
    assert h.results() == [(7, 0)]


def test_the_limit_counts_over_pages_and_bases():
    h = Paged(**ALWAYS).bound()
    h.send(search(ABOVE, size_limit=3), start=7)
    h.serve(person("a"), person("b"), cookie=b"")
    assert h.asked() == [(BASE, (2, b"")), (SALES, (2, b""))]
    h.serve(person("c", SALES), person("d", SALES), cookie=b"")
    assert (h.names(), h.results()) == (["CN=a", "CN=b", "CN=c"], [(7, 4)])
    assert {x.operation.size_limit for x in h.to_server if isinstance(x.operation, m.SearchRequest)} == {0}


def test_the_limit_counts_over_the_clients_own_pages():
    h = Paged(size_limit=3).bound()
    h.ask()
    h.serve(person("a"), person("b"), cookie=b"one")
    h.ask(cookie=h.cookie(), number=8)
    h.serve(person("c"), person("d"), cookie=b"two")
    assert (len(h.names()), h.results()) == (3, [(7, 0), (8, 4)])


# References.


def test_references_pass_to_listed_hosts_only():
    h = Paged(referral_hosts=frozenset({"dc2.corp.example"})).bound()
    h.send(search(), start=7)
    uris = ("ldap://dc9.corp.example/DC=x", "LDAP://DC2.corp.example:389/DC=x", "ldap://dc2.corp.example@evil/", "x:")
    h.serve(m.SearchResultReference(uris), m.SearchResultReference(uris[:1]))
    assert h.to_client[0].operation.uris == uris[1:2]
    assert (len(h.to_client), h.audit[-1].references_dropped) == (2, 1)


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("OU=Staff,DC=corp,DC=example", True),
        ("", True),
        ("OU=Secret,OU=Staff,DC=corp,DC=example", False),
        ("CN=x,ou=%53ecret,ou=staff,dc=corp,dc=example??sub", False),
        ("CN=x,OU=%EF%BC%B3ecret,OU=Staff,DC=corp,DC=example", False),
        ("no name", False),
        ("CN=%FF", False),
    ],
)
def test_a_reference_to_what_is_excluded_does_not_pass(name, passes):
    hosts = frozenset({"dc2"})
    for excluded in (POLICY.excluded_base_dns, ()):
        h = Paged(referral_hosts=hosts, excluded_base_dns=excluded).bound()
        h.send(search(), start=7)
        h.serve(m.SearchResultReference((f"ldap://dc2/{name}",)))
        assert len(h.to_client) == 2 if passes or not excluded else 1


@pytest.mark.parametrize(("hosts", "code"), [((), 53), (("dc2",), 10)])
def test_a_final_referral_is_an_error_unless_its_host_is_listed(hosts, code):
    h = Paged(referral_hosts=frozenset(hosts)).bound()
    h.send(search(), start=7)
    h.answer(h.to_server[-1].message_id, done(10, referral=("ldap://dc2/", "ldap://dc3/"), diagnostic="secret"))
    result = h.to_client[-1].operation.result
    assert (result.code, result.referral) == (code, ("ldap://dc2/",) if hosts else ())
    assert "secret" not in result.diagnostic


# Ranges.


def group(name, *attributes, base=BASE):
    return m.SearchResultEntry(f"CN={name},{base}", tuple(m.Attribute(n, values) for n, values in attributes))


def numbers(first, last):
    return tuple(b"CN=%d" % number for number in range(first, last))


def test_a_group_in_ranges_comes_whole_behind_the_others():
    h = Paged().bound()
    h.send(search(), start=7)
    h.serve(
        group("g", ("member;range=0-2", numbers(0, 3)), ("member", ()), ("mail", (b"g",)), ("pager", (b"1",))),
        person("a"),
    )
    assert (h.names(), h.results()) == (["CN=a"], [])
    asked = h.to_server[-1].operation
    assert (asked.base, asked.scope, asked.attributes) == (f"CN=g,{BASE}", 0, ("member;range=3-*",))
    h.serve(group("g", ("member;range=3-5", numbers(3, 6))))
    h.serve(group("g", ("member;range=6-*", numbers(6, 8))))
    assert h.names() == ["CN=a", "CN=g"]
    assert h.to_client[1].operation == group("g", ("mail", (b"g",)), ("member", numbers(0, 8)))
    assert h.results() == [(7, 0)]
    assert (h.audit[-1].received, h.audit[-1].sent) == (2, 2)


def test_ranges_are_fetched_before_the_next_page_and_the_page_answered_after_them():
    h = Paged(page_size=2).bound()
    h.ask()
    h.serve(group("g", ("member;range=0-0", numbers(0, 1))), person("a"), cookie=b"one")
    assert h.results() == []
    h.serve(group("g", ("member;range=1-*", numbers(1, 2))))
    assert h.results() == [(7, 0)]
    assert h.cookie()


def test_a_client_that_asks_for_ranges_gets_ranges():
    h = Paged().bound()
    h.send(m.SearchRequest(BASE, 2, search().filter, ("member;range=0-1",)), start=7)
    ranged = group("g", ("member;range=0-1", numbers(0, 2)))
    h.serve(ranged)
    assert h.to_client[0].operation == ranged


def test_ranges_pass_as_they_are_where_they_are_not_expanded():
    h = Paged(expand_ranges=False).bound()
    h.send(search(), start=7)
    ranged = group("g", ("member;range=0-1", numbers(0, 2)))
    h.serve(ranged)
    assert h.to_client[0].operation == ranged


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [group("g")],
        [group("g", ("member;range=4-*", numbers(4, 5)))],
        [group("g", ("member;range=3-*", ()))],
        [group("g", ("mail;range=3-*", numbers(3, 4)))],
        [group("g", ("member", numbers(3, 4)))],
        [group("g", ("member;range=3-*", numbers(3, 4)))] * 2,
    ],
)
def test_an_entry_that_changes_meanwhile_fails_the_search(answer):
    h = Paged().bound()
    h.send(search(), start=7)
    h.serve(group("g", ("member;range=0-2", numbers(0, 3))), person("a"))
    h.serve(*answer)
    assert h.results() == [(7, 52)]
    assert (h.names(), h.audit[-1].reason) == (["CN=a"], "entry-changed")


# Few parts, so that two names are often almost the same.
NAMES = st.lists(st.sampled_from(["CN=a", "cn=A", "OU=a", "CN=a\\, b", "CN=a+OU=b", "OU=b+CN=a"]), max_size=3).map(
    ",".join
)


@given(NAMES, NAMES)
def test_only_the_entry_itself_continues_its_ranges(own, other):
    ranged = RangedEntry(
        m.SearchResultEntry(own, (m.Attribute("member;range=0-0", numbers(0, 1)),)), lambda description: True
    )
    answer = m.SearchResultEntry(other, (m.Attribute("member;range=1-*", numbers(1, 2)),))
    if parse(other).same(parse(own)):
        assert ranged.add(answer) == len(b"CN=1")
        assert ranged.whole() == m.SearchResultEntry(own, (m.Attribute("member", numbers(0, 2)),))
    else:
        with pytest.raises(EntryChanged):
            ranged.add(answer)
        assert ranged.next_request() is not None


@pytest.mark.parametrize("dn", ["CN=h," + BASE, BASE, "", "no name at all", f"CN=x+CN=g,{BASE}"])
def test_the_values_of_another_entry_are_nobodys(dn):
    h = Paged().bound()
    h.send(search(), start=7)
    h.serve(group("g", ("member;range=0-2", numbers(0, 3))))
    h.serve(m.SearchResultEntry(dn, (m.Attribute("member;range=3-*", numbers(3, 4)),)))
    assert (h.names(), h.results(), h.audit[-1].reason) == ([], [(7, 52)], "entry-changed")


def test_an_entry_that_is_gone_meanwhile_fails_the_search():
    h = Paged().bound()
    h.send(search(), start=7)
    h.serve(group("g", ("member;range=0-2", numbers(0, 3))))
    h.serve(code=32)
    assert (h.results(), h.audit[-1].reason) == ([(7, 52)], "entry-changed")


@pytest.mark.parametrize("more", [0, 2])
def test_no_more_is_put_aside_than_there_is_room_for(more):
    h = Paged(limits=SessionLimits(expanded_entry=100)).bound()
    h.send(search(), start=7)
    if more:
        h.serve(group("g", ("member;range=0-0", numbers(0, 1))))
        h.serve(group("g", ("member;range=1-*", (b"x" * 100,))))
    else:
        h.serve(group("g", ("member;range=0-0", (b"x" * 100,))))
    assert h.results() == [(7, 11)]
    assert h.audit[-1].reason == "expanded-entry-too-large"
    # What failed has given its room back.
    h.send(search(), start=8)
    h.serve(group("g", ("member;range=0-0", numbers(0, 1))))
    h.serve(group("g", ("member;range=1-*", numbers(1, 2))))
    assert h.results()[-1] == (8, 0)


def test_an_entry_that_may_not_be_seen_is_not_put_aside():
    h = Paged(excluded_base_dns=POLICY.excluded_base_dns).bound()
    h.send(search(), start=7)
    h.serve(group("g", ("member;range=0-0", numbers(0, 1)), base="OU=Secret," + BASE))
    assert (h.names(), h.results()) == ([], [(7, 0)])


# The shrink guard.

GUARD = ShrinkSettings(keep_at_least=80, minimum=5)


def run(h, count, request=None, mails=None, number=7):
    h.send(request or search(), start=number)
    mails = count if mails is None else mails
    h.serve(*(entry(f"CN={i},{BASE}", *(("mail",) if i < mails else ())) for i in range(count)))
    return h.results()[-1]


def test_a_result_that_lost_too_much_is_no_success():
    h = Paged(shrink=GUARD).bound()
    assert run(h, 10) == (7, 0)
    assert run(h, 8, number=8) == (8, 0)
    assert run(h, 6, number=9) == (9, 53)
    assert h.audit[-1].reason == "result-shrank"
    assert "entries: 6, last time 8" in h.audit[-1].detail
    # It was not remembered, so the next one fails as well.
    assert run(h, 6, number=10) == (10, 53)


def test_lost_rights_on_one_attribute_are_seen():
    h = Paged(shrink=GUARD).bound()
    assert run(h, 10) == (7, 0)
    assert run(h, 10, mails=7, number=8) == (8, 53)
    assert "entries with mail: 7, last time 10" in h.audit[-1].detail


def test_what_was_accepted_is_the_new_measure():
    h = Paged(shrink=GUARD).bound()
    run(h, 10)
    (shape,) = h.sizes
    h.sizes[shape] = Remembered(h.sizes[shape].sizes, accepted=True)
    assert run(h, 6, number=8) == (8, 0)
    assert h.sizes[shape].sizes.entries == 6


@pytest.mark.parametrize(("mode", "code", "stored"), [(ShrinkMode.report, 0, 1), (ShrinkMode.off, 0, 0)])
def test_the_careful_start_and_no_guard(mode, code, stored):
    h = Paged(shrink=ShrinkSettings(mode, 80, 5)).bound()
    run(h, 10)
    assert run(h, 1, number=8) == (8, code)
    assert len(h.sizes) == stored
    assert h.audit[-1].reported == (("result-shrank",) if stored else ())


def test_the_shape_is_what_the_client_asks_not_what_it_is_narrowed_to():
    h = Paged(shrink=GUARD).bound()
    h.send(search(ABOVE), start=7)
    h.serve(*(person(str(i)) for i in range(5)))
    h.serve(*(person(str(i), SALES) for i in range(5)))
    fewer = Paged(shrink=GUARD, base_dns=POLICY.base_dns[:1]).bound()
    fewer.sizes = h.sizes
    fewer.send(search(ABOVE), start=7)
    fewer.serve(*(person(str(i)) for i in range(5)))
    assert fewer.results() == [(7, 53)]


def test_small_results_are_not_remembered_and_entries_read_by_themselves_never():
    h = Paged(shrink=GUARD).bound()
    run(h, 4)
    h.send(m.SearchRequest(BASE, 0, search().filter), start=8)
    h.serve(*(person(str(i)) for i in range(9)))
    assert h.sizes == {}


def test_pages_of_the_client_are_one_result():
    h = Paged(shrink=GUARD, page_size=5).bound()
    for start in (7, 17):
        cookie = b""
        for number in range(2):
            h.ask(size=5, cookie=cookie, number=start + number)
            gone = 2 if start == 17 else 0
            h.serve(*(person(f"{number}{i}") for i in range(5 - gone)), cookie=b"" if number else b"one")
            cookie = h.cookie() if h.to_client[-1].controls else b""
    assert h.results() == [(7, 0), (8, 0), (17, 0), (18, 53)]


def test_a_search_for_changes_is_neither_compared_nor_remembered():
    h = Paged(shrink=GUARD, filter_attributes=("objectClass", "whenChanged")).bound()
    assert run(h, 10) == (7, 0)
    whole = dict(h.sizes)
    for number, count in enumerate((9, 0, 9), 8):
        changes = replace(search(), filter=GreaterOrEqual("whenChanged", b"2026010100000%d.0Z" % number))
        assert run(h, count, changes, number=number) == (number, 0)
        assert (h.audit[-1].reason, h.sizes) == ("", whole)
    assert run(h, 6, number=20) == (20, 53)


def test_controls_that_change_the_result_make_another_search_of_it():
    """At OpenLDAP manageDsaIT makes entries of what would be references."""
    h = Paged(shrink=GUARD, controls=frozenset({PAGED_RESULTS, MANAGE_DSA_IT})).bound()
    h.facts.controls["ldaps://dc1"] = frozenset({MANAGE_DSA_IT})
    with_it = (Control(MANAGE_DSA_IT),)
    for number, controls, count in ((7, with_it, 20), (8, (), 10), (9, with_it, 10)):
        message = m.LDAPMessage(number, search(), controls)
        h.do(h.session.client_data(encode(message), h.now))
        h.serve(*(person(str(i)) for i in range(count)))
    assert h.results() == [(7, 0), (8, 0), (9, 53)]
    assert len(h.sizes) == 2


def test_the_spelling_that_signed_in_is_part_of_the_shape():
    spellings = ("svc-sync@corp.example", "CN=Svc,OU=Service,DC=corp,DC=example")
    h = Paged(shrink=GUARD, sync_accounts=spellings)
    for start, name in ((1, spellings[0].upper()), (11, spellings[1].lower())):
        h.send(bind(name), start=start)
        if start == 1:
            h.connected()
        h.answer(h.to_server[-1].message_id, m.BindResponse(OK))
        assert run(h, 10, number=start + 1) == (start + 1, 0)
    assert [shape.account for shape in h.sizes] == list(spellings)


def test_a_failed_search_is_neither_compared_nor_remembered():
    h = Paged(shrink=GUARD).bound()
    run(h, 10)
    h.send(search(), start=8)
    h.serve(person("a"), code=80)
    assert h.results()[-1] == (8, 80)
    assert [remembered.sizes.entries for remembered in h.sizes.values()] == [10]
