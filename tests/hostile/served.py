"""A session without sockets whose server answers at once, watched for what must hold whatever comes."""

from collections.abc import Iterable
from typing import Any

from gateway.ldap import messages as m
from gateway.relay import commands as c
from tests.hostile.octets import PASSWORD, SYNC
from tests.hostile.promises import check_answered, check_forwarded, check_records
from tests.hostile.verdicts import Verdict
from tests.relay.harness import OK, Harness, bind, entry

BIND_ID = 1


class Served(Harness):
    """Bound, unless it is told not to. forwarded: requests that the server was sent since then."""

    def __init__(self, bound: bool = True, **settings: Any) -> None:
        super().__init__(**settings)
        self.forwarded: list[m.Operation] = []
        self.answered: list[m.LDAPMessage] = []
        self.over = False
        self._doing = 0
        if bound:
            self.send(bind(SYNC, PASSWORD.encode()), start=BIND_ID)
            self.serve()
            assert self.results() == [(BIND_ID, 0)]
            self.to_client.clear()
            self.forwarded.clear()

    def do(self, commands: Iterable[c.Command]) -> None:
        """The promises, checked on every command before it counts."""
        for command in commands:
            assert not self.over, "a command behind the end"
            if isinstance(command, c.SendToClient):
                self.answered += check_answered(command.data)
            elif isinstance(command, c.SendToServer):
                check_forwarded(command.data)
            elif isinstance(command, c.StartTls):
                assert self.session.client.buffered() == 0, "plain octets that would count as sent through TLS"
            elif isinstance(command, c.CloseClient):
                self.over = True
        self._doing += 1
        super().do(commands)
        self._doing -= 1
        # A command may be answered at once; what came with it is done only then.
        if not self._doing:
            check_records(self.audit, self.answered)

    def serve(self) -> None:
        """The server answers what has come to it, and what comes because of that."""
        while True:
            if c.ConnectServer in self.other:
                self.other.remove(c.ConnectServer)
                self.connected()
            requests, self.to_server = self.to_server, []
            if not requests:
                return
            for request in requests:
                self._answer(request)

    def _answer(self, request: m.LDAPMessage) -> None:
        operation = request.operation
        if not isinstance(operation, m.AbandonRequest | m.UnbindRequest):
            self.forwarded.append(operation)
        if isinstance(operation, m.BindRequest):
            self.answer(request.message_id, m.BindResponse(OK))
        elif isinstance(operation, m.SearchRequest):
            self.answer(request.message_id, entry(operation.base, "mail"), m.SearchResultDone(OK))

    def receive(self, octets: bytes, piece: int | None = None) -> None:
        """From the client; piece: so many octets at a time, None for all at once."""
        piece = piece or len(octets) or 1
        for at in range(0, len(octets), piece):
            self.do(self.session.client_data(octets[at : at + piece], self.now))
            self.serve()

    def verdict(self) -> Verdict:
        results = tuple((number, code) for number, code in self.results() if number)
        notices = [code for number, code in self.results() if not number]
        assert len(notices) <= 1
        if self.session.closed:
            assert self.other[-1] is c.CloseClient
            if notices:
                assert self.to_client[-1].message_id == 0
                return Verdict(results, len(self.forwarded), "notice", notices[0])
            return Verdict(results, len(self.forwarded), "closed")
        waits = self.session.client.buffered() > 0
        return Verdict(results, len(self.forwarded), "waits" if waits else "open")
