"""A second opinion: what ldap3's ASN.1 description of RFC 4511 and pyasn1's decoder make of the same octets."""

from hypothesis import given, settings
from ldap3.protocol.rfc4511 import LDAPMessage as Ldap3Message
from pyasn1.codec.ber import decoder

from gateway.ldap import filters as f
from gateway.ldap import messages as m
from gateway.ldap.controls import Control
from gateway.ldap.encoding import encode
from gateway.ldap.results import LDAPResult
from tests.examples import examples
from tests.ldap import strategies

DESCRIPTION = Ldap3Message()


def read(octets):
    """The message as values of gateway.ldap, put together from what the other decoder found."""
    decoded, rest = decoder.decode(octets, asn1Spec=DESCRIPTION)
    assert not rest
    controls = tuple(
        Control(text(control["controlType"]), bool(control["criticality"]), optional(control, "controlValue"))
        for control in items(decoded, "controls")
    )
    operation = decoded["protocolOp"]
    made = OPERATIONS[operation.getName()](operation.getComponent())
    return m.LDAPMessage(int(decoded["messageID"]), made, controls)


def text(value):
    return bytes(value).decode()


def optional(parent, name, convert=bytes):
    found = parent[name]
    return convert(found) if found.hasValue() else None


def items(parent, name):
    found = parent[name]
    return found if found.isValue else ()


def search_request(found):
    return m.SearchRequest(
        text(found["baseObject"]),
        int(found["scope"]),
        search_filter(found["filter"]),
        tuple(text(attribute) for attribute in found["attributes"]),
        int(found["derefAliases"]),
        int(found["sizeLimit"]),
        int(found["timeLimit"]),
        bool(found["typesOnly"]),
    )


def search_filter(found):
    kind = found.getName()
    part = found.getComponent()
    if kind == "present":
        return f.Present(text(part))
    if kind == "substringFilter":
        pieces = [(piece.getName(), bytes(piece.getComponent())) for piece in part["substrings"]]
        initial = pieces.pop(0)[1] if pieces[0][0] == "initial" else None
        final = pieces.pop()[1] if pieces and pieces[-1][0] == "final" else None
        assert {name for name, _ in pieces} <= {"any"}
        return f.Substrings(text(part["type"]), initial, tuple(octets for _, octets in pieces), final)
    if kind == "extensibleMatch":
        rule, attribute = optional(part, "matchingRule", text), optional(part, "type", text)
        return f.ExtensibleMatch(rule, attribute, bytes(part["matchValue"]), bool(part["dnAttributes"]))
    assertions = {
        "equalityMatch": f.EqualityMatch,
        "greaterOrEqual": f.GreaterOrEqual,
        "lessOrEqual": f.LessOrEqual,
        "approxMatch": f.ApproxMatch,
    }
    return assertions[kind](text(part["attributeDesc"]), bytes(part["assertionValue"]))


def bind_request(found):
    kind = found["authentication"].getName()
    chosen = found["authentication"].getComponent()
    if kind == "simple":
        authentication = m.SimpleAuthentication(bytes(chosen))
    else:
        authentication = m.SaslAuthentication(text(chosen["mechanism"]), optional(chosen, "credentials"))
    return m.BindRequest(int(found["version"]), text(found["name"]), authentication)


def result(found):
    return LDAPResult(
        int(found["resultCode"]),
        text(found["matchedDN"]),
        text(found["diagnosticMessage"]),
        tuple(text(uri) for uri in items(found, "referral")),
    )


def entry(found):
    attributes = tuple(
        m.Attribute(text(attribute["type"]), tuple(bytes(value) for value in attribute["vals"]))
        for attribute in found["attributes"]
    )
    return m.SearchResultEntry(text(found["object"]), attributes)


OPERATIONS = {
    "bindRequest": bind_request,
    "unbindRequest": lambda found: m.UnbindRequest(),
    "searchRequest": search_request,
    "abandonRequest": lambda found: m.AbandonRequest(int(found)),
    "extendedReq": lambda found: m.ExtendedRequest(text(found["requestName"]), optional(found, "requestValue")),
    "searchResEntry": entry,
    "searchResDone": lambda found: m.SearchResultDone(result(found)),
    "searchResRef": lambda found: m.SearchResultReference(tuple(text(uri) for uri in found)),
    "bindResponse": lambda found: m.BindResponse(result(found), optional(found, "serverSaslCreds")),
    "extendedResp": lambda found: m.ExtendedResponse(
        result(found), optional(found, "responseName", text), optional(found, "responseValue")
    ),
    "modifyResponse": lambda found: m.UnservedResponse(0x67, result(found)),
    "addResponse": lambda found: m.UnservedResponse(0x69, result(found)),
    "delResponse": lambda found: m.UnservedResponse(0x6B, result(found)),
    "modDNResponse": lambda found: m.UnservedResponse(0x6D, result(found)),
    "compareResponse": lambda found: m.UnservedResponse(0x6F, result(found)),
}


def is_described(message):
    """ldap3's descriptions of And, Or and Not are for encoding only; test_against_ldaptor has these."""
    shown = repr(message)
    return not any(word in shown for word in ("And(", "Or(", "Not("))


@settings(max_examples=examples(1500), deadline=None)
@given(strategies.request_messages.filter(is_described))
def test_requests_are_the_same_to_both(message):
    assert read(encode(message)) == message


@settings(max_examples=examples(2500), deadline=None)
@given(strategies.response_messages.filter(lambda x: not isinstance(x.operation, m.IntermediateResponse)))
def test_responses_are_the_same_to_both(message):
    assert read(encode(message)) == message
