"""A second opinion: ldap3's ASN.1 description of RFC 4511 and pyasn1's decoder."""

from hypothesis import given, settings
from ldap3.protocol.rfc4511 import LDAPMessage as Ldap3Message
from pyasn1.codec.ber import decoder

from gateway.ldap import messages as m
from tests.ldap import strategies


def read(octets):
    decoded, rest = decoder.decode(octets, asn1Spec=Ldap3Message())
    assert not rest
    return decoded


def is_described(message):
    """ldap3's descriptions of sets of filters, negations, :dn: and SASL credentials are for encoding only."""
    shown = repr(message)
    return not any(word in shown for word in ("And(", "Or(", "Not(", "SaslAuthentication", "ExtensibleMatch"))


@settings(max_examples=600, deadline=None)
@given(strategies.request_messages.filter(is_described))
def test_requests_are_the_same_to_both(message):
    decoded = read(m.encode(message))
    assert int(decoded["messageID"]) == message.message_id
    operation = decoded["protocolOp"].getComponent()
    request = message.operation
    if isinstance(request, m.SearchRequest):
        assert bytes(operation["baseObject"]) == request.base.encode()
        assert int(operation["sizeLimit"]) == request.size_limit
        assert [bytes(a).decode() for a in operation["attributes"]] == list(request.attributes)
    if isinstance(request, m.BindRequest):
        assert bytes(operation["name"]) == request.name.encode()


@settings(max_examples=600, deadline=None)
@given(strategies.response_messages.filter(lambda x: not isinstance(x.operation, m.IntermediateResponse)))
def test_responses_are_the_same_to_both(message):
    decoded = read(m.encode(message))
    operation = decoded["protocolOp"].getComponent()
    if isinstance(message.operation, m.SearchResultEntry):
        assert bytes(operation["object"]) == message.operation.dn.encode()
        assert [
            (bytes(a["type"]).decode(), tuple(bytes(v) for v in a["vals"])) for a in operation["attributes"]
        ] == [(a.type, a.values) for a in message.operation.attributes]
    if isinstance(message.operation, m.SearchResultDone):
        assert int(operation["resultCode"]) == message.operation.result.code
