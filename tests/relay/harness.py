"""A session with both its peers played by the test."""

from collections.abc import Callable, Iterable
from typing import Any, Self

from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_request, decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.filters import Present
from gateway.ldap.framing import Framer
from gateway.ldap.results import LDAPResult
from gateway.policy.credentials import SecretCheck, SecretVerdict
from gateway.policy.lockout import AttemptRefused, GuardRefusal
from gateway.policy.policy import Policy
from gateway.policy.shrink import Remembered, Shape
from gateway.relay import commands as c
from gateway.relay import questions as q
from gateway.relay.audit import AuditRecord
from gateway.relay.load import GatewayLoad
from gateway.relay.pace import Rates
from gateway.relay.paging import ServerFacts
from gateway.relay.session import Session
from gateway.relay.settings import SessionLimits
from gateway.relay.standing import Peer
from tests.emitted import EMITTED
from tests.policy.policies import policy

BASE = "OU=Staff,DC=corp,DC=example"
OK = LDAPResult(0)


class Harness:
    """Time stands still unless it is moved, so without limits of the test's own a refused bind is answered at once.

    compiled: the policy of several sessions, which is dear to compile; without it this one has its own, with `changes`.
    """

    def __init__(
        self,
        *,
        compiled: Policy | None = None,
        tls: bool = True,
        needs_tls: bool = False,
        limits: SessionLimits | None = None,
        rates: Rates | None = None,
        load: GatewayLoad | None = None,
        **changes: Any,
    ) -> None:
        self.now = 100.0
        self.limits = limits or SessionLimits(refusal_floor=0)
        self.facts = ServerFacts()
        self.facts.is_active_directory["ldaps://dc1"] = False
        self.session = Session(
            Peer("s1", "198.51.100.1", tls=tls, needs_tls=needs_tls),
            compiled or Policy(policy(**changes)),
            self.limits,
            self.facts,
            self.now,
            rates=rates,
            in_all=load,
        )
        self.to_client: list[m.LDAPMessage] = []
        self.to_server: list[m.LDAPMessage] = []
        self.other: list[type[c.Command]] = []
        self.audit: list[AuditRecord] = []
        self.sizes: dict[Shape, Remembered] = {}
        self.verifying: list[tuple[int, SecretCheck]] = []
        self.guarded: set[str] = set()
        self.attempts: list[tuple[str, str]] = []
        self.joined: list[tuple[str, str]] = []

    def do(self, commands: Iterable[c.Command]) -> None:
        for command in commands:
            if isinstance(command, c.SendToClient):
                self.to_client += split(command.data, decode_response)
            elif isinstance(command, c.SendToServer):
                self.to_server += split(command.data, decode_request)
            elif isinstance(command, c.Audit):
                self.audit.append(command.record)
                EMITTED.note("audit record", repr(command.record))
            elif isinstance(command, c.PoseQuestion):
                self.pose(command.key, command.question)
            elif isinstance(command, q.StoreSizes):
                self.sizes[command.shape] = Remembered(command.sizes)
            elif isinstance(command, q.AttemptEnded):
                self.attempts.append((command.account.name, command.verdict.value))
            elif isinstance(command, q.JoinAccounts):
                self.joined.append((command.alias.name, command.account.name))
            else:
                self.other.append(type(command))

    def pose(self, key: int, question: q.Question) -> None:
        if isinstance(question, q.RecallSizes):
            self.reply(key, q.Recalled(self.sizes.get(question.shape, Remembered(None))))
        elif isinstance(question, q.AdmitAttempt):
            refused = AttemptRefused(GuardRefusal.guarded, 60) if question.account.name in self.guarded else None
            self.reply(key, q.Admitted(refused))
        elif isinstance(question, q.VerifySecret):
            self.verifying.append((key, question.check))

    def reply(self, key: int, reply: q.Reply) -> None:
        self.do(self.session.answered(key, reply, self.now))

    def send(self, *requests: m.Operation, start: int = 1) -> None:
        data = b"".join(encode(m.LDAPMessage(start + i, r)) for i, r in enumerate(requests))
        self.do(self.session.client_data(data, self.now))

    def answer(self, message_id: int, *operations: m.Operation) -> None:
        data = b"".join(encode(m.LDAPMessage(message_id, o)) for o in operations)
        self.do(self.session.server_data(data, self.now))

    def connected(self) -> None:
        self.do(self.session.server_connected("ldaps://dc1", self.now))

    def verified(self, verdict: SecretVerdict) -> None:
        """Of the secret that came first."""
        key, _ = self.verifying.pop(0)
        self.reply(key, q.Verified(verdict))

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.do(self.session.tick(self.now))

    def bound(self, account: str = "svc-sync@corp.example") -> Self:
        self.send(bind(account))
        self.connected()
        self.answer(1, m.BindResponse(OK))
        self.to_client.clear()
        self.to_server.clear()
        return self

    def results(self) -> list[tuple[int, int]]:
        """Of the final responses that the client was sent: message IDs and codes."""
        return [
            (x.message_id, x.operation.result.code) for x in self.to_client if isinstance(x.operation, m.FinalResponse)
        ]


def split(data: bytes, decode: Callable[[bytes], m.LDAPMessage]) -> list[m.LDAPMessage]:
    framer = Framer(1 << 26)
    found: list[m.LDAPMessage] = []
    framer.feed(data)
    while (message := framer.next_message()) is not None:
        found.append(decode(message))
    return found


def bind(name: str, password: bytes = b"Harness-Passw0rd") -> m.BindRequest:
    return m.BindRequest(3, name, m.SimpleAuthentication(password))


def search(base: str = BASE, *, size_limit: int = 0) -> m.SearchRequest:
    return m.SearchRequest(base, 2, Present("objectClass"), ("mail", "pager"), size_limit=size_limit)


def entry(dn: str, *attributes: str) -> m.SearchResultEntry:
    return m.SearchResultEntry(dn, tuple(m.Attribute(name, (b"v",)) for name in attributes))


def done(
    code: int = 0, *, matched_dn: str = "", diagnostic: str = "", referral: tuple[str, ...] = ()
) -> m.SearchResultDone:
    return m.SearchResultDone(LDAPResult(code, matched_dn, diagnostic, referral))
