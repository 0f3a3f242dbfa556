"""The embedded directory: an in-memory tree served by ldaptor over LDAPS on loopback.

ldaptor drops what a sync needs most, the paged results control, so that is done here; so are a few habits of AD
that syncs rely on (sign-in by userPrincipalName, bit filters, objectCategory by its short name). For demo and
tests only: ldaptor's decoder is not fit for strangers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final, cast

from twisted.internet import ssl
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import SSL4ServerEndpoint
from twisted.internet.protocol import Factory
from twisted.python.components import registerAdapter

from gateway.demo.certificates import CertificateFiles
from gateway.demo.people import DirectoryEntry
from gateway.demo.place import LOOPBACK
from gateway.ldap.controls import PAGED_RESULTS, Control, PagedResults, paged_results
from gateway.ldap.decoding import decode_request
from gateway.ldap.errors import DecodeError
from gateway.ldap.framing import Framer
from gateway.ldap.messages import Request
from gateway.net.transport.reactor import Reactor
from gateway.policy.settings import BIT_AND, BIT_OR

with warnings.catch_warnings():
    # Its old dependencies announce their own deprecations.
    warnings.simplefilter("ignore")
    from ldaptor.inmemory import ReadOnlyInMemoryLDAPEntry
    from ldaptor.interfaces import IConnectedLDAPEntry
    from ldaptor.protocols import pureldap
    from ldaptor.protocols.ldap import ldaperrors
    from ldaptor.protocols.ldap.distinguishedname import DistinguishedName, InvalidRelativeDistinguishedName
    from ldaptor.protocols.ldap.ldapserver import LDAPServer

# Paged searches that one connection may have open; the oldest is given up first, as Samba does.
OPEN_PAGED_SEARCHES: Final = 10

# Octets of one request that `heard` is told of.
REQUEST_LIMIT: Final = 1024 * 1024

_BIT_RULES = (BIT_AND.encode(), BIT_OR.encode())


class TreeEntry(ReadOnlyInMemoryLDAPEntry):  # type: ignore[misc]
    """An entry that matches filters as AD does, where ldaptor does not."""

    def match(self, wanted: Any) -> bool:
        if isinstance(wanted, pureldap.LDAPFilter_equalityMatch):
            return self._equals(wanted.attributeDesc.value, wanted.assertionValue.value)
        if isinstance(wanted, pureldap.LDAPFilter_extensibleMatch) and wanted.matchingRule is not None:
            return self._bits(wanted)
        return bool(super().match(wanted))

    def _equals(self, name: bytes, value: bytes) -> bool:
        # As octets: ldaptor would decode the value, which an objectGUID does not survive.
        values = [bytes(held).lower() for held in self.get(name, ())]
        if name.lower() == b"objectcategory" and b"=" not in value:
            return any(held.startswith(b"cn=" + value.lower() + b",") for held in values)
        return value.lower() in values

    def _bits(self, wanted: Any) -> bool:
        rule = wanted.matchingRule.value
        if rule not in _BIT_RULES or wanted.type is None:
            raise ldaperrors.LDAPInappropriateMatching()
        mask = int(wanted.matchValue.value)
        for held in self.get(wanted.type.value, ()):
            common = int(held) & mask
            if common == mask or (common and rule == _BIT_RULES[1]):
                return True
        return False


class DirectoryConnection(LDAPServer):  # type: ignore[misc]
    """One connection: binds, paged searches, nothing that changes the tree."""

    factory: DirectoryFactory
    boundUser: Any = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.setTcpNoDelay(True)
        self.factory.connections.add(self)
        self._pages: dict[bytes, list[TreeEntry]] = {}
        self._pages_opened = 0
        self._framer = Framer(REQUEST_LIMIT)

    def dataReceived(self, data: bytes) -> None:
        if self.factory.heard is not None:
            try:
                self._framer.feed(data)
                while (message := self._framer.next_message()) is not None:
                    self.factory.heard(cast(Request, decode_request(message).operation))
            except DecodeError:
                # A request that cannot be told must not be answered either.
                self.transport.abortConnection()
                return
        super().dataReceived(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.connections.discard(self)
        super().connectionLost(reason)

    def queue(self, id: int, op: Any) -> None:
        """Queues an answer like ldaptor's own method, but with the response controls that _search leaves at the
        operation."""
        if self.connected:
            controls = getattr(op, "response_controls", None)
            self.transport.write(pureldap.LDAPMessage(op, controls=controls, id=id).toWire())

    def handle_LDAPBindRequest(self, request: Any, controls: Any, reply: Any) -> Any:
        # RFC 4511 4.2.1: until this bind succeeds the connection is anonymous.
        self.boundUser = None
        self._pages.clear()
        person = self.factory.by_principal_name.get(request.dn.lower())
        if person is not None:
            request.dn = person.dn.getText().encode()
        return maybeDeferred(super().handle_LDAPBindRequest, request, controls, reply).addErrback(_no_such_name)

    def getRootDSE(self, request: Any, reply: Any) -> Any:
        attributes = {
            "objectClass": ["top"],
            "namingContexts": [self.factory.root.dn.getText()],
            "defaultNamingContext": [self.factory.root.dn.getText()],
            "supportedLDAPVersion": ["3"],
            "supportedControl": [PAGED_RESULTS],
            "dnsHostName": ["SECRET-dc1.demo.example"],
        }
        asked = {name.decode().lower() for name in request.attributes} or {"*"}
        shown = [item for item in attributes.items() if "*" in asked or item[0].lower() in asked]
        reply(pureldap.LDAPSearchResultEntry(objectName="", attributes=shown))
        return pureldap.LDAPSearchResultDone(resultCode=0)

    def handle_LDAPSearchRequest(self, request: Any, controls: Any, reply: Any) -> Any:
        if request.baseObject == b"" and request.scope == pureldap.LDAP_SCOPE_baseObject:
            return self.getRootDSE(request, reply)
        if self.boundUser is None:
            raise ldaperrors.LDAPInsufficientAccessRights()
        return Deferred.fromCoroutine(self._search(request, controls or [], reply))

    async def _search(self, request: Any, controls: list[Any], reply: Any) -> Any:
        paging = [value for oid, _, value in controls if oid == PAGED_RESULTS.encode()]
        self.checkControls([control for control in controls if control[0] != PAGED_RESULTS.encode()])
        done = pureldap.LDAPSearchResultDone(resultCode=0)
        if paging:
            found, cookie = await self._page(request, paging[0])
            answer = PagedResults(0, cookie).to_control(critical=False)
            done.response_controls = [(answer.oid, None, answer.value)]
        else:
            found = await self._find(request)
        if request.sizeLimit and len(found) > request.sizeLimit:
            found = found[: request.sizeLimit]
            done.resultCode = ldaperrors.LDAPSizeLimitExceeded.resultCode
        for entry in found:
            reply(_result_entry(entry, request))
        return done

    async def _page(self, request: Any, value: bytes | None) -> tuple[list[TreeEntry], bytes]:
        """One page, and the cookie for the next; no cookie after the last. RFC 2696."""
        try:
            asked = paged_results(Control(PAGED_RESULTS, True, value))
        except DecodeError:
            raise ldaperrors.LDAPProtocolError("paged results control") from None
        if asked.cookie:
            rest = self._pages.pop(asked.cookie, None)
            if rest is None:
                raise ldaperrors.LDAPUnwillingToPerform("paged results cookie is unknown")
        else:
            rest = await self._find(request)
        page, rest = rest[: asked.size], rest[asked.size :]
        # A size of 0 with a cookie gives the paged search up.
        if not rest or asked.size == 0:
            return page, b""
        if len(self._pages) >= OPEN_PAGED_SEARCHES:
            del self._pages[next(iter(self._pages))]
        self._pages_opened += 1
        cookie = self._pages_opened.to_bytes(4, "big")
        self._pages[cookie] = rest
        return page, cookie

    async def _find(self, request: Any) -> list[TreeEntry]:
        try:
            dn = DistinguishedName(request.baseObject)
        except InvalidRelativeDistinguishedName:
            raise ldaperrors.LDAPInvalidDNSyntax() from None
        base = await self.factory.root.lookup(dn)
        found: list[TreeEntry] = []
        await base.search(filterObject=request.filter, scope=request.scope, callback=found.append)
        return found

    def _refuse_change(self, request: Any, controls: Any, reply: Any) -> Any:
        raise ldaperrors.LDAPUnwillingToPerform("this directory is never changed")

    handle_LDAPAddRequest = _refuse_change
    handle_LDAPDelRequest = _refuse_change
    handle_LDAPModifyRequest = _refuse_change
    handle_LDAPModifyDNRequest = _refuse_change
    extendedRequest_LDAPPasswordModifyRequest = None


def _no_such_name(failure: Any) -> Any:
    failure.trap(InvalidRelativeDistinguishedName)
    return pureldap.LDAPBindResponse(resultCode=ldaperrors.LDAPInvalidCredentials.resultCode)


def _result_entry(entry: TreeEntry, request: Any) -> Any:
    names = request.attributes
    if not names or b"*" in names:
        names = [name.encode() for name in entry.keys()]  # noqa: SIM118 - not a dict: iterating it gives no order
    chosen = [(name, [] if request.typesOnly else sorted(entry[name])) for name in names if name in entry]
    return pureldap.LDAPSearchResultEntry(objectName=entry.dn.getText(), attributes=chosen)


class DirectoryFactory(Factory):
    """What makes the connections of the demo's directory."""

    protocol = DirectoryConnection
    noisy = False

    def __init__(self, entries: list[DirectoryEntry], heard: Callable[[Request], None] | None) -> None:
        self.root = _build_tree(entries)
        self.heard = heard
        self.connections: set[DirectoryConnection] = set()
        names = {name: entry.dn for entry in entries for name in entry.attributes.get("userPrincipalName", ())}
        self.by_principal_name = {name.lower(): TreeEntry(DistinguishedName(str(dn)), {}) for name, dn in names.items()}


def _build_tree(entries: list[DirectoryEntry]) -> TreeEntry:
    """entries: the suffix first, each parent before its children."""
    suffix = entries[0]
    root = TreeEntry(str(suffix.dn), suffix.attributes)
    nodes = {suffix.dn: root}
    for entry in entries[1:]:
        rdn = str(type(entry.dn)(entry.dn.rdns[:1]))
        nodes[entry.dn] = nodes[entry.dn.parent()].addChild(rdn, entry.attributes)
    return root


registerAdapter(lambda factory: factory.root, DirectoryFactory, IConnectedLDAPEntry)


class EmbeddedDirectory:
    """The demo's directory server.

    entries: the suffix first, each parent before its children. heard: is told every request as it arrived, read by the
    strict decoder; it must not raise. host: the IP address where it listens.
    """

    def __init__(
        self,
        entries: list[DirectoryEntry],
        certificates: CertificateFiles,
        reactor: Reactor,
        heard: Callable[[Request], None] | None = None,
        host: str = LOOPBACK,
    ) -> None:
        self.host = host
        self._reactor = reactor
        self._factory = DirectoryFactory(entries, heard)
        self._certificates = certificates
        # An IListeningPort: Twisted declares its interfaces in a way that mypy cannot read.
        self._listening: Any = None

    @property
    def port(self) -> int:
        if self._listening is None:
            raise RuntimeError("the directory has not been started")
        return int(self._listening.getHost().port)

    @property
    def idle(self) -> bool:
        """Whether nobody is connected."""
        return not self._factory.connections

    async def start(self) -> None:
        """Listens on a free port. Raises OSError, ValueError or CannotListenError."""
        files = self._certificates
        pair = files.private_key.read_text() + files.certificate.read_text()
        tls = ssl.PrivateCertificate.loadPEM(pair).options()
        endpoint = SSL4ServerEndpoint(self._reactor, 0, tls, interface=self.host)
        self._listening = await endpoint.listen(self._factory)

    async def stop(self) -> None:
        if self._listening is not None:
            await maybeDeferred(self._listening.stopListening)
        for connection in list(self._factory.connections):
            connection.transport.abortConnection()
