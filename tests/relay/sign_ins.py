"""Sign-ins before a server that takes its time, on a clock of the test's own: what a client sees of them, and when.

The world moves from one event to the next: an answer of the server, a deadline of the session, an octet of the client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_request
from gateway.ldap.encoding import encode
from gateway.ldap.results import LDAPResult
from gateway.policy.policy import Policy
from gateway.relay import commands as c
from gateway.relay import questions as q
from gateway.relay.audit import AuditRecord
from gateway.relay.paging import ServerFacts
from gateway.relay.session import Session
from gateway.relay.settings import SessionLimits
from gateway.relay.standing import Peer
from gateway.state.attempts import Attempts, AttemptsInMemory
from tests.policy.policies import policy
from tests.relay.counted_attempts import CountedAttempts
from tests.relay.harness import OK, bind, done, split

INSIDE = "CN=jane,OU=Staff,DC=corp,DC=example"
OUTSIDE = "CN=jane,OU=Other,DC=corp,DC=example"
SYNC_DN = "CN=svc-sync,OU=Service,DC=corp,DC=example"
SID = bytes((1, 5)) + bytes(6) + bytes(20)
PASSWORD = b"Sign-In-Passw0rd"
WRONG = b"Sign-In-Wrong-Passw0rd"


def sub_code(number: str) -> m.BindResponse:
    """A refusal as Active Directory words it."""
    text = f"80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data {number}, v3839"
    return m.BindResponse(LDAPResult(49, diagnostic=text))


@dataclass(frozen=True)
class Person:
    """How the server answers the right password of somebody: bound to the bind itself, then, where it accepts that, by
    which way (tokenGroups, who am I, name) it says whom it bound: dns, none for nobody. raw: octets of the first answer
    to the look-up instead, which has the message ID 2."""

    bound: m.BindResponse = field(default_factory=lambda: m.BindResponse(OK))
    way: str = "tokenGroups"
    dns: tuple[str, ...] = (INSIDE,)
    raw: bytes | None = None

    def answers(self, request: m.SearchRequest | m.ExtendedRequest) -> Sequence[m.Operation]:
        """To one step of the look-up."""
        if isinstance(request, m.ExtendedRequest):
            named = self.way == "who am I" and self.dns
            value = f"dn:{self.dns[0]}".encode() if named else None
            return [m.ExtendedResponse(LDAPResult(0 if named else 2), "", value)]
        if request.base == "":
            tokens = m.SearchResultEntry("", (m.Attribute("tokenGroups", (SID,)),))
            return [tokens, done()] if self.way == "tokenGroups" and self.dns else [done()]
        by_sid = request.base.startswith("<SID=")
        if by_sid or self.way == "name":
            names = (m.Attribute("sAMAccountName", (b"jane", b"john")),) if by_sid else ()
            return [*(m.SearchResultEntry(dn, names) for dn in self.dns), done()]
        return [done()]


@dataclass(frozen=True)
class Times:
    """Seconds: for a connection to the server, and for one question with its answer."""

    connect: float = 0.006
    answer: float = 0.002


class World:
    """people: by their names, all with PASSWORD. seen: what the client got, as (seconds since the begin, octets).
    asked: binds of people that reached a server."""

    def __init__(
        self,
        people: dict[str, Person],
        times: Times = Times(),
        floor: float = 0.25,
        attempts: Attempts | None = None,
        start: float = 100.0,
        **changes: Any,
    ) -> None:
        self.now = self.start = start
        self.people, self.times = people, times
        self.attempts = attempts or AttemptsInMemory(lambda: self.now)
        limits = SessionLimits(refusal_floor=floor)
        facts = ServerFacts()
        facts.is_active_directory["ldaps://dc1"] = False
        self.session = Session(Peer("s1", "198.51.100.1"), Policy(policy(**changes)), limits, facts, start)
        self.seen: list[tuple[float, bytes]] = []
        self.audit: list[AuditRecord] = []
        self.asked: list[tuple[str, bytes]] = []
        # When, in which order, on which connection, and what.
        self._events: list[tuple[float, int, int, Callable[[], list[c.Command]]]] = []
        self._connection = 0
        self._name = ""
        self._counted = CountedAttempts(self.attempts, self._answered)

    # The session's commands.

    def do(self, commands: list[c.Command]) -> None:
        for command in commands:
            if isinstance(command, c.SendToClient):
                self.seen.append((round(self.now - self.start, 6), command.data))
            elif isinstance(command, c.SendToServer):
                for message in split(command.data, decode_request):
                    self._ask(message)
            elif isinstance(command, c.ConnectServer):
                self._connection += 1
                self._later(self.times.connect, lambda: self.session.server_connected("ldaps://dc1", self.now))
            elif isinstance(command, c.CloseServer):
                self._connection += 1
            elif isinstance(command, c.Audit):
                self.audit.append(command.record)
            elif isinstance(command, c.PoseQuestion):
                if isinstance(command.question, q.AdmitAttempt):
                    self._counted.begin(command.key, command.question)
            elif isinstance(command, q.AttemptEnded):
                self._counted.end(command)
            elif isinstance(command, q.JoinAccounts):
                self.attempts.join(command.alias, command.account)
            elif isinstance(command, c.CloseClient):
                self.seen.append((round(self.now - self.start, 6), b"closed"))

    def _answered(self, key: int, reply: q.Reply) -> None:
        self.do(self.session.answered(key, reply, self.now))

    def _later(self, seconds: float, event: Callable[[], list[c.Command]]) -> None:
        self._events.append((self.now + seconds, len(self._events), self._connection, event))

    def _ask(self, message: m.LDAPMessage) -> None:
        request = message.operation
        if isinstance(request, m.UnbindRequest | m.AbandonRequest):
            return
        if isinstance(request, m.BindRequest):
            self._name = request.name
            person = self.people.get(request.name, Person(sub_code("52e")))
            assert isinstance(request.authentication, m.SimpleAuthentication)
            password = request.authentication.password
            if "svc" not in request.name:
                self.asked.append((request.name, password))
            answers: Sequence[m.Operation] = [person.bound if password == PASSWORD else sub_code("52e")]
        else:
            assert isinstance(request, m.SearchRequest | m.ExtendedRequest)
            person = self.people[self._name]
            if person.raw is not None and message.message_id == 2:
                self._answer(person.raw)
                return
            answers = person.answers(request)
        data = b"".join(encode(m.LDAPMessage(message.message_id, answer)) for answer in answers)
        self._answer(data)

    def _answer(self, data: bytes) -> None:
        self._later(self.times.answer, lambda: self.session.server_data(data, self.now))

    # What the client does.

    def send(self, *requests: m.Operation, start: int = 1) -> None:
        data = b"".join(encode(m.LDAPMessage(start + i, r)) for i, r in enumerate(requests))
        self.do(self.session.client_data(data, self.now))

    def sign_in(
        self, name: str = "jane@corp.example", password: bytes = PASSWORD, start: int = 1, patience: float = 5.0
    ) -> list[tuple[float, bytes]]:
        """Until it is answered, or patience has passed."""
        before = len(self.seen)
        self.send(bind(name, password), start=start)
        self.run(patience, until=lambda: len(self.seen) > before)
        return self.seen[before:]

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Moves the clock from event to event, and to the end of these seconds unless until is so before."""
        end = self.now + seconds
        while not until():
            due = self.session.deadline()
            events = sorted(event for event in self._events if event[2] == self._connection)
            first = min([end, *(event[0] for event in events[:1]), *([] if due is None else [due])])
            self.now = max(self.now, first)
            if events and events[0][0] <= self.now:
                self._events.remove(events[0])
                self.do(events[0][3]())
            elif due is not None and due <= self.now:
                self.do(self.session.tick(self.now))
            elif self.now >= end:
                return


# Who may not sign in, with the right password: under which reason the audit has it.
REFUSED = {
    "outside": (Person(dns=(OUTSIDE,)), "login-outside-base"),
    "outside by who am I": (Person(way="who am I", dns=(OUTSIDE,)), "login-outside-base"),
    "outside by name": (Person(way="name", dns=(OUTSIDE,)), "login-outside-base"),
    "excluded": (Person(dns=("CN=jane,OU=Secret,OU=Staff,DC=corp,DC=example",)), "login-outside-base"),
    "the sync account": (Person(dns=(SYNC_DN,)), "login-outside-base"),
    "nobody": (Person(dns=()), "login-identity-unknown"),
    "two of one name": (Person(way="name", dns=(INSIDE, OUTSIDE)), "login-identity-unknown"),
    "no name": (Person(way="name", dns=("no name",)), "login-outside-base"),
    "unreadable": (Person(dns=(), raw=encode(m.LDAPMessage(2, done()))[:-7] + b"\xff" * 7), "login-identity-unknown"),
    "a bind response": (
        Person(dns=(), raw=encode(m.LDAPMessage(2, m.BindResponse(LDAPResult(49))))),
        "login-identity-unknown",
    ),
    "an extended response": (
        Person(dns=(), raw=encode(m.LDAPMessage(2, m.ExtendedResponse(LDAPResult(12))))),
        "login-identity-unknown",
    ),
    **{
        f"data {number}": (Person(sub_code(number)), "") for number in ("525", "530", "532", "533", "701", "773", "775")
    },
    **{
        f"code {code}": (Person(m.BindResponse(LDAPResult(code, diagnostic="Account inactivated."))), "")
        for code in (19, 32, 48, 49, 50, 53)
    },
}
