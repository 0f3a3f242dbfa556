"""What holds of every octet that leaves a session, whatever came in: written here without the policy's own code."""

from collections.abc import Callable, Iterable

from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_request, decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.filters import And, ExtensibleMatch, Filter, Not, Or
from gateway.ldap.framing import Framer
from gateway.relay.audit import AuditRecord
from tests.hostile.octets import BASE, PAGED

# Of tests.policy.policies.POLICY, in lower case.
BASES = (BASE.lower(), r"ou=sales\2c emea,dc=corp,dc=example", r"ou=sales\, emea,dc=corp,dc=example")
EXCLUDED = "ou=secret,ou=staff,dc=corp,dc=example"
ATTRIBUTES = {"mail", "displayname", "member", "objectclass"}
FILTER_ATTRIBUTES = ATTRIBUTES | {"objectcategory", "samaccounttype", "whenchanged", "usnchanged"}
RULES = {"1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804", None}
# The gateway's own searches: which groups, whose entry, which kind of server.
OWN = {"tokengroups", "userprincipalname", "samaccountname", "supportedcapabilities"}
OWN_FILTER = {"userprincipalname", "samaccountname"}


def whole(octets: bytes, decode: Callable[[bytes], m.LDAPMessage]) -> list[m.LDAPMessage]:
    """The messages in octets: nothing but whole ones, and each in its canonical form."""
    framer = Framer(1 << 26)
    found: list[m.LDAPMessage] = []
    framer.feed(octets)
    while (message := framer.next_message()) is not None:
        found.append(decode(message))
        assert encode(found[-1]) == message, "not canonical"
    assert framer.buffered() == 0, "part of a message"
    return found


def base_type(description: str) -> str:
    return description.partition(";")[0].lower()


def below(dn: str, base: str) -> bool:
    """At the base or under it: its text ends the DN's, behind a comma that is not escaped."""
    rest = dn.lower().removesuffix(base)
    if rest == dn.lower():
        return False
    before = rest[:-1].rstrip("\\")
    return not rest or (rest.endswith(",") and (len(rest) - 1 - len(before)) % 2 == 0)


def inside(dn: str) -> bool:
    return any(below(dn, base) for base in BASES) and not below(dn, EXCLUDED)


def filter_types(filter_: Filter) -> set[str]:
    if isinstance(filter_, And | Or):
        return {name for part in filter_.filters for name in filter_types(part)}
    if isinstance(filter_, Not):
        return filter_types(filter_.filter)
    if isinstance(filter_, ExtensibleMatch):
        assert filter_.rule in RULES and not filter_.dn_attributes
    attribute = filter_.attribute
    assert attribute is not None
    return {base_type(attribute)}


def check_forwarded(octets: bytes) -> list[m.LDAPMessage]:
    """Requests to a server; returns them."""
    found = whole(octets, decode_request)
    for message in found:
        request = message.operation
        assert message.message_id > 0
        assert {control.oid for control in message.controls} <= {PAGED}
        assert not isinstance(request, m.UnservedRequest)
        if isinstance(request, m.ExtendedRequest):
            assert request == m.ExtendedRequest(m.WHO_AM_I)
        elif isinstance(request, m.BindRequest):
            assert request.version == 3 and isinstance(request.authentication, m.SimpleAuthentication)
            assert request.name and request.authentication.password
        elif isinstance(request, m.SearchRequest):
            check_search(request)
    return found


def check_search(request: m.SearchRequest) -> None:
    asked = {base_type(name) for name in request.attributes}
    if asked <= OWN or (asked == {"1.1"} and filter_types(request.filter) <= OWN_FILTER):
        return
    assert inside(request.base), request.base
    assert request.deref_aliases == 0
    assert asked <= ATTRIBUTES | {"1.1"} and request.attributes
    assert filter_types(request.filter) <= FILTER_ATTRIBUTES


def check_answered(octets: bytes) -> list[m.LDAPMessage]:
    """Responses to the client; returns them."""
    found = whole(octets, decode_response)
    for message in found:
        response = message.operation
        assert {control.oid for control in message.controls} <= {PAGED}
        if isinstance(response, m.SearchResultEntry) and response.dn:
            assert inside(response.dn), response.dn
            assert {base_type(attribute.type) for attribute in response.attributes} <= ATTRIBUTES
        assert not isinstance(response, m.SearchResultReference | m.IntermediateResponse)
        if isinstance(response, m.FinalResponse):
            assert not response.result.matched_dn and not response.result.referral
        if message.message_id == 0:
            assert isinstance(response, m.ExtendedResponse) and response.oid == m.NOTICE_OF_DISCONNECTION
    return found


def check_records(records: Iterable[AuditRecord], responses: Iterable[m.LDAPMessage]) -> None:
    """Each answer has its audit record, and each record its answer."""
    answered = sorted(
        (x.message_id, x.operation.result.code)
        for x in responses
        if x.message_id and isinstance(x.operation, m.FinalResponse)
    )
    recorded = sorted(
        (record.message_id, record.code)
        for record in records
        if record.code is not None and record.operation not in ("malformed", "session")
    )
    assert answered == recorded
