"""A second opinion on filters: what ldaptor's decoder makes of the same octets."""

import warnings

from hypothesis import given, settings

from gateway.ldap import filters as f
from gateway.ldap import messages as m
from gateway.ldap.encoding import encode
from tests.examples import examples
from tests.ldap import strategies

with warnings.catch_warnings():
    # Its old dependencies announce their own deprecations.
    warnings.simplefilter("ignore")
    from ldaptor.protocols import pureber, pureldap

CONTEXT = pureldap.LDAPBERDecoderContext_TopLevel(
    inherit=pureldap.LDAPBERDecoderContext_LDAPMessage(
        fallback=pureldap.LDAPBERDecoderContext(fallback=pureber.BERDecoderContext()),
        inherit=pureldap.LDAPBERDecoderContext(fallback=pureber.BERDecoderContext()),
    )
)

ASSERTIONS = {
    pureldap.LDAPFilter_equalityMatch: f.EqualityMatch,
    pureldap.LDAPFilter_greaterOrEqual: f.GreaterOrEqual,
    pureldap.LDAPFilter_lessOrEqual: f.LessOrEqual,
    pureldap.LDAPFilter_approxMatch: f.ApproxMatch,
}


def search_filter(found):
    """The filter as a value of gateway.ldap."""
    kind = type(found)
    if kind in ASSERTIONS:
        return ASSERTIONS[kind](found.attributeDesc.value.decode(), found.assertionValue.value)
    if kind is pureldap.LDAPFilter_present:
        return f.Present(found.value.decode())
    if kind is pureldap.LDAPFilter_substrings:
        return substrings(found)
    if kind is pureldap.LDAPFilter_extensibleMatch:
        rule = None if found.matchingRule is None else found.matchingRule.value.decode()
        attribute = None if found.type is None else found.type.value.decode()
        dn_attributes = found.dnAttributes is not None and bool(found.dnAttributes.value)
        return f.ExtensibleMatch(rule, attribute, found.matchValue.value, dn_attributes)
    if kind is pureldap.LDAPFilter_not:
        return f.Not(search_filter(found.value))
    return {pureldap.LDAPFilter_and: f.And, pureldap.LDAPFilter_or: f.Or}[kind](tuple(map(search_filter, found)))


def substrings(found):
    pieces = list(found.substrings)
    initial = pieces.pop(0).value if isinstance(pieces[0], pureldap.LDAPFilter_substrings_initial) else None
    last = pieces and isinstance(pieces[-1], pureldap.LDAPFilter_substrings_final)
    final = pieces.pop().value if last else None
    assert all(isinstance(piece, pureldap.LDAPFilter_substrings_any) for piece in pieces)
    return f.Substrings(found.type.decode(), initial, tuple(piece.value for piece in pieces), final)


@settings(max_examples=examples(2000), deadline=None)
@given(strategies.filters)
def test_filters_are_the_same_to_both(wanted):
    octets = encode(m.LDAPMessage(7, m.SearchRequest("dc=corp", 2, wanted, ("cn",))))
    decoded, consumed = pureber.berDecodeObject(CONTEXT, octets)
    assert consumed == len(octets)
    assert decoded.id == 7
    assert search_filter(decoded.value.filter) == wanted
