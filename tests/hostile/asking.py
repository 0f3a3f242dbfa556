"""A session without sockets that has two searches open at a server which the case plays."""

from typing import Any

from gateway.relay.settings import SessionLimits
from tests.hostile.answers import entries
from tests.hostile.from_servers import FIRST, LARGEST, SECOND, SearchVerdict
from tests.hostile.octets import done
from tests.hostile.served import Served
from tests.relay.harness import search


class Asking(Served):
    def __init__(self, **settings: Any) -> None:
        super().__init__(limits=SessionLimits(response_message=LARGEST), **settings)
        self.send(search(), search(), start=5)
        assert [request.message_id for request in self.to_server] == [FIRST, SECOND]

    def hear(self, octets: bytes, piece: int | None = None) -> None:
        """From the server; piece: so many octets at a time, None for all at once."""
        piece = piece or len(octets) or 1
        for at in range(0, len(octets), piece):
            self.do(self.session.server_data(octets[at : at + piece], self.now))

    def finish(self) -> None:
        self.hear(done(id=FIRST) + done(id=SECOND))

    def search_verdict(self) -> SearchVerdict:
        notices = [code for number, code in self.results() if not number]
        assert notices == ([52] if self.session.closed else [])
        return SearchVerdict(
            tuple((number, code) for number, code in self.results() if number),
            entries(self.to_client),
            self.session.closed,
        )
