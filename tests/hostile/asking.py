"""A session without sockets that has two searches open at a server which the case plays."""

from gateway.ldap import messages as m
from gateway.relay.settings import SessionLimits
from tests.hostile.from_servers import FIRST, LARGEST, SECOND, Verdict
from tests.hostile.octets import done
from tests.hostile.served import Served
from tests.relay.harness import search


class Asking(Served):
    def __init__(self, **settings):
        super().__init__(limits=SessionLimits(response_message=LARGEST), **settings)
        self.send(search(), search(), start=5)
        assert [request.message_id for request in self.to_server] == [FIRST, SECOND]

    def hear(self, octets, piece=None):
        """From the server; piece: so many octets at a time, None for all at once."""
        piece = piece or len(octets) or 1
        for at in range(0, len(octets), piece):
            self.do(self.session.server_data(octets[at : at + piece], self.now))

    def finish(self):
        self.hear(done(id=FIRST) + done(id=SECOND))

    def verdict(self):
        entries = [x for x in self.to_client if isinstance(x.operation, m.SearchResultEntry)]
        notices = [code for number, code in self.results() if not number]
        assert notices == ([52] if self.session.closed else [])
        return Verdict(
            tuple((number, code) for number, code in self.results() if number),
            tuple((x.message_id, tuple(attribute.type for attribute in x.operation.attributes)) for x in entries),
            self.session.closed,
        )
