"""A gateway process, the server behind it and raw connections to it, for the cases that are run for real."""

import socket
from collections.abc import Iterator, Mapping
from typing import Any, Self

from gateway.demo.certificates import CertificateFiles
from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_response
from gateway.ldap.framing import Framer
from tests.hostile import octets as o
from tests.hostile.answers import results
from tests.hostile.from_servers import FIRST, LARGEST, SECOND
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer

CLIENT = {
    "sync_accounts": ["CN=svc-sync,OU=Service,DC=corp,DC=example", o.SYNC],
    "base_dns": [o.BASE, "OU=Sales\\, EMEA,DC=corp,DC=example"],
    "excluded_base_dns": [f"OU=Secret,{o.BASE}"],
    "attributes": ["mail", "displayName", "member", "objectClass"],
    "login_base_dns": [o.BASE],
    "login_domains": ["corp.example", "CORP"],
}


def gateway_configuration(
    certificates: CertificateFiles, server: StubServer, client: Mapping[str, object] | None = None, **others: Any
) -> str:
    """As the sessions without sockets have it: tests.policy.policies.POLICY."""
    directory = {**server.gateway_directory(), "paging": "auto"}
    limits = {"response_message": LARGEST, **others.pop("limits", {})}
    return configuration(certificates, directory, {**CLIENT, **(client or {})}, limits=limits, **others)


class HostileServer(StubServer):
    """Answers like a kind one while octets is None. Otherwise it sends them once a connection has both searches of a
    case, and then the results of both."""

    octets: bytes | None = None

    def answers(self, message: m.LDAPMessage) -> Iterator[bytes]:
        request, id = message.operation, message.message_id
        if isinstance(request, m.BindRequest):
            yield o.result(0x61, id=id)
        elif isinstance(request, m.SearchRequest) and request.attributes == ("supportedCapabilities",):
            yield o.entry("", id=id) + o.done(id=id)
        elif isinstance(request, m.SearchRequest) and self.octets is None:
            yield o.entry(request.base, o.attribute("mail", "a"), id=id) + o.done(id=id)
        elif isinstance(request, m.SearchRequest) and id == SECOND:
            assert self.octets is not None
            yield self.octets
            yield o.done(id=FIRST) + o.done(id=SECOND)


class RawConnection(RawClient):
    """Octets as they are, and what comes back."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._framer = Framer(1 << 26)

    def send(self, octets: bytes) -> None:
        # The other side may have had enough, and closed with much still to be read.
        try:
            self.socket.sendall(octets)
        except OSError:
            return

    def message(self) -> m.LDAPMessage | None:
        """The next one; None once the other side has closed."""
        while (octets := self._framer.next_message()) is None:
            try:
                data = self.socket.recv(65_536)
            except ConnectionError:
                data = b""
            if not data:
                assert self._framer.buffered() == 0, "part of a message"
                return None
            self._framer.feed(data)
        return decode_response(octets)

    def until_results(self, count: int) -> list[m.LDAPMessage]:
        """What comes up to so many results; less where the other side closes before."""
        found: list[m.LDAPMessage] = []
        while len(results(found)) < count and (message := self.message()) is not None:
            found.append(message)
        return found

    def signed_in(self) -> Self:
        self.send(o.bind(id=1))
        (answer,) = self.until_results(1)
        assert results([answer]) == ((1, 0),)
        return self

    def silent(self) -> bool:
        """Neither closed nor anything there to be read."""
        self.socket.settimeout(0.05)
        try:
            self.socket.recv(1)
        except TimeoutError:
            return True
        return False


def plain_connection(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 30, source_address=(source, 0))


class Neighbour:
    """A session that is open all the time, while others do harm to the gateway that serves it."""

    def __init__(self, gateway: GatewayProcess, connection: RawConnection) -> None:
        self._gateway = gateway
        self._connection = connection.signed_in()
        self._asked = 1

    def check(self) -> None:
        """Its search is answered, whole; nothing was raised."""
        self._asked += 1
        self._connection.send(o.search(id=self._asked))
        entry, done = self._connection.until_results(1)
        assert isinstance(entry.operation, m.SearchResultEntry) and isinstance(done.operation, m.SearchResultDone)
        assert entry.operation.dn == o.BASE and done.operation.result.code == 0
        log = self._gateway.log()
        assert "Traceback" not in log and "Unhandled" not in log

    def close(self) -> None:
        self._connection.socket.close()
