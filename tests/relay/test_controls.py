"""Controls and supertypes where they depend on the server, seen from both sides of a session."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.controls import (
    DOMAIN_SCOPE,
    MANAGE_DSA_IT,
    PAGED_RESULTS,
    PASSWORD_POLICY,
    SORT,
    SORT_RESULT,
    Control,
    PagedResults,
    paged_results,
)
from gateway.ldap.encoding import encode
from gateway.ldap.filter_text import filter_text, parse_filter
from gateway.ldap.password_policy import PasswordPolicyAnswer, password_policy_answer
from gateway.ldap.results import LDAPResult
from gateway.ldap.sorting import SortKey, SortResult, sort_control, sort_keys, sort_result
from gateway.ldap.supertypes import SUPERTYPES
from gateway.policy.controls import UNDERSTOOD
from gateway.policy.settings import Mode, Paging
from gateway.relay.features import ACTIVE_DIRECTORY
from tests.examples import examples
from tests.policy.policies import compiled
from tests.relay.harness import BASE, Harness, bind, done, entry, search

ABOVE = "DC=corp,DC=example"
ALL = frozenset(UNDERSTOOD)
SALES = r"OU=Sales\, EMEA,DC=corp,DC=example"


def root_dse(*, is_active_directory=False, controls=()):
    attributes = [m.Attribute("supportedControl", tuple(oid.encode() for oid in controls))]
    if is_active_directory:
        attributes.append(m.Attribute("supportedCapabilities", (b"1.2.3", ACTIVE_DIRECTORY)))
    return m.SearchResultEntry("", tuple(attributes))


class Controlled(Harness):
    """server: the root DSE of a server that the gateway has not seen before; None where it shows none."""

    def __init__(self, server=None, **changes):
        changes.setdefault("controls", ALL)
        super().__init__(compiled=compiled(**changes))
        self.facts.is_active_directory.clear()
        self.server = server
        self.bound()

    def ask(self, *controls, request=None, number=7):
        data = encode(m.LDAPMessage(number, request or search(), controls))
        self.do(self.session.client_data(data, self.now))
        if self.to_server and self.to_server[-1].operation.base == "":
            self.serve(*(() if self.server is None else (self.server,)), code=50 if self.server is None else 0)

    def serve(self, *operations, code=0, controls=()):
        """Answers the request that the server was sent last."""
        number = self.to_server[-1].message_id
        self.answer(number, *operations)
        self.do(self.session.server_data(encode(m.LDAPMessage(number, done(code), tuple(controls))), self.now))

    def searches(self):
        """What the server was sent besides the look at its root DSE."""
        return [x for x in self.to_server if isinstance(x.operation, m.SearchRequest) and x.operation.base]

    def answered(self):
        """Controls of the last result that the client was sent, by OID."""
        return {control.oid: control for control in self.to_client[-1].controls}

    def sort_code(self):
        control = self.answered().get(SORT_RESULT)
        return None if control is None else sort_result(control).code


def sort(*names, critical=False):
    return sort_control(tuple(SortKey(name) for name in names), critical)


@settings(max_examples=examples(400), deadline=None)
@given(
    st.sampled_from((SORT, MANAGE_DSA_IT)),
    st.booleans(),
    st.none() | st.frozensets(st.sampled_from((SORT, MANAGE_DSA_IT, DOMAIN_SCOPE, PAGED_RESULTS))),
    st.booleans(),
    st.sampled_from(((BASE, 2), (ABOVE, 2), (ABOVE, 0))),
)
def test_a_control_is_sent_where_the_server_lists_it(oid, critical, supported, is_active_directory, where):
    """supported: in the server's root DSE; None where it shows none."""
    server = None
    if supported is not None:
        server = root_dse(is_active_directory=is_active_directory, controls=sorted(supported))
    h = Controlled(server, paging=Paging.never)
    asked = sort("MAIL", critical=critical) if oid == SORT else Control(oid, critical, b"")
    base, scope = where
    h.ask(asked, request=m.SearchRequest(base, scope, parse_filter("(objectClass=*)"), ("mail",)))
    alone, several = scope == 0, base == ABOVE and scope == 2
    listed = supported is not None and oid in supported
    # Sorted by itself; and Active Directory has no referral objects that manageDsaIT would show.
    met = (oid == SORT and alone) or (oid == MANAGE_DSA_IT and server is not None and is_active_directory)
    if critical and not met and ((several and oid == SORT) or not listed):
        assert h.results() == [(7, 12)]
        assert h.searches() == []
        assert h.audit[-1].reason in ("control-not-supported", "sort-over-several-bases")
        assert (h.sort_code() == 53) is (oid == SORT)
        return
    sent = listed and (oid != SORT or not (alone or several))
    for part in range(2 if several else 1):
        last = h.searches()[part]
        assert {x.oid for x in last.controls} == ({oid} if sent else set())
        assert all(x.critical is critical for x in last.controls)
        if sent and oid == SORT:
            assert sort_keys(last.controls[0]) == (SortKey("mail"),)
        h.serve(controls=(SortResult(0).to_control(),) if sent else ())
    assert h.results() == [(7, 0)]
    assert h.sort_code() == (None if oid == MANAGE_DSA_IT else 0 if sent or alone else 53)


def test_the_root_dse_is_read_once_for_all_sessions():
    h = Controlled(root_dse(controls=[SORT]))
    for number in (7, 8):
        h.ask(sort("mail", critical=True), number=number)
        h.serve(controls=[SortResult(0).to_control()])
    assert h.results() == [(7, 0), (8, 0)]
    assert len(h.to_server) == 3
    # What no control and no supertype asks for is not looked up.
    plain = Controlled(root_dse(), paging=Paging.never)
    plain.ask()
    assert [x.operation.base for x in plain.to_server] == [BASE]


def test_a_server_that_shows_nothing_is_asked_again():
    h = Controlled(None, paging=Paging.never)
    for number in (7, 8):
        h.ask(sort("mail", critical=True), number=number)
    assert h.results() == [(7, 12), (8, 12)]
    assert h.searches() == []


@pytest.mark.parametrize("critical", [True, False])
def test_a_sort_that_the_server_does_not_do_is_said_to_the_client_in_the_gateways_words(critical):
    h = Controlled(root_dse(controls=[SORT]))
    h.ask(sort("mail", critical=critical))
    answers = (SortResult(16, "pager").to_control(), Control("1.2.3"), PagedResults(9).to_control(False))
    h.serve(entry(f"CN=a,{BASE}", "mail"), controls=answers)
    assert h.results() == [(7, 0)]
    assert h.to_client[-1].controls == (SortResult(16).to_control(),)


def test_an_answer_to_a_sort_that_cannot_be_read_fails_the_search():
    h = Controlled(root_dse(controls=[SORT]))
    h.ask(sort("mail"))
    h.serve(controls=[Control(SORT_RESULT, False, b"\x30\x01")])
    assert h.results() == [(7, 52)]
    assert h.audit[-1].reason == "server-undecodable"


def test_answers_to_controls_that_were_not_sent_do_not_pass():
    h = Controlled(root_dse(controls=[SORT]))
    h.ask(Control(MANAGE_DSA_IT))
    h.serve(controls=[SortResult(0).to_control(), Control(PASSWORD_POLICY, False, b"\x30\x00"), Control("1.2.3")])
    assert h.to_client[-1].controls == ()


def test_pages_of_a_sorted_search_are_sorted_and_belong_to_it():
    # Where nothing is excluded the client's pages are the server's.
    h = Controlled(root_dse(controls=[SORT, PAGED_RESULTS]), excluded_base_dns=())
    h.ask(sort("mail", critical=True), PagedResults(2).to_control(True))
    h.serve(controls=[SortResult(0).to_control(), PagedResults(0, b"server's").to_control(False)])
    assert {x.oid for x in h.searches()[-1].controls} == {SORT, PAGED_RESULTS}
    assert h.sort_code() == 0
    cookie = paged_results(h.answered()[PAGED_RESULTS]).cookie
    # RFC 2696 3: all but the cookie is as it was. Otherwise the page would come in another order.
    h.ask(PagedResults(2, cookie).to_control(True), number=8)
    assert h.results()[-1] == (8, 53)
    h.ask(sort("mail", critical=True), PagedResults(2).to_control(True), number=9)
    h.serve(controls=[SortResult(0).to_control(), PagedResults(0, b"server's").to_control(False)])
    cookie = paged_results(h.answered()[PAGED_RESULTS]).cookie
    h.ask(sort("mail", critical=True), PagedResults(0, cookie).to_control(True), number=10)
    assert {x.oid for x in h.searches()[-1].controls} == {SORT, PAGED_RESULTS}


def test_an_entry_with_ranges_keeps_its_place_in_a_sorted_search():
    h = Controlled(root_dse(controls=[SORT]), paging=Paging.never)
    h.ask(sort("mail", critical=True))
    first, third = (m.SearchResultEntry(f"CN={name},{BASE}", ()) for name in ("a", "c"))
    ranged = m.SearchResultEntry(f"CN=b,{BASE}", (m.Attribute("member;range=0-0", (b"x",)),))
    h.serve(first, ranged, third, controls=[SortResult(0).to_control()])
    h.serve(m.SearchResultEntry(f"CN=b,{BASE}", (m.Attribute("member;range=1-*", (b"y",)),)))
    names = [x.operation.dn[3] for x in h.to_client if isinstance(x.operation, m.SearchResultEntry)]
    assert names == ["a", "b", "c"]
    assert (h.results(), h.sort_code(), h.audit[-1].sent) == ([(7, 0)], 0, 3)


# References.

REFERENCE = m.SearchResultReference(("ldap://dc2.corp.example/OU=x,DC=corp,DC=example",))
PASSES = {"referral_hosts": frozenset({"dc2.corp.example"}), "paging": Paging.never}


@pytest.mark.parametrize("critical", [True, False])
def test_domain_scope_drops_the_references_of_its_search_alone(critical):
    h = Controlled(root_dse(), **PASSES)
    h.ask(Control(DOMAIN_SCOPE, critical), number=7)
    assert h.searches()[-1].controls == ()
    h.serve(REFERENCE, entry(f"CN=a,{BASE}"))
    h.ask(number=8)
    h.serve(REFERENCE)
    passed = [x.message_id for x in h.to_client if isinstance(x.operation, m.SearchResultReference)]
    assert passed == [8]
    assert [record.references_dropped for record in h.audit[-2:]] == [1, 0]
    assert h.results() == [(7, 0), (8, 0)]


# Password policy.

WARNING = PasswordPolicyAnswer(before_expiration=3600)


class Binding(Harness):
    def ask(self, name, *controls, number=1):
        self.do(self.session.client_data(encode(m.LDAPMessage(number, bind(name), controls)), self.now))
        self.connected()

    def serve(self, code, *controls):
        answer = m.LDAPMessage(self.to_server[-1].message_id, m.BindResponse(LDAPResult(code)), controls)
        self.do(self.session.server_data(encode(answer), self.now))


@settings(max_examples=examples(300), deadline=None)
@given(
    st.sampled_from(("svc-sync@corp.example", f"CN=jane,{BASE}", "CN=x,OU=Other,DC=corp,DC=example")),
    st.sampled_from((0, 49, 53, 51, 12)),
    st.booleans(),
    st.booleans(),
    st.sampled_from((b"\x30\x00", WARNING.to_control().value, b"\x30\x03\x81\x01\x02", b"\x30\x05", None)),
)
def test_what_the_server_says_of_the_password_comes_beside_a_success_alone(name, code, asked, listed, value):
    h = Binding(controls=ALL if listed else frozenset())
    h.ask(name, *([Control(PASSWORD_POLICY)] if asked else []))
    binds = [x for x in h.to_server if isinstance(x.operation, m.BindRequest)]
    if not binds:
        assert h.results() == [(1, 49)]
        assert h.to_client[-1].controls == ()
        return
    assert binds[0].controls == ((Control(PASSWORD_POLICY),) if asked and listed else ())
    h.serve(code, Control(PASSWORD_POLICY, False, value), Control("1.2.3", True))
    if code == 51:
        h.do(h.session.server_failed("down", h.now))
    ((_, result),) = h.results()[:1]
    controls = next(x for x in h.to_client if isinstance(x.operation, m.BindResponse)).controls
    readable = value in (b"\x30\x00", WARNING.to_control().value, b"\x30\x03\x81\x01\x02")
    assert (result == 0) is (code == 0)
    assert bool(controls) is (code == 0 and asked and listed and readable)
    if controls:
        assert controls == (password_policy_answer(Control(PASSWORD_POLICY, False, value)).to_control(),)
    elif code == 0 and asked and listed:
        assert "password policy" in h.audit[-1].detail


def test_a_person_whom_the_gateway_refuses_learns_nothing_of_the_password():
    h = Binding(controls=ALL)
    h.ask("jane@corp.example", Control(PASSWORD_POLICY))
    h.serve(0, WARNING.to_control())
    # Whom the server bound cannot be told, so the sign-in is refused.
    while not h.results():
        last = h.to_server[-1]
        if isinstance(last.operation, m.ExtendedRequest):
            h.answer(last.message_id, m.ExtendedResponse(LDAPResult(2)))
        else:
            h.answer(last.message_id, done(50))
    assert h.results() == [(1, 49)]
    assert h.to_client[-1].controls == ()


@pytest.mark.parametrize("name", ["svc-sync@corp.example", f"CN=jane,{BASE}", "CN=x,OU=Other,DC=corp,DC=example"])
def test_a_critical_control_of_a_bind_is_refused_whatever_the_name(name):
    h = Binding(controls=ALL)
    h.ask(name, Control(PASSWORD_POLICY, True))
    assert h.results() == [(1, 12)]
    assert h.to_server == []


# Supertypes.

TYPES = {name: (name, *subtypes) for name, subtypes in SUPERTYPES.items()}
FORMS = (
    "({}=x*)",
    "({}=*x*y)",
    "({}=x)",
    "({}>=x)",
    "({}<=x)",
    "({}~=x)",
    "({}=*)",
    "({}:caseIgnoreMatch:=x)",
    "({}:=x)",
    "({}:dn:=x)",
    "({}:dn:caseIgnoreMatch:=x)",
    "(!({}=x*))",
    "(&(mail=a)(|(mail=b)({}=x)))",
)
OIDS = {"name": "2.5.4.41", "distinguishedname": "2.5.4.49", "postaladdress": "2.5.4.16"}


def filtered(text):
    return m.SearchRequest(BASE, 2, parse_filter(text), ("mail",))


@settings(max_examples=examples(800), deadline=None)
@given(st.data())
def test_a_filter_on_a_supertype_passes_where_it_stands_for_nothing_unlisted(data):
    supertype = data.draw(st.sampled_from(sorted(TYPES)))
    subtypes = SUPERTYPES[supertype]
    missing = data.draw(st.sampled_from((None, *subtypes)))
    asked = data.draw(st.sampled_from(subtypes)) if data.draw(st.booleans()) else supertype
    spelt = data.draw(st.sampled_from((asked, asked.upper(), f"{asked};lang-de", OIDS.get(asked, asked))))
    form = data.draw(st.sampled_from(FORMS))
    server = data.draw(st.none() | st.booleans())
    mode = data.draw(st.sampled_from(Mode))
    # Where nothing is drawn as missing all subtypes are listed.
    listed = tuple(each for each in subtypes if missing is None or each != missing)
    h = Controlled(
        None if server is None else root_dse(is_active_directory=server),
        attributes=("mail", supertype),
        filter_attributes=listed,
        matching_rules=frozenset({"caseIgnoreMatch"}),
        paging=Paging.never,
        mode=mode,
    )
    if ":dn:" in form:
        h.ask(request=filtered(form.format(spelt)))
        assert h.audit[-1].reason == "filter-dn-attributes"
        return
    if missing is not None and asked == missing and mode is Mode.enforce:
        h.ask(request=filtered(form.format(spelt)))
        assert h.audit[-1].reason == "filter-attribute-not-allowed"
        return
    h.ask(request=filtered(form.format(spelt)))
    is_open = missing is not None and asked == supertype and server is not True
    if is_open and mode is Mode.enforce:
        assert h.results() == [(7, 50)]
        assert (h.audit[-1].reason, h.audit[-1].detail) == ("filter-supertype", supertype)
        assert h.searches() == []
        return
    assert len(h.searches()) == 1
    h.serve()
    assert h.results() == [(7, 0)]
    assert ("filter-supertype" in h.audit[-1].reported) is is_open


def test_a_supertype_is_refused_each_time_and_not_only_the_first():
    h = Controlled(root_dse(), attributes=("mail", "name"))
    for number in (7, 8):
        h.ask(request=filtered("(name=x*)"), number=number)
    assert h.results() == [(7, 50), (8, 50)]
    assert h.searches() == []


def test_the_filter_that_permits_searches_is_the_administrators_own():
    h = Controlled(root_dse(), required_filter=parse_filter("(name=x*)"), paging=Paging.never)
    h.ask()
    assert filter_text(h.searches()[-1].operation.filter) == "(&(name=x*)(objectClass=*))"


@pytest.mark.parametrize("is_active_directory", [True, False])
@pytest.mark.parametrize("critical", [True, False])
def test_an_order_by_a_supertype_is_one_of_unlisted_values(is_active_directory, critical):
    h = Controlled(
        root_dse(is_active_directory=is_active_directory, controls=[SORT]),
        attributes=("mail", "name"),
        paging=Paging.never,
    )
    h.ask(sort("name", critical=critical))
    if not is_active_directory and critical:
        assert (h.results(), h.sort_code(), h.searches()) == ([(7, 12)], 50, [])
        return
    assert [x.oid for x in h.searches()[-1].controls] == ([SORT] if is_active_directory else [])
    h.serve(controls=[SortResult(0).to_control()] if is_active_directory else [])
    assert (h.results(), h.sort_code()) == ([(7, 0)], 0 if is_active_directory else 50)


def test_of_a_supertype_that_is_asked_for_only_listed_attributes_come():
    """OpenLDAP answers `name` with all its subtypes."""
    h = Controlled(root_dse(), attributes=("mail", "name", "cn"), paging=Paging.never)
    h.ask(request=m.SearchRequest(BASE, 2, parse_filter("(objectClass=*)"), ("name",)))
    assert h.searches()[-1].operation.attributes == ("name",)
    h.serve(entry(f"CN=a,{BASE}", "cn", "sn", "title", "2.5.4.42", "l;lang-de", "name", "CN;lang-de"))
    (sent,) = [x.operation for x in h.to_client if isinstance(x.operation, m.SearchResultEntry)]
    assert [attribute.type for attribute in sent.attributes] == ["cn", "name", "CN;lang-de"]
