"""Complete or failed, in every order of events: a model of a client and of an honest but failing server drives a
session. The server never calls a result complete that is not; all else it may do. Whatever happens, a search that
ends in success has delivered exactly the entries that the policy permits, whole."""

from dataclasses import dataclass, field
from functools import cache

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.ldap import messages as m
from gateway.ldap.controls import PAGED_RESULTS, Control, PagedResults, paged_results
from gateway.ldap.dn import parse
from gateway.ldap.encoding import encode
from gateway.ldap.filters import Present
from gateway.ldap.results import LDAPResult
from gateway.policy.settings import Paging
from tests.examples import examples
from tests.policy.policies import compiled
from tests.relay.harness import OK, Harness, bind

STAFF = "OU=Staff,DC=corp,DC=example"
SALES = r"OU=Sales\, EMEA,DC=corp,DC=example"
ABOVE = "DC=corp,DC=example"
# Else few runs would be long enough for what takes several steps.
SELDOM = st.integers(0, 7).map(lambda drawn: drawn == 1)
# As much of an attribute as the server gives at once.
RANGE = 2

# Name, container below which it lies, and members; the policy excludes OU=Secret.
TREE = [
    *((f"CN=p{i}", STAFF, 0) for i in range(3)),
    ("CN=hidden", f"OU=Secret,{STAFF}", 0),
    ("CN=group", STAFF, 5),
    ("CN=hidden group", f"OU=Secret,{STAFF}", 5),
    *((f"CN=s{i}", SALES, 0) for i in range(2)),
    ("CN=pair", SALES, 2),
    ("CN=three", SALES, 3),
]


def members(count):
    return tuple(b"CN=m%d" % number for number in range(count))


@cache
def below(base):
    """The containers of TREE that lie inside the base."""
    return frozenset(above for _, above, _ in TREE if parse(above).is_inside(parse(base)))


WHOLE = {f"{name},{above}": members(count) for name, above, count in TREE if "Secret" not in above}


@cache
def permitted(base):
    return {dn: found for dn, found in WHOLE.items() if parse(dn).is_inside(parse(base))}


def as_the_server_gives(dn, count):
    if count == 0:
        return m.SearchResultEntry(dn, (m.Attribute("mail", (b"x",)), m.Attribute("pager", (b"LEAK",))))
    last = "*" if count <= RANGE else str(RANGE - 1)
    return m.SearchResultEntry(
        dn, (m.Attribute("member", ()), m.Attribute(f"member;range=0-{last}", members(count)[:RANGE]))
    )


@dataclass
class Asked:
    """A search that the server has not answered yet. left: entries still to be sent before its Done."""

    request: m.SearchRequest
    left: list
    cookie: bytes | None


@dataclass
class Wanted:
    """A search of the client, over all its pages."""

    base: str
    size: int | None
    got: dict = field(default_factory=dict)
    twice: bool = False


class CompleteOrFailed(RuleBasedStateMachine):
    @initialize(
        paging=st.sampled_from(Paging), is_active_directory=st.none() | st.booleans(), page_size=st.integers(1, 4)
    )
    def begin(self, paging, is_active_directory, page_size):
        self.configure(paging, is_active_directory, page_size)

    def configure(self, paging, is_active_directory, page_size):
        self.options = {"paging": paging, "page_size": page_size}
        self.is_active_directory = is_active_directory
        self.connect()

    def connect(self):
        self.h = Harness(compiled=compiled(**self.options))
        self.h.facts.is_active_directory.clear()
        if self.is_active_directory is not None:
            self.h.facts.is_active_directory["ldaps://dc1"] = self.is_active_directory
        self.h.bound()
        self.read = self.sent = 0
        self.number = 10
        self.open = {}
        # Cookies that the client holds: what they continue.
        self.resumable = {}
        self.asked = {}
        self.given_up = []
        # Cookies of the server: the entries that are left.
        self.pages = {}

    # What the session says.

    def look(self):
        """Takes in what the session has sent to both sides."""
        while self.sent < len(self.h.to_server):
            message = self.h.to_server[self.sent]
            self.sent += 1
            self.server_gets(message)
        while self.read < len(self.h.to_client):
            message = self.h.to_client[self.read]
            self.read += 1
            self.client_gets(message)

    def server_gets(self, message):
        request = message.operation
        if isinstance(request, m.AbandonRequest):
            self.given_up.append((request.message_id, self.asked.pop(request.message_id, None)))
        elif isinstance(request, m.BindRequest):
            self.asked.clear()
            self.pages.clear()
        elif isinstance(request, m.SearchRequest):
            self.asked[message.message_id] = self.server_begins(request, message.controls)

    def server_begins(self, request, controls):
        pages = [paged_results(control) for control in controls if control.oid == PAGED_RESULTS]
        if request.scope == 0:
            return Asked(request, [], None)
        inside = below(request.base)
        found = [(f"{n},{above}", count) for n, above, count in TREE if above in inside]
        if not pages or self.options["paging"] is Paging.never:
            return Asked(request, found, None)
        (page,) = pages
        if page.cookie:
            found = self.pages.pop(page.cookie, [])
        if page.size == 0:
            return Asked(request, [], b"")
        rest = found[page.size :]
        cookie = b"%d" % self.sent if rest else b""
        if rest:
            self.pages[cookie] = rest
        return Asked(request, found[: page.size], cookie)

    def client_gets(self, message):
        wanted = self.open.get(message.message_id)
        if message.message_id == 0:
            return
        assert wanted is not None, "an answer to nothing"
        answer = message.operation
        if isinstance(answer, m.SearchResultEntry):
            found = {a.type: a.values for a in answer.attributes}
            assert set(found) <= {"mail", "member"}
            wanted.twice |= answer.dn in wanted.got
            wanted.got[answer.dn] = found.get("member", ())
            return
        del self.open[message.message_id]
        if not isinstance(answer, m.SearchResultDone) or answer.result.code != 0:
            return
        cookies = [paged_results(control).cookie for control in message.controls]
        if any(cookies):
            (cookie,) = cookies
            self.resumable[cookie] = wanted
            return
        assert wanted.got == permitted(wanted.base)
        assert not wanted.twice

    # What the client does.

    @precondition(lambda self: len(self.open) < 4)
    @rule(base=st.sampled_from([STAFF, SALES, ABOVE]), size=st.none() | st.integers(1, 4), critical=st.booleans())
    def search(self, base, size, critical):
        self.client_sends(Wanted(base, size), b"", critical)

    @precondition(lambda self: self.resumable)
    @rule(data=st.data(), other=st.booleans())
    def next_page(self, data, other):
        cookie = data.draw(st.sampled_from(sorted(self.resumable)))
        wanted = self.resumable.pop(cookie)
        if other:
            # A cookie for another search than it was given for.
            wanted = Wanted(SALES if wanted.base == STAFF else STAFF, wanted.size, dict(wanted.got))
        self.client_sends(wanted, cookie, False)

    def client_sends(self, wanted, cookie, critical):
        self.number += 1
        self.open[self.number] = wanted
        request = m.SearchRequest(wanted.base, 2, Present("objectClass"), ("mail", "member"))
        size = wanted.size
        controls = () if size is None else (PagedResults(size, cookie).to_control(critical),)
        data = encode(m.LDAPMessage(self.number, request, controls))
        self.h.do(self.h.session.client_data(data, self.h.now))
        self.look()

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def abandon(self, data):
        number = data.draw(st.sampled_from(sorted(self.open)))
        del self.open[number]
        self.number += 1
        self.h.send(m.AbandonRequest(number), start=self.number)
        self.look()

    @precondition(lambda self: self.open)
    @rule(good=st.booleans(), really=SELDOM)
    def bind_again(self, good, really):
        if not really:
            return
        self.number += 1
        number = self.number
        self.open[number] = Wanted("", None)
        self.h.send(bind("svc-sync@corp.example"), start=number)
        upstream = self.h.to_server[-1].message_id
        self.look()
        self.h.answer(upstream, m.BindResponse(OK if good else LDAPResult(49)))
        self.look()
        if not good:
            self.connect()

    # What the server does.

    def server_sends(self, number, *operations, controls=(), cuts=()):
        data = b"".join(encode(m.LDAPMessage(number, o)) for o in operations[:-1])
        data += encode(m.LDAPMessage(number, operations[-1], controls))
        for cut in sorted(cuts, reverse=True):
            piece, data = data[: cut % (len(data) + 1)], data[cut % (len(data) + 1) :]
            self.h.do(self.h.session.server_data(piece, self.h.now))
        self.h.do(self.h.session.server_data(data, self.h.now))
        self.look()

    def an_asked(self, data):
        return data.draw(st.sampled_from(sorted(self.asked)))

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), count=st.integers(0, 12), cuts=st.lists(st.integers(0, 400), max_size=3))
    def server_goes_on(self, data, count, cuts):
        self.server_completes(self.an_asked(data), count, cuts)

    def server_completes(self, number, count, cuts):
        """Sends the next entries, and the Done behind the last one."""
        asked = self.asked[number]
        entries = [as_the_server_gives(*found) for found in asked.left[:count]]
        del asked.left[:count]
        if asked.left:
            if entries:
                self.server_sends(number, *entries, cuts=cuts)
            return
        del self.asked[number]
        if asked.request.scope == 0:
            entries = self.one_entry(asked.request)
        controls = ()
        if asked.cookie is not None:
            controls = (PagedResults(99, asked.cookie).to_control(False),)
        reference = m.SearchResultReference(("ldap://elsewhere/",))
        self.server_sends(number, *entries, reference, m.SearchResultDone(OK), controls=controls, cuts=cuts)

    def one_entry(self, request):
        if request.base == "":
            oid = b"1.2.840.113556.1.4.800" if self.is_active_directory else b"1.2.3"
            return [m.SearchResultEntry("", (m.Attribute("supportedCapabilities", (oid,)),))]
        (name,) = request.attributes
        first = int(name.split("range=")[1].split("-")[0])
        rest = WHOLE[request.base][first : first + RANGE]
        last = "*" if first + RANGE >= len(WHOLE[request.base]) else str(first + RANGE - 1)
        return [m.SearchResultEntry(request.base, (m.Attribute(f"member;range={first}-{last}", rest),))]

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), cuts=st.lists(st.integers(0, 400), max_size=3))
    def server_finishes(self, data, cuts):
        self.server_completes(self.an_asked(data), len(TREE), cuts)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), really=SELDOM, code=st.sampled_from([1, 3, 4, 10, 11, 12, 32, 50, 51, 52, 53, 80]))
    def server_fails(self, data, really, code):
        if not really:
            return
        number = self.an_asked(data)
        del self.asked[number]
        self.server_sends(number, m.SearchResultDone(LDAPResult(code)))

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), really=SELDOM, how=st.sampled_from(["bind", "extended", "dn", "entry", "cookie"]))
    def server_answers_wrong(self, data, really, how):
        if not really:
            return
        number = self.an_asked(data)
        del self.asked[number]
        if how == "bind":
            self.server_sends(number, m.BindResponse(OK))
        elif how == "extended":
            self.server_sends(number, m.ExtendedResponse(OK))
        elif how == "dn":
            self.server_sends(number, m.SearchResultEntry("no dn", (m.Attribute("mail", (b"x",)),)))
        elif how == "cookie":
            broken = (Control(PAGED_RESULTS, False, b"\x30\x01\x02"),)
            self.server_sends(number, m.SearchResultDone(LDAPResult(80)), controls=broken)
        else:
            damaged = bytearray(encode(m.LDAPMessage(number, as_the_server_gives(f"CN=p0,{STAFF}", 0))))
            damaged[-1 - len(b"LEAK") - 1] ^= 0xFF
            self.h.do(self.h.session.server_data(bytes(damaged), self.h.now))
            self.look()

    @precondition(lambda self: self.given_up)
    @rule()
    def late_answers_to_what_was_given_up(self):
        number, asked = self.given_up.pop()
        if asked is not None:
            self.server_sends(number, as_the_server_gives(f"CN=p0,{STAFF}", 0), m.SearchResultDone(OK))

    @precondition(lambda self: self.open)
    @rule(how=st.sampled_from(["lost", "notice", "silent", "stop", "garbage"]), really=SELDOM)
    def it_ends(self, how, really):
        if not really:
            return
        if how == "lost":
            self.h.do(self.h.session.server_lost("reset", self.h.now))
        elif how == "notice":
            self.h.answer(0, m.ExtendedResponse(LDAPResult(52), m.NOTICE_OF_DISCONNECTION))
        elif how == "silent":
            self.h.tick(10_000)
        elif how == "garbage":
            self.h.do(self.h.session.server_data(b"HTTP/1.1 200 OK\r\n\r\n", self.h.now))
        else:
            self.h.do(self.h.session.stop(self.h.now))
        self.look()
        if how == "stop":
            return
        assert self.h.session.closed
        assert not self.open, "an operation without an answer"
        self.connect()

    @rule(seconds=st.integers(1, 140), held=st.booleans())
    def time_passes(self, seconds, held):
        if held:
            self.h.session.server.clock.hold(self.h.now)
        self.h.tick(seconds)
        self.h.session.server.clock.release(self.h.now)
        self.look()

    @invariant()
    def a_closed_session_has_answered_everything(self):
        if hasattr(self, "h") and self.h.session.closed:
            assert not self.open
            self.connect()


CompleteOrFailed.TestCase.settings = settings(max_examples=examples(300), stateful_step_count=60, deadline=None)
TestCompleteOrFailed = CompleteOrFailed.TestCase


@pytest.mark.parametrize("is_active_directory", [None, True, False])
@pytest.mark.parametrize("paging", Paging)
@pytest.mark.parametrize("page_size", [1, 2, 500])
@pytest.mark.parametrize("size", [None, 1, 3, 100])
@pytest.mark.parametrize("base", [STAFF, SALES, ABOVE])
def test_with_nothing_else_going_on_a_search_ends_in_success(base, size, page_size, paging, is_active_directory):
    """Failing always would be no proof."""
    model = CompleteOrFailed()
    model.configure(paging, is_active_directory, page_size)
    wanted = Wanted(base, size)
    model.client_sends(wanted, b"", False)
    while model.open or model.resumable:
        if model.open:
            model.server_completes(min(model.asked), 2, ())
        else:
            (cookie,) = model.resumable
            model.client_sends(model.resumable.pop(cookie), cookie, False)
    assert wanted.got == permitted(base)
