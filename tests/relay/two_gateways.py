"""A gateway whose server is another gateway: the client of the one and the server of the other are the test's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.ldap import messages as m
from gateway.policy.credentials import SecretVerdict
from gateway.relay import commands as c
from tests.relay.harness import Harness

Answers = Callable[[m.LDAPMessage], Sequence[m.Operation]]


class TwoGateways:
    """outside, inside: what differs from the usual policy. server: what the server inside answers; asked: the requests
    that reached it. right: secrets that any hash of either gateway fits."""

    def __init__(
        self, outside: dict[str, Any], inside: dict[str, Any], server: Answers, right: Sequence[bytes] = ()
    ) -> None:
        self.outside, self.inside = Harness(**outside), Harness(**inside)
        self.asked: list[m.Operation] = []
        self.between: list[m.Operation] = []
        self._server = server
        self._right = right

    def send(self, *requests: m.Operation, start: int = 1) -> m.LDAPMessage:
        """The last answer that the client gets, once nothing more happens."""
        self.outside.send(*requests, start=start)
        while self._moves():
            pass
        return self.outside.to_client[-1]

    def _moves(self) -> bool:
        moved = False
        for gateway in (self.outside, self.inside):
            while gateway.verifying:
                right = gateway.verifying[0][1].secret.reveal() in self._right
                gateway.verified(SecretVerdict.right if right else SecretVerdict.wrong)
                moved = True
            while c.ConnectServer in gateway.other:
                gateway.other.remove(c.ConnectServer)
                gateway.connected()
                moved = True
        for request in _taken(self.outside.to_server):
            self.between.append(request.operation)
            self.inside.do(self.inside.session.client_data(m.encode(request), self.inside.now))
            moved = True
        for request in _taken(self.inside.to_server):
            if isinstance(request.operation, m.UnbindRequest | m.AbandonRequest):
                continue
            self.asked.append(request.operation)
            self.inside.answer(request.message_id, *self._server(request))
            moved = True
        for answer in _taken(self.inside.to_client):
            self.outside.do(self.outside.session.server_data(m.encode(answer), self.outside.now))
            moved = True
        return moved


def _taken(messages: list[m.LDAPMessage]) -> list[m.LDAPMessage]:
    found = list(messages)
    messages.clear()
    return found
