"""A gateway whose server is another gateway: the client of the one and the server of the other are the test's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from gateway.ldap import messages as m
from gateway.ldap.encoding import encode
from gateway.policy.credentials import SecretVerdict
from gateway.relay import commands as c
from tests.relay.harness import Harness

Answers = Callable[[m.LDAPMessage], Sequence[m.Operation]]


class TwoGateways:
    """outside, inside: what differs from the usual policy, and then the two sessions; each connection of the one
    outside is a new session inside. server: what the server inside answers; asked: the requests that reached it;
    between: what the gateway outside sent the one inside. right: secrets of mapped accounts that are right outside, and
    inside."""

    def __init__(
        self,
        outside: dict[str, Any],
        inside: dict[str, Any],
        server: Answers,
        right: tuple[Collection[bytes], Collection[bytes]] = ((), ()),
    ) -> None:
        self.outside, self.inside = Harness(**outside), Harness(**inside)
        self.asked: list[m.Operation] = []
        self.between: list[m.Operation] = []
        self._inside = inside
        self._server = server
        self._right = right

    def send(self, *requests: m.Operation, start: int = 1) -> m.LDAPMessage:
        """The last answer that the client gets, once nothing more happens."""
        self.outside.send(*requests, start=start)
        while self._verify() or self._connect() or self._relay():
            pass
        return self.outside.to_client[-1]

    def _verify(self) -> bool:
        verified = False
        for gateway, right in zip((self.outside, self.inside), self._right, strict=True):
            while gateway.verifying:
                fits = gateway.verifying[0][1].secret.reveal() in right
                gateway.verified(SecretVerdict.right if fits else SecretVerdict.wrong)
                verified = True
        return verified

    def _connect(self) -> bool:
        if c.ConnectServer in self.outside.other:
            self.outside.other.remove(c.ConnectServer)
            self.outside.to_server.clear()
            self.inside = Harness(**self._inside)
            self.outside.connected()
        elif c.ConnectServer in self.inside.other:
            self.inside.other.remove(c.ConnectServer)
            self.inside.connected()
        else:
            return False
        return True

    def _relay(self) -> bool:
        """Takes what was sent by either to where it goes; whether anything was."""
        requests, forwarded = _taken(self.outside.to_server), _taken(self.inside.to_server)
        answers = _taken(self.inside.to_client)
        for request in requests:
            self.between.append(request.operation)
            self.inside.do(self.inside.session.client_data(encode(request), self.inside.now))
        for request in forwarded:
            if not isinstance(request.operation, m.UnbindRequest | m.AbandonRequest):
                self.asked.append(request.operation)
                self.inside.answer(request.message_id, *self._server(request))
        if answers:
            data = b"".join(map(encode, answers))
            self.outside.do(self.outside.session.server_data(data, self.outside.now))
        return bool(requests or forwarded or answers)


def _taken(messages: list[m.LDAPMessage]) -> list[m.LDAPMessage]:
    found = list(messages)
    messages.clear()
    return found
