"""Nobody sees what was read as somebody else: sessions without sockets before a server that marks what it gives.

The server of these tests answers late, in any order and under any message ID that it ever was asked with. Each entry
carries the name that its connection was bound as when the search came, and the search that it was for.
"""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.controls import Control, PagedResults, paged_results
from gateway.ldap.encoding import encode
from gateway.ldap.filters import Present
from gateway.ldap.results import LDAPResult
from gateway.policy.lockout import LockoutSettings
from gateway.relay import commands as c
from tests.hostile.octets import BASE, PASSWORD
from tests.hostile.test_fuzz import fuzzed
from tests.relay.harness import OK, Harness, bind, done

PEOPLE = ("a@corp.example", "b@corp.example")
WRONG = b"Hostile-Wrong-Passw0rd-71d2"


@dataclass
class Asked:
    """A search or bind as the client sent it. code: its result, None so far. bind: the last one sent before it."""

    message_id: int
    name: str = ""
    code: int | None = None
    bind: "Asked | None" = None
    entries: list = field(default_factory=list)


class MarkingServer:
    """One connection to it. requests: all searches that came, with the mark for their entries."""

    def __init__(self):
        self.name = ""
        self.binding = None
        self.requests = []

    def take(self, message):
        operation = message.operation
        if isinstance(operation, m.BindRequest):
            assert self.binding is None
            self.binding = message
        elif isinstance(operation, m.SearchRequest):
            assert self.binding is None, "a search while a bind runs"
            self.requests.append((message.message_id, operation.base, self.name))

    def bound(self):
        """Answers the bind: (message ID, response)."""
        message, self.binding = self.binding, None
        right = message.operation.authentication.password != WRONG
        # RFC 4511 4.2.1: after a bind that failed the connection is anonymous.
        self.name = message.operation.name if right else ""
        return message.message_id, m.BindResponse(LDAPResult(0 if right else 49))


class Watched(Harness):
    """A session whose every answer is compared with what its client has asked for."""

    def __init__(self, **changes):
        super().__init__(sync_accounts=PEOPLE, lockout=LockoutSettings(failures=0), **changes)
        self.server = None
        self.asked = []
        self.open = {}
        self._number = 0

    def do(self, commands):
        for command in commands:
            if isinstance(command, c.ConnectServer):
                self.server = MarkingServer()
                super().do([command])
                self.connected()
            elif isinstance(command, c.CloseServer):
                self.server = None
            else:
                super().do([command])
        to_client, self.to_client = self.to_client, []
        for message in to_client:
            self._check(message)
        to_server, self.to_server = self.to_server, []
        for message in to_server:
            if self.server is not None:
                self.server.take(message)

    def _check(self, message):
        if message.message_id == 0:
            return
        asked = self.open[message.message_id]
        if isinstance(message.operation, m.SearchResultEntry):
            assert asked.bind is not None and asked.bind.code == 0, "an entry for somebody who is not signed in"
            (mark,) = message.operation.attributes[0].values
            assert mark.decode() == asked.bind.name, "an entry of somebody else's"
            assert message.operation.dn == asked.name, "an entry of another search"
            asked.entries.append(message.operation.dn)
        else:
            asked.code = message.operation.result.code
            del self.open[message.message_id]

    # What may happen.

    def ask_bind(self, message_id, name, password):
        if message_id not in self.open and not self.session.closed:
            self._ask(Asked(message_id, name), bind(name, password))

    def ask_search(self, message_id):
        if message_id not in self.open and not self.session.closed:
            self._number += 1
            base = f"CN={self._number},{BASE}"
            request = m.SearchRequest(base, 2, Present("objectClass"), ("mail",))
            self._ask(Asked(message_id, base), request)

    def _ask(self, asked, request):
        binds = [before for before in self.asked if "@" in before.name]
        asked.bind = binds[-1] if binds else None
        self.asked.append(asked)
        self.open[asked.message_id] = asked
        self.send(request, start=asked.message_id)

    def abandon(self, message_id):
        # Of a bind nothing can be abandoned (RFC 4511 4.11).
        asked = self.open.get(message_id)
        waits = any("@" in other.name for other in self.open.values())
        if asked is not None and "@" not in asked.name and not waits:
            del self.open[message_id]
            self.send(m.AbandonRequest(message_id), start=900)

    def server_binds(self):
        if self.server is not None and self.server.binding is not None:
            self.answer(*self.server.bound())

    def server_says(self, which, ends):
        """An entry for any search that it was ever asked on this connection, or the end of it."""
        if self.server is not None and self.server.requests:
            message_id, base, name = self.server.requests[which % len(self.server.requests)]
            entry = m.SearchResultEntry(base, (m.Attribute("mail", (name.encode(),)),))
            self.answer(message_id, done() if ends else entry)

    def server_dies(self):
        if self.server is not None:
            self.server = None
            self.do(self.session.server_lost("closed", self.now))


ids = st.integers(1, 3)
events = st.one_of(
    st.tuples(st.just("ask_bind"), ids, st.sampled_from(PEOPLE), st.sampled_from([PASSWORD.encode(), WRONG])),
    st.tuples(st.just("ask_bind"), ids, st.sampled_from(PEOPLE), st.just(PASSWORD.encode())),
    st.tuples(st.just("ask_search"), ids),
    st.tuples(st.just("ask_search"), ids),
    st.tuples(st.just("abandon"), ids),
    st.tuples(st.just("server_binds")),
    st.tuples(st.just("server_binds")),
    st.tuples(st.just("server_says"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("server_says"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("server_dies")),
)


@fuzzed
@given(st.lists(events, max_size=30))
def test_whatever_happens_an_entry_reaches_only_the_search_and_the_person_that_it_is_for(happening):
    session = Watched()
    for name, *arguments in happening:
        getattr(session, name)(*arguments)


def signed_in(name=PEOPLE[0]):
    session = Watched()
    session.ask_bind(1, name, PASSWORD.encode())
    session.server_binds()
    return session


def test_late_entries_of_an_abandoned_search_do_not_reach_the_next_one_with_its_message_id():
    session = signed_in()
    session.ask_search(2)
    session.server_says(0, ends=False)
    session.abandon(2)
    session.ask_search(2)
    first, second = session.asked[1:]
    for _ in range(3):
        session.server_says(0, ends=False)
    session.server_says(0, ends=True)
    assert (len(first.entries), second.entries, second.code) == (1, [], None)
    session.server_says(1, ends=False)
    session.server_says(1, ends=True)
    assert (second.entries, second.code) == ([second.name], 0)


def test_late_entries_of_a_search_that_a_bind_ended_reach_nobody():
    session = signed_in(PEOPLE[0])
    session.ask_search(2)
    session.server_says(0, ends=False)
    session.ask_bind(3, PEOPLE[1], PASSWORD.encode())
    first = session.asked[1]
    assert first.code == 1
    session.server_says(0, ends=False)
    session.server_binds()
    session.ask_search(2)
    session.server_says(0, ends=False)
    session.server_says(0, ends=True)
    second = session.asked[-1]
    assert (len(first.entries), second.entries, second.code) == (1, [], None)
    session.server_says(1, ends=False)
    assert second.entries == [second.name]


def test_what_stands_behind_a_bind_that_fails_is_not_searched_as_who_was_bound_before():
    session = signed_in(PEOPLE[0])
    session.ask_bind(2, PEOPLE[1], WRONG)
    session.ask_search(3)
    assert session.server.requests == []
    session.server_binds()
    assert session.asked[-1].code == 50
    assert session.server is None or session.server.requests == []


def test_after_a_bind_that_policy_refuses_the_connection_of_the_one_before_is_closed():
    session = signed_in(PEOPLE[0])
    session.ask_bind(2, "nobody@elsewhere.example", PASSWORD.encode())
    assert session.server is None
    session.ask_search(3)
    assert session.asked[-1].code == 50


# The pages of one are not another's.


def pages(size, cookie=b""):
    return (PagedResults(size, cookie).to_control(critical=True),)


def ask_page(session, message_id, cookie=b"", base=BASE):
    """The result's code and cookie; the server always has more."""
    request = m.SearchRequest(base, 2, Present("objectClass"), ("mail",))
    data = encode(m.LDAPMessage(message_id, request, pages(2, cookie)))
    session.do(session.session.client_data(data, session.now))
    asked = [message for message in session.to_server if isinstance(message.operation, m.SearchRequest)]
    session.to_server.clear()
    for message in asked:
        response = m.LDAPMessage(message.message_id, done(), (Control(*pages_of_server(message)),))
        session.do(session.session.server_data(encode(response), session.now))
    answer = session.to_client[-1]
    assert answer.message_id == message_id
    cookies = [paged_results(control).cookie for control in answer.controls]
    return answer.operation.result.code, cookies[0] if cookies else None, bool(asked)


def pages_of_server(message):
    control = PagedResults(0, b"server-%d" % message.message_id).to_control(critical=False)
    return control.oid, control.critical, control.value


def paging_session(name=PEOPLE[0]):
    session = Harness(sync_accounts=PEOPLE, excluded_base_dns=())
    session.send(bind(name, PASSWORD.encode()), start=1)
    session.connected()
    session.answer(1, m.BindResponse(OK))
    session.to_server.clear()
    return session


def test_a_cookie_is_good_where_it_was_given_and_once():
    session = paging_session()
    code, cookie, asked = ask_page(session, 2)
    assert (code, asked) == (0, True) and cookie
    code, second, asked = ask_page(session, 3, cookie)
    assert (code, asked) == (0, True) and second != cookie
    assert ask_page(session, 4, cookie)[::2] == (53, False)


def test_a_cookie_of_one_session_is_nothing_in_another():
    session, other = paging_session(), paging_session()
    _, cookie, _ = ask_page(session, 2)
    _, own, _ = ask_page(other, 2)
    assert own != cookie
    assert ask_page(other, 3, cookie)[::2] == (53, False)
    # And it has done no harm to what it was tried on.
    assert ask_page(other, 4, own)[::2] == (0, True)
    assert ask_page(session, 3, cookie)[::2] == (0, True)


def test_a_cookie_of_the_server_is_never_told_nor_taken():
    session = paging_session()
    _, cookie, _ = ask_page(session, 2)
    assert b"server" not in cookie
    assert ask_page(session, 3, b"server-2")[::2] == (53, False)


def test_a_cookie_is_nothing_after_another_bind():
    session = paging_session()
    _, cookie, _ = ask_page(session, 2)
    session.send(bind(PEOPLE[1], PASSWORD.encode()), start=3)
    (request,) = session.to_server
    session.to_server.clear()
    session.answer(request.message_id, m.BindResponse(OK))
    assert ask_page(session, 4, cookie)[::2] == (53, False)


def test_a_cookie_is_nothing_for_another_base():
    session = paging_session()
    _, cookie, _ = ask_page(session, 2)
    assert ask_page(session, 3, cookie, base="OU=Sales\\, EMEA,DC=corp,DC=example")[::2] == (53, False)
