"""slapd behind a front that answers as HCL Domino does: with the root DSE of a real one (Icinga/icingaweb2 issue 3786),
names of attributes in lower case, and no control at all."""

import socket
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace

from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.framing import Framer
from gateway.ldap.results import LDAPResult, ResultCode
from tests.servers.slapd import AD_SCHEMA, Entries, Slapd
from tests.servers.stub_server import StubServer

SCHEMA = "cn=schema"
ROOT_DSE: dict[str, tuple[bytes, ...]] = {
    "subschemasubentry": (SCHEMA.encode(),),
    "namingcontexts": (b"\0",),
    "supportedextension": (b"1.3.6.1.4.1.1466.20037", b"LanguageCodes"),
    "supportedsaslmechanisms": (b"EXTERNAL",),
    "supportedldapversion": (b"3", b"2"),
    "vendorname": (b"IBM Lotus Software",),
}


class DominoLike(Slapd):
    """url: of the front. plain_port: of slapd itself."""

    def __init__(self, entries: Entries) -> None:
        self._front: _Front | None = None
        super().__init__(
            entries,
            suffix="",
            schemas=[AD_SCHEMA.with_name("domino.schema")],
            indexed="objectClass,mail",
            database_settings="limits * size.prtotal=disabled",
        )
        self._front = _Front(self)

    @property
    def url(self) -> str:
        return super().url if self._front is None else self._front.url

    @property
    def front_port(self) -> int:
        assert self._front is not None
        return self._front.port

    def close(self) -> None:
        if self._front is not None:
            self._front.__exit__()
        super().close()


class _Front(StubServer):
    def __init__(self, slapd: Slapd) -> None:
        self._port = slapd.plain_port
        # One connection to slapd for each of a client's, which has a thread of its own here.
        self._own = threading.local()
        super().__init__(slapd.certificates)

    def answers(self, message: m.LDAPMessage) -> Iterable[m.LDAPMessage | bytes]:
        request = message.operation
        if isinstance(request, m.UnbindRequest):
            return ()
        if any(control.critical for control in message.controls):
            code = ResultCode.unavailableCriticalExtension
            return [m.LDAPMessage(message.message_id, m.SearchResultDone(LDAPResult(code)))]
        if isinstance(request, m.SearchRequest) and request.base == "" and request.scope == m.BASE_OBJECT:
            return _root_dse(message.message_id, request)
        if isinstance(request, m.SearchRequest) and request.base.lower() == SCHEMA:
            request = replace(request, base="cn=Subschema")
        return map(_as_domino, self._of_slapd(m.LDAPMessage(message.message_id, request)))

    def _of_slapd(self, message: m.LDAPMessage) -> Iterator[m.LDAPMessage]:
        if not hasattr(self._own, "connection"):
            self._own.connection = socket.create_connection(("127.0.0.1", self._port), 30)
            self._own.framer = Framer(10_000_000)
        self._own.connection.sendall(encode(message))
        while True:
            while (octets := self._own.framer.next_message()) is not None:
                answer = decode_response(octets)
                yield answer
                if isinstance(answer.operation, m.FinalResponse):
                    return
            self._own.framer.feed(self._own.connection.recv(65_536))

    def _serve(self, plain: socket.socket) -> None:
        super()._serve(plain)
        if hasattr(self._own, "connection"):
            self._own.connection.close()


def _root_dse(message_id: int, request: m.SearchRequest) -> list[m.LDAPMessage]:
    asked = {name.lower() for name in request.attributes} or {"*"}
    shown = [m.Attribute(name, values) for name, values in ROOT_DSE.items() if name in asked or asked & {"*", "+"}]
    entry = m.SearchResultEntry("", tuple(shown))
    return [m.LDAPMessage(message_id, each) for each in (entry, m.SearchResultDone(LDAPResult(0)))]


def _as_domino(answer: m.LDAPMessage) -> m.LDAPMessage:
    entry = answer.operation
    if not isinstance(entry, m.SearchResultEntry):
        return answer
    named = tuple(m.Attribute(each.type.lower(), each.values) for each in entry.attributes)
    dn = SCHEMA if entry.dn == "cn=Subschema" else entry.dn
    return m.LDAPMessage(answer.message_id, m.SearchResultEntry(dn, named))
